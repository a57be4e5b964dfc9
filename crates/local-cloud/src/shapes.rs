//! What a service's operations demand of their input: required members, enums, patterns, lengths and ranges, as
//! AWS's model says (each `shapes.json` is written by `shapes.py` from botocore), in AWS's words.

use std::collections::{BTreeMap, HashMap};

use regex::Regex;
use serde::Deserialize;
use serde_json::Value;

use crate::call::AwsError;

#[derive(Deserialize)]
struct Model {
    /// Operation to the shape of its input.
    operations: HashMap<String, String>,
    shapes: HashMap<String, Shape>,
}

#[derive(Deserialize)]
struct Shape {
    r#type: String,
    min: Option<f64>,
    max: Option<f64>,
    r#enum: Option<Vec<String>>,
    pattern: Option<String>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    members: BTreeMap<String, String>,
    member: Option<String>,
    key: Option<String>,
    value: Option<String>,
}

/// The model of a service's operations.
pub struct Shapes {
    model: Model,
    patterns: HashMap<String, Regex>,
}

impl Shapes {
    /// Reads a `shapes.json` of the build, which its service's tests have read before.
    pub fn read(json: &'static str) -> Self {
        let model: Model = serde_json::from_str(json).expect("the file is part of the build and tested");
        let patterns = model.shapes.values().filter_map(|shape| shape.pattern.clone());
        // Java's classes, and its pairs of surrogates, for what Rust spells out.
        let rust = |pattern: &str| {
            let pattern = pattern
                .replace(r"\p{Alnum}", "a-zA-Z0-9")
                .replace(r"\p{Print}", r"[\x20-\x7E]")
                .replace(r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010FFFF");
            Regex::new(&format!("^(?:{pattern})$"))
        };
        let patterns = patterns.filter_map(|pattern| Some((pattern.clone(), rust(&pattern).ok()?))).collect();
        Self { model, patterns }
    }

    /// Checks an operation's input; says every fault at once, as AWS does.
    pub fn validate(&self, operation: &str, input: &Value) -> Result<(), AwsError> {
        let Some(shape) = self.model.operations.get(operation) else { return Ok(()) };
        let mut faults = Vec::new();
        self.check(shape, "", input, &mut faults);
        if faults.is_empty() {
            return Ok(());
        }
        let count = faults.len();
        let errors = if count == 1 { "error" } else { "errors" };
        Err(AwsError::validation(format!("{count} validation {errors} detected: {}", faults.join("; "))))
    }

    fn check(&self, shape: &str, path: &str, value: &Value, faults: &mut Vec<String>) {
        let Some(shape) = self.model.shapes.get(shape) else { return };
        let mut fault = |shown: &str, constraint: String| {
            faults.push(format!(
                "Value {shown} at '{path}' failed to satisfy constraint: Member must {constraint}"
            ));
        };
        match (shape.r#type.as_str(), value) {
            ("structure", Value::Object(members)) => {
                for name in shape.required.iter().filter(|name| members.get(*name).is_none_or(Value::is_null))
                {
                    let at = join(path, name);
                    faults.push(format!(
                        "Value null at '{at}' failed to satisfy constraint: Member must not be null"
                    ));
                }
                for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                    match shape.members.get(name) {
                        Some(member) => self.check(member, &join(path, name), value, faults),
                        None => faults.push(format!("Unknown parameter '{}'", join(path, name))),
                    }
                }
            }
            ("list", Value::Array(items)) => {
                if let Some(constraint) = length(shape, items.len()) {
                    fault(&value.to_string(), constraint);
                }
                let member = shape.member.as_deref().unwrap_or_default();
                for (i, item) in items.iter().enumerate() {
                    self.check(member, &format!("{path}.{}.member", i + 1), item, faults);
                }
            }
            ("map", Value::Object(entries)) => {
                if let Some(constraint) = length(shape, entries.len()) {
                    fault(&value.to_string(), constraint);
                }
                let (key, member) =
                    (shape.key.as_deref().unwrap_or_default(), shape.value.as_deref().unwrap_or_default());
                for (name, value) in entries {
                    self.check(key, path, &Value::String(name.clone()), faults);
                    self.check(member, &format!("{path}.{name}.member"), value, faults);
                }
            }
            ("string", Value::String(text)) => {
                let shown = format!("'{text}'");
                if let Some(constraint) = length(shape, text.chars().count()) {
                    fault(&shown, constraint);
                }
                if let Some(allowed) = shape.r#enum.as_ref().filter(|allowed| !allowed.contains(text)) {
                    fault(&shown, format!("satisfy enum value set: [{}]", allowed.join(", ")));
                }
                if let Some(pattern) = &shape.pattern
                    && self.patterns.get(pattern.as_str()).is_some_and(|regex| !regex.is_match(text))
                {
                    fault(&shown, format!("satisfy regular expression pattern: {pattern}"));
                }
            }
            ("integer" | "long" | "float" | "double", Value::Number(number)) => {
                let number = number.as_f64().unwrap_or_default();
                let whole = matches!(shape.r#type.as_str(), "integer" | "long");
                if whole && number.fract() != 0.0 {
                    fault(&format!("'{number}'"), "be a whole number".to_owned());
                }
                if let Some(min) = shape.min.filter(|min| number < *min) {
                    fault(&format!("'{number}'"), format!("have value greater than or equal to {min}"));
                }
                if let Some(max) = shape.max.filter(|max| number > *max) {
                    fault(&format!("'{number}'"), format!("have value less than or equal to {max}"));
                }
            }
            ("boolean", Value::Bool(_)) | ("timestamp", Value::Number(_) | Value::String(_)) => {}
            (expected, _) => fault(&value.to_string(), format!("be a {expected}")),
        }
    }
}

