//! ec2Query (EC2): a form in, XML out, by the names that the service's model gives its members on the wire.
//!
//! Lists are flat in the form (`Tag.1.Key`) and `<item>`s in the XML. The model also says what a form must and may
//! hold, so a service gets what fits it, and an answer that does not fit is our own fault and said to be.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::query::{Node, escape, missing_action};
use super::response;
use crate::call::{AwsError, Reply};

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// A service's operations and shapes.
#[derive(Debug, Deserialize)]
pub struct Model {
    /// The shapes of input and output.
    operations: HashMap<String, (String, Option<String>)>,
    shapes: HashMap<String, Shape>,
}

#[derive(Debug, Deserialize)]
struct Shape {
    r#type: Type,
    #[serde(default)]
    required: Vec<String>,
    #[serde(default)]
    members: BTreeMap<String, Member>,
    /// A list's.
    member: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    r#enum: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    Structure,
    List,
    String,
    Blob,
    Timestamp,
    Boolean,
    Integer,
    Long,
    Float,
    Double,
}

/// A member's shape and, where it is not the member's own, its name on the wire.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Member {
    Same([String; 1]),
    Renamed([String; 2]),
}

impl Member {
    fn shape(&self) -> &str {
        match self {
            Self::Same([shape]) | Self::Renamed([shape, _]) => shape,
        }
    }

    fn wire<'a>(&'a self, name: &'a str) -> &'a str {
        match self {
            Self::Same(_) => name,
            Self::Renamed([_, wire]) => wire,
        }
    }
}

impl Model {
    pub fn knows(&self, operation: &str) -> bool {
        self.operations.contains_key(operation)
    }

    /// The type of a shape, and what it says beyond that; values without constraints are named by their type.
    fn shape(&self, name: &str) -> Option<(Type, Option<&Shape>)> {
        if let Some(shape) = self.shapes.get(name) {
            return Some((shape.r#type, Some(shape)));
        }
        Some((Type::deserialize(Value::from(name)).ok()?, None))
    }
}

/// The operation that `Action` names, and its input. That of an operation which the model lacks is empty.
///
/// # Errors
/// EC2's words for what does not fit the model.
pub fn decode(model: &Model, request: &Parts, body: &[u8]) -> Result<(String, Value), AwsError> {
    let mut root = Node::read(request, body)?;
    root.members.remove("Version");
    let action = root.members.remove("Action").and_then(|node| node.value).ok_or_else(missing_action)?;
    let input = match model.operations.get(&action) {
        Some((shape, _)) => read(model, shape, "", root)?,
        None => Value::Object(Map::new()),
    };
    Ok((action, input))
}

fn read(model: &Model, shape: &str, path: &str, node: Node) -> Result<Value, AwsError> {
    let (kind, shape) =
        model.shape(shape).ok_or_else(|| AwsError::internal(format!("no shape for {path}")))?;
    match kind {
        Type::Structure => read_structure(model, shape, path, node),
        Type::List => {
            let member = shape.and_then(|shape| shape.member.as_deref()).unwrap_or_default();
            let mut items = Vec::new();
            for (key, node) in node.members {
                let at = format!("{path}.{key}");
                items.push((key.parse::<u32>().map_err(|_| unknown(&at))?, at, node));
            }
            items.sort_by_key(|(index, ..)| *index);
            items.into_iter().map(|(_, at, node)| read(model, member, &at, node)).collect()
        }
        _ => read_scalar(kind, shape, path, node),
    }
}

fn read_structure(model: &Model, shape: Option<&Shape>, path: &str, node: Node) -> Result<Value, AwsError> {
    let mut input = Map::new();
    let Some(shape) = shape else { return Ok(Value::Object(input)) };
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    for (wire, node) in node.members {
        let at = join(&wire);
        let mut members = shape.members.iter();
        let (name, member) =
            members.find(|(name, member)| member.wire(name) == wire).ok_or_else(|| unknown(&at))?;
        input.insert(name.clone(), read(model, member.shape(), &at, node)?);
    }
    if let Some(name) = shape.required.iter().find(|name| !input.contains_key(*name)) {
        let wire = shape.members.get(name).map_or(name.as_str(), |member| member.wire(name));
        return Err(missing(&join(wire)));
    }
    Ok(Value::Object(input))
}

fn read_scalar(kind: Type, shape: Option<&Shape>, path: &str, node: Node) -> Result<Value, AwsError> {
    let Some(text) = node.value.filter(|_| node.members.is_empty()) else { return Err(unknown(path)) };
    let bad = |why: &str| invalid(path, &text, why);
    let number = || text.parse::<i64>().map_err(|_| bad("Parameter must be an integer."));
    let value = match kind {
        Type::Boolean => Value::Bool(match text.as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(bad("Parameter must be true or false.")),
        }),
        Type::Integer | Type::Long => Value::from(number()?),
        Type::Float | Type::Double => {
            Value::from(text.parse::<f64>().map_err(|_| bad("Parameter must be a number."))?)
        }
        _ => Value::String(text.clone()),
    };
    let Some(shape) = shape else { return Ok(value) };
    if shape.r#enum.as_ref().is_some_and(|allowed| !allowed.contains(&text)) {
        let name = path.rsplit('.').next().unwrap_or(path);
        return Err(AwsError::new(
            400,
            "InvalidParameterValue",
            format!("Invalid value '{text}' for {name}."),
        ));
    }
    // A text's length, a number's size.
    let size = value.as_i64().unwrap_or_else(|| i64::try_from(text.chars().count()).unwrap_or(i64::MAX));
    if let Some(min) = shape.min.filter(|min| size < *min) {
        return Err(bad(&format!("Expecting a value greater than or equal to {min}.")));
    }
    if let Some(max) = shape.max.filter(|max| size > *max) {
        return Err(bad(&format!("Expecting a value less than or equal to {max}.")));
    }
    Ok(value)
}

