//! Reads a form, the input of the query protocols, as typed JSON, by the names that members have on the wire.
//!
//! A text that can't be read as its type stays a text, which the check refuses.

use serde_json::{Map, Value, json};

use super::check::{item_path, member_path};
use super::fault::{Constraint, Fault};
use super::shape::{File, Part, Shape, Type};
use crate::protocol::Protocol;
use crate::protocol::form::Node;

/// Reads one shape. Unknown parameters are faults in EC2; AWS's other services ignore them.
pub fn read<'m>(
    model: &'m File,
    shape: &'m Shape,
    path: &str,
    node: Node,
    faults: &mut Vec<Fault<'m>>,
) -> Value {
    let text = node.value.as_deref().unwrap_or_default();
    match shape.r#type {
        // In a form, an empty list is an empty text.
        Type::Structure | Type::List | Type::Map if node.members.is_empty() && !text.is_empty() => {
            json!(text)
        }
        Type::Structure => read_structure(model, shape, path, node, faults),
        Type::List => read_list(model, shape, path, node, faults),
        Type::Map => read_map(model, shape, path, node, faults),
        _ if node.members.is_empty() => scalar(shape.r#type, text),
        _ => {
            faults.push(unknown(path));
            Value::Null
        }
    }
}

fn unknown(path: &str) -> Fault<'static> {
    Fault { path: path.to_owned(), value: Value::Null, unshown: false, constraint: Constraint::Known }
}

fn read_structure<'m>(
    model: &'m File,
    shape: &'m Shape,
    path: &str,
    node: Node,
    faults: &mut Vec<Fault<'m>>,
) -> Value {
    let mut input = Map::new();
    for (wire, node) in node.members {
        let found = shape.members.iter().find(|(name, part)| form_name(model, name, part) == wire);
        let Some((name, (part, shape))) =
            found.and_then(|(name, part)| Some((name, (part, model.part(part)?))))
        else {
            if model.protocol == Protocol::Ec2 {
                faults.push(unknown(&if path.is_empty() { wire } else { format!("{path}.{wire}") }));
            }
            continue;
        };
        let at = member_path(model, path, name, Some(part));
        input.insert(name.clone(), read(model, shape, &at, node, faults));
    }
    Value::Object(input)
}

/// Returns the name of a member in a form. A flattened list has the name of its items, if they have one.
fn form_name<'m>(model: &'m File, name: &'m str, part: &'m Part) -> &'m str {
    let list = model.part(part).filter(|shape| shape.flattened && model.protocol == Protocol::Query);
    match list.and_then(|list| list.member.as_ref()) {
        Some(item) => item.in_form(part.in_form(name)),
        None => part.in_form(name),
    }
}

/// Returns the entries of a list or map in their order. If the shape isn't flattened, they are inside `within`.
fn entries(
    model: &File,
    shape: &Shape,
    within: &str,
    path: &str,
    mut node: Node,
    faults: &mut Vec<Fault<'_>>,
) -> Vec<(String, Node)> {
    let members = if shape.flattened || model.protocol == Protocol::Ec2 {
        node.members
    } else {
        let inside = node.members.remove(within).unwrap_or_default().members;
        faults.extend(node.members.keys().map(|stray| unknown(&format!("{path}.{stray}"))));
        inside
    };
    let mut numbered = Vec::new();
    for (key, node) in members {
        match key.parse::<u32>() {
            Ok(index) => numbered.push((index, key, node)),
            Err(_) => faults.push(unknown(&format!("{path}.{key}"))),
        }
    }
    numbered.sort_by_key(|(index, ..)| *index);
    numbered.into_iter().map(|(_, key, node)| (key, node)).collect()
}

fn read_list<'m>(
    model: &'m File,
    shape: &'m Shape,
    path: &str,
    node: Node,
    faults: &mut Vec<Fault<'m>>,
) -> Value {
    let Some(part) = &shape.member else { return json!([]) };
    let Some(item) = model.part(part) else { return json!([]) };
    let entries = entries(model, shape, part.in_form(model.item()), path, node, faults);
    let read = |(key, node): (String, Node)| read(model, item, &item_path(model, path, &key), node, faults);
    entries.into_iter().map(read).collect()
}

fn read_map<'m>(
    model: &'m File,
    shape: &'m Shape,
    path: &str,
    node: Node,
    faults: &mut Vec<Fault<'m>>,
) -> Value {
    let (Some(key), Some(value)) = (&shape.key, &shape.value) else { return json!({}) };
    let Some(member) = model.part(value) else { return json!({}) };
    let mut map = Map::new();
    for (index, mut entry) in entries(model, shape, "entry", path, node, faults) {
        let name = entry.members.remove(key.in_form("key")).and_then(|node| node.value);
        let Some(name) = name else {
            faults.push(unknown(&item_path(model, path, &index)));
            continue;
        };
        let node = entry.members.remove(value.in_form("value")).unwrap_or_default();
        let at = item_path(model, path, &name);
        map.insert(name, read(model, member, &at, node, faults));
    }
    Value::Object(map)
}

/// Reads a text as its type.
pub fn scalar(r#type: Type, text: &str) -> Value {
    let read = match r#type {
        Type::Integer | Type::Long => text.parse::<i64>().ok().map(Value::from),
        Type::Float | Type::Double => {
            text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
        }
        Type::Boolean => text.parse::<bool>().ok().map(Value::from),
        _ => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}
