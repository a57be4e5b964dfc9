//! Writes a draft as Markdown with `opsml` blocks.

use serde_json::{Map, Value as Json};

use super::draft::{Draft, Part, Step};

/// The longest line of a field that stands on one.
const WIDTH: usize = 110;

/// Returns the text of the runbook.
pub fn runbook(draft: &Draft) -> String {
    let mut text = String::from("---\n");
    text.push_str(&format!("title: {}\n", quoted(&draft.title)));
    if !draft.params.is_empty() {
        text.push_str("params:\n");
        for param in &draft.params {
            let (default, help) = (quoted(&param.default), quoted(&param.help));
            text.push_str(&format!("  {}: {{default: {default}, help: {help}}}\n", param.name));
        }
    }
    text.push_str("---\n");
    for part in &draft.parts {
        match part {
            Part::Prose(prose) => {
                text.push_str(prose.trim_matches('\n'));
                text.push_str("\n\n");
            }
            Part::Step(index) => text.extend(draft.steps.get(*index).map(block)),
        }
    }
    text.trim_end().to_owned() + "\n"
}

fn block(step: &Step) -> String {
    let body = match step.fields.is_empty() {
        true => format!("{}: {{}}\n", step.kind),
        false => format!("{}:\n{}", step.kind, fields(&step.fields, 2)),
    };
    format!("```opsml {}\n{body}```\n\n", step.id)
}

fn fields(map: &Map<String, Json>, indent: usize) -> String {
    let mut text = String::new();
    for (name, value) in map {
        let (pad, name) = (" ".repeat(indent), word(name));
        let line = format!("{pad}{name}: {}", flow(value));
        match value {
            Json::Object(inner) if line.chars().count() > WIDTH && !inner.is_empty() => {
                text.push_str(&format!("{pad}{name}:\n{}", fields(inner, indent + 2)));
            }
            Json::Array(items) if line.chars().count() > WIDTH && !items.is_empty() => {
                text.push_str(&format!("{pad}{name}:\n"));
                items.iter().for_each(|item| text.push_str(&format!("{pad}  - {}\n", flow(item))));
            }
            _ => text.push_str(&format!("{line}\n")),
        }
    }
    text
}

/// A value on one line.
fn flow(value: &Json) -> String {
    match value {
        Json::String(text) => word(text),
        Json::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => {
            let entry = |(name, value): (&String, &Json)| format!("{}: {}", word(name), flow(value));
            format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A text without quotes where YAML reads it as text all the same.
fn word(text: &str) -> String {
    const MEANS: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c))
        && !MEANS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// JSON's quotes are YAML's, but for characters that YAML wants escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for c in Json::String(text.to_owned()).to_string().chars() {
        match c {
            ' '..='~' => quoted.push(c),
            c if c.is_alphanumeric() => quoted.push(c),
            c if u32::from(c) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::runbook::yaml;

    #[test]
    fn every_value_comes_back() {
        let long = "x".repeat(200);
        let value = json!({
            "a": {"n": 1, "f": 0.5, "e": 1e-9, "b": true, "none": null, "text": "true", "colon: {": "- [a, b] # c"},
            "quotes": "it's \"so\" \\ \n\t\u{1}\u{7f}\u{85}\u{2028}\u{feff}\u{1f600} é {{ x }}", "empty": "", "no": "no",
            "long": {"one": long, "two": [long, long, {"x": long}], "three": []}, "list": [1, "2", ["a"]],
            "number": "007", "date": "2026-01-01", "version": "2.5", "at": "@x", "tilde": "~", "path": "code/a-b.py",
        });
        let Json::Object(map) = &value else { panic!() };
        let text = fields(map, 0);
        let mut problems = Vec::new();
        let node = yaml::parse(&text, 0..text.len(), &mut problems).unwrap();
        assert!(problems.is_empty(), "{problems:?}\n{text}");
        assert_eq!(node.to_value(), value, "{text}");
    }
}
