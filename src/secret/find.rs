//! Finds the secrets in a text: by the catalogue, by their names, by their form alone, and those that are known.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use regex::Regex;

use super::catalogue::KINDS;
use super::known;
use super::name::{
    follows_fault, is_error_code, is_like_error_code, is_reference, is_secret_flag, is_secret_name,
    names_nothing,
};

/// Words in names of secrets. What has one is looked at more closely.
const WORDS: &str =
    "(?:secret|token|passw(?:or)?d|passphrase|passcode|pwd|credential|(?:private|api|access|auth)[_. -]?key)";

/// Each of [`WORDS`] has one of these in it, so a text without them has no name of a secret.
const STEMS: &[&str] = &[
    "secret",
    "token",
    "passw",
    "passphrase",
    "passcode",
    "pwd",
    "credential",
    "private",
    "api",
    "access",
    "auth",
];

/// A name, quoted or not, and what parts it from its value; or an option of a command line.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    let name = format!(r#"[A-Za-z0-9_.-]*{WORDS}[A-Za-z0-9_-]*"#);
    let assigned = format!(r#"(?P<name>{name})(?P<between>(?:\\*["'`])?\s*(?::=|=>|={{1,3}}|:)\s*|>)"#);
    compiled(&format!(
        r#"(?i-u:{assigned}|(?:^|[\s"'`=\[(,])(?P<flag>--?[A-Za-z0-9_-]*{WORDS}[A-Za-z0-9_-]*)\s+)"#
    ))
});

/// Whether a name may have a value, which is looked at more closely.
static MAY_BE_ASSIGNED: LazyLock<Regex> = LazyLock::new(|| {
    let assigned =
        format!(r#"(?i-u:{WORDS}[A-Za-z0-9_-]*(?:\\*["'`])?\s*(?:[:=>]=*>?)\s*(?:\\*["'`])?)[^\s"'`\[]"#);
    compiled(&format!(r#"{assigned}|(?i-u:-[A-Za-z0-9_-]*{WORDS}[A-Za-z0-9_-]*["\s])"#))
});

/// The marks of all kinds of the catalogue with the kind of each, and [`STEMS`], which have none: one search finds all.
static MARKS: LazyLock<(AhoCorasick, Vec<Option<usize>>)> = LazyLock::new(|| {
    let kinds = KINDS.iter().enumerate();
    let marks = kinds.flat_map(|(index, kind)| kind.marks.iter().map(move |mark| (Some(index), *mark)));
    let (kinds, marks): (Vec<_>, Vec<_>) = marks.chain(STEMS.iter().map(|stem| (None, *stem))).unzip();
    let search =
        AhoCorasick::builder().ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(marks);
    (search.expect("there are a hundred short marks"), kinds)
});

/// The patterns of the catalogue. Each is compiled when a text first has its mark.
static PATTERNS: [OnceLock<Regex>; KINDS.len()] = [const { OnceLock::new() }; KINDS.len()];

fn pattern(index: usize) -> &'static Regex {
    PATTERNS[index].get_or_init(|| Regex::new(KINDS[index].pattern).expect(KINDS[index].name))
}

/// What one search finds of a text.
struct Marked {
    kinds: [bool; KINDS.len()],
    /// Whether a word of [`WORDS`] may be in it.
    words: bool,
}

impl Marked {
    fn of(text: &str) -> Self {
        let (search, kinds) = &*MARKS;
        let mut found =
            Self { kinds: std::array::from_fn(|kind| KINDS[kind].marks.is_empty()), words: false };
        for mark in search.find_overlapping_iter(text) {
            match kinds[mark.pattern().as_usize()] {
                Some(kind) => found.kinds[kind] = true,
                None => found.words = true,
            }
        }
        found
    }

    /// Returns the patterns whose marks are in the text.
    fn patterns(&self) -> impl Iterator<Item = &'static Regex> {
        (0..KINDS.len()).filter(|index| self.kinds[*index]).map(pattern)
    }
}

/// A word that may be a key of 40 characters or a line of a private key, or end in one, as `KEY=…` does.
static LONG_WORD: LazyLock<Regex> = LazyLock::new(|| compiled("[A-Za-z0-9/+_=-]{40,}"));

/// Whether a text has a [`LONG_WORD`]. Of most texts, this looks at every 30th byte or so: a word that goes through 40 bytes has none
/// that a word can't have, and the last such byte is where the next 40 begin.
fn may_have_long_word(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_of_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"/+_=-".contains(byte);
    let mut at = 0;
    while let Some(next) = bytes.get(at..at + KEY_LENGTH) {
        match next.iter().rposition(|byte| !is_of_word(byte)) {
            Some(last) => at += last + 1,
            None => return true,
        }
    }
    false
}

/// What stands in the place of a secret, with or without its digest.
static MASK: LazyLock<Regex> = LazyLock::new(|| compiled(r"\[redacted(?::[0-9a-f]{8})?\]"));

fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant, and a test compiles it")
}

