//! The faults of an input, in AWS's words.

use serde_json::Value;

use super::shape::{File, Type};
use crate::call::AwsError;
use crate::protocol::Protocol;
use crate::protocol::ec2query;

/// A fault.
#[derive(Debug)]
pub struct Fault<'m> {
    /// In AWS's lower camel case, or for EC2 as in the form.
    pub path: String,
    /// Null if there is no value.
    pub value: Value,
    /// Whether messages don't repeat the value.
    pub unshown: bool,
    pub constraint: Constraint<'m>,
}

/// The constraint that a value breaks.
#[derive(Debug)]
pub enum Constraint<'m> {
    /// The member is required.
    Required,
    /// The shape has no such member.
    Known,
    Type(Type),
    Whole,
    /// The least length or size.
    MinLength(f64),
    MaxLength(f64),
    Min(f64),
    Max(f64),
    Enum(&'m [String]),
    Pattern(&'m str),
}

impl Constraint<'_> {
    fn words(&self) -> String {
        match self {
            Self::Required => "not be null".to_owned(),
            Self::Known => "be a parameter of the operation".to_owned(),
            Self::Type(r#type) => format!("be {}", type_words(*r#type)),
            Self::Whole => "be a whole number".to_owned(),
            Self::MinLength(min) => format!("have length greater than or equal to {min}"),
            Self::MaxLength(max) => format!("have length less than or equal to {max}"),
            Self::Min(min) => format!("have value greater than or equal to {min}"),
            Self::Max(max) => format!("have value less than or equal to {max}"),
            Self::Enum(allowed) => format!("satisfy enum value set: [{}]", allowed.join(", ")),
            Self::Pattern(pattern) => format!("satisfy regular expression pattern: {pattern}"),
        }
    }
}

fn type_words(r#type: Type) -> &'static str {
    match r#type {
        Type::Structure => "a structure",
        Type::List => "a list",
        Type::Map => "a map",
        Type::String => "a string",
        Type::Blob => "a blob",
        Type::Timestamp => "a timestamp",
        Type::Boolean => "true or false",
        Type::Integer | Type::Long => "an integer",
        Type::Float | Type::Double => "a number",
    }
}

/// Returns the error for the faults of an input. None: there are no faults.
pub fn error(model: &File, faults: &[Fault<'_>]) -> Option<AwsError> {
    let first = faults.first()?;
    if model.protocol == Protocol::Ec2 {
        return Some(ec2_error(first));
    }
    // AWS's front end reads JSON as typed values before it checks anything else.
    let read_by_type = matches!(model.protocol, Protocol::Json | Protocol::RestJson);
    if let Some(unreadable) = faults.iter().find_map(unreadable).filter(|_| read_by_type) {
        return Some(AwsError::new(400, "SerializationException", unreadable));
    }
    let own = |fault: &Fault<'_>| match fault.constraint {
        Constraint::Pattern(pattern) => model.words.get(pattern),
        _ => None,
    };
    // AWS's front end checks first. Patterns for which a service has messages of its own are checked later, by the
    // service.
    let front: Vec<String> = faults.iter().filter(|fault| own(fault).is_none()).map(worded).collect();
    let message = match (front.len(), own(first)) {
        (0, Some(words)) => format!("The specified value for {} is invalid. {words}", first.path),
        (1, _) => format!("1 validation error detected: {}", front[0]),
        (count, _) => format!("{count} validation errors detected: {}", front.join("; ")),
    };
    Some(AwsError::new(400, &model.invalid, message))
}

/// Returns AWS's message for a JSON value whose type isn't that of its shape. None: the fault is another one.
fn unreadable(fault: &Fault<'_>) -> Option<String> {
    let Constraint::Type(r#type) = fault.constraint else { return None };
    let wanted = match r#type {
        Type::List => return Some("Expected list or null".to_owned()),
        Type::Map => return Some("Expected map or null".to_owned()),
        Type::Structure => return Some("Expected structure or null".to_owned()),
        Type::String => "a String",
        Type::Blob => "a Blob",
        Type::Timestamp => "a Timestamp",
        Type::Boolean => "a Boolean",
        Type::Integer => "an Integer",
        Type::Long => "a Long",
        Type::Float => "a Float",
        Type::Double => "a Double",
    };
    let found = match &fault.value {
        Value::Object(_) => return Some("Start of structure or map found where not expected.".to_owned()),
        Value::Array(_) => return Some("Start of list found where not expected".to_owned()),
        Value::Number(_) => "NUMBER_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::String(_) | Value::Null => "STRING_VALUE",
    };
    Some(format!("{found} can not be converted to {wanted}"))
}

fn worded(fault: &Fault<'_>) -> String {
    let (path, constraint) = (&fault.path, &fault.constraint);
    if matches!(constraint, Constraint::Known) {
        return format!("Unknown parameter '{path}'");
    }
    let shown = match &fault.value {
        _ if fault.unshown => String::new(),
        Value::String(text) => format!(" '{text}'"),
        Value::Number(number) => format!(" '{number}'"),
        other => format!(" {other}"),
    };
    format!("Value{shown} at '{path}' failed to satisfy constraint: Member must {}", constraint.words())
}

fn ec2_error(fault: &Fault<'_>) -> AwsError {
    let path = &fault.path;
    let shown = match &fault.value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let why = match &fault.constraint {
        Constraint::Required => return ec2query::missing(path),
        Constraint::Known => return ec2query::unknown(path),
        Constraint::Enum(_) => {
            let name = path.rsplit('.').next().unwrap_or(path);
            let message = format!("Invalid value '{shown}' for {name}.");
            return AwsError::new(400, "InvalidParameterValue", message);
        }
        Constraint::MinLength(min) | Constraint::Min(min) => {
            format!("Expecting a value greater than or equal to {min}.")
        }
        Constraint::MaxLength(max) | Constraint::Max(max) => {
            format!("Expecting a value less than or equal to {max}.")
        }
        Constraint::Type(_) | Constraint::Whole | Constraint::Pattern(_) => {
            format!("Parameter must {}.", fault.constraint.words())
        }
    };
    ec2query::invalid(path, &shown, &why)
}
