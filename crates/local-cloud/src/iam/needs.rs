//! The access that IAM's operations need: their action on the ARN of the entity or policy that they are about.

use super::entity::{Entity, Holder, stored};
use super::request::Request;
use super::stored::{KEY, UserKey};
use crate::authority::Access;
use crate::call::AwsError;
use crate::policy::Context;

/// Returns the access for an operation on a user, role or instance profile. If it doesn't exist, its ARN is the one
/// that it would have with the path `/`.
pub fn one<E: Entity>(request: &Request) -> Result<Vec<Access>, AwsError> {
    let bare = || request.service.arn(&format!("{}/{}", E::KIND, E::name_in(request)));
    let arn = stored::<E>(request)?.map_or_else(bare, |entity| entity.arn().to_owned());
    Ok(vec![request.on(arn)])
}

/// Returns the access for an operation that creates one.
pub fn new_one<E: Entity>(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.new_arn(E::KIND, E::name_in(request)))])
}

/// Returns the access for an operation that lists those under a path.
pub fn under_path<E: Entity>(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.service.arn(&format!("{}{}", E::KIND, request.path_prefix())))])
}

/// Returns the access for an operation on the policies of a user or role.
pub fn grants<H: Holder>(request: &Request) -> Result<Vec<Access>, AwsError> {
    let members = [("PolicyArn", "iam:PolicyARN"), ("PermissionsBoundary", "iam:PermissionsBoundary")];
    let keys = members.into_iter().filter_map(|(member, key)| Some((key, request.optional(member)?)));
    let context = keys.fold(Context::new(), |context, (key, policy)| context.with(key, policy));
    Ok(one::<H>(request)?.into_iter().map(|access| access.with(context.clone())).collect())
}

/// Returns the access for an operation on a managed policy.
pub fn policy(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.text("PolicyArn"))])
}

/// Returns the access for CreatePolicy.
pub fn new_policy(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.new_arn("policy", request.text("PolicyName")))])
}

/// Returns the access for GetAccessKeyLastUsed. Its resource is the user whose key it is.
pub fn owner_of_key(request: &Request) -> Result<Vec<Access>, AwsError> {
    let key: Option<UserKey> = request.store().get(KEY, request.text("AccessKeyId"))?;
    let user = key.as_ref().map_or("*", |key| &key.user);
    Ok(vec![request.on(request.service.arn(&format!("user/{user}")))])
}

/// Returns the access for SimulatePrincipalPolicy.
pub fn simulated(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.text("PolicySourceArn"))])
}