/// Whether a text, or values as JSON, may hold a secret. False means that they hold none; true costs a closer look.
pub fn may_hold_secret(text: &str) -> bool {
    let marked = Marked::of(text);
    marked.patterns().any(|pattern| pattern.is_match(text))
        || marked.words && MAY_BE_ASSIGNED.is_match(text)
        || known::is_in(text)
        || may_have_long_word(text) && LONG_WORD.find_iter(text).any(|word| is_formed_as_key(word.as_str()))
}

/// Returns the places of the masks in a text.
pub fn masks(text: &str) -> Vec<Range<usize>> {
    match text.contains("[redacted") {
        true => MASK.find_iter(text).map(|mask| mask.range()).collect(),
        false => Vec::new(),
    }
}

/// Returns the places of all secrets in a text, in order, none of which meets another. A mask is none.
pub fn spans(text: &str) -> Vec<Range<usize>> {
    if !may_hold_secret(text) {
        return Vec::new();
    }
    let mut found = known::places(text);
    for pattern in Marked::of(text).patterns() {
        let matches = pattern.captures_iter(text);
        found.extend(matches.filter_map(|it| Some(it.get(1).or(it.get(0))?.range())));
    }
    assigned(text, &mut found);
    found.extend(LONG_WORD.find_iter(text).filter_map(|word| key_in(text, word.range())));
    let masks = masks(text);
    found.retain(|span| {
        !span.is_empty() && !masks.iter().any(|mask| mask.start < span.end && span.start < mask.end)
    });
    found.sort_by_key(|span| span.start);
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(found.len());
    for span in found {
        match apart.last_mut().filter(|last| span.start < last.end) {
            Some(last) => last.end = last.end.max(span.end),
            None => apart.push(span),
        }
    }
    apart
}

/// Collects what names say is a secret: `password: …`, `TOKEN=…`, `--api-key …`, `"secret": "…"`, `<Token>…</Token>`.
fn assigned(text: &str, found: &mut Vec<Range<usize>>) {
    for captures in ASSIGNMENT.captures_iter(text) {
        let (Some(whole), name) = (captures.get(0), captures.name("name").or(captures.name("flag"))) else {
            continue;
        };
        let Some(name) = name.filter(|name| is_secret_name(name.as_str())) else { continue };
        let between = captures.name("between").map_or("", |between| between.as_str());
        if let Some(value) = value_of(text, name.range(), between, whole.end()) {
            found.push(value);
        }
    }
}

/// How a name is joined to its value.
#[derive(Clone, Copy, PartialEq)]
enum Join {
    /// `NAME=value`, or an option.
    Equals,
    /// `name: value`
    Colon,
    /// `a == b`
    Comparison,
    /// `<Name>value`
    Tag,
}

/// Returns the place of the value of a name that is a secret's, if it is a value and not prose.
fn value_of(text: &str, name: Range<usize>, between: &str, at: usize) -> Option<Range<usize>> {
    let join = match between.trim_matches(|c: char| c.is_ascii_whitespace() || "\\\"'`".contains(c)) {
        ":" => Join::Colon,
        "==" | "===" => Join::Comparison,
        ">" => Join::Tag,
        _ => Join::Equals,
    };
    let (before, name) = (&text[..name.start], &text[name]);
    let rest = &text[at..];
    if is_error_code(name) && join == Join::Colon || join == Join::Tag && name.ends_with('-') {
        return None;
    }
    let escapes = rest.len() - rest.trim_start_matches('\\').len();
    if let Some(quote) = rest[escapes..].chars().next().filter(|c| "\"'`".contains(*c)) {
        let start = at + escapes + quote.len_utf8();
        let inner = &text[start..];
        let line = &inner[..inner.find('\n').unwrap_or(inner.len())];
        let end = quoted_end(inner, &rest[..escapes], quote).unwrap_or(line.len());
        let value = &inner[..end];
        let is_value = value.chars().count() > 2 && !is_reference(value) && !names_nothing(value);
        return is_value.then(|| start..start + end);
    }
    let end = rest.find(|c: char| c.is_whitespace() || "\"'`<>\\,;&|})]".contains(c)).unwrap_or(rest.len());
    let value = rest[..end].trim_end_matches(['.', ':', '!', '?']);
    if value.is_empty() || is_reference(value) || names_nothing(value) {
        return None;
    }
    let letters_alone = value.chars().all(|c| c.is_ascii_alphabetic());
    let is_value = match join {
        Join::Equals | Join::Tag => value.len() > 3,
        Join::Comparison => value.len() > 3 && !letters_alone,
        Join::Colon => {
            let spaced = between.ends_with(|c: char| c.is_ascii_whitespace());
            // `arn:aws:secretsmanager:…:secret:name`, `repository/my-token:latest`.
            let is_part = before.ends_with([':', '/']) || (!spaced && !is_password(name));
            let goes_on = rest[end..].starts_with([' ', '\t'])
                && rest[end..].trim_start().starts_with(char::is_alphanumeric);
            let is_prose = letters_alone && (goes_on || is_like_error_code(name) || follows_fault(before));
            value.len() > 5 && !is_part && !is_prose
        }
    };
    is_value.then(|| at..at + value.len())
}

