//! Reads the source for the structure tests: files, their modules, and the paths that they name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A Rust file.
pub struct Source {
    /// Relative to the repository's root.
    pub path: String,
    /// The module's path in its crate, such as `["runbook", "check"]`. Empty for `lib.rs` and `main.rs`.
    pub module: Vec<String>,
    pub text: String,
}

impl Source {
    /// Returns the top-level module that the file belongs to. Empty for `lib.rs` and `main.rs`.
    pub fn top(&self) -> &str {
        self.module.first().map_or("", String::as_str)
    }

    /// Returns whether the file consists of unit tests, which may use anything.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Returns the lines of code with their numbers: no comments and no unit tests.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = match self.is_test() {
            true => 0,
            false => [
                "\n#[cfg(test)]\nmod tests {",
                "\n#[cfg(test)]\npub mod tests {",
                "\n#[cfg(test)]\npub(super) mod tests {",
            ]
            .iter()
            .filter_map(|opening| self.text.find(opening))
            .min()
            .unwrap_or(self.text.len()),
        };
        let lines = self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Returns `FILE:LINE`.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    /// Returns every path that begins with `crate`, `super` or `self`, with its line. A path is a list of names that
    /// starts at the crate's root. A group (`crate::{a, b::c}`) gives one path for each of its members.
    pub fn paths(&self) -> Vec<(usize, Vec<String>)> {
        let mut tokens: Vec<(usize, String)> = Vec::new();
        for (number, line) in self.code() {
            tokens.extend(tokens_of(line).map(|token| (number, token)));
        }
        let mut found = Vec::new();
        for at in 0..tokens.len() {
            let (line, token) = &tokens[at];
            // `$crate` and `other::super` aren't the beginning of a path.
            let begins = at == 0 || !["::", "$"].contains(&tokens[at - 1].1.as_str());
            if !begins || tokens.get(at + 1).is_none_or(|(_, next)| next != "::") {
                continue;
            }
            let start = match token.as_str() {
                "crate" => Vec::new(),
                "self" => self.module.clone(),
                "super" => self.module[..self.module.len().saturating_sub(1)].to_vec(),
                _ => continue,
            };
            let mut next = at + 2;
            read_path(&tokens, &mut next, start, &mut |path| found.push((*line, path)));
        }
        found
    }
}

/// Splits a line into words, `::` and single characters. The content of strings is left out.
fn tokens_of(line: &str) -> impl Iterator<Item = String> {
    let mut tokens = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                while let Some(c) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if chars.peek() == Some(&'/') => break,
            ':' if chars.peek() == Some(&':') => {
                chars.next();
                tokens.push("::".to_owned());
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                    word.push(c);
                }
                tokens.push(word);
            }
            c if c.is_whitespace() => {}
            c => tokens.push(c.to_string()),
        }
    }
    tokens.into_iter()
}

