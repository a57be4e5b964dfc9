//! Inputs that validate, for tests that walk all operations.

use serde_json::{Map, Value, json};

use super::shape::{File, Shape, Type};

/// Texts of which one fits whatever a shape asks for, the more common first.
const TEXTS: [&str; 12] = [
    "sample",
    "arn:aws:iam::123456789012:role/sample",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/sample",
    "arn:aws:lambda:us-east-1:123456789012:function:sample",
    "arn:aws:application-autoscaling:us-east-1:123456789012:scalable-target/sample",
    "AKIAIOSFODNN7EXAMPLE",
    "s3://sample/sample",
    "123456789012",
    "v1",
    "/",
    "*",
    "1",
];

/// Returns a value of a shape: required members alone, the first of an enum, the least of a range.
pub fn sample(model: &File, shape: &Shape) -> Value {
    let least = shape.min.unwrap_or_default().max(1.0);
    let part = |part: &Option<super::shape::Part>| {
        part.as_ref().and_then(|part| model.part(part)).map_or(Value::Null, |shape| sample(model, shape))
    };
    match shape.r#type {
        Type::Structure => {
            let members = shape.required.iter().filter_map(|name| Some((name, shape.members.get(name)?)));
            let members =
                members.filter_map(|(name, part)| Some((name.clone(), sample(model, model.part(part)?))));
            Value::Object(members.collect())
        }
        Type::List => json!([part(&shape.member)]),
        Type::Map => {
            let key = part(&shape.key).as_str().unwrap_or_default().to_owned();
            Value::Object(Map::from_iter([(key, part(&shape.value))]))
        }
        Type::String | Type::Blob => json!(text(shape)),
        Type::Timestamp => json!("2025-01-01T00:00:00Z"),
        Type::Boolean => json!(false),
        Type::Integer | Type::Long => serde_json::from_str(&format!("{least:.0}")).unwrap_or_default(),
        Type::Float | Type::Double => json!(least),
    }
}

fn text(shape: &Shape) -> String {
    if let Some(first) = shape.r#enum.as_ref().and_then(|allowed| allowed.first()) {
        return first.clone();
    }
    let fits = |text: &&&str| {
        let length = f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        shape.min.is_none_or(|min| length >= min)
            && shape.max.is_none_or(|max| length <= max)
            && shape.pattern.as_ref().is_none_or(|pattern| pattern.matches(text))
    };
    TEXTS.iter().find(fits).copied().unwrap_or_default().to_owned()
}
