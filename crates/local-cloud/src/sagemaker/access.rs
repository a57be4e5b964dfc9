//! The access that operations need, and checks of the roles that callers pass to SageMaker.

use super::platform::PRINCIPAL;
use super::service::Request;
use super::tags;
use crate::authority::{Access, Session};
use crate::call::AwsError;

/// Returns the operation's action on a resource, with the request's tags and instance type as condition keys.
///
/// # Errors
/// None.
pub fn on(request: &Request<'_>, resource: impl Into<String>) -> Result<Vec<Access>, AwsError> {
    let mut context = tags::context(request.input());
    if let Some(kind) = request.input()["ResourceConfig"]["InstanceType"].as_str() {
        context = context.with_list("sagemaker:InstanceTypes", [kind.to_owned()]);
    }
    Ok(vec![request.on_with(resource, context)])
}

/// Checks that the caller may pass a role to SageMaker, and returns the role's credentials.
///
/// # Errors
/// AccessDeniedException for `iam:PassRole`; a ValidationException if SageMaker may not assume the role.
pub fn pass_role(request: &Request<'_>, role: &str) -> Result<Session, AwsError> {
    let platform = &request.service.platform;
    platform.iam.authorize_pass_role(&request.call.caller, role, PRINCIPAL)?;
    platform.assume(role)
}
