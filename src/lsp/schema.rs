//! What the schemas say of a field or an output, for people: its type, its default, its rule, the prices of its values.

use indexmap::IndexMap;
use serde_json::Value;

use crate::price::{self, Instance};
use crate::runbook::{front_matter_schema, shape};
use crate::step::{common_schema, kind};

/// The keyword of fields that name instance types by any text.
const INSTANCE_TYPES: &str = "x-instances";
/// The most values that are listed in words.
const LISTED: usize = 12;

/// A schema within the one that has its definitions.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    root: &'a Value,
    schema: &'a Value,
    /// Which instance types it names, if it does: `EC2` or `any`.
    instances: Option<&'a str>,
}

impl<'a> Field<'a> {
    pub fn of(root: &'a Value) -> Self {
        Self { root, schema: root, instances: None }
    }

    /// Returns the schema of a key of a step's block: the fields of its kind, or a key that any step may have.
    pub fn in_block(key: &str) -> Option<Field<'static>> {
        match kind(key) {
            Some(kind) => Some(Field::of((kind.fields)())),
            None => Field::of(common_schema()).member(key),
        }
    }

    /// Follows a path of keys. `None` in it is an item of a list.
    pub fn at<'p>(self, path: impl IntoIterator<Item = Option<&'p str>>) -> Option<Self> {
        path.into_iter().try_fold(self, |field, name| match name {
            Some(name) => field.member(name),
            None => field.item(),
        })
    }

    /// Returns the properties that its values may have, by name. Empty if they are not known.
    pub fn members(self) -> IndexMap<&'a str, Self> {
        let mut found = IndexMap::new();
        for one in self.alternatives() {
            let properties = one.schema.get("properties").and_then(Value::as_object);
            for (name, schema) in properties.into_iter().flatten() {
                let instances = schema.get(INSTANCE_TYPES).and_then(Value::as_str);
                found.insert(name.as_str(), Self { schema, instances, ..self });
            }
        }
        found
    }

    fn member(self, name: &str) -> Option<Self> {
        let more = |one: Self| {
            let schema = one.schema.get("additionalProperties").filter(|more| more.is_object())?;
            Some(Self { schema, instances: None, ..self })
        };
        self.members().get(name).copied().or_else(|| self.alternatives().into_iter().find_map(more))
    }

    fn item(self) -> Option<Self> {
        let item = |one: Self| Some(Self { schema: one.schema.get("items")?, ..self });
        self.alternatives().into_iter().find_map(item)
    }

    fn alternatives(self) -> Vec<Self> {
        shape::alternatives(self.root, self.schema).iter().map(|schema| Self { schema, ..self }).collect()
    }

    /// Whether a mapping of this schema must have the property.
    pub fn requires(self, name: &str) -> bool {
        self.required().any(|required| required == name)
    }

    pub fn required(self) -> impl Iterator<Item = &'a str> {
        let schema = shape::resolve(self.root, self.schema);
        let required = schema.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Returns its documentation.
    pub fn about(self) -> Option<&'a str> {
        let own = self.schema.get("description");
        own.or_else(|| shape::resolve(self.root, self.schema).get("description"))?.as_str()
    }

    pub fn default(self) -> Option<&'a Value> {
        self.schema.get("default").filter(|value| !value.is_null())
    }

    /// Returns the values that it may have, if they are listed, with their documentation.
    pub fn values(self) -> Vec<(&'a Value, Option<&'a str>)> {
        let mut found = Vec::new();
        for one in self.alternatives() {
            let about = one.schema.get("description").and_then(Value::as_str);
            found.extend(one.schema.get("const").map(|value| (value, about)));
            let several = one.schema.get("enum").and_then(Value::as_array);
            found.extend(several.into_iter().flatten().map(|value| (value, None)));
        }
        found
    }

    /// Whether it is true or false.
    pub fn is_boolean(self) -> bool {
        self.has_type("boolean")
    }

    /// Whether what stands below its key stands on lines of its own.
    pub fn is_nested(self) -> bool {
        self.has_type("object") || self.has_type("array")
    }

    /// Whether it may be text or a number, and so stand behind its key.
    pub fn is_text(self) -> bool {
        ["string", "number", "integer"].iter().any(|name| self.has_type(name))
    }

    fn has_type(self, name: &str) -> bool {
        let is =
            |kind: &Value| kind == name || kind.as_array().is_some_and(|all| all.iter().any(|it| it == name));
        self.alternatives().iter().any(|one| one.schema.get("type").is_some_and(is))
    }

    /// Returns the instance types of the price table that its text may name.
    pub fn instance_types(self) -> Vec<&'static Instance> {
        let fits = |instance: &&Instance| match self.instances {
            Some("EC2") => !instance.name.starts_with("ml."),
            other => other.is_some(),
        };
        // What is below a list of them is one, and the list itself is none.
        price::instances().iter().filter(fits).filter(|_| !self.is_nested()).collect()
    }

    /// Returns its type in words: `text`, `a list of text`, `an integer from 1 to 20`.
    pub fn in_words(self) -> String {
        let mut words: Vec<String> = Vec::new();
        let values = self.values();
        if !values.is_empty() {
            let shown = values.iter().take(LISTED).map(|(value, _)| plain(value));
            let more = if values.len() > LISTED {
                format!(" and {} more", values.len() - LISTED)
            } else {
                String::new()
            };
            words.push(format!("one of {}{more}", shown.collect::<Vec<_>>().join(", ")));
        }
        for one in self.alternatives() {
            if one.schema.get("const").is_some() || one.schema.get("enum").is_some() {
                continue;
            }
            let kind = match one.schema.get("type") {
                Some(_) => shape::in_words(one.schema),
                None => "any value".to_owned(),
            };
            let word = match (one.schema.get("items"), one.schema.get("additionalProperties")) {
                (Some(schema), _) => format!("{kind} of {}", Self { schema, ..self }.short()),
                (_, Some(schema)) if schema.is_object() => {
                    format!("{kind} of names to {}", Self { schema, ..self }.short())
                }
                _ => format!("{kind}{}", bounds(one.schema)),
            };
            if !words.contains(&word) {
                words.push(word);
            }
        }
        words.join(" or ")
    }

    /// Returns the type without its bounds, behind "a list of".
    fn short(self) -> String {
        let mut words: Vec<String> =
            self.alternatives().iter().map(|one| shape::in_words(one.schema)).collect();
        words.dedup();
        let word = words.join(" or ");
        let known = ["a mapping", "a list", "an integer", "a number"];
        if known.contains(&word.as_str()) {
            return format!("{}s", word.split_once(' ').map_or(&*word, |(_, noun)| noun));
        }
        word
    }

    /// Returns the rule for its text, in words.
    pub fn rule(self) -> Option<&'a str> {
        self.alternatives().iter().find_map(|one| one.schema.get("x-rule")?.as_str())
    }

    /// Returns all that is known of it, as Markdown under a title.
    pub fn describe(self, title: &str) -> String {
        let mut text = format!("**{title}**: {}", self.in_words());
        if let Some(default) = self.default() {
            text.push_str(&format!(", by default `{}`", plain(default)));
        }
        for more in [self.about(), self.rule()].into_iter().flatten() {
            text.push_str("\n\n");
            text.push_str(more);
        }
        let members = self.members();
        if !members.is_empty() {
            text.push_str("\n\n");
            text.push_str(&list(&members, self));
        }
        text
    }
}

