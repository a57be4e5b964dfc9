//! The write-up: runbook and journal → one plain value → Markdown, HTML and PDF. Offline; nothing here calls AWS.
//!
//! A value never becomes markup. Templates are resolved with a token for each value (`prose`, `token`); what
//! comes out is read as Markdown; then each token is replaced by the value, escaped for the place where it stands
//! and for the format (`markdown`, `html`), or put as plain text into a tree (`document`), which a template reads as
//! data (`pdf`). HTML that the author wrote is shown as text in all formats, and comments are left out. Secrets are
//! taken out of the values and of the author's text before that (`veil`): what is rendered is never changed. Floats show
//! four decimals, or four significant digits below 0.1.

mod background;
mod chart;
mod closing;
mod data;
mod diagram;
mod document;
mod fact;
mod first;
mod html;
mod label;
mod link;
mod markdown;
mod notebook;
mod number;
mod overview;
mod part;
mod pdf;
mod prose;
mod step;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod token;
mod veil;
mod view;

use std::collections::HashSet;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use minijinja::value::Serde;
use regex::Regex;
use serde::Serialize as _;

pub use self::background::{Alive, Background};
use self::data::ReportData;
pub use self::markdown::text as markdown_text;
pub use self::prose::fenced;
pub use self::template::Templates;
use crate::journal::{self, State};
use crate::runbook::Runbook;

/// Returns when the run ended that filled the write-up, in milliseconds since 1970.
pub fn filled(state: &State) -> i64 {
    closing::filling_run(state).and_then(|run| run.ended).unwrap_or(state.last)
}

/// A format of the write-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Markdown,
    Html,
    Pdf,
}

/// Where and how a write-up is rendered.
#[derive(Clone, Copy, Debug)]
pub struct Output<'a> {
    pub folder: &'a Path,
    pub formats: &'a [Format],
    /// The pictures that steps have kept beside the journal.
    pub pictures: &'a journal::Pictures,
    pub templates: &'a Templates,
}

/// Renders the write-up into a folder: `report.md`, with the drawings in `figures/`, `report.html` and `report.pdf`.
/// Returns the files, in the order of the formats. The same runbook, state and background give the same bytes.
///
/// # Errors
/// The folder has a file of such a name that is not of a write-up; a template has a mistake.
pub fn write(
    runbook: &Runbook,
    state: &State,
    background: &Background,
    output: Output<'_>,
) -> std::io::Result<Vec<PathBuf>> {
    let data = ReportData::new(runbook, state, background);
    let beside = runbook.source.path.parent().filter(|beside| !beside.as_os_str().is_empty());
    let pictures = link::pictures(&data, beside.unwrap_or(Path::new(".")));
    let kept = link::kept(&data, output.pictures);
    let shown = minijinja::Value::from(Serde(&data));
    let render = |format: Format| -> std::io::Result<Vec<u8>> {
        let rendered = match format {
            Format::Markdown => markdown::render(&data, shown.clone(), &pictures, output.templates),
            Format::Html => html::render(&data, shown.clone(), (&pictures, &kept), output.templates),
            Format::Pdf => {
                let pdf = pdf::render(&data, (&pictures, &kept), output.templates, state.last);
                return pdf.map(|pdf| pdf.bytes).map_err(std::io::Error::other);
            }
        };
        rendered.map(String::into_bytes).map_err(|error| std::io::Error::other(template::explained(&error)))
    };
    let rendered: Vec<(Format, std::io::Result<Vec<u8>>)> = std::thread::scope(|threads| {
        let threads: Vec<_> =
            output.formats.iter().map(|format| (*format, threads.spawn(|| render(*format)))).collect();
        let joined = |thread: std::thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(|(format, thread)| (format, joined(thread))).collect()
    });
    let folder = output.folder;
    let path = |format| folder.join(name(format));
    let ours = is_ours(folder)?;
    if let Some(other) = output.formats.iter().map(|format| path(*format)).find(|path| !ours && path.exists())
    {
        let shown = other.display();
        return Err(std::io::Error::other(format!(
            "{shown} is not a write-up of opsml, and stays: name another folder with --report"
        )));
    }
    std::fs::create_dir_all(folder)?;
    // A template that fails takes away none of the other formats.
    let mut failed = None;
    for (format, bytes) in rendered {
        match bytes {
            Ok(bytes) => replace(&path(format), &bytes)?,
            Err(error) => failed = Some(error),
        }
    }
    if output.formats.contains(&Format::Markdown) {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        files
            .extend(markdown::drawings(&data, &kept).into_iter().map(|(path, svg)| (path, svg.into_bytes())));
        files.extend(pictures.into_values().map(|picture| (picture.path, picture.bytes)));
        let figures = folder.join("figures");
        if !files.is_empty() {
            std::fs::create_dir_all(&figures)?;
        }
        for (path, bytes) in &files {
            replace(&folder.join(path), bytes)?;
        }
        if ours {
            leave_only(&figures, &files)?;
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(output.formats.iter().map(|format| path(*format)).collect()),
    }
}

/// Returns the write-up as one HTML file, without writing it.
pub fn page(
    runbook: &Runbook,
    state: &State,
    background: &Background,
    pictures: &journal::Pictures,
    templates: &Templates,
) -> std::io::Result<String> {
    let data = ReportData::new(runbook, state, background);
    let beside = runbook.source.path.parent().filter(|beside| !beside.as_os_str().is_empty());
    let own = link::pictures(&data, beside.unwrap_or(Path::new(".")));
    let kept = link::kept(&data, pictures);
    html::render(&data, minijinja::Value::from(Serde(&data)), (&own, &kept), templates)
        .map_err(|error| std::io::Error::other(template::explained(&error)))
}

/// Writes the runbook with its results as a Jupyter notebook. The same runbook, state and background give the same bytes.
///
/// # Errors
/// The file is there and no such notebook; a template has a mistake.
pub fn write_notebook(
    runbook: &Runbook,
    state: &State,
    background: &Background,
    kept: &journal::Pictures,
    path: &Path,
) -> std::io::Result<()> {
    if path.exists() && !is_our_notebook(path)? {
        return Err(std::io::Error::other("it was not written by opsml, and stays"));
    }
    let data = ReportData::new(runbook, state, background);
    let beside = runbook.source.path.parent().filter(|beside| !beside.as_os_str().is_empty());
    let pictures = link::pictures(&data, beside.unwrap_or(Path::new(".")));
    let kept = link::kept(&data, kept);
    let veil = veil::Veil::new(&state.target, &state.account);
    let notebook = notebook::render(&data, runbook, &veil, (&pictures, &kept))
        .map_err(|error| std::io::Error::other(template::explained(&error)))?;
    // Jupyter writes it so.
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    notebook.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, formatter))?;
    bytes.push(b'\n');
    replace(path, &bytes)
}

