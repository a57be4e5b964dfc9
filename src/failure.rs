//! A failure: what went wrong, in a form that is journaled, printed and matched by `expect_error`.
//!
//! Its [`FailureKind`] alone decides the exit code, whether the step is retried and what the user is advised to do.

use std::fmt;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::exit;
use crate::secret::Masker;

/// The result of anything that a step does.
pub type Outcome<T> = Result<T, Failure>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// A service answered a call with an error, or did not answer.
    Service,
    /// The credentials are missing, expired or wrong.
    Credentials,
    /// A Lambda function raised an error; the code is its `errorType`.
    Function,
    /// A step cannot do its work with what it was given, or a resource that it created has failed.
    Step,
    /// The step took longer than its `timeout`.
    Timeout,
    /// An `expect` or `expect_error` does not hold.
    Expectation,
    /// What the step may cost is more than the budget has left.
    Budget,
    /// The run does what a plan says, and the plan no longer holds.
    Plan,
    /// The command line or the user's settings lack something.
    Usage,
    /// The user pressed Ctrl-C.
    Interrupted,
    /// The journal cannot be read or written.
    Journal,
    /// opsml contradicts itself.
    Bug,
}

impl FailureKind {
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Service | Self::Function | Self::Step | Self::Timeout | Self::Journal => exit::STEP_FAILED,
            Self::Credentials | Self::Interrupted => exit::INTERRUPTED,
            Self::Expectation => exit::EXPECTATION,
            Self::Budget | Self::Plan => exit::DECLINED,
            Self::Usage => exit::USAGE,
            Self::Bug => exit::BUG,
        }
    }

    /// Whether the step's `retry` applies: another attempt may end differently.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::Service | Self::Function | Self::Step | Self::Timeout | Self::Expectation => true,
            Self::Credentials
            | Self::Usage
            | Self::Budget
            | Self::Plan
            | Self::Interrupted
            | Self::Journal
            | Self::Bug => false,
        }
    }

    /// Whether the step is left as it is, neither done nor failed, for the next run to continue.
    pub fn pauses(self) -> bool {
        match self {
            Self::Credentials | Self::Budget | Self::Plan | Self::Interrupted | Self::Journal | Self::Bug => {
                true
            }
            Self::Service | Self::Function | Self::Step | Self::Timeout | Self::Expectation | Self::Usage => {
                false
            }
        }
    }

    /// What the user can do about any failure of this kind: its first hint.
    fn advice(self) -> Option<&'static str> {
        match self {
            Self::Credentials => Some(
                "opsml needs valid AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID, or run `aws sso login`",
            ),
            Self::Timeout => Some("run again to continue the step, or raise its `timeout`"),
            Self::Service
            | Self::Function
            | Self::Step
            | Self::Expectation
            | Self::Budget
            | Self::Plan
            | Self::Usage
            | Self::Interrupted
            | Self::Journal
            | Self::Bug => None,
        }
    }

    /// The kind of a failure that a journal of format 3 or older holds, which names only a code.
    fn of_old_code(code: &str) -> Self {
        match code {
            "Expectation" => Self::Expectation,
            "Timeout" => Self::Timeout,
            "Interrupted" => Self::Interrupted,
            "Journal" => Self::Journal,
            "NoRegion" => Self::Usage,
            code if CREDENTIAL_CODES.contains(&code) => Self::Credentials,
            _ => Self::Step,
        }
    }
}

/// The codes by which services reject a caller's credentials: those that all services have in common, then EC2's
/// and S3's own.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
const CREDENTIAL_CODES: &[&str] = &[
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
    "RequestExpired",
    "InvalidAccessKeyId",
    "InvalidToken",
    "TokenRefreshRequired",
];

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Journaled")]
#[schemars(!from)]
pub struct Failure {
    pub kind: FailureKind,
    /// The service's or the function's error code (`AccessDeniedException`), or one of opsml's (`BadDataset`).
    pub code: String,
    /// The message in the words of whoever sent it.
    pub message: String,
    /// The API operation that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
}

/// A failure as a journal of any format holds it.
#[derive(Deserialize)]
struct Journaled {
    kind: Option<FailureKind>,
    code: String,
    message: String,
    operation: Option<String>,
    #[serde(default)]
    hints: Vec<String>,
}

impl From<Journaled> for Failure {
    fn from(read: Journaled) -> Self {
        let Journaled { kind, code, message, operation, hints } = read;
        let kind = kind.unwrap_or_else(|| FailureKind::of_old_code(&code));
        Self { kind, code, message, operation, hints }
    }
}