/// Returns the bounds of a number in words, behind its type.
fn bounds(schema: &Value) -> String {
    let bound = |name: &str| schema.get(name).filter(|bound| bound.is_number()).map(plain);
    match (bound("minimum"), bound("maximum"), bound("exclusiveMinimum")) {
        (Some(least), Some(most), _) => format!(" from {least} to {most}"),
        (Some(least), None, _) if least != "0" => format!(", {least} or more"),
        (None, Some(most), _) => format!(", {most} or less"),
        (None, None, Some(above)) => format!(" above {above}"),
        _ => String::new(),
    }
}

/// Returns the members as a list in Markdown, with the first sentence about each.
fn list(members: &IndexMap<&str, Field<'_>>, of: Field<'_>) -> String {
    let line = |(name, field): (&&str, &Field<'_>)| {
        let needed = if of.requires(name) { " (required)" } else { "" };
        let about = field.about().map(|about| format!(": {}", first_line(about))).unwrap_or_default();
        format!("- `{name}`{needed}{about}")
    };
    members.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the first line of a text.
pub fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Returns what a kind of step is, as Markdown: its purpose, its fields and its outputs.
pub fn describe_kind(name: &str) -> Option<String> {
    let kind = kind(name)?;
    let (fields, outputs) = (Field::of((kind.fields)()), Field::of((kind.outputs)()));
    let mut text = format!("**{name}**: {}", kind.about);
    if kind.owns {
        text.push_str(". What it creates lives until `down`.");
    }
    for (title, field) in [("Fields", fields), ("Outputs", outputs)] {
        let members = field.members();
        if !members.is_empty() {
            // Every output is there, so that "required" would say nothing.
            let of = if title == "Fields" { field } else { Field::of(&Value::Null) };
            text.push_str(&format!("\n\n{title}:\n\n{}", list(&members, of)));
        }
    }
    Some(text)
}

/// Returns the schema of the front matter.
pub fn front_matter() -> &'static Value {
    static SCHEMA: std::sync::OnceLock<Value> = std::sync::OnceLock::new();
    SCHEMA.get_or_init(front_matter_schema)
}