fn is_word(token: &str) -> bool {
    token.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Reads what follows `start::` at `next`, and passes each whole path to the closure.
fn read_path(
    tokens: &[(usize, String)],
    next: &mut usize,
    mut path: Vec<String>,
    found: &mut impl FnMut(Vec<String>),
) {
    loop {
        match tokens.get(*next).map(|(_, token)| token.as_str()) {
            Some("{") => {
                *next += 1;
                while let Some((_, token)) = tokens.get(*next) {
                    match token.as_str() {
                        "}" => {
                            *next += 1;
                            return;
                        }
                        "," => *next += 1,
                        _ => read_path(tokens, next, path.clone(), found),
                    }
                }
                return;
            }
            Some("super") => drop(path.pop()),
            Some("self") => {}
            Some(word) if is_word(word) => path.push(word.to_owned()),
            _ => {
                // `*` of a glob, `<` of a type.
                *next += 1;
                return found(path);
            }
        }
        *next += 1;
        if tokens.get(*next).is_some_and(|(_, token)| token == "as") {
            *next += 2;
        }
        if tokens.get(*next).is_none_or(|(_, token)| token != "::") {
            return found(path);
        }
        *next += 1;
    }
}

/// Returns the repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Returns every Rust file of a folder, which must have some.
pub fn sources(folder: &str) -> Vec<Source> {
    let mut files = Vec::new();
    rust_files(&root().join(folder), &mut files);
    assert!(!files.is_empty(), "{folder} has no Rust file");
    files.sort();
    let read = |path: PathBuf| {
        let below = path.strip_prefix(root().join(folder)).unwrap().with_extension("");
        let mut module: Vec<String> = below.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        if ["mod", "lib", "main"].contains(&module.last().map_or("", String::as_str)) {
            module.pop();
        }
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        Source { path: shown, module, text: std::fs::read_to_string(&path).unwrap() }
    };
    files.into_iter().map(read).collect()
}

/// Which files of a crate import which other files; or the same for modules.
pub struct Imports {
    /// The paths of files, or the names of modules.
    names: Vec<String>,
    /// For each name, by index: the indices of those that it imports, and the place of the first import of each.
    uses: Vec<BTreeMap<usize, String>>,
}

impl Imports {
    /// Reads the imports among a crate's files. A module's own file (`mod.rs`) also uses each module below it, since it
    /// declares them.
    pub fn of(files: &[Source]) -> Self {
        let by_module: BTreeMap<&[String], usize> =
            files.iter().enumerate().map(|(index, file)| (&*file.module, index)).collect();
        let mut uses = Vec::new();
        for (index, file) in files.iter().enumerate() {
            let mut found = BTreeMap::new();
            for (line, path) in file.paths() {
                let known = (0..=path.len()).rev().find_map(|end| by_module.get(&path[..end]));
                if let Some(used) = known.filter(|used| **used != index) {
                    found.entry(*used).or_insert_with(|| file.place(line));
                }
            }
            for (line, text) in file.code() {
                let declared = text.split("mod ").nth(1).and_then(|rest| rest.trim().strip_suffix(';'));
                let child = declared.map(|name| [&*file.module, &[name.to_owned()]].concat());
                if let Some(child) = child.and_then(|child| by_module.get(&*child)) {
                    found.entry(*child).or_insert_with(|| file.place(line));
                }
            }
            uses.push(found);
        }
        Self { names: files.iter().map(|file| file.path.clone()).collect(), uses }
    }

    /// Reads the imports among a crate's modules: the folders and files of its root.
    pub fn of_modules(files: &[Source]) -> Self {
        let names: BTreeSet<&str> = files.iter().map(Source::top).filter(|top| !top.is_empty()).collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let index = |name: &str| names.iter().position(|known| known == name);
        let mut uses = vec![BTreeMap::new(); names.len()];
        for file in files {
            let Some(from) = index(file.top()) else { continue };
            for (line, path) in file.paths() {
                if let Some(to) = path.first().and_then(|top| index(top)).filter(|to| *to != from) {
                    uses[from].entry(to).or_insert_with(|| file.place(line));
                }
            }
        }
        Self { names, uses }
    }

    /// Returns each circle, with a line for every import in it.
    pub fn circles(&self) -> Vec<String> {
        let reach: Vec<BTreeSet<usize>> = (0..self.names.len()).map(|start| self.reachable(start)).collect();
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for start in 0..self.names.len() {
            let circle: Vec<usize> =
                reach[start].iter().copied().filter(|other| reach[*other].contains(&start)).collect();
            if circle.is_empty() || !seen.insert(circle.clone()) {
                continue;
            }
            let mut lines = Vec::new();
            for from in &circle {
                for (to, place) in self.uses[*from].iter().filter(|(to, _)| circle.contains(to)) {
                    lines.push(format!("{place} uses {}", self.names[*to]));
                }
            }
            circles.push(format!("a circle of {}:\n    {}", circle.len(), lines.join("\n    ")));
        }
        circles
    }

    fn reachable(&self, start: usize) -> BTreeSet<usize> {
        let (mut found, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(from) = open.pop() {
            open.extend(self.uses[from].keys().filter(|to| found.insert(**to)));
        }
        found
    }
}

/// A row of ARCHITECTURE.md's tables of modules.
pub struct Row {
    /// Top-level modules. A row may be about several.
    pub modules: Vec<String>,
    /// The modules that they may use in addition to themselves. None means all.
    pub may_use: Option<Vec<String>>,
}

/// Returns the services of the local cloud in the order of the list that ends its `lib.rs`.
pub fn services() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("crates/local-cloud/src/lib.rs")).unwrap();
    let (_, list) = text.split_once("services! {").unwrap();
    let modules = list.lines().filter(|line| line.starts_with("    ") && !line.starts_with("     "));
    let modules = modules.filter_map(|line| line.trim_start().split_once(": "));
    modules.map(|(module, _)| module.to_owned()).filter(|module| module != "authority").collect()
}

/// Reads the table under the heading "Modules of `FOLDER`" of ARCHITECTURE.md: `| module | holds | may use |`.
pub fn table(folder: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let heading = format!("Modules of `{folder}`");
    let section = text.split("\n#").find(|section| section.lines().next().unwrap().ends_with(&heading));
    let section = section.unwrap_or_else(|| panic!("ARCHITECTURE.md has no section \"{heading}\""));
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [modules, _, may_use] = cells[..] else { panic!("not a row of three cells: {line}") };
        Row { modules: quoted(modules), may_use: (may_use != "everything").then(|| quoted(may_use)) }
    };
    let rows: Vec<Row> = rows.map(row).collect();
    assert!(!rows.is_empty(), "the table of {folder} is empty");
    rows
}

/// Returns the names in back-ticks, without a slash or an ending.
fn quoted(cell: &str) -> Vec<String> {
    let name = |text: &str| text.trim_end_matches('/').trim_end_matches(".rs").to_owned();
    cell.split('`').skip(1).step_by(2).map(name).collect()
}