/// A parameter that is not there and must be.
pub fn missing(name: &str) -> AwsError {
    AwsError::new(400, "MissingParameter", format!("The request must contain the parameter {name}"))
}

/// A parameter whose value does not do.
pub fn invalid(name: &str, value: &str, why: &str) -> AwsError {
    let message = format!("Value ({value}) for parameter {name} is invalid. {why}");
    AwsError::new(400, "InvalidParameterValue", message)
}

fn unknown(name: &str) -> AwsError {
    AwsError::new(400, "UnknownParameter", format!("The parameter {name} is not recognized"))
}

/// The answer of `operation`; Null is that of one without output.
pub fn encode(model: &Model, operation: &str, reply: &Reply, request_id: &str) -> Response<Bytes> {
    let output = match reply {
        Ok(output) => output,
        Err(error) => return encode_error(error, request_id),
    };
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{operation}Response xmlns=\"{NAMESPACE}\">\
         <requestId>{request_id}</requestId>"
    );
    let written = match model.operations.get(operation) {
        Some((_, Some(shape))) => write_content(&mut xml, model, shape, output),
        _ => {
            xml.push_str("<return>true</return>");
            Ok(())
        }
    };
    if let Err(why) = written {
        return encode_error(
            &AwsError::internal(format!("the answer of {operation} is not AWS's: {why}")),
            request_id,
        );
    }
    let _ = write!(xml, "</{operation}Response>");
    response(200, "text/xml;charset=UTF-8", request_id, xml)
}

pub fn encode_error(error: &AwsError, request_id: &str) -> Response<Bytes> {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>");
    escape(&mut xml, &error.code);
    xml += "</Code><Message>";
    escape(&mut xml, &error.message);
    let _ = write!(xml, "</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>");
    response(error.status, "text/xml;charset=UTF-8", request_id, xml)
}

