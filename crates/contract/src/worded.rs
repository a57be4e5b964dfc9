//! serde's errors in words for people who don't know Rust.

/// The longest value that a message quotes, in characters.
const LONGEST: usize = 80;

/// Returns an error of serde_json in plain words, to complete "NAME: …": what must be, and what is there. Where the error is of a text of
/// several lines, it ends with its place.
pub fn worded(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let said = said.strip_suffix(&place).unwrap_or(&said);
    match error.line() {
        0 | 1 => words(said),
        line => format!("{}, in line {line}", words(said)),
    }
}

fn words(said: &str) -> String {
    if let Some((found, expected)) =
        said.strip_prefix("invalid type: ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        return misfit(&must(expected, false), found);
    }
    if let Some((found, expected)) =
        said.strip_prefix("invalid value: ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        return misfit(&must(expected, true), found);
    }
    if let Some((length, expected)) =
        said.strip_prefix("invalid length ").and_then(|rest| rest.rsplit_once(", expected "))
    {
        return match expected.starts_with("fewer elements") {
            true => format!("has more items than it may have: {length}"),
            false => format!("must be {}, and this has {length}", must(expected, false)),
        };
    }
    for (beginning, what) in
        [("unknown variant `", "is none of"), ("unknown field `", "is not known; there are")]
    {
        if let Some((given, expected)) = said.strip_prefix(beginning).and_then(|rest| rest.rsplit_once("`, "))
        {
            // The last name in backticks is cut off with its backtick.
            let (given, names) = match given.split_once("`, expected ") {
                Some((given, names)) => (given, format!("{names}`, {expected}")),
                None => (given, expected.to_owned()),
            };
            let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
            let given = shortened(given);
            return match names.is_empty() {
                true => format!("`{given}` is not known"),
                false => format!("`{given}` {what} {}", names.join(", ")),
            };
        }
    }
    if let Some(name) = said.strip_prefix("missing field ") {
        return format!("{name} is missing");
    }
    if let Some(name) = said.strip_prefix("duplicate field ") {
        return format!("{name} stands there twice");
    }
    if said.starts_with("data did not match any variant") {
        return "it has none of the forms that it may have".to_owned();
    }
    let known = [
        ("EOF while parsing a list", "the text ends within a list"),
        ("EOF while parsing an object", "the text ends within a mapping"),
        ("EOF while parsing a string", "the text ends within quotes"),
        ("EOF while parsing a value", "the text ends where a value must stand"),
        ("expected value", "no value begins here"),
        ("expected ident", "no value begins here"),
        ("trailing characters", "something follows the value"),
        ("recursion limit exceeded", "it is nested too deep"),
    ];
    match known.iter().find(|(theirs, _)| said.starts_with(theirs)) {
        Some((_, ours)) => (*ours).to_owned(),
        None => said.to_owned(),
    }
}

