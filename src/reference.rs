//! What a kind of step takes and returns, in words for people, from the JSON Schemas of the kinds. No I/O.

use std::sync::LazyLock;

use indexmap::IndexMap;
use opsml_contract::Hyperparameters;
use schemars::schema_for;
use serde_json::Value;

use crate::diagnostic::closest;
use crate::runbook::{front_matter_schema, shape};
use crate::step::{self, KindInfo};

/// The most names of an enumeration that are listed.
const LISTED: usize = 12;

/// The name of the topic of the keys between the `---` lines.
pub const FRONT_MATTER: &str = "front_matter";
/// The name of the topic of the settings of `opsml-worker`.
pub const HYPERPARAMETERS: &str = "hyperparameters";
/// The name of the topic of the keys that any block may have.
pub const BLOCK: &str = "block";

/// A field, an output or a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// Its type and its bounds: `whole number, 1 to 20`.
    pub form: String,
    /// `required`, or `default: 1`, or empty if it may be left out.
    pub presence: String,
    /// What it is for, in sentences.
    pub about: String,
}

/// A part of a schema that a path leads to.
pub struct Found {
    pub entry: Entry,
    /// The entries below it.
    pub below: Vec<Entry>,
    /// Whether it is an output.
    pub is_output: bool,
}

static FRONT: LazyLock<Value> = LazyLock::new(front_matter_schema);
static SETTINGS: LazyLock<Value> = LazyLock::new(|| schema_for!(Hyperparameters).to_value());

/// Returns the entries of a kind's fields.
pub fn fields(kind: &KindInfo) -> Vec<Entry> {
    entries((kind.fields)(), (kind.fields)(), true)
}

/// Returns the entries of a kind's outputs.
pub fn outputs(kind: &KindInfo) -> Vec<Entry> {
    entries((kind.outputs)(), (kind.outputs)(), false)
}

/// Returns what a topic other than a kind holds, with a line about it.
pub fn topic(name: &str) -> Option<(&'static str, Vec<Entry>)> {
    let (about, schema): (_, &Value) = match name {
        FRONT_MATTER => ("the text between the `---` lines at the start of a runbook", &FRONT),
        HYPERPARAMETERS => ("the settings of `opsml-worker` in `hyperparameters`", &SETTINGS),
        BLOCK => ("the keys that any block may have beside the one of its kind", step::common_schema()),
        _ => return None,
    };
    Some((about, entries(schema, schema, true)))
}

/// Returns all topics that are no kinds.
pub fn topics() -> [&'static str; 3] {
    [BLOCK, FRONT_MATTER, HYPERPARAMETERS]
}

/// Finds `KIND.FIELD`, `KIND.OUTPUT`, a key of any block or of the front matter, each perhaps with names below it.
///
/// # Errors
/// A message, and what the path most likely means.
pub fn find(path: &str) -> Result<Found, (String, Vec<String>)> {
    let names: Vec<&str> = path.split('.').collect();
    let (first, rest) = (names[0], &names[1..]);
    let common = step::common_schema();
    let in_front = |rest: &[&str]| walk(&FRONT, rest, FRONT_MATTER, false);
    if let Some(kind) = step::kind(first) {
        let (fields, outputs) = ((kind.fields)(), (kind.outputs)());
        let rest = match rest {
            [FIELDS, below @ ..] => return walk(fields, below, first, false),
            [OUTPUTS, below @ ..] => return walk(outputs, below, first, true),
            other => other,
        };
        let known = |schema: &'static Value| shape::members(schema, schema).unwrap_or_default();
        let name = rest.first().copied().unwrap_or_default();
        return match () {
            () if known(fields).contains_key(name) => walk(fields, rest, first, false),
            () if known(outputs).contains_key(name) => walk(outputs, rest, first, true),
            () if known(common).contains_key(name) => walk(common, rest, BLOCK, false),
            () => {
                let all = known(fields).into_keys().chain(known(outputs).into_keys());
                Err(unknown(&format!("`{first}` has no field and no output `{name}`"), name, all.collect()))
            }
        };
    }
    match first {
        FRONT_MATTER => in_front(rest),
        HYPERPARAMETERS => walk(&SETTINGS, rest, first, false),
        BLOCK => walk(common, rest, first, false),
        name if shape::members(common, common).is_some_and(|all| all.contains_key(name)) => {
            walk(common, &names, BLOCK, false)
        }
        name if shape::members(&FRONT, &FRONT).is_some_and(|all| all.contains_key(name)) => in_front(&names),
        name => {
            let message = format!("there is no kind of step and no key of a runbook `{name}`");
            let keys = [common, &FRONT].map(|schema| shape::members(schema, schema).unwrap_or_default());
            let keys = keys.into_iter().flat_map(IndexMap::into_keys);
            Err(unknown(&message, name, step::kind_names().chain(topics()).chain(keys).collect()))
        }
    }
}

