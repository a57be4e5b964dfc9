//! A request to a service and the answer to it, independent of the wire protocol.

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who signed a request whose signature is valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `arn:aws:iam::…:user/NAME`, `arn:aws:sts::…:assumed-role/ROLE/SESSION` or `arn:aws:iam::…:root`.
    pub arn: String,
    /// STS's `UserId`.
    pub user_id: String,
    /// The policies that limit a session: documents, and ARNs of managed policies. Without any, only the role's
    /// policies do.
    #[serde(default)]
    pub session_policies: Vec<String>,
    /// The program that sent the request, by its User-Agent header. It belongs to the request, so it isn't stored.
    #[serde(skip)]
    pub agent: Option<String>,
    /// Whether the request came over TLS. It is stored as true for a session that a process of the cloud itself has, such as
    /// a training job's: the cloud gave it an endpoint without TLS, where AWS would have given it one with TLS.
    #[serde(default)]
    pub over_tls: bool,
}

impl Caller {
    pub fn new(arn: impl Into<String>, user_id: impl Into<String>) -> Self {
        Self {
            arn: arn.into(),
            user_id: user_id.into(),
            session_policies: Vec::new(),
            agent: None,
            over_tls: false,
        }
    }

    /// Returns the caller of an unsigned request, which S3 allows.
    pub fn anonymous() -> Self {
        Self::new("anonymous", "anonymous")
    }

    /// Returns the same caller, as it calls with this User-Agent header, over TLS or not.
    pub fn calling(self, agent: Option<&str>, over_tls: bool) -> Self {
        Self { agent: agent.map(str::to_owned), over_tls: self.over_tls || over_tls, ..self }
    }

    pub fn is_anonymous(&self) -> bool {
        self.arn == "anonymous"
    }
}

/// A call of an operation, as every protocol's codec returns it.
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
    /// Returns the input as the operation's type. An input that doesn't fit is a ValidationException.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        T::deserialize(&self.input).map_err(|error| AwsError::validation(error.to_string()))
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
    /// The further members of the error's shape, such as the `Reason` of a throttle. They are boxed to keep results
    /// small: few errors have any.
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

    /// Returns the error for an operation that the local cloud doesn't support. It never pretends to succeed.
    pub fn unsupported(service: &str, operation: &str) -> Self {
        let message = format!("The local cloud does not support {operation} of {service}.");
        Self::new(501, "UnknownOperationException", message)
    }

    /// Returns the error for a failure that is the local cloud's fault, and not the caller's.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalFailure", message)
    }
}
