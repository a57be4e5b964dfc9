//! Users, roles and instance profiles, which IAM stores by name. Operations that are the same for all of them are
//! written once.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::no_such_entity;
use super::request::Request;
use super::stored::{Grants, InstanceProfile, PROFILE, ROLE, Role, Tag, USER, User};
use crate::call::AwsError;

/// A user, a role or an instance profile.
pub trait Entity: Serialize + DeserializeOwned {
    /// Its kind in the store.
    const STORED: &'static str;
    /// The beginning of its resource in ARNs.
    const KIND: &'static str;
    /// The input member that names it.
    const MEMBER: &'static str;

    fn arn(&self) -> &str;

    fn tags(&mut self) -> &mut Vec<Tag>;

    /// Returns the name that a request has.
    fn name_in<'a>(request: &Request<'a>) -> &'a str {
        request.text(Self::MEMBER)
    }

    /// Returns the error for a name that doesn't exist.
    fn missing(name: &str) -> AwsError {
        no_such_entity(format!("The {} with name {name} cannot be found.", Self::KIND))
    }
}

/// An entity that has policies: a user or a role.
pub trait Holder: Entity {
    /// The greatest number of characters of all its inline policies together.
    const INLINE_LIMIT: usize;
    /// The name of the quota of managed policies that are attached to it.
    const ATTACHED_QUOTA: &'static str;

    fn grants(&mut self) -> &mut Grants;
}

impl Entity for User {
    const STORED: &'static str = USER;
    const KIND: &'static str = "user";
    const MEMBER: &'static str = "UserName";

    fn arn(&self) -> &str {
        &self.arn
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }

    /// Returns the name that a request has, or that of the caller.
    fn name_in<'a>(request: &Request<'a>) -> &'a str {
        let path = |arn: &'a str| arn.rsplit_once("user/").map_or("", |(_, path)| path);
        let own = || path(&request.call.caller.arn).rsplit('/').next().unwrap_or_default();
        request.optional(Self::MEMBER).unwrap_or_else(own)
    }
}

impl Holder for User {
    const INLINE_LIMIT: usize = 2048;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerUser";

    fn grants(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Entity for Role {
    const STORED: &'static str = ROLE;
    const KIND: &'static str = "role";
    const MEMBER: &'static str = "RoleName";

    fn arn(&self) -> &str {
        &self.arn
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }
}

impl Holder for Role {
    const INLINE_LIMIT: usize = 10_240;
    const ATTACHED_QUOTA: &'static str = "PoliciesPerRole";

    fn grants(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Entity for InstanceProfile {
    const STORED: &'static str = PROFILE;
    const KIND: &'static str = "instance-profile";
    const MEMBER: &'static str = "InstanceProfileName";

    fn arn(&self) -> &str {
        &self.arn
    }

    fn tags(&mut self) -> &mut Vec<Tag> {
        &mut self.tags
    }

    fn missing(name: &str) -> AwsError {
        no_such_entity(format!("Instance Profile {name} cannot be found."))
    }
}

/// Returns the entity that a request names, if it exists.
pub fn stored<E: Entity>(request: &Request) -> Result<Option<E>, AwsError> {
    request.store().get(E::STORED, E::name_in(request))
}

/// Returns the entity that a request names.
///
/// # Errors
/// `NoSuchEntity`.
pub fn find<E: Entity>(request: &Request) -> Result<E, AwsError> {
    stored(request)?.ok_or_else(|| E::missing(E::name_in(request)))
}

/// Changes the entity that a request names. The change takes effect at once.
///
/// # Errors
/// `NoSuchEntity`; the error of `change`, and then nothing is changed.
pub fn change<E: Entity>(
    request: &Request,
    change: impl FnOnce(&mut E) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let name = E::name_in(request);
    request.store().update(E::STORED, name, change)?.ok_or_else(|| E::missing(name))?;
    request.service.changed();
    Ok(())
}
