//! The wire protocols: what a request says without its service's model, and how an answer looks around its content.

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

/// How a service is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Json,
    Query,
    Ec2,
    RestJson,
}

impl Protocol {
    /// Returns the answer that an error is where no service's model is known.
    pub fn error(self, error: &AwsError, request_id: &str) -> Response<Bytes> {
        match self {
            Self::Json => json::error(error, "application/json", request_id),
            Self::Query => query::error("", error, request_id),
            Self::Ec2 => ec2query::error(error, request_id),
            Self::RestJson => restjson::error(error, "message", request_id),
        }
    }

    /// Returns the operation that a request names by itself: in `X-Amz-Target`, or in `Action`.
    pub fn named_operation(self, request: &Parts, body: &[u8]) -> Option<String> {
        match self {
            Self::Json => json::target(request).map(|(_, operation)| operation.to_owned()),
            Self::Query | Self::Ec2 => Node::read(request, body).ok()?.take_action().ok(),
            Self::RestJson => None,
        }
    }
}
