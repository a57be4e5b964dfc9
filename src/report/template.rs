//! The templates of a write-up: those that are compiled in, and in their place those of the user's folder.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Read as _};
use std::path::Path;

use minijinja::{AutoEscape, Environment};

/// The largest template that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The most instructions of a template of the user's: a report of 10,000 steps takes some 3,000,000.
const FUEL: u64 = 100_000_000;

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        const BUILT_IN: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../templates/", $name)))),*];
    };
}

built_in!(
    "closing.html.j2",
    "closing.md.j2",
    "diff.html.j2",
    "figure.html.j2",
    "figure.md.j2",
    "first.html.j2",
    "first.md.j2",
    "report.html.j2",
    "report.md.j2",
    "report.typ",
    "style.css",
);

/// Templates by name. A built-in one is there under `opsml/NAME`, too, so that the user's of the same name can extend it.
#[derive(Clone, Debug)]
pub struct Templates(BTreeMap<String, String>);

impl Default for Templates {
    fn default() -> Self {
        let both = |(name, text): &(&str, &str)| {
            [(format!("opsml/{name}"), (*text).to_owned()), ((*name).to_owned(), (*text).to_owned())]
        };
        Self(BUILT_IN.iter().flat_map(both).collect())
    }
}

impl Templates {
    /// Reads the templates of a folder: each takes the place of the built-in one of its name.
    ///
    /// # Errors
    /// A file has a name that no template of a write-up has, or is not text.
    pub fn with(folder: &Path) -> std::io::Result<Self> {
        let mut templates = Self::default();
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !templates.0.contains_key(&name) {
                let known: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                let shown = path.display();
                let message = format!("{shown} is no template; templates are {}", known.join(", "));
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            let mut text = String::new();
            crate::files::open(&path)
                .and_then(|file| file.take(MAX_BYTES + 1).read_to_string(&mut text))
                .map_err(|error| Error::new(error.kind(), format!("{}: {error}", path.display())))?;
            if text.len() as u64 > MAX_BYTES {
                let message = format!("{} is larger than {MAX_BYTES} bytes", path.display());
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
            templates.0.insert(name, text);
        }
        Ok(templates)
    }

    /// Returns the text of a template that is built in, or of the user's in its place.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns an environment with all that are minijinja's. Tags alone on their line leave nothing.
    pub fn environment(&self, escape: AutoEscape) -> Result<Environment<'_>, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(
            minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?,
        );
        environment.set_auto_escape_callback(move |_| escape.clone());
        environment.set_fuel(Some(FUEL));
        for (name, text) in self.0.iter().filter(|(name, _)| !name.ends_with(".typ")) {
            environment.add_template(name, text)?;
        }
        Ok(environment)
    }
}

/// What is wrong with a template, and where.
pub fn explained(error: &minijinja::Error) -> String {
    let place = error.name().map(|name| match error.line() {
        Some(line) => format!("the template {name}, line {line}: "),
        None => format!("the template {name}: "),
    });
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    let detail = error.detail().map(|detail| format!(": {detail}"));
    format!(
        "{}{}{}{}",
        place.unwrap_or_default(),
        error.kind(),
        detail.unwrap_or_default(),
        cause.unwrap_or_default()
    )
}
