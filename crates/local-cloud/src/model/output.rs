//! Writes an output as XML, by the names that members have on the wire. An output that doesn't fit the model is our
//! fault, and reported as such.

use std::fmt::Write;

use serde_json::Value;

use super::shape::{File, Part, Shape, Type};
use crate::protocol::xml::escape;

/// Appends the content of an element.
///
/// # Errors
/// Where the value doesn't fit the shape, and why.
pub fn write(model: &File, xml: &mut String, shape: &Shape, value: &Value) -> Result<(), String> {
    match (shape.r#type, value) {
        (Type::Structure, Value::Object(members)) => {
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                let part = shape.members.get(name).ok_or_else(|| format!("no member {name}"))?;
                write_member(model, xml, part, name, value).map_err(|why| format!("{name}: {why}"))?;
            }
        }
        (Type::List, Value::Array(items)) => {
            let item = shape.member.as_ref().ok_or("a list without items")?;
            for value in items {
                element(model, xml, item, item.in_xml(model.item()), value)?;
            }
        }
        (Type::Map, Value::Object(entries)) => {
            for (key, value) in entries {
                write_entry(model, xml, shape, "entry", key, value)?;
            }
        }
        (Type::Boolean, Value::Bool(_))
        | (Type::Integer | Type::Long | Type::Float | Type::Double, Value::Number(_)) => {
            xml.push_str(&value.to_string());
        }
        (Type::String | Type::Blob | Type::Timestamp, Value::String(text)) => escape(xml, text),
        (kind, _) => return Err(format!("{value} is no {kind:?}")),
    }
    Ok(())
}

/// Appends a member of a structure. A flattened list or map has no element of its own.
fn write_member(
    model: &File,
    xml: &mut String,
    part: &Part,
    name: &str,
    value: &Value,
) -> Result<(), String> {
    let shape = model.part(part).ok_or("no shape")?;
    let wire = part.in_xml(name);
    match (shape.flattened, &shape.member, value) {
        (true, Some(item), Value::Array(items)) => {
            items.iter().try_for_each(|value| element(model, xml, item, item.in_xml(wire), value))
        }
        (true, None, Value::Object(entries)) => {
            entries.iter().try_for_each(|(key, value)| write_entry(model, xml, shape, wire, key, value))
        }
        _ => element(model, xml, part, wire, value),
    }
}

fn write_entry(
    model: &File,
    xml: &mut String,
    map: &Shape,
    name: &str,
    key: &str,
    value: &Value,
) -> Result<(), String> {
    let (key_part, value_part) = map.key.as_ref().zip(map.value.as_ref()).ok_or("a map without values")?;
    let _ = write!(xml, "<{name}>");
    element(model, xml, key_part, key_part.in_xml("key"), &Value::from(key))?;
    element(model, xml, value_part, value_part.in_xml("value"), value)?;
    let _ = write!(xml, "</{name}>");
    Ok(())
}

fn element(model: &File, xml: &mut String, part: &Part, name: &str, value: &Value) -> Result<(), String> {
    let shape = model.part(part).ok_or("no shape")?;
    let _ = write!(xml, "<{name}>");
    write(model, xml, shape, value)?;
    let _ = write!(xml, "</{name}>");
    Ok(())
}
