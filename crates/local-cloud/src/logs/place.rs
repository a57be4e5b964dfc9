//! The group and the stream that a request names, and the access that it needs to them.

use opsml_contract::DECISIONS_LOG_GROUP;

use super::error::invalid;
use super::service::Logs;
use crate::authority::Access;
use crate::call::AwsError;

pub type Request<'a> = crate::service::Request<'a, Logs>;

impl<'a> Request<'a> {
    /// The group's name, of a request that gives its name or its ARN.
    pub fn group(&self) -> &'a str {
        let group = self.optional("logGroupName").unwrap_or_else(|| self.text("logGroupIdentifier"));
        // arn:aws:logs:REGION:ACCOUNT:log-group:NAME, perhaps with `:*` at the end.
        match group.splitn(7, ':').collect::<Vec<_>>()[..] {
            ["arn", _, "logs", _, _, "log-group", name] => name.trim_end_matches(":*"),
            _ => group,
        }
    }

    /// The stream's name; empty where the request is about a group.
    pub fn stream(&self) -> &'a str {
        self.text("logStreamName")
    }

    /// The group's name, of a request that writes to it.
    ///
    /// # Errors
    /// Nobody but the local cloud writes to the log of its decisions: they are evidence.
    pub fn writable_group(&self) -> Result<&'a str, AwsError> {
        match self.group() {
            DECISIONS_LOG_GROUP => {
                Err(invalid(format!("The log group {DECISIONS_LOG_GROUP} is reserved for the local cloud.")))
            }
            group => Ok(group),
        }
    }
}

/// The operation on the group, or on the stream, that the request names.
pub fn on_place(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    let (group, stream) = (request.group(), request.stream());
    if group.is_empty() {
        return Err(invalid("Either logGroupName or logGroupIdentifier must be specified."));
    }
    let arn = request.service.cloud.arn("logs", &format!("log-group:{group}:log-stream:{stream}"));
    Ok(vec![request.on(arn)])
}

/// AWS asks for a permission to list groups on this odd ARN.
pub fn on_all_groups(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.cloud.arn("logs", "log-group::log-stream:"))])
}