impl Failure {
    /// A failure that opsml itself finds: [`FailureKind::Step`].
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Step, code, message)
    }

    fn of(kind: FailureKind, code: impl Into<String>, message: impl Into<String>) -> Self {
        let hints = kind.advice().map(str::to_owned).into_iter().collect();
        Self { kind, code: code.into(), message: plainly(&message.into()), operation: None, hints }
    }

    /// The error with which a service answered a call.
    pub fn service(
        operation: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let code = code.into();
        let kind = match CREDENTIAL_CODES.contains(&code.as_str()) {
            true => FailureKind::Credentials,
            false => FailureKind::Service,
        };
        Self { operation: Some(operation.into()), ..Self::of(kind, code, message) }
    }

    /// A call that cannot be signed.
    pub fn credentials(operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            operation: Some(operation.into()),
            ..Self::of(FailureKind::Credentials, "NoCredentials", message)
        }
    }

    /// The error of a Lambda function.
    pub fn function(error_type: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Function, error_type, message)
    }

    pub fn timeout(message: impl Into<String>) -> Self {
        Self::of(FailureKind::Timeout, "Timeout", message)
    }

    pub fn expectation(message: impl Into<String>) -> Self {
        Self::of(FailureKind::Expectation, "Expectation", message)
    }

    pub fn usage(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::of(FailureKind::Usage, code, message)
    }

    pub fn budget(message: impl Into<String>) -> Self {
        Self::of(FailureKind::Budget, "Budget", message)
    }

    pub fn plan(message: impl Into<String>) -> Self {
        Self::of(FailureKind::Plan, "PlanNoLongerHolds", message)
    }

    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::of(FailureKind::Interrupted, "Interrupted", message)
    }

    pub fn journal(error: impl fmt::Display) -> Self {
        Self::of(FailureKind::Journal, "Journal", error.to_string())
    }

    pub fn bug(message: impl fmt::Display) -> Self {
        Self::of(FailureKind::Bug, "Bug", format!("a bug in opsml: {message}; please report it"))
    }

    /// A local file that cannot be read or written.
    pub fn file(path: &Path, error: impl fmt::Display) -> Self {
        Self::new("File", format!("{}: {error}", path.display()))
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn is_interrupted(&self) -> bool {
        self.kind == FailureKind::Interrupted
    }

    /// Whether nobody knows if the call has done something, or will: the answer is lost, or the service is at fault or too
    /// busy. All other errors are refusals.
    pub fn is_unknown(&self) -> bool {
        const CODES: &[&str] = &["Connection", "BadAnswer", "Http", "Gone"];
        const WORDS: &[&str] = &[
            "Internal",
            "Unavailable",
            "ServiceException",
            "Throttl",
            "SlowDown",
            "Timeout",
            "TooManyRequests",
        ];
        matches!(self.kind, FailureKind::Interrupted | FailureKind::Timeout)
            || CODES.contains(&self.code.as_str())
            || (self.kind == FailureKind::Service && WORDS.iter().any(|word| self.code.contains(word)))
    }

    /// Whether this is the failure that `expect_error` names: by its code, or by a code that its message quotes as
    /// AWS's SDKs do. A function that lets a boto3 error escape has the errorType `ClientError`, and only the message
    /// names the service's code.
    pub fn matches(&self, code: &str) -> bool {
        self.code == code || quoted_codes(&self.message).any(|quoted| quoted == code)
    }

    /// Masks the secrets in its texts.
    pub fn mask(&mut self, masker: &Masker) {
        let texts = [&mut self.code, &mut self.message].into_iter().chain(&mut self.hints);
        texts.for_each(|text| masker.text(text));
    }

    /// Returns the same failure with each of its texts replaced.
    pub fn map_texts(&self, replace: impl Fn(&str) -> String) -> Self {
        Self {
            kind: self.kind,
            code: replace(&self.code),
            message: replace(&self.message),
            operation: self.operation.as_deref().map(&replace),
            hints: self.hints.iter().map(|hint| replace(hint)).collect(),
        }
    }
}

/// Returns a message without the numbers that Rust's library puts behind the operating system's words.
pub fn plainly(message: &str) -> String {
    const NUMBER: &str = " (os error ";
    let mut parts = message.split(NUMBER);
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|digit| digit.is_ascii_digit()) => {
                plain.push_str(rest)
            }
            _ => plain.extend([NUMBER, part]),
        }
    }
    plain
}