const FIELDS: &str = "fields";
const OUTPUTS: &str = "outputs";

fn unknown(message: &str, name: &str, known: Vec<&str>) -> (String, Vec<String>) {
    let hint = match closest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("known names: {}", known.join(", ")),
    };
    (message.to_owned(), vec![hint])
}

/// Follows a path through a schema. Lists are passed through, and any name goes where the names are the user's.
fn walk(
    root: &'static Value,
    path: &[&str],
    of: &str,
    is_output: bool,
) -> Result<Found, (String, Vec<String>)> {
    let (mut root, mut schema, mut name, mut presence) = (root, root, of.to_owned(), String::new());
    for step in path {
        let (at, members, others) = members(root, schema);
        root = at;
        let found = members.get(step).copied();
        let Some(next) = found.or(others) else {
            let known: Vec<&str> = members.into_keys().collect();
            let message = match known.is_empty() {
                true => format!("there is nothing below `{name}`"),
                false => format!("`{name}` has no key `{step}`"),
            };
            return Err(match known.is_empty() {
                true => (message, Vec::new()),
                false => unknown(&message, step, known),
            });
        };
        presence = if found.is_some() { of_presence(root, schema, step, next) } else { String::new() };
        (schema, name) = (next, format!("{name}.{step}"));
    }
    let mut entry = Entry { name, form: form(root, schema), presence, about: about(root, schema) };
    if is_output || path.is_empty() {
        entry.presence.clear();
    }
    let (root, members, others) = members(root, schema);
    let below = members.into_iter().map(|(name, member)| entry_of(root, schema, name, member, !is_output));
    let mut below: Vec<Entry> = below.collect();
    if let Some(each) = others.filter(|each| each.is_object() && below.is_empty()) {
        below = entries(root, each, !is_output);
        below.iter_mut().for_each(|entry| entry.name.insert_str(0, "NAME."));
    }
    Ok(Found { entry, below, is_output })
}

type Members = (&'static Value, IndexMap<&'static str, &'static Value>, Option<&'static Value>);

/// Returns the members of a mapping, or of the items of a list, and the schema of what has any other name. With them comes the
/// schema that their references are of.
fn members(root: &'static Value, schema: &'static Value) -> Members {
    // The fields say only that hyperparameters are a mapping: the worker itself says which it has.
    if schema.get("x-members").is_some_and(|of| of == HYPERPARAMETERS) {
        return members(&SETTINGS, &SETTINGS);
    }
    let (mut found, mut others) = (IndexMap::new(), None);
    for &one in shape::alternatives(root, schema).iter() {
        if let Some(properties) = one.get("properties").and_then(Value::as_object) {
            found.extend(properties.iter().map(|(name, property)| (name.as_str(), property)));
        }
        others = others.or(one.get("additionalProperties").filter(|more| **more != Value::Bool(false)));
        if let Some(items) = one.get("items") {
            let (_, below, more) = members(root, items);
            found.extend(below);
            others = others.or(more);
        }
    }
    (root, found, others)
}

fn entries(root: &'static Value, schema: &'static Value, presence: bool) -> Vec<Entry> {
    let (root, members, _) = members(root, schema);
    members.into_iter().map(|(name, member)| entry_of(root, schema, name, member, presence)).collect()
}