/// Writes what is inside an element; the error says where it is not of the shape.
fn write_content(xml: &mut String, model: &Model, shape: &str, value: &Value) -> Result<(), String> {
    let (kind, shape) = model.shape(shape).ok_or_else(|| format!("no shape {shape}"))?;
    match (kind, value) {
        (Type::Structure, Value::Object(members)) => {
            for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                let member = shape.and_then(|shape| shape.members.get(name));
                let member = member.ok_or_else(|| format!("no member {name}"))?;
                let wire = member.wire(name);
                let _ = write!(xml, "<{wire}>");
                write_content(xml, model, member.shape(), value).map_err(|why| format!("{name}: {why}"))?;
                let _ = write!(xml, "</{wire}>");
            }
        }
        (Type::List, Value::Array(items)) => {
            let member = shape.and_then(|shape| shape.member.as_deref()).unwrap_or_default();
            for item in items {
                xml.push_str("<item>");
                write_content(xml, model, member, item)?;
                xml.push_str("</item>");
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn model() -> Model {
        serde_json::from_value(json!({
            "operations": {"Run": ["In", "Out"], "Tag": ["In", null]},
            "shapes": {
                "In": {"type": "structure", "required": ["Count"], "members": {
                    "Count": ["Small"], "Groups": ["Names", "Group"], "DryRun": ["boolean"], "Kind": ["Kind"],
                    "Tags": ["Tags", "Tag"]}},
                "Small": {"type": "integer", "min": 1, "max": 5},
                "Kind": {"type": "string", "enum": ["a", "b"]},
                "Names": {"type": "list", "member": "string"},
                "Tags": {"type": "list", "member": "Tag"},
                "Tag": {"type": "structure", "members": {"Key": ["string"]}},
                "Out": {"type": "structure", "members": {"Groups": ["Names", "groupSet"], "At": ["timestamp", "at"]}},
            },
        }))
        .unwrap()
    }

    fn decoded(body: &str) -> Result<Value, AwsError> {
        let (parts, ()) = http::Request::post("/").body(()).unwrap().into_parts();
        decode(&model(), &parts, body.as_bytes()).map(|(_, input)| input)
    }

    #[test]
    fn a_form_becomes_the_shape_of_the_model() {
        let input =
            decoded("Action=Run&Version=x&Count=3&Group.10=c&Group.2=b&Group.1=a&DryRun=true&Tag.1.Key=k+1");
        let expected =
            json!({"Count": 3, "DryRun": true, "Groups": ["a", "b", "c"], "Tags": [{"Key": "k 1"}]});
        assert_eq!(input.unwrap(), expected);
        assert_eq!(decoded("Action=Other&X=1").unwrap(), json!({}));
    }

    #[test]
    fn what_does_not_fit_is_refused_in_ec2s_words() {
        for (body, code, message) in [
            ("Count=1", "MissingAction", "Action"),
            ("Action=Run", "MissingParameter", "The request must contain the parameter Count"),
            ("Action=Run&Count=1&Size=2", "UnknownParameter", "The parameter Size is not recognized"),
            ("Action=Run&Count=x", "InvalidParameterValue", "must be an integer"),
            ("Action=Run&Count=9", "InvalidParameterValue", "Value (9) for parameter Count is invalid."),
            ("Action=Run&Count=1&Kind=c", "InvalidParameterValue", "Invalid value 'c' for Kind."),
            ("Action=Run&Count=1&Group.x=c", "UnknownParameter", "Group.x"),
            ("Action=Run&Count.1=1", "UnknownParameter", "Count"),
            ("Action=Run&Count=1&DryRun=yes", "InvalidParameterValue", "DryRun"),
        ] {
            let error = decoded(body).unwrap_err();
            assert_eq!(error.code, code, "{body}");
            assert!(error.message.contains(message), "{body}: {}", error.message);
        }
    }

    #[test]
    fn answers_are_items_in_a_namespace() {
        let text = |response: Response<Bytes>| String::from_utf8(response.into_body().to_vec()).unwrap();
        let reply = Ok(json!({"Groups": ["<a>"], "At": null}));
        let xml = text(encode(&model(), "Run", &reply, "id"));
        assert!(xml.contains(
            "<RunResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>id</requestId>\
             <groupSet><item>&lt;a&gt;</item></groupSet></RunResponse>"
        ));
        assert!(text(encode(&model(), "Tag", &Ok(Value::Null), "id")).contains("<return>true</return>"));
        let made_up = encode(&model(), "Run", &Ok(json!({"Grups": []})), "id");
        assert_eq!(made_up.status(), 500);
        assert!(text(made_up).contains("no member Grups"));
    }
}