/// Returns the codes in `An error occurred (CODE) when calling the OPERATION operation: …`, botocore's form.
fn quoted_codes(message: &str) -> impl Iterator<Item = &str> {
    message.split("An error occurred (").skip(1).filter_map(|rest| {
        let (code, rest) = rest.split_once(')')?;
        rest.starts_with(" when calling the ").then_some(code)
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.operation, self.kind) {
            (_, FailureKind::Bug) => write!(f, "{}", self.message),
            (Some(operation), _) => write!(f, "{}: {operation}: {}", self.code, self.message),
            (None, _) => write!(f, "{}: {}", self.code, self.message),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_numbers_of_errors_are_left_out() {
        for (said, plain) in [
            ("a: No such file or directory (os error 2)", "a: No such file or directory"),
            ("x (os error 28); y (os error 1) z", "x; y z"),
            ("x (os error of mine) (os error 2", "x (os error of mine) (os error 2"),
        ] {
            assert_eq!(plainly(said), plain);
        }
    }

    #[test]
    fn expect_error_matches_a_code_and_no_other_word() {
        const DENIED: &str = "An error occurred (AccessDeniedException) when calling the InvokeEndpoint operation: \
                              User: u is not authorized to perform: sagemaker:InvokeEndpoint";
        let service = |code, message| Failure::service("CreateRole", code, message);
        let function = Failure::function;
        let table = [
            (service("AccessDenied", "no"), "AccessDenied", true),
            (service("InvalidKeyPair.NotFound", "no"), "InvalidKeyPair.NotFound", true),
            (service("AccessDenied", "no"), "Access", false),
            (service("AccessDenied", "no"), "accessdenied", false),
            (service("AccessDenied", "no"), "CreateRole", false),
            (service("ValidationException", "AccessDenied is not a name"), "AccessDenied", false),
            (service("ValidationException", "ValidationException"), "no", false),
            (function("ClientError", DENIED), "AccessDeniedException", true),
            (function("ClientError", DENIED), "ClientError", true),
            (function("ClientError", DENIED), "InvokeEndpoint", false),
            (function("ClientError", DENIED), "User", false),
            (function("KeyError", "'url'"), "KeyError", true),
            (function("KeyError", "'url'"), "url", false),
            (function("E", "An error occurred (AccessDenied) …"), "AccessDenied", false),
            (function("E", "An error occurred (AccessDenied"), "AccessDenied", false),
            (function("E", &format!("An error occurred (A) and then {DENIED}")), "A", false),
            (
                function("E", &format!("An error occurred (A) and then {DENIED}")),
                "AccessDeniedException",
                true,
            ),
            (
                Failure::new("AlgorithmError", "training job j: ExecuteUserScriptError"),
                "AlgorithmError",
                true,
            ),
            (Failure::timeout("the step took longer than 2 s"), "Timeout", true),
        ];
        for (failure, code, expected) in table {
            assert_eq!(failure.matches(code), expected, "{failure} as {code}");
        }
    }

    #[test]
    fn the_kind_decides_the_exit_code_and_the_retry() {
        let table = [
            (Failure::service("CreateRole", "Throttling", "m"), exit::STEP_FAILED, true, false),
            (Failure::service("CreateRole", "ExpiredToken", "m"), exit::INTERRUPTED, false, true),
            (
                Failure::service("GetCallerIdentity", "InvalidClientTokenId", "m"),
                exit::INTERRUPTED,
                false,
                true,
            ),
            (Failure::service("Invoke", "UnrecognizedClientException", "m"), exit::INTERRUPTED, false, true),
            (Failure::credentials("GetCallerIdentity", "m"), exit::INTERRUPTED, false, true),
            // What a function calls its errors is its own affair.
            (Failure::function("ExpiredToken", "m"), exit::STEP_FAILED, true, false),
            (Failure::function("Interrupted", "m"), exit::STEP_FAILED, true, false),
            (Failure::new("BadDataset", "m"), exit::STEP_FAILED, true, false),
            (Failure::timeout("m"), exit::STEP_FAILED, true, false),
            (Failure::expectation("m"), exit::EXPECTATION, true, false),
            (Failure::usage("NoRegion", "m"), exit::USAGE, false, false),
            (Failure::interrupted("m"), exit::INTERRUPTED, false, true),
            (Failure::journal("m"), exit::STEP_FAILED, false, true),
            (Failure::bug("m"), exit::BUG, false, true),
        ];
        for (failure, code, retryable, pauses) in table {
            assert_eq!(failure.kind.exit_code(), code, "{failure}");
            assert_eq!(failure.kind.is_retryable(), retryable, "{failure}");
            assert_eq!(failure.kind.pauses(), pauses, "{failure}");
        }
    }

    #[test]
    fn a_failure_is_journaled_and_one_of_an_older_format_is_read() {
        let failure = Failure::service("CreateRole", "AccessDenied", "no").hint("ask");
        let written = serde_json::to_value(&failure).unwrap();
        assert_eq!(
            written,
            json!({"kind": "service", "code": "AccessDenied", "message": "no", "operation": "CreateRole", "hints": ["ask"]})
        );
        assert_eq!(serde_json::from_value::<Failure>(written).unwrap(), failure);
        for (code, kind) in [
            ("Expectation", FailureKind::Expectation),
            ("Timeout", FailureKind::Timeout),
            ("ExpiredTokenException", FailureKind::Credentials),
            ("AccessDenied", FailureKind::Step),
        ] {
            let old = json!({"code": code, "message": "CreateRole: no"});
            let read: Failure = serde_json::from_value(old).unwrap();
            assert_eq!((read.kind, read.to_string()), (kind, format!("{code}: CreateRole: no")));
        }
    }
}
