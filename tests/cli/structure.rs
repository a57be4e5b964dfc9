//! ARCHITECTURE.md's rules about the code, held by reading it.

use std::path::{Path, PathBuf};

/// The rooms of `src/`, and the modules that each may use beside itself.
const MAY_USE: &[(&str, &[&str])] = &[
    ("cmd", &["*"]),
    (
        "runner",
        &[
            "attachment",
            "aws",
            "decide",
            "failure",
            "files",
            "journal",
            "plan",
            "resource",
            "runbook",
            "step",
        ],
    ),
    // The checks of a kind's schema are tried out where the kinds are.
    (
        "step",
        &[
            "action",
            "archive",
            "aws",
            "diagnostic",
            "failure",
            "files",
            "iam_actions",
            "journal",
            "price",
            "resource",
            "runbook",
            "script",
        ],
    ),
    ("resource", &["attachment", "aws", "failure", "files", "journal"]),
    // `s3://…` is read in one place.
    ("action", &["aws", "failure", "files", "resource"]),
    ("aws", &["failure"]),
    ("runbook", &["diagnostic", "step"]),
    ("plan", &["attachment", "decide", "diagnostic", "journal", "runbook", "step"]),
    ("decide", &["attachment", "journal", "runbook"]),
    ("attachment", &["journal"]),
    ("journal", &["failure"]),
    ("report", &["diagnostic", "failure", "journal", "runbook"]),
    ("console", &["diagnostic", "journal", "report"]),
    ("archive", &["diagnostic", "failure", "files"]),
    ("files", &["failure"]),
    ("script", &["failure"]),
    ("cli", &[]),
    ("diagnostic", &[]),
    ("exit", &[]),
    ("failure", &["exit"]),
    ("iam_actions", &[]),
    ("price", &[]),
];

/// What `runbook` and `plan` may know of `step`: descriptions, and nothing that runs.
const TYPES_OF_STEP: &[&str] = &[
    "Common",
    "Step::read",
    "KindInfo",
    "common_keys",
    "common_schema",
    "duration",
    "kind",
    "kind_names",
    "kinds",
];

struct Source {
    /// From the repository's root.
    path: String,
    /// `runbook` of `src/runbook/check.rs`; empty outside of `src/`.
    room: String,
    text: String,
}

impl Source {
    /// Lines of code with their numbers: no comments, and no unit tests, which may use anything.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = match self.path.ends_with("/tests.rs") {
            true => 0,
            false => self.text.find("\n#[cfg(test)]\nmod tests {").unwrap_or(self.text.len()),
        };
        let lines = self.text[..end].lines().enumerate().map(|(index, line)| (index + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.path)
    }

    /// The modules of this crate that a file names, each with the line and what of it is named.
    fn uses(&self) -> Vec<(usize, &str, &str)> {
        let mut found = Vec::new();
        for (number, line) in self.code() {
            for (at, _) in line.match_indices("crate::") {
                // `$crate::` and another crate's name behind it end the same way.
                if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let rest = &line[at + "crate::".len()..];
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                found.push((number, &rest[..end], rest[end..].trim_start_matches("::")));
            }
        }
        found
    }
}

fn root() -> PathBuf {
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

/// Every Rust file of these folders; there must be some.
fn sources(folders: &[&str]) -> Vec<Source> {
    let mut files = Vec::new();
    for folder in folders {
        let before = files.len();
        rust_files(&root().join(folder), &mut files);
        assert!(files.len() > before, "{folder} has no Rust file");
    }
    let read = |path: PathBuf| {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        let room = shown.strip_prefix("src/").map(|below| below.split(['/', '.']).next().unwrap().to_owned());
        Source { room: room.unwrap_or_default(), text: std::fs::read_to_string(&path).unwrap(), path: shown }
    };
    files.into_iter().map(read).collect()
}

#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn every_file_says_its_subject_and_has_only_one() {
    let all = sources(&["src", "crates", "tests"]);
    let silent = all.iter().filter(|source| !source.text.starts_with("//! "));
    none("these files don't open with //!", silent.map(|source| source.path.clone()).collect());
    let long =
        all.iter().map(|source| (source, source.text.lines().count())).filter(|(_, lines)| *lines > 600);
    none(
        "these files have more than 600 lines",
        long.map(|(source, n)| format!("{}: {n}", source.path)).collect(),
    );
}