/// Returns a value as it is written.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the size of an instance type and its price, in words.
pub fn instance_in_words(instance: &Instance) -> String {
    let gpus = match instance.gpus {
        0 => String::new(),
        1 => ", 1 GPU".to_owned(),
        gpus => format!(", {gpus} GPUs"),
    };
    format!("{} vCPUs, {} GiB{gpus}, {} USD an hour", instance.vcpus, instance.memory_gib, instance.hourly)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(kind: &str, path: &[Option<&str>]) -> Field<'static> {
        Field::in_block(kind).and_then(|field| field.at(path.iter().copied())).unwrap()
    }

    #[test]
    fn types_are_said_in_words() {
        for (kind, path, words) in [
            ("train", &[Some("instance_count")] as &[_], "an integer from 1 to 20"),
            ("train", &[Some("role")], "text"),
            ("train", &[Some("inputs")], "a mapping of names to text"),
            ("train", &[Some("metric_definitions")], "a list of mappings"),
            ("role", &[Some("allow"), None, Some("actions")], "a list of text"),
            ("needs", &[], "a list of text"),
            ("retry", &[], "an integer from 0 to 10"),
        ] {
            assert_eq!(field(kind, path).in_words(), words, "{kind} {path:?}");
        }
        let types = field("train", &[Some("instance_type")]);
        assert!(types.in_words().starts_with("one of ml."), "{}", types.in_words());
        assert!(types.values().len() > 100);
        assert!(Field::in_block("train").unwrap().requires("role"));
    }

    #[test]
    fn every_kind_and_field_is_described() {
        for kind in crate::step::kinds() {
            let text = describe_kind(kind.name).unwrap();
            assert!(text.contains(kind.about), "{text}");
            for (name, field) in Field::of((kind.fields)()).members() {
                let text = field.describe(name);
                assert!(!text.contains("another value"), "{}: {text}", kind.name);
                assert!(!field.in_words().is_empty(), "{}.{name}", kind.name);
            }
        }
    }

    #[test]
    fn instance_types_are_those_that_the_field_accepts() {
        let names = |field: Field<'_>| field.instance_types().iter().map(|it| it.name).collect::<Vec<_>>();
        let ec2 = names(field("ec2_train", &[Some("instance_type")]));
        assert!(ec2.contains(&"m5.xlarge") && !ec2.iter().any(|name| name.starts_with("ml.")), "{ec2:?}");
        let any = names(field("choose_instance", &[Some("candidates"), None]));
        assert!(any.contains(&"m5.xlarge") && any.contains(&"ml.m5.xlarge"), "{any:?}");
        assert!(names(field("train", &[Some("role")])).is_empty());
    }
}
