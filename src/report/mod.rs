//! The write-up: runbook and journal → one plain value → Markdown and HTML. Offline; nothing here calls AWS.
//!
//! A value never becomes markup. Templates are resolved with a token for each value (`prose`, `token`); what
//! comes out is read as Markdown; then each token is replaced by the value, escaped for the place where it stands
//! and for the format (`markdown`, `html`). HTML that the author wrote is shown as text in both formats, and
//! comments are left out. Secrets are taken out of the values and of the author's text before that (`veil`): what is
//! rendered is never changed. Floats show four decimals, or four significant digits below 0.1.

mod background;
mod chart;
mod closing;
mod data;
mod diagram;
mod fact;
mod first;
mod html;
mod link;
mod markdown;
mod number;
mod part;
mod prose;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod token;
mod veil;
mod view;

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use minijinja::value::Serde;
use regex::Regex;

pub use self::background::{Alive, Background};
use self::data::ReportData;
use crate::journal::State;
use crate::runbook::Runbook;

/// Returns when the run ended that filled the write-up, in milliseconds since 1970.
pub fn filled(state: &State) -> i64 {
    closing::filling_run(state).and_then(|run| run.ended).unwrap_or(state.last)
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub markdown: PathBuf,
    pub html: PathBuf,
}

/// Renders the write-up into `folder`: `report.md`, `report.html`, and `figures/` for the Markdown. The same
/// runbook, state and living resources give the same bytes.
///
/// # Errors
/// The folder has a `report.md` or `report.html` that is not a write-up.
pub fn write(
    runbook: &Runbook,
    state: &State,
    background: &Background,
    folder: &Path,
) -> std::io::Result<Written> {
    let data = ReportData::new(runbook, state, background);
    let beside = runbook.source.path.parent().filter(|beside| !beside.as_os_str().is_empty());
    let pictures = link::pictures(&data, beside.unwrap_or(Path::new(".")));
    let shown = minijinja::Value::from(Serde(&data));
    let (markdown, html) = std::thread::scope(|threads| {
        let html = threads.spawn(|| html::render(&data, shown.clone(), &pictures));
        let markdown = markdown::render(&data, shown.clone(), &pictures);
        (markdown, html.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let markdown = markdown.map_err(std::io::Error::other)?;
    let html = html.map_err(std::io::Error::other)?;
    let written = Written { markdown: folder.join("report.md"), html: folder.join("report.html") };
    let ours = is_ours(&written.html)?;
    if let Some(other) = [&written.html, &written.markdown].into_iter().find(|path| !ours && path.exists()) {
        let shown = other.display();
        return Err(std::io::Error::other(format!(
            "{shown} is not a write-up of opsml, and stays: name another folder with --report"
        )));
    }
    let figures = folder.join("figures");
    std::fs::create_dir_all(folder)?;
    // The page comes first: by it, all that is here is known to be ours.
    replace(&written.html, html.as_bytes())?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    files.extend(markdown::drawings(&data).into_iter().map(|(path, svg)| (path, svg.into_bytes())));
    files.extend(pictures.into_values().map(|picture| (picture.path, picture.bytes)));
    if !files.is_empty() {
        std::fs::create_dir_all(&figures)?;
    }
    for (path, bytes) in &files {
        replace(&folder.join(path), bytes)?;
    }
    if ours {
        leave_only(&figures, &files)?;
    }
    replace(&written.markdown, markdown.as_bytes())?;
    Ok(written)
}

/// Whether a page was written here: it says so in its head.
fn is_ours(page: &Path) -> std::io::Result<bool> {
    let mut head = Vec::new();
    match std::fs::File::open(page) {
        Ok(file) => file.take(4096).read_to_end(&mut head)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(String::from_utf8_lossy(&head).contains(r#"<meta name="generator" content="opsml">"#))
}

/// Who reads a file that is being written sees the old one whole.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(readable()).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)?;
    Ok(())
}

/// A write-up is for others to read; temporary files are not at first.
fn readable() -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::Permissions::from_mode(0o644)
}

static FIGURE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^((figure|picture)-\d+|diagram)\.(svg|png|jpeg|jpg)$").expect("the pattern is a constant")
});

/// Takes away the figures of an earlier rendering, and no file that we did not write.
fn leave_only(figures: &Path, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    if !figures.is_dir() {
        return Ok(());
    }
    let ours: HashSet<&str> = files.iter().filter_map(|(path, _)| path.strip_prefix("figures/")).collect();
    for entry in std::fs::read_dir(figures)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if FIGURE.is_match(&name) && !ours.contains(name.as_str()) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
