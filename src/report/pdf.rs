//! The write-up as PDF: data and prose become one JSON file, which the template reads. No text ever becomes a part of
//! the template, so none can be taken for markup.

use std::collections::BTreeMap;
use std::io::Cursor;

use opsml_typeset::{Contents, Error, Pdf};
use serde_json::{Map, Value, json};

use super::chart::Bytes;
use super::data::ReportData;
use super::document;
use super::link::{Picture, Pictures};
use super::markdown;
use super::template::Templates;
use crate::diagnostic::printable;

/// The most pixels of a picture in one direction.
const MAX_PIXELS: u32 = 8192;

/// The most characters of a line.
const LONGEST_LINE: usize = 1000;

/// Typesets the write-up. `at` is the time, in milliseconds since 1970, at which the document was made.
pub fn render(
    data: &ReportData,
    pictures: (&Pictures, &Bytes),
    templates: &Templates,
    at: i64,
) -> Result<Pdf, Error> {
    let at = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    opsml_typeset::pdf("report.typ", templates.get("report.typ"), contents(data, pictures), at)
}

/// The files that the template may read: `report.json`, and the drawings and pictures, which it names.
pub fn contents(data: &ReportData, (pictures, kept): (&Pictures, &Bytes)) -> Contents {
    let mut report = match serde_json::to_value(data) {
        Ok(Value::Object(report)) => report,
        _ => Map::new(),
    };
    let mut files = Contents::new();
    // What each says to those who don't see it; the author says it of a picture where it stands.
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for (path, svg) in markdown::drawings(data, kept) {
        said.insert(path.clone(), description(&svg));
        files.insert(path, single_marks(&covered(&on_paper(&svg))).into_bytes());
    }
    for picture in pictures.values().filter(|picture| is_whole(picture)) {
        said.insert(picture.path.clone(), String::new());
        files.insert(picture.path.clone(), picture.bytes.clone());
    }
    report.insert("document".into(), json!(document::read(data, pictures)));
    report.insert("files".into(), json!(said));
    let report = readable(Value::Object(report));
    files.insert("report.json".into(), report.to_string().into_bytes());
    files
}

/// Whether a picture can be decoded, within bounds: the template can't go on without one that can't.
fn is_whole(picture: &Picture) -> bool {
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_PIXELS);
    limits.max_image_height = Some(MAX_PIXELS);
    let reader = image::ImageReader::new(Cursor::new(&picture.bytes)).with_guessed_format();
    reader.is_ok_and(|mut reader| {
        reader.limits(limits);
        reader.decode().is_ok()
    })
}

/// A value in which every character can be shown, and no line is too long.
fn readable(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(broken(covered(&printable(&text)))),
        Value::Array(items) => items.into_iter().map(readable).collect(),
        Value::Object(map) => map.into_iter().map(|(name, value)| (name, readable(value))).collect(),
        plain => plain,
    }
}

/// Text whose lines are broken where they are longer than any that people write: typst takes a time for a line that grows with the
/// square of its length.
fn broken(text: String) -> String {
    if text.lines().all(|line| line.len() <= LONGEST_LINE) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + text.len() / LONGEST_LINE);
    let mut length = 0;
    for c in text.chars() {
        if length == LONGEST_LINE && c != '\n' {
            shown.push('\n');
            length = 0;
        }
        shown.push(c);
        length = if c == '\n' { 0 } else { length + 1 };
    }
    shown
}

/// Text in which a character that no font has is written as its number: `\u{1f600}`.
fn covered(text: &str) -> String {
    if text.chars().all(opsml_typeset::is_covered) {
        return text.to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match opsml_typeset::is_covered(c) {
            true => shown.push(c),
            false => shown.extend(c.escape_unicode()),
        }
    }
    shown
}

/// A drawing in which a letter has one mark at most: of more, the renderer loses what they stand for, and the document
/// would fail the standard. Further ones are written as their numbers.
fn single_marks(svg: &str) -> String {
    let mut shown = String::with_capacity(svg.len());
    let mut is_marked = false;
    for c in svg.chars() {
        let is_mark = matches!(c, '\u{300}'..='\u{36f}');
        match c {
            // They choose between forms of a sign, of which the fonts have one.
            '\u{fe00}'..='\u{fe0f}' => {}
            _ if is_mark && is_marked => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
        is_marked = is_mark;
    }
    shown
}

/// A drawing without the styles that depend on a screen: paper is white, and not every renderer knows such rules.
fn on_paper(svg: &str) -> String {
    let mut kept = String::with_capacity(svg.len());
    let mut rest = svg;
    while let Some(at) = rest.find("@media") {
        kept.push_str(&rest[..at]);
        let mut depth = 0usize;
        let end = rest[at..].char_indices().find_map(|(index, c)| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => return None,
            }
            (depth == 0).then_some(at + index + 1)
        });
        rest = &rest[end.unwrap_or(rest.len())..];
    }
    kept.push_str(rest);
    kept
}

/// What a drawing says of itself in words.
fn description(svg: &str) -> String {
    let element = |name: &str| {
        let rest = &svg[svg.find(&format!("<{name}"))?..];
        let text = &rest[rest.find('>')? + 1..];
        let text = &text[..text.find(&format!("</{name}>"))?];
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        Some(entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain)))
    };
    element("desc").or_else(|| element("title")).unwrap_or_default()
}
