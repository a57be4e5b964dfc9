//! The values that are known to be secrets, in this process: those of secret parameters, and those that a secret name
//! holds in the runbook or in the environment. They are found wherever they occur, in any form that they are often written in.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{LazyLock, PoisonError, RwLock};

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::name::{is_reference, is_secret_flag, is_secret_name, names_nothing};

/// The fewest characters of a value that can be searched for: less would be found in every text.
pub const SHORTEST: usize = 4;
/// The same for the lines of a value, for its encoded forms, and for variables of the environment, which nobody has
/// declared to be secrets.
const SHORTEST_PART: usize = 8;

#[derive(Default)]
struct Known {
    forms: BTreeSet<String>,
    search: Option<AhoCorasick>,
}

static KNOWN: LazyLock<RwLock<Known>> = LazyLock::new(RwLock::default);

/// From now on, this value is a secret wherever it occurs.
pub fn know(value: &str) {
    know_all([value]);
}

/// The folders that a shell is and was in, whose names end like that of a password.
const WORKING_FOLDERS: &[&str] = &["PWD", "OLDPWD"];

/// From now on, the values of the variables that are named as secrets are secrets wherever they occur.
pub fn know_environment(variables: impl Iterator<Item = (String, String)>) {
    let is_secret = |name: &str| is_secret_name(name) && !WORKING_FOLDERS.contains(&name);
    let named = variables.filter(|(name, value)| is_secret(name) && value.len() >= SHORTEST_PART);
    let values: Vec<String> = named.map(|(_, value)| value).collect();
    know_all(values.iter().map(String::as_str));
}

/// From now on, what the fields of steps name as secrets are secrets wherever they occur.
pub fn know_fields(fields: &[Value]) {
    let mut found = Vec::new();
    fields.iter().for_each(|fields| collect(fields, &mut found));
    know_all(found.into_iter().filter(|value| !is_reference(value)));
}

/// Collects the texts that stand below a secret name or behind a secret flag. A template is no text yet.
fn collect<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    let text = |value: &'a Value| value.as_str().filter(|text| !text.contains("{{") && !text.contains("{%"));
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                match text(value).filter(|_| is_secret_name(name)) {
                    Some(text) => found.push(text),
                    None => collect(value, found),
                }
            }
        }
        Value::Array(items) => {
            let mut flag = false;
            for item in items {
                let Some(text) = text(item) else {
                    collect(item, found);
                    flag = false;
                    continue;
                };
                match text.split_once('=') {
                    Some((name, value)) if is_secret_flag(name) => found.push(value),
                    _ if flag => found.push(text),
                    _ => {}
                }
                flag = is_secret_flag(text);
            }
        }
        _ => {}
    }
}

fn know_all<'a>(values: impl IntoIterator<Item = &'a str>) {
    let mut forms = Vec::new();
    for value in values {
        let value = value.trim();
        if value.chars().count() >= SHORTEST && !names_nothing(value) {
            forms.extend(forms_of(value));
        }
    }
    if forms.is_empty() {
        return;
    }
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    let before = known.forms.len();
    known.forms.extend(forms);
    if known.forms.len() > before {
        // Without a search, which fails only for gigabytes, no more than the patterns are found.
        known.search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&known.forms)
            .ok();
    }
}

/// Returns the value as it is, its lines, and the value as JSON, in a URL and in base64, of which only the characters count
/// that don't depend on what is before and behind it.
fn forms_of(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let lines = value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_PART && *line != value);
    forms.extend(lines.map(str::to_owned));
    let json = serde_json::to_string(value).unwrap_or_default();
    forms.push(json.trim_matches('"').to_owned());
    forms.push(utf8_percent_encode(value, NON_ALPHANUMERIC).to_string());
    for shift in 0..3 {
        let bytes: Vec<u8> = [0; 2][..shift.min(2)].iter().copied().chain(value.bytes()).collect();
        let encoded = STANDARD_NO_PAD.encode(&bytes);
        let core = &encoded[(shift * 8).div_ceil(6)..bytes.len() * 8 / 6];
        if core.len() >= SHORTEST_PART {
            forms.push(core.to_owned());
        }
    }
    forms
}

/// Whether any known secret occurs in the text.
pub fn is_in(text: &str) -> bool {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.search.as_ref().is_some_and(|search| search.is_match(text))
}

/// Returns the places of the known secrets in the text.
pub fn places(text: &str) -> Vec<Range<usize>> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    known.search.iter().flat_map(|search| search.find_iter(text)).map(|found| found.range()).collect()
}
