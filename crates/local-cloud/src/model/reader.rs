//! Turns requests into typed inputs, and outputs into answers, by a service's model and in its protocol.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::check::check;
use super::members::Members;
use super::shape::{File, Operation, Shape};
use super::{fault, input, output};
use crate::call::AwsError;
use crate::protocol::form::Node;
use crate::protocol::{Protocol, ec2query, json, query, restjson};

/// A service's model.
#[derive(Debug)]
pub struct Model {
    file: File,
    members: Members,
}

impl Model {
    /// Reads a model that is part of the program.
    ///
    /// # Panics
    /// The text isn't a model. The tests read all of them.
    pub fn read(text: &'static str) -> Self {
        let file = serde_json::from_str(text).expect("the file is part of the build and tested");
        Self { file, members: Members::default() }
    }

    /// Returns the model with what the service does with the members of its inputs.
    ///
    /// # Panics
    /// As [`Members::read`].
    pub fn with_members(self, text: &'static str) -> Self {
        Self { members: Members::read(text), ..self }
    }

    /// Returns a member of an operation's input that is given, and that the service refuses.
    pub fn refused(&self, operation: &str, input: &Value) -> Option<&'static str> {
        self.members.refused(operation, input)
    }

    /// Returns the shapes.
    #[cfg(test)]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns the service's protocol.
    pub fn protocol(&self) -> Protocol {
        self.file.protocol
    }

    /// Returns the names of the operations.
    #[cfg(test)]
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.file.operations.keys().map(String::as_str)
    }

    /// Returns whether a request that is signed for the service's name is for this service. SageMaker and its runtime
    /// have the same name.
    pub fn speaks(&self, request: &Parts) -> bool {
        match self.protocol() {
            Protocol::Json => json::target(request).is_some_and(|(target, _)| target == self.file.target),
            Protocol::RestJson => self.route(request).is_some(),
            Protocol::Query | Protocol::Ec2 => true,
        }
    }

    /// Returns the operation that a request names. If its path belongs to no operation, the path is returned.
    ///
    /// # Errors
    /// It names no operation, or can't be read.
    pub fn operation(&self, request: &Parts, body: &[u8]) -> Result<String, AwsError> {
        match self.protocol() {
            Protocol::Json => json::operation(request),
            Protocol::RestJson => Ok(self.route(request).unwrap_or_else(|| request.uri.path()).to_owned()),
            Protocol::Query | Protocol::Ec2 => Node::read(request, body)?.take_action(),
        }
    }

    /// Returns an operation's input, typed and checked, and the body if that is a stream of bytes.
    ///
    /// # Errors
    /// The request can't be read, or doesn't fit the model, in AWS's words.
    pub fn decode(&self, operation: &str, request: &Parts, body: Bytes) -> Result<(Value, Bytes), AwsError> {
        let lacking = || AwsError::internal(format!("The model has no {operation}."));
        let found = self.file.operations.get(operation).ok_or_else(lacking)?;
        let shape = self.file.input(operation).ok_or_else(lacking)?;
        let mut faults = Vec::new();
        let mut payload = Bytes::new();
        let input = match self.protocol() {
            Protocol::Json => Value::Object(json::read(&body)?),
            Protocol::RestJson => {
                let mut members = restjson::in_path(&found.uri, request.uri.path()).ok_or_else(lacking)?;
                self.read_located(found, shape, request, &mut members);
                if found.payload.is_some() {
                    payload = body;
                } else {
                    add_body(found, json::read(&body)?, &mut members);
                }
                Value::Object(members)
            }
            Protocol::Query | Protocol::Ec2 => {
                let mut root = Node::read(request, &body)?;
                root.take_action()?;
                input::read(&self.file, shape, "", root, &mut faults)
            }
        };
        check(&self.file, shape, "", &input, &mut faults);
        fault::error(&self.file, &faults).map_or(Ok((input, payload)), Err)
    }

    /// Returns the answer with an operation's output. Null means no output.
    pub fn encode(
        &self,
        request: &Parts,
        operation: &str,
        output: &Value,
        request_id: &str,
    ) -> Response<Bytes> {
        let found = self.file.operations.get(operation);
        let namespace = &self.file.namespace;
        match self.protocol() {
            Protocol::Json => {
                json::answer(output, json::content_type(request, &self.file.version), request_id)
            }
            Protocol::RestJson => {
                restjson::answer(found.map_or(200, |operation| operation.code), output, request_id)
            }
            Protocol::Query | Protocol::Ec2 => match self.xml(found, output) {
                Err(why) => {
                    let why = format!("the answer of {operation} is not AWS's: {why}");
                    self.encode_error(request, &AwsError::internal(why), request_id)
                }
                Ok(xml) if self.protocol() == Protocol::Ec2 => {
                    let content = xml.as_deref().unwrap_or("<return>true</return>");
                    ec2query::answer(namespace, operation, content, request_id)
                }
                Ok(xml) => {
                    let result = found.and_then(|operation| operation.result.as_deref());
                    query::answer(namespace, operation, result.zip(xml.as_deref()), request_id)
                }
            },
        }
    }

    /// Returns the answer for an error.
    pub fn encode_error(&self, request: &Parts, error: &AwsError, request_id: &str) -> Response<Bytes> {
        match self.protocol() {
            Protocol::Json => json::error(error, json::content_type(request, &self.file.version), request_id),
            Protocol::RestJson => {
                let capital = self.file.errors.contains(&error.code);
                restjson::error(error, if capital { "Message" } else { "message" }, request_id)
            }
            Protocol::Query => query::error(&self.file.namespace, error, request_id),
            Protocol::Ec2 => ec2query::error(error, request_id),
        }
    }

    /// Returns the operation with the method and path of a request, and with the query parameters that its URI may
    /// have.
    fn route(&self, request: &Parts) -> Option<&str> {
        let query = request.uri.query().unwrap_or_default();
        let fitting = self.file.operations.iter().filter(|(_, operation)| {
            let own = operation.uri.split_once('?').map(|(_, query)| query);
            operation.method == request.method.as_str()
                && restjson::in_path(&operation.uri, request.uri.path()).is_some()
                && own.is_none_or(|own| query.split('&').any(|pair| pair == own))
        });
        // If two have the same path, it is the one whose URI has a query.
        fitting.max_by_key(|(_, operation)| operation.uri.contains('?')).map(|(name, _)| name.as_str())
    }

    /// Reads the members in the query and in headers.
    fn read_located(
        &self,
        operation: &Operation,
        shape: &Shape,
        request: &Parts,
        members: &mut Map<String, Value>,
    ) {
        let shape_of = |member: &str| shape.members.get(member).and_then(|part| self.file.part(part));
        let query = request.uri.query().unwrap_or_default();
        for (key, text) in form_urlencoded::parse(query.as_bytes()) {
            let Some(member) = operation.query.get(&*key) else { continue };
            let Some(shape) = shape_of(member) else { continue };
            if let Some(item) = shape.member.as_ref().and_then(|part| self.file.part(part)) {
                let list = members.entry(member).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(input::scalar(item.r#type, &text));
                }
            } else {
                members.insert(member.clone(), input::scalar(shape.r#type, &text));
            }
        }
        for (header, member) in &operation.header {
            let text = request.headers.get(header).and_then(|value| value.to_str().ok());
            if let (Some(text), Some(shape)) = (text, shape_of(member)) {
                members.insert(member.clone(), input::scalar(shape.r#type, text));
            }
        }
    }

    /// Returns the content of an operation's output as XML. None: the operation has no output.
    fn xml(&self, operation: Option<&Operation>, output: &Value) -> Result<Option<String>, String> {
        let Some(output_shape) = operation.and_then(|operation| operation.output.as_deref()) else {
            return Ok(None);
        };
        let mut xml = String::new();
        let shape = self.file.shape(output_shape).ok_or("no shape")?;
        let nothing = json!({});
        output::write(&self.file, &mut xml, shape, if output.is_null() { &nothing } else { output })?;
        Ok(Some(xml))
    }
}

/// Adds the body's members. Members of the path, the query and the headers can't be in the body.
fn add_body(operation: &Operation, body: Map<String, Value>, members: &mut Map<String, Value>) {
    for (name, value) in body {
        let located = members.contains_key(&name)
            || operation.query.values().chain(operation.header.values()).any(|member| *member == name);
        if !located {
            members.insert(name, value);
        }
    }
}
