//! Where links may lead, and the pictures that a write-up carries with it.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use pulldown_cmark::{Event, Parser, Tag};

use super::chart::Bytes;
use super::data::ReportData;
use super::prose::options;
use super::token::{Token, Tokens};
use crate::journal;

/// The largest picture that is taken in.
const MAX_BYTES: u64 = 2 << 20;

/// What would end a destination, or mean something around it, in Markdown or HTML.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b'*')
    .add(b'_');

/// A picture of the runbook's folder.
#[derive(Debug)]
pub struct Picture {
    pub bytes: Vec<u8>,
    /// `png` or `jpeg`.
    pub format: &'static str,
    /// Its place beside the Markdown.
    pub path: String,
}

/// Pictures by the destination that names them.
pub type Pictures = BTreeMap<String, Picture>;

/// A value as a part of a destination; a value that isn't there leaves nothing.
pub fn encoded(token: &Token) -> String {
    match token {
        Token::Missing { .. } => String::new(),
        Token::Figure { number, .. } | Token::Placed { number } => format!("#figure-{number}"),
        other => utf8_percent_encode(&other.words(), ENCODED).to_string(),
    }
}

/// The destination with its values; `None` where its scheme could run or carry code.
pub fn target(destination: &str, tokens: &Tokens) -> Option<String> {
    let destination = tokens.fill(destination, encoded);
    // Browsers leave such characters out before they look for the scheme.
    let seen: String = destination.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect();
    let before = seen.split(['/', '?', '#']).next().unwrap_or_default();
    let allowed = match before.split_once(':') {
        Some((scheme, _)) => {
            ["http", "https", "mailto"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
        }
        None => true,
    };
    allowed.then_some(destination)
}

/// Reads the pictures that the prose shows: PNG and JPEG files below the runbook's folder, through no link that
/// leads out of it. What can't be taken in stays a link.
pub fn pictures(data: &ReportData, folder: &Path) -> Pictures {
    let Ok(root) = folder.canonicalize() else { return Pictures::new() };
    let mut pictures = Pictures::new();
    for event in Parser::new_ext(&data.prose, options()) {
        let Event::Start(Tag::Image { dest_url, .. }) = event else { continue };
        let Some(destination) = target(&dest_url, &data.tokens) else { continue };
        let name = percent_encoding::percent_decode_str(&destination).decode_utf8_lossy();
        if let Some((bytes, format)) = picture(&root, &name) {
            let path = format!("figures/picture-{}.{format}", pictures.len() + 1);
            pictures.entry(destination).or_insert(Picture { bytes, format, path });
        }
    }
    pictures
}

/// Reads the pictures of the drawings, which steps have kept beside the journal. What is gone, or is not what was kept, is not
/// in it.
pub fn kept(data: &ReportData, pictures: &journal::Pictures) -> Bytes {
    let named = data.drawings().filter_map(|(.., drawing)| drawing.picture());
    named.filter_map(|picture| Some((picture.digest.clone(), pictures.read(picture)?))).collect()
}

fn picture(root: &Path, name: &str) -> Option<(Vec<u8>, &'static str)> {
    let path = root.join(name).canonicalize().ok().filter(|path| path.starts_with(root))?;
    let about = std::fs::metadata(&path).ok()?;
    if !about.is_file() || about.len() > MAX_BYTES {
        return None;
    }
    let bytes = std::fs::read(&path).ok()?;
    let format = match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "png",
        [0xff, 0xd8, 0xff, ..] => "jpeg",
        _ => return None,
    };
    Some((bytes, format))
}
