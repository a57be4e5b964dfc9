//! One request to a service, free of its wire protocol, and the answer to it.

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who signed a request, after its signature held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `arn:aws:iam::…:user/NAME`, `arn:aws:sts::…:assumed-role/ROLE/SESSION` or `arn:aws:iam::…:root`.
    pub arn: String,
    /// What STS calls UserId.
    pub user_id: String,
    /// Of a session, the policies that limit it: documents, and ARNs of managed ones. None: nothing but its role does.
    #[serde(default)]
    pub session_policies: Vec<String>,
}

impl Caller {
    pub fn new(arn: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self { arn: arn.into(), user_id: user_id.into(), session_policies: Vec::new() }
    }

    /// Who doesn't sign, as S3 lets them ask.
    pub fn anonymous() -> Self {
        Self::new("anonymous", "anonymous")
    }

    pub fn is_anonymous(&self) -> bool {
        self.arn == "anonymous"
    }
}

/// One operation of one service, as any codec delivers it.
#[derive(Clone, Debug)]
pub struct Call {
    pub caller: Caller,
    /// As in AWS's model: `CreateTrainingJob`.
    pub operation: String,
    /// The input in the shape of AWS's model: member names as there, blobs as base64.
    pub input: Value,
    /// The body of an operation whose input is a stream of bytes (`Invoke`, `InvokeEndpoint`); empty for all others.
    pub payload: Bytes,
    pub headers: HeaderMap,
    /// Answered as `x-amzn-RequestId`.
    pub request_id: String,
}

impl Call {
    /// The input as the operation's type; what does not fit is a ValidationException.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        T::deserialize(&self.input).map_err(|error| AwsError::validation(error.to_string()))
    }

    /// The answer to an operation that the local cloud lacks.
    pub fn unsupported(&self, service: &str) -> AwsError {
        AwsError::unsupported(service, &self.operation)
    }
}

/// The output in the shape of AWS's model.
pub type Reply = Result<Value, AwsError>;

/// An error as AWS words it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsError {
    pub status: u16,
    /// The code that clients match: `AccessDeniedException`, `ResourceInUse`, …
    pub code: String,
    pub message: String,
    /// What the error's shape has beside them, such as the `Reason` of a throttle. Boxed: few errors have any, and each
    /// result has room for all of an error.
    pub members: Box<Map<String, Value>>,
}

impl AwsError {
    /// Makes an error with an HTTP status, a code that clients match and a message for people.
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), members: Box::default() }
    }

    /// Adds a member of the error's shape.
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(400, "ValidationException", message)
    }

    /// What the local cloud cannot do is an error that says so, never a made-up success.
    pub fn unsupported(service: &str, operation: &str) -> Self {
        let message = format!("The local cloud does not support {operation} of {service}.");
        Self::new(501, "UnknownOperationException", message)
    }

    /// The fault is ours, not the caller's.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalFailure", message)
    }
}