fn misfit(must: &str, found: &str) -> String {
    let quoted = |text: &str| format!("must be {must}, and `{}` is not", shortened(text));
    if let Some(text) = found.strip_prefix("string ") {
        return match serde_json::from_str::<String>(text) {
            Ok(text) => quoted(&text),
            Err(_) => quoted(text),
        };
    }
    let is = match found {
        "null" | "unit value" | "Option value" => "there is nothing",
        "sequence" => "this is a list",
        "map" => "this is a mapping",
        _ => match found.split_once('`').and_then(|(_, rest)| rest.strip_suffix('`')) {
            Some(value) => return quoted(value),
            None => return format!("must be {must}"),
        },
    };
    format!("must be {must}, and {is}")
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns what serde expects. `bounded` is whether the type fits and the value does not.
fn must(expected: &str, bounded: bool) -> String {
    let whole = |least: i128, most: i128| match bounded {
        true => format!("a whole number from {least} to {most}"),
        false if least == 0 => "a whole number, 0 or more".to_owned(),
        false => "a whole number".to_owned(),
    };
    let first = expected.split(' ').next().unwrap_or_default();
    let list = |count: &str| format!("a list of {count}");
    match (expected, first) {
        ("u8", _) => whole(0, u8::MAX.into()),
        ("u16", _) => whole(0, u16::MAX.into()),
        ("u32", _) => whole(0, u32::MAX.into()),
        ("u64" | "usize" | "u128", _) => whole(0, u64::MAX.into()),
        ("i8", _) => whole(i8::MIN.into(), i8::MAX.into()),
        ("i16", _) => whole(i16::MIN.into(), i16::MAX.into()),
        ("i32", _) => whole(i32::MIN.into(), i32::MAX.into()),
        ("i64" | "isize" | "i128", _) => whole(i64::MIN.into(), i64::MAX.into()),
        (_, "nonzero") => "a whole number, 1 or more".to_owned(),
        ("f32" | "f64" | "a number", _) => "a number".to_owned(),
        ("a boolean" | "bool", _) => "true or false".to_owned(),
        ("a string" | "a borrowed string" | "string" | "str", _) => "text".to_owned(),
        ("a character" | "char", _) => "one character".to_owned(),
        ("a map" | "map", _) | (_, "struct") if !expected.contains(" with ") => "a mapping".to_owned(),
        ("a sequence" | "sequence", _) => "a list".to_owned(),
        (_, "enum") | ("string or map" | "variant identifier" | "field identifier", _) => "a name".to_owned(),
        ("unit" | "null" | "option", _) => "nothing".to_owned(),
        ("a byte array" | "byte array" | "bytes", _) => "bytes".to_owned(),
        _ => {
            let sized = ["an array of length ", "a tuple of size ", "tuple of "];
            let sized = sized.iter().find_map(|words| expected.strip_prefix(words));
            match sized.or_else(|| expected.split_once(" with ").map(|(_, count)| count)) {
                Some(count) => list(count.trim_end_matches(" elements").trim_end_matches(" element")),
                None => expected.to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;

    use serde::Deserialize;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase", deny_unknown_fields)]
    #[allow(dead_code)]
    enum Word {
        One,
        Two,
        Three,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Form {
        count: u32,
        word: Option<Word>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[allow(dead_code)]
    enum Either {
        Count(u32),
        Flag(bool),
    }

    fn of<T: DeserializeOwned + std::fmt::Debug>(value: Value) -> String {
        worded(&serde_json::from_value::<T>(value).unwrap_err())
    }

    fn of_text<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> String {
        worded(&serde_json::from_str::<T>(text).unwrap_err())
    }

    #[test]
    fn no_rust_is_left() {
        for (said, expected) in [
            (of::<u32>(json!("many")), "must be a whole number, 0 or more, and `many` is not"),
            (
                of::<u32>(json!("a, expected b")),
                "must be a whole number, 0 or more, and `a, expected b` is not",
            ),
            (of::<u32>(json!(-1)), "must be a whole number from 0 to 4294967295, and `-1` is not"),
            (of::<u8>(json!(300)), "must be a whole number from 0 to 255, and `300` is not"),
            (of::<i32>(json!(1.5)), "must be a whole number, and `1.5` is not"),
            (of::<f64>(json!([1])), "must be a number, and this is a list"),
            (of::<bool>(json!("yes")), "must be true or false, and `yes` is not"),
            (of::<String>(json!(3)), "must be text, and `3` is not"),
            (of::<String>(json!(null)), "must be text, and there is nothing"),
            (of::<Vec<u32>>(json!({"a": 1})), "must be a list, and this is a mapping"),
            (of::<[f64; 2]>(json!([1, 2, 3])), "has more items than it may have: 3"),
            (of::<[f64; 2]>(json!([1])), "must be a list of 2, and this has 1"),
            (of::<BTreeMap<String, u32>>(json!(1)), "must be a mapping, and `1` is not"),
            (of::<Form>(json!(true)), "must be a mapping, and `true` is not"),
            (of::<Word>(json!("four")), "`four` is none of one, two, three"),
            (of::<Word>(json!("a`, b")), "`a`, b` is none of one, two, three"),
            (of::<Word>(json!(4)), "must be a name, and `4` is not"),
            (of::<Form>(json!({"cuont": 1})), "`cuont` is not known; there are count, word"),
            (of::<Form>(json!({})), "`count` is missing"),
            (of::<Either>(json!("x")), "it has none of the forms that it may have"),
            (of::<Ipv4Addr>(json!("1.2.3.400")), "invalid IPv4 address syntax"),
            (of_text::<Form>(r#"{"count": 1, "count": 2}"#), "`count` stands there twice"),
            (of_text::<Value>("[1, "), "the text ends where a value must stand"),
            (of_text::<Value>("{\n\"a\": nope}"), "no value begins here, in line 2"),
            (of_text::<Value>("1 2"), "something follows the value"),
        ] {
            assert_eq!(said, expected);
        }
        assert!(of::<u32>(json!("x".repeat(10_000))).len() < 200);
    }
}