fn entry_of(
    root: &'static Value,
    owner: &Value,
    name: &str,
    member: &'static Value,
    presence: bool,
) -> Entry {
    let presence = if presence { of_presence(root, owner, name, member) } else { String::new() };
    Entry { name: name.to_owned(), form: form(root, member), presence, about: about(root, member) }
}

fn of_presence(root: &'static Value, owner: &Value, name: &str, member: &Value) -> String {
    let owners = shape::alternatives(root, owner);
    let lists = owners.iter().filter_map(|one| one.get("items")).map(|items| shape::resolve(root, items));
    let is_required = owners.iter().copied().chain(lists).any(|one| {
        one.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == name))
    });
    match member.get("default") {
        _ if is_required => "required".to_owned(),
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(Value::Object(members)) if members.is_empty() => String::new(),
        Some(Value::String(text)) => format!("default: {text}"),
        Some(value) => format!("default: {value}"),
    }
}

fn about(root: &'static Value, schema: &Value) -> String {
    let own = schema.get("description").or_else(|| shape::resolve(root, schema).get("description"));
    let of_choice = || {
        let choices = shape::alternatives(root, schema);
        let [one] = *choices else { return None };
        one.get("description").cloned()
    };
    let text = own.cloned().or_else(of_choice);
    let text = text.as_ref().and_then(Value::as_str).unwrap_or_default().replace("\n\n", "\u{0}");
    text.replace('\n', " ").replace('\u{0}', "\n")
}

/// Returns a schema's type and bounds in words.
fn form(root: &'static Value, schema: &Value) -> String {
    let choices = shape::alternatives(root, schema);
    let constants: Vec<(&str, &str)> = choices.iter().flat_map(|one| constants(one)).collect();
    let mut forms: Vec<String> = Vec::new();
    if !constants.is_empty() {
        let purpose = choices.iter().find_map(|one| one.get("x-instances")?.as_str());
        forms.push(named(&constants, purpose));
    }
    for one in choices.iter().filter(|one| self::constants(one).is_empty()) {
        let form = plain_form(root, one);
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms.join(", or ")
}

/// Returns the words of an enumeration, each with what is said of it.
fn constants(schema: &Value) -> Vec<(&str, &str)> {
    let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(Value::String(word)), _) => vec![(word, about)],
        (_, Some(words)) => words.iter().filter_map(Value::as_str).map(|word| (word, "")).collect(),
        _ => Vec::new(),
    }
}

fn named(constants: &[(&str, &str)], purpose: Option<&str>) -> String {
    let words: Vec<&str> = constants.iter().map(|(word, _)| *word).collect();
    if let Some(purpose) = purpose {
        return format!("an instance type for {purpose}, one of {}, such as ml.m5.xlarge", words.len());
    }
    let described = |(word, about): &(&str, &str)| match about.is_empty() {
        true => (*word).to_owned(),
        false => format!("{word} ({})", about.replace('\n', " ").trim_end_matches('.')),
    };
    match words.len() {
        0..=LISTED => constants.iter().map(described).collect::<Vec<_>>().join(" | "),
        many => format!("one of {many} names, such as {}", words[..LISTED].join(", ")),
    }
}

fn plain_form(root: &'static Value, schema: &Value) -> String {
    let kinds: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let words: Vec<String> = kinds
        .iter()
        .filter(|kind| **kind != "null")
        .map(|kind| match *kind {
            "string" => format!("text{}", lengths(schema, "minLength", "maxLength", "character")),
            "integer" => format!("whole number{}", bounds(schema)),
            "number" => format!("number{}", bounds(schema)),
            "boolean" => "true or false".to_owned(),
            "array" => {
                let items = schema.get("items").map(|items| form(root, items)).unwrap_or_default();
                let of = if items.is_empty() { String::new() } else { format!(" of {items}") };
                format!("list{of}{}", lengths(schema, "minItems", "maxItems", "item"))
            }
            "object" => match schema.get("additionalProperties") {
                Some(each) if each.is_object() => format!("mapping of names to {}", form(root, each)),
                _ => "mapping".to_owned(),
            },
            other => other.to_owned(),
        })
        .collect();
    match words.is_empty() {
        true => "any value".to_owned(),
        false => words.join(" or "),
    }
}

