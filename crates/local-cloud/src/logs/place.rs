//! Reads the group and the stream that a request names, and returns the access that it needs to them.

use opsml_contract::DECISIONS_LOG_GROUP;

use super::error::invalid;
use super::service::Logs;
use crate::authority::Access;
use crate::call::AwsError;

pub type Request<'a> = crate::service::Request<'a, Logs>;

impl<'a> Request<'a> {
    /// Returns the group's name. The request has its name or its ARN.
    pub fn group(&self) -> &'a str {
        let group = self.optional("logGroupName").unwrap_or_else(|| self.text("logGroupIdentifier"));
        // arn:aws:logs:REGION:ACCOUNT:log-group:NAME, perhaps with `:*` at the end.
        match group.splitn(7, ':').collect::<Vec<_>>()[..] {
            ["arn", _, "logs", _, _, "log-group", name] => name.trim_end_matches(":*"),
            _ => group,
        }
    }

    /// Returns the stream's name. It is empty if the request is about a group.
    pub fn stream(&self) -> &'a str {
        self.text("logStreamName")
    }

    /// Returns the group's name, for a request that writes to the group.
    ///
    /// # Errors
    /// The request is for the log of decisions. Only the local cloud writes to it, since it is used as evidence.
    pub fn writable_group(&self) -> Result<&'a str, AwsError> {
        match self.group() {
            DECISIONS_LOG_GROUP => {
                Err(invalid(format!("The log group {DECISIONS_LOG_GROUP} is reserved for the local cloud.")))
            }
            group => Ok(group),
        }
    }
}

/// Returns the operation's action on the group or the stream that the request names.
pub fn on_place(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    let (group, stream) = (request.group(), request.stream());
    if group.is_empty() {
        return Err(invalid("Either logGroupName or logGroupIdentifier must be specified."));
    }
    let arn = request.service.cloud.arn("logs", &format!("log-group:{group}:log-stream:{stream}"));
    Ok(vec![request.on(arn)])
}

/// Returns the access that listing groups needs. AWS's resource for it is this unusual ARN.
pub fn on_all_groups(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.cloud.arn("logs", "log-group::log-stream:"))])
}