#[test]
fn each_room_uses_what_it_may() {
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !["lib", "main"].contains(&source.room.as_str())) {
        let Some((_, may)) = MAY_USE.iter().find(|(room, _)| *room == source.room) else {
            panic!("{}: ARCHITECTURE.md and this test don't know the room `{}`", source.path, source.room);
        };
        for (line, module, _) in source.uses() {
            if module != source.room && !may.contains(&module) && !may.contains(&"*") {
                wrong.push(format!("{}: `{}` may not use `{module}`", source.place(line), source.room));
            }
        }
    }
    none("a module uses what it may not", wrong);
}

#[test]
fn runbook_and_plan_do_no_io() {
    const IO: &[&str] =
        &["std::fs", "std::net", "std::process", "std::env", "tokio", "ureq", "rusqlite", "File::"];
    let mut wrong = Vec::new();
    for source in sources(&["src/runbook", "src"])
        .iter()
        .filter(|s| ["runbook", "plan", "decide", "attachment", "diagnostic"].contains(&s.room.as_str()))
    {
        for (line, text) in source.code() {
            wrong.extend(
                IO.iter().filter(|io| text.contains(**io)).map(|io| format!("{}: {io}", source.place(line))),
            );
            let step = text
                .match_indices("step::")
                .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            for (at, _) in step {
                let rest = &text[at + "step::".len()..];
                let end =
                    rest.find(|c: char| !c.is_alphanumeric() && !"_:".contains(c)).unwrap_or(rest.len());
                if !rest.starts_with('{') && !TYPES_OF_STEP.contains(&rest[..end].trim_end_matches(':')) {
                    wrong.push(format!("{}: step::{}", source.place(line), &rest[..end]));
                }
            }
        }
    }
    none("what must be pure is not", wrong);
}

#[test]
fn only_resources_and_actions_call_aws() {
    let may = |source: &Source| ["aws", "resource", "action"].contains(&source.room.as_str());
    let mut wrong = Vec::new();
    for source in sources(&["src"]).iter().filter(|source| !may(source)) {
        for (line, text) in source.code() {
            // The SDK's enums are AWS's lists of values; naming them calls nothing.
            let sdk = text.contains("aws_sdk_") && !text.contains("::types::");
            if sdk || text.contains("aws_config") || text.contains("aws_smithy") {
                wrong.push(format!("{}: {}", source.place(line), text.trim()));
            }
        }
    }
    none("these call AWS on their own", wrong);
}

/// To the engine, the local cloud and the worker are AWS; so neither knows the engine.
#[test]
fn the_other_crates_do_not_know_the_engine() {
    for name in ["contract", "handler", "local-cloud", "worker"] {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let engine = manifest.lines().find(|line| {
            line.starts_with("opsml ") || line.starts_with("opsml=") || line.starts_with("opsml.")
        });
        assert_eq!(engine, None, "{name} depends on the engine");
        for other in ["local-cloud", "opsml-worker", "opsml-handler"] {
            // A package's own name stands in quotes.
            assert!(!manifest.contains(&format!("\n{other}")), "{name} depends on {other}");
        }
    }
    let outside = sources(&[
        "crates/contract/src",
        "crates/handler/src",
        "crates/local-cloud/src",
        "crates/worker/src",
    ]);
    let names = |source: &Source, (line, text): (usize, &str)| {
        let named = text.contains("opsml::").then(|| source.place(line));
        named.filter(|_| !text.contains("_opsml::"))
    };
    none(
        "these name the engine",
        outside.iter().flat_map(|s| s.code().filter_map(|line| names(s, line))).collect(),
    );
    // The engine starts and stops the local cloud as `opsml cloud`; all else goes over the wire.
    let inside = sources(&["src"]);
    let knows = inside.iter().filter(|source| source.code().any(|(_, text)| text.contains("local_cloud::")));
    assert_eq!(knows.map(|source| source.path.as_str()).collect::<Vec<_>>(), ["src/cmd/cloud.rs"]);
}