fn bounds(schema: &Value) -> String {
    let bound = |key: &str| schema.get(key).filter(|bound| bound.is_number());
    let whole = |bound: &Value| match bound.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        _ => bound.to_string(),
    };
    match (bound("minimum"), bound("exclusiveMinimum"), bound("maximum")) {
        (Some(least), _, Some(most)) => format!(", {} to {}", whole(least), whole(most)),
        (_, Some(above), Some(most)) => format!(", above {}, {} at most", whole(above), whole(most)),
        (Some(least), _, None) => format!(", {} or more", whole(least)),
        (_, Some(above), None) => format!(", above {}", whole(above)),
        (None, None, Some(most)) => format!(", {} or less", whole(most)),
        (None, None, None) => String::new(),
    }
}

fn lengths(schema: &Value, least: &str, most: &str, noun: &str) -> String {
    let bound = |key: &str| schema.get(key).and_then(Value::as_u64);
    match (bound(least), bound(most)) {
        (Some(least), Some(most)) if least == most => format!(", {least} {noun}s"),
        (Some(least), Some(most)) => format!(", {least} to {most} {noun}s"),
        (Some(1), None) => format!(", at least 1 {noun}"),
        (Some(least), None) => format!(", at least {least} {noun}s"),
        (None, Some(most)) => format!(", {most} {noun}s at most"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_and_output_is_told() {
        for kind in step::kinds() {
            for entry in fields(kind) {
                assert!(!entry.form.is_empty() && !entry.about.is_empty(), "{}: {entry:?}", kind.name);
                let path = format!("{}.{}", kind.name, entry.name);
                assert_eq!(find(&path).map_err(|(message, _)| message).unwrap().entry.form, entry.form);
            }
            for entry in outputs(kind) {
                assert!(!entry.form.is_empty(), "{}: {entry:?}", kind.name);
                find(&format!("{}.outputs.{}", kind.name, entry.name))
                    .map_err(|(message, _)| message)
                    .unwrap();
            }
        }
        for name in topics() {
            let (_, entries) = topic(name).unwrap();
            assert!(entries.len() > 5 && entries.iter().all(|entry| !entry.about.is_empty()), "{entries:#?}");
        }
    }

    #[test]
    fn a_path_leads_through_lists_and_names() {
        let form = |path: &str| find(path).map(|found| found.entry);
        let role = form("tune.estimator.role").unwrap();
        assert!(role.about.contains("ARN of the role") && role.presence == "required", "{role:?}");
        assert!(form("role.allow.actions").unwrap().form.starts_with("list of text"));
        assert!(form("tune.hyperparameter_ranges.learning_rate.continuous").is_ok());
        let epochs = form("train.hyperparameters.epochs").unwrap();
        assert_eq!(
            (epochs.form.as_str(), epochs.presence.as_str()),
            ("whole number, 1 or more", "default: 1")
        );
        assert_eq!(form("hyperparameters.epochs").unwrap().about, epochs.about);
        assert_eq!(form("timeout").unwrap().form, "text");
        assert!(form("params.default").is_ok() && form("front_matter.budget").is_ok());
        assert!(find("train.model_uri").is_ok_and(|found| found.is_output));
        for (path, hint) in [
            ("trian", "did you mean `train`?"),
            ("train.instance_tpye", "did you mean `instance_type`?"),
            ("train.hyperparameters.epoch", "did you mean `epochs`?"),
            ("tune.estimator.rol", "did you mean `role`?"),
        ] {
            assert_eq!(form(path).unwrap_err().1, [hint], "{path}");
        }
        assert_eq!(form("train.role.x").unwrap_err().0, "there is nothing below `train.role`");
    }
}