/// Whether a file is a notebook that [`write_notebook`] has written.
fn is_our_notebook(path: &Path) -> std::io::Result<bool> {
    let file = crate::files::open(path)?;
    let notebook: Option<serde_json::Value> = serde_json::from_reader(std::io::BufReader::new(file)).ok();
    Ok(notebook.is_some_and(|notebook| notebook["metadata"][notebook::MARK]["runbook"].is_string()))
}

/// Returns everything that a write-up shows as JSON: its data, and the prose as a tree below `document`.
pub fn data(
    runbook: &Runbook,
    state: &State,
    background: &Background,
) -> serde_json::Result<serde_json::Value> {
    let data = ReportData::new(runbook, state, background);
    let document = serde_json::to_value(document::read(&data, &Default::default()))?;
    let mut value = serde_json::to_value(data)?;
    value["document"] = document;
    Ok(value)
}

/// Returns the JSON Schema of [`data`].
pub fn schema() -> serde_json::Value {
    #[derive(schemars::JsonSchema)]
    struct Report {
        #[serde(flatten)]
        _data: ReportData,
        #[serde(rename = "document")]
        _document: document::Document,
    }
    schemars::schema_for!(Report).to_value()
}

fn name(format: Format) -> &'static str {
    match format {
        Format::Markdown => "report.md",
        Format::Html => "report.html",
        Format::Pdf => "report.pdf",
    }
}

/// Whether a folder has a write-up: the page says so in its head, and the Markdown in its last line.
fn is_ours(folder: &Path) -> std::io::Result<bool> {
    let page = ends(&folder.join(name(Format::Html)))?;
    let markdown = ends(&folder.join(name(Format::Markdown)))?;
    Ok(page.0.contains(r#"<meta name="generator" content="opsml">"#) || markdown.1.contains(MARK))
}

/// The last line of the Markdown, by which it is known.
const MARK: &str = "Rendered by opsml from the runbook and its journal.";

/// Returns the first and the last 4 KiB of a file: nothing of one that isn't there.
fn ends(path: &Path) -> std::io::Result<(String, String)> {
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        Err(error) => return Err(error),
    };
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    (&file).take(4096).read_to_end(&mut head)?;
    let length = file.metadata()?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(4096)))?;
    file.take(4096).read_to_end(&mut tail)?;
    Ok((String::from_utf8_lossy(&head).into_owned(), String::from_utf8_lossy(&tail).into_owned()))
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
    Regex::new(r"^((figure|picture)-\d+[a-z]?|diagram)\.(svg|png|jpeg|jpg)$")
        .expect("the pattern is a constant")
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
