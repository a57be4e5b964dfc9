//! The wire protocols: what can be read of a request without its service's model, and the frame of an answer.

mod answer;
pub mod ec2query;
pub mod form;
pub mod json;
pub mod query;
pub mod restjson;
pub mod xml;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use serde::Deserialize;

use crate::call::AwsError;
use form::Node;

/// The protocol of a service.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Json,
    Query,
    Ec2,
    RestJson,
}

impl Protocol {
    /// Returns the answer for an error if the service's model isn't known.
    pub fn error(self, error: &AwsError, request_id: &str) -> Response<Bytes> {
        match self {
            Self::Json => json::error(error, "application/json", request_id),
            Self::Query => query::error("", error, request_id),
            Self::Ec2 => ec2query::error(error, request_id),
            Self::RestJson => restjson::error(error, "message", request_id),
        }
    }

    /// Returns the operation that a request names in `X-Amz-Target` or in `Action`.
    pub fn named_operation(self, request: &Parts, body: &[u8]) -> Option<String> {
        match self {
            Self::Json => json::target(request).map(|(_, operation)| operation.to_owned()),
            Self::Query | Self::Ec2 => Node::read(request, body).ok()?.take_action().ok(),
            Self::RestJson => None,
        }
    }
}
