//! What IAM's operations need to be allowed: their action on the ARN of what they are about.

use super::entity::{Entity, Holder, stored};
use super::request::Request;
use super::stored::{KEY, UserKey};
use crate::authority::Access;
use crate::call::AwsError;
use crate::policy::Context;

/// Those of an operation on one user, role or instance profile. One that isn't there has the ARN that it would have under `/`.
pub fn one<E: Entity>(request: &Request) -> Result<Vec<Access>, AwsError> {
    let bare = || request.service.arn(&format!("{}/{}", E::KIND, E::name_in(request)));
    let arn = stored::<E>(request)?.map_or_else(bare, |entity| entity.arn().to_owned());
    Ok(vec![request.on(arn)])
}

/// Those of an operation that makes one.
pub fn new_one<E: Entity>(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.new_arn(E::KIND, E::name_in(request)))])
}

/// Those of an operation that lists those under a path.
pub fn under_path<E: Entity>(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.arn(&format!("{}{}", E::KIND, request.path_prefix())))])
}

/// Those of an operation on the policies of a user or role.
pub fn grants<H: Holder>(request: &Request) -> Result<Vec<Access>, AwsError> {
    let members = [("PolicyArn", "iam:PolicyARN"), ("PermissionsBoundary", "iam:PermissionsBoundary")];
    let keys = members.into_iter().filter_map(|(member, key)| Some((key, request.optional(member)?)));
    let context = keys.fold(Context::new(), |context, (key, policy)| context.with(key, policy));
    Ok(one::<H>(request)?.into_iter().map(|access| access.with(context.clone())).collect())
}

/// Those of an operation on a managed policy.
pub fn policy(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.text("PolicyArn"))])
}

/// Those of CreatePolicy.
pub fn new_policy(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.new_arn("policy", request.text("PolicyName")))])
}

/// Those of GetAccessKeyLastUsed: it is about the user whose key it is.
pub fn owner_of_key(request: &Request) -> Result<Vec<Access>, AwsError> {
    let key: Option<UserKey> = request.store().get(KEY, request.text("AccessKeyId"))?;
    let user = key.as_ref().map_or("*", |key| &key.user);
    Ok(vec![request.on(request.service.arn(&format!("user/{user}")))])
}

/// Those of SimulatePrincipalPolicy.
pub fn simulated(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.text("PolicySourceArn"))])
}
