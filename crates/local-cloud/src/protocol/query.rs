//! awsQuery (IAM, STS): requests are forms, and answers are XML.

use std::fmt::Write;

use bytes::Bytes;
use http::Response;

use super::answer::response;
use super::xml::escape;
use crate::call::AwsError;

/// Returns the answer of `operation`. `result` is the name and the content of its result element. None: it has no
/// output.
pub fn answer(
    namespace: &str,
    operation: &str,
    result: Option<(&str, &str)>,
    request_id: &str,
) -> Response<Bytes> {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\">");
    if let Some((name, content)) = result {
        let _ = write!(xml, "<{name}>{content}</{name}>");
    }
    let _ = write!(
        xml,
        "<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    response(200, "text/xml", request_id, xml)
}

/// Returns the answer for an error. If the service isn't known, the namespace is empty.
pub fn error(namespace: &str, error: &AwsError, request_id: &str) -> Response<Bytes> {
    let fault = if error.status < 500 { "Sender" } else { "Receiver" };
    let mut xml = format!("<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{fault}</Type><Code>");
    escape(&mut xml, &error.code);
    xml += "</Code><Message>";
    escape(&mut xml, &error.message);
    let _ = write!(xml, "</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>");
    response(error.status, "text/xml", request_id, xml)
}