/// Whether a name is a password's, which is written before a colon without a space too.
fn is_password(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("pass") || name.ends_with("pwd")
}

/// Returns the end of a quoted text: the next quote with the same escapes before it.
fn quoted_end(inner: &str, escapes: &str, quote: char) -> Option<usize> {
    inner.match_indices(quote).map(|(at, _)| at).find_map(|at| {
        let before = &inner[..at];
        let slashes = before.len() - before.trim_end_matches('\\').len();
        (slashes == escapes.len()).then(|| at - slashes)
    })
}

/// Whether an item of a list is the value of the item before it, which is an option.
pub fn is_value_of_flag(before: &str, item: &str) -> bool {
    is_secret_flag(before) && !item.is_empty() && !is_reference(item) && masks(item).is_empty()
}

/// Characters of a secret access key.
const KEY_LENGTH: usize = 40;
/// Characters of a line of a private key: of PEM's, and of OpenSSH's.
const KEY_LINES: [usize; 2] = [64, 70];

/// Returns the place of the key in a long word of the text.
fn key_in(text: &str, word: Range<usize>) -> Option<Range<usize>> {
    let shown = &text[word.clone()];
    if KEY_LINES.contains(&shown.len()) && is_random(shown) {
        let (before, behind) = (&text[..word.start], &text[word.end..]);
        let alone = before.is_empty() || before.trim_end_matches([' ', '\t']).ends_with('\n');
        let ends = behind.is_empty() || behind.starts_with(['\n', '\r']);
        return (alone && ends).then_some(word);
    }
    let start = shown.rfind('=').map_or(0, |at| at + 1);
    is_secret_access_key(&shown[start..]).then(|| word.start + start..word.end)
}

/// Whether a long word may be a key of either form.
fn is_formed_as_key(word: &str) -> bool {
    let ending = word.rfind('=').map_or(word, |at| &word[at + 1..]);
    is_secret_access_key(ending) || (KEY_LINES.contains(&word.len()) && is_random(word))
}

fn is_secret_access_key(word: &str) -> bool {
    word.len() == KEY_LENGTH && is_random(word)
}

/// Whether base64 encodes something random. It then changes between kinds of characters all the time, for 25 of 40
/// characters, and hardly ever for fewer than 16. A digest in hex has no capitals, and a path few.
fn is_random(word: &str) -> bool {
    let kind = |byte: u8| match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        b'/' | b'+' => 3,
        _ => 4,
    };
    let kinds: Vec<u8> = word.bytes().map(kind).collect();
    let changes = kinds.windows(2).filter(|pair| pair[0] != pair[1]).count();
    changes * 5 >= word.len() * 2 && (0..=2).all(|kind| kinds.contains(&kind)) && !kinds.contains(&4)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_passed_over_holds_no_secret(text in "([a-zA-Z0-9/+_=-]{0,50}[ .:\\n]?){0,6}") {
            prop_assert_eq!(may_have_long_word(&text), LONG_WORD.is_match(&text));
        }

        #[test]
        fn a_name_of_a_secret_has_a_stem(before in "[a-z_ ]{0,5}", name in WORDS, value in "[a-z0-9]{1,5}") {
            for text in [format!("{before}{name}={value}"), format!("--{name} {value}").to_uppercase()] {
                prop_assert!(MAY_BE_ASSIGNED.is_match(&text), "{text}");
                prop_assert!(Marked::of(&text).words, "{text}");
            }
        }
    }
}