fn length(shape: &Shape, length: usize) -> Option<String> {
    // No length in AWS's model comes near 2^52, where f64 would round.
    #[allow(clippy::cast_precision_loss)]
    let length = length as f64;
    match (shape.min, shape.max) {
        (Some(min), _) if length < min => Some(format!("have length greater than or equal to {min}")),
        (_, Some(max)) if length > max => Some(format!("have length less than or equal to {max}")),
        _ => None,
    }
}

/// AWS writes paths in lower camel case.
fn join(path: &str, name: &str) -> String {
    let mut chars = name.chars();
    let name: String = chars.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(chars).collect();
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_pattern_of_the_models_compiles() {
        for json in [
            include_str!("sagemaker/shapes.json"),
            include_str!("autoscaling/shapes.json"),
            include_str!("cloudwatch/shapes.json"),
        ] {
            let shapes = Shapes::read(json);
            for shape in shapes.model.shapes.values() {
                if let Some(pattern) = &shape.pattern {
                    assert!(shapes.patterns.contains_key(pattern.as_str()), "{pattern}");
                }
            }
        }
    }

    #[test]
    fn faults_are_worded_as_aws_words_them() {
        let shapes = Shapes::read(include_str!("sagemaker/shapes.json"));
        let error = shapes.validate("DescribeTrainingJob", &json!({"TrainingJobName": "a_b"})).unwrap_err();
        assert_eq!(error.code, "ValidationException");
        assert_eq!(
            error.message,
            "1 validation error detected: Value 'a_b' at 'trainingJobName' failed to satisfy constraint: Member must \
             satisfy regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}"
        );
        let error = shapes.validate("CreateEndpoint", &json!({})).unwrap_err();
        assert!(
            error.message.starts_with("2 validation errors detected: Value null at"),
            "{}",
            error.message
        );
        let input = json!({"EndpointConfigName": "c", "ProductionVariants":
            [{"VariantName": "v", "InstanceType": "ml.none", "InitialInstanceCount": 0}]});
        let message = shapes.validate("CreateEndpointConfig", &input).unwrap_err().message;
        assert!(message.contains("'ml.none' at 'productionVariants.1.member.instanceType'"), "{message}");
        assert!(message.contains("greater than or equal to 1"), "{message}");
        shapes.validate("ListModels", &json!({"MaxResults": 5, "SortBy": null})).unwrap();
    }
}
