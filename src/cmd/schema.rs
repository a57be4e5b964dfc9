//! `opsml schema`: JSON Schema of the blocks, for editors and for people.

use serde_json::{Map, Value, json};

use super::output;
use super::stop::{Stop, Verdict};
use crate::cli::Schema;
use crate::exit;
use crate::report;
use crate::runbook::{front_matter_schema, include_schema};
use crate::step::{self, KindInfo};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// The name of the schema of text with a template, which is accepted in place of any value.
const TEMPLATE: &str = "template";

pub fn run(arguments: &Schema) -> Verdict {
    let mut defs = Map::new();
    let pattern =
        json!({"type": "string", "pattern": r"\{\{|\{%", "description": "text with a template in it"});
    defs.insert(TEMPLATE.to_owned(), pattern);
    if arguments.kind.as_deref() == Some("report") {
        output::say(format_args!("{:#}", report::schema()));
        return Ok(exit::DONE);
    }
    let mut schema = match &arguments.kind {
        Some(name) => {
            let kind = step::kind(name).ok_or_else(|| {
                let known: Vec<&str> = step::kind_names().collect();
                Stop::usage(format!("there is no kind of step `{name}`")).suggest(name, &known)
            })?;
            let mut schema = body(kind, &mut defs);
            schema["outputs"] = outputs(kind, &mut defs);
            schema
        }
        None => {
            let kinds = step::kinds();
            json!({
                "title": "A block of an opsml runbook",
                "oneOf": kinds.iter().map(|kind| body(kind, &mut defs)).collect::<Vec<_>>(),
                "outputs": kinds
                    .iter()
                    .map(|kind| (kind.name.to_owned(), outputs(kind, &mut defs)))
                    .collect::<Map<_, _>>(),
                "front_matter": hoisted(front_matter_schema(), "front_matter", &mut defs),
                "include": hoisted(include_schema(), "include", &mut defs),
            })
        }
    };
    schema["$schema"] = json!(DIALECT);
    schema["$defs"] = Value::Object(defs);
    output::say(format_args!("{schema:#}"));
    Ok(exit::DONE)
}

/// Returns the schema of a block of this kind.
fn body(kind: &KindInfo, defs: &mut Map<String, Value>) -> Value {
    let mut fields = Map::new();
    let mut schema = hoisted((kind.fields)().clone(), kind.name, &mut fields);
    templates(&mut schema);
    fields.values_mut().for_each(templates);
    defs.extend(fields);
    // `bucket:` without fields has every default.
    if schema.get("required").is_none() {
        schema["type"] = json!(["object", "null"]);
    }
    let mut body = hoisted(step::common_schema().clone(), "common", defs);
    body["title"] = json!(kind.name);
    body["description"] = json!(kind.about);
    body["properties"][kind.name] = schema;
    body["required"] = json!([kind.name]);
    body["owns_resources"] = json!(kind.owns);
    body
}

fn outputs(kind: &KindInfo, defs: &mut Map<String, Value>) -> Value {
    hoisted((kind.outputs)().clone(), &format!("{}.outputs", kind.name), defs)
}

/// Returns `schema` as a part of a larger one: its definitions move to the root, under names that begin with `owner`.
fn hoisted(mut schema: Value, owner: &str, defs: &mut Map<String, Value>) -> Value {
    let own = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$defs")
    });
    refer(&mut schema, owner);
    if let Some(Value::Object(own)) = own {
        for (name, mut definition) in own {
            refer(&mut definition, owner);
            defs.insert(format!("{owner}.{name}"), definition);
        }
    }
    schema
}

fn refer(schema: &mut Value, owner: &str) {
    match schema {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str().and_then(|target| target.strip_prefix("#/$defs/")) {
                    Some(target) if name == "$ref" => *value = json!(format!("#/$defs/{owner}.{target}")),
                    _ => refer(value, owner),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| refer(item, owner)),
        _ => {}
    }
}

/// Makes a schema accept text with a template in place of each value.
fn templates(schema: &mut Value) {
    let wrap = |schema: &mut Value| {
        templates(schema);
        let mut inner = schema.take();
        let described = inner.as_object_mut().and_then(|inner| inner.remove("description"));
        *schema = json!({"anyOf": [inner, {"$ref": format!("#/$defs/{TEMPLATE}")}]});
        if let Some(described) = described {
            schema["description"] = described;
        }
    };
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(wrap);
    }
    for name in ["items", "additionalProperties"] {
        schema.get_mut(name).filter(|below| below.is_object()).into_iter().for_each(wrap);
    }
    for name in ["anyOf", "oneOf", "allOf"] {
        let several = schema.get_mut(name).and_then(Value::as_array_mut);
        several.into_iter().flatten().for_each(templates);
    }
}
