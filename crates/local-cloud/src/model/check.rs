//! Checks an input against its shape: required members, types, enums, patterns, lengths and ranges.

use serde_json::Value;

use super::fault::{Constraint, Fault};
use super::shape::{File, Part, Shape, Type};
use crate::protocol::Protocol;

/// Adds all faults of `value`, which is at `path`, to `faults`.
pub fn check<'m>(model: &'m File, shape: &'m Shape, path: &str, value: &Value, faults: &mut Vec<Fault<'m>>) {
    let mut fault = |constraint| {
        faults.push(Fault {
            path: path.to_owned(),
            value: value.clone(),
            unshown: shape.unshown,
            constraint,
        });
    };
    match (shape.r#type, value) {
        (Type::Structure, Value::Object(members)) => {
            for name in shape.required.iter().filter(|name| members.get(*name).is_none_or(Value::is_null)) {
                let path = member_path(model, path, name, shape.members.get(name));
                faults.push(Fault {
                    path,
                    value: Value::Null,
                    unshown: false,
                    constraint: Constraint::Required,
                });
            }
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                let part = shape.members.get(name);
                let path = member_path(model, path, name, part);
                match part.and_then(|part| model.part(part)) {
                    Some(shape) => check(model, shape, &path, value, faults),
                    None => faults.push(Fault {
                        path,
                        value: Value::Null,
                        unshown: false,
                        constraint: Constraint::Known,
                    }),
                }
            }
        }
        (Type::List, Value::Array(items)) => {
            length(shape, items.len()).map(&mut fault);
            let Some(item) = shape.member.as_ref().and_then(|part| model.part(part)) else { return };
            for (i, value) in items.iter().enumerate() {
                check(model, item, &item_path(model, path, &(i + 1).to_string()), value, faults);
            }
        }
        (Type::Map, Value::Object(entries)) => {
            length(shape, entries.len()).map(&mut fault);
            let part = |part: &'m Option<Part>| part.as_ref().and_then(|part| model.part(part));
            let (Some(key), Some(member)) = (part(&shape.key), part(&shape.value)) else { return };
            for (name, value) in entries {
                check(model, key, path, &Value::String(name.clone()), faults);
                check(model, member, &item_path(model, path, name), value, faults);
            }
        }
        (Type::String, Value::String(text)) => {
            length(shape, text.chars().count()).map(&mut fault);
            if let Some(allowed) = shape.r#enum.as_ref().filter(|allowed| !allowed.contains(text)) {
                fault(Constraint::Enum(allowed));
            }
            if let Some(pattern) = shape.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
                fault(Constraint::Pattern(&pattern.text));
            }
        }
        (Type::Integer | Type::Long | Type::Float | Type::Double, Value::Number(number)) => {
            let number = number.as_f64().unwrap_or_default();
            if matches!(shape.r#type, Type::Integer | Type::Long) && number.fract() != 0.0 {
                fault(Constraint::Whole);
            }
            if let Some(min) = shape.min.filter(|min| number < *min) {
                fault(Constraint::Min(min));
            }
            if let Some(max) = shape.max.filter(|max| number > *max) {
                fault(Constraint::Max(max));
            }
        }
        (Type::Boolean, Value::Bool(_))
        | (Type::Blob, Value::String(_))
        | (Type::Timestamp, Value::Number(_) | Value::String(_)) => {}
        (expected, _) => fault(Constraint::Type(expected)),
    }
}

fn length(shape: &Shape, length: usize) -> Option<Constraint<'static>> {
    // No length in AWS's model comes near 2^32.
    let length = f64::from(u32::try_from(length).unwrap_or(u32::MAX));
    match (shape.min, shape.max) {
        (Some(min), _) if length < min => Some(Constraint::MinLength(min)),
        (_, Some(max)) if length > max => Some(Constraint::MaxLength(max)),
        _ => None,
    }
}

/// Returns the path of a member. AWS writes names in lower camel case, EC2 as the form has them.
pub fn member_path(model: &File, path: &str, name: &str, part: Option<&Part>) -> String {
    let name = match model.protocol {
        Protocol::Ec2 => part.map_or(name, |part| part.in_form(name)).to_owned(),
        _ => {
            let mut chars = name.chars();
            chars.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(chars).collect()
        }
    };
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// Returns the path of an item of a list, or of a value of a map.
pub fn item_path(model: &File, path: &str, key: &str) -> String {
    match model.protocol {
        Protocol::Ec2 => format!("{path}.{key}"),
        _ => format!("{path}.{key}.member"),
    }
}
