//! ec2Query (EC2): requests are forms, and answers are XML. Also EC2's errors about parameters.

use std::fmt::Write;

use bytes::Bytes;
use http::Response;

use super::answer::response;
use super::xml::escape;
use crate::call::AwsError;

const CONTENT_TYPE: &str = "text/xml;charset=UTF-8";

/// Returns the answer of `operation`. Its content has no result element.
pub fn answer(namespace: &str, operation: &str, content: &str, request_id: &str) -> Response<Bytes> {
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{operation}Response xmlns=\"{namespace}\">\
         <requestId>{request_id}</requestId>{content}</{operation}Response>"
    );
    response(200, CONTENT_TYPE, request_id, xml)
}

/// Returns the answer for an error.
pub fn error(error: &AwsError, request_id: &str) -> Response<Bytes> {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>");
    escape(&mut xml, &error.code);
    xml += "</Code><Message>";
    escape(&mut xml, &error.message);
    let _ = write!(xml, "</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>");
    response(error.status, CONTENT_TYPE, request_id, xml)
}

/// Returns the error for a missing parameter.
pub fn missing(name: &str) -> AwsError {
    AwsError::new(400, "MissingParameter", format!("The request must contain the parameter {name}"))
}

/// Returns the error for a parameter with an invalid value.
pub fn invalid(name: &str, value: &str, why: &str) -> AwsError {
    let message = format!("Value ({value}) for parameter {name} is invalid. {why}");
    AwsError::new(400, "InvalidParameterValue", message)
}

/// Returns the error for an unknown parameter.
pub fn unknown(name: &str) -> AwsError {
    AwsError::new(400, "UnknownParameter", format!("The parameter {name} is not recognized"))
}
