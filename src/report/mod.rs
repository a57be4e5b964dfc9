//! The write-up: runbook and journal → one plain value → Markdown and HTML. Offline; nothing here calls AWS.
//!
//! A value never becomes markup. Templates are resolved with a token for each value (`prose`, `token`); what
//! comes out is read as Markdown; then each token is replaced by the value, escaped for the place where it stands
//! and for the format (`markdown`, `html`). HTML that the author wrote is shown as text in both formats, and
//! comments are left out. Floats show four decimals, or four significant digits below 0.1.

mod chart;
mod data;
mod html;
mod link;
mod markdown;
mod part;
mod prose;
mod redact;
#[cfg(test)]
mod tests;
mod token;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use pulldown_cmark::Options;

use self::data::ReportData;
use crate::journal::State;
use crate::runbook::Runbook;

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    pub markdown: PathBuf,
    pub html: PathBuf,
}

/// Renders the write-up into `folder`: `report.md`, `report.html`, and `figures/` for the Markdown. The same
/// runbook and state give the same bytes.
pub fn write(runbook: &Runbook, state: &State, folder: &Path) -> std::io::Result<Written> {
    let data = ReportData::new(runbook, state);
    let beside = runbook.source.path.parent().filter(|beside| !beside.as_os_str().is_empty());
    let pictures = link::pictures(&data, beside.unwrap_or(Path::new(".")));
    let markdown = markdown::render(&data, &pictures).map_err(std::io::Error::other)?;
    let html = html::render(&data, &pictures).map_err(std::io::Error::other)?;
    let figures = folder.join("figures");
    std::fs::create_dir_all(folder)?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    files.extend(markdown::drawings(&data).into_iter().map(|(path, svg)| (path, svg.into_bytes())));
    files.extend(pictures.into_values().map(|picture| (picture.path, picture.bytes)));
    if !files.is_empty() {
        std::fs::create_dir_all(&figures)?;
    }
    for (path, bytes) in &files {
        replace(&folder.join(path), bytes)?;
    }
    leave_only(&figures, &files)?;
    let written = Written { markdown: folder.join("report.md"), html: folder.join("report.html") };
    replace(&written.markdown, redact::secrets(&markdown).as_bytes())?;
    replace(&written.html, redact::secrets(&html).as_bytes())?;
    Ok(written)
}

/// How prose is read: as a runbook is, but for front matter, of which none is left.
fn options() -> Options {
    crate::runbook::markdown_options() - Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
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

/// Takes away the figures of an earlier rendering, and no file that we did not write.
fn leave_only(figures: &Path, files: &[(String, Vec<u8>)]) -> std::io::Result<()> {
    if !figures.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(figures)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let ours = ["figure-", "picture-"].iter().any(|ours| name.starts_with(ours));
        if ours && !files.iter().any(|(path, _)| *path == format!("figures/{name}")) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
