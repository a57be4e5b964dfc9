//! IAM's implementation of [`Authority`], which the other services use.

use std::sync::Arc;

use super::authorize::denied;
use super::service::Iam;
use super::stored::{InstanceProfile as StoredProfile, PROFILE, ROLE, Role, USER, User};
use crate::authority::{Access, Authority, Credential, InstanceProfile, RoleSession, Session};
use crate::call::{AwsError, Caller};
use crate::policy::Context;

impl Authority for Iam {
    fn authorize(&self, caller: &Caller, access: &Access) -> Result<(), AwsError> {
        self.decide(caller, access, denied(&access.action))
    }

    fn authorize_pass_role(&self, caller: &Caller, role_arn: &str, service: &str) -> Result<(), AwsError> {
        let context = Context::new().with("iam:PassedToService", service);
        let access = Access::new("iam:PassRole", role_arn).with(context);
        // The other service answers with this error, so the code isn't IAM's own.
        self.decide(caller, &access, (400, "AccessDeniedException"))
    }

    fn assume_role(
        &self,
        role_arn: &str,
        service: &str,
        session_name: &str,
        context: &Context,
    ) -> Result<Session, AwsError> {
        self.assume_for_service(role_arn, service, session_name, context)
    }

    fn assume_role_as(&self, caller: &Caller, session: RoleSession) -> Result<Session, AwsError> {
        self.assume_for_caller(caller, session)
    }

    fn knows_principal(&self, kind: &str, principal: &str) -> Result<bool, AwsError> {
        if kind == "Service" {
            return Ok(principal.ends_with(".amazonaws.com"));
        }
        let Some(rest) = principal.strip_prefix("arn:aws:iam::") else {
            let number = principal.len() == 12 && principal.bytes().all(|b| b.is_ascii_digit());
            return Ok(principal == "*" || number || principal.starts_with("arn:aws:sts::"));
        };
        let Some(entity) = rest.strip_prefix(self.cloud.account.as_str()) else { return Ok(true) };
        let name = entity.rsplit('/').next().unwrap_or_default();
        Ok(if entity.starts_with(":user/") {
            self.store().get::<User>(USER, name)?.is_some_and(|user| user.arn == principal)
        } else if entity.starts_with(":role/") {
            self.store().get::<Role>(ROLE, name)?.is_some_and(|role| role.arn == principal)
        } else {
            entity == ":root"
        })
    }

    fn credential(&self, access_key_id: &str) -> Option<Arc<Credential>> {
        self.find_credential(access_key_id)
    }

    fn used(&self, credential: &Credential, service: &str, region: &str) {
        self.credential_used(credential, service, region);
    }

    fn instance_profile(&self, name: &str) -> Result<Option<InstanceProfile>, AwsError> {
        let Some(profile) = self.store().get::<StoredProfile>(PROFILE, name)? else { return Ok(None) };
        let role = profile.roles.first().map(|role| self.store().get::<Role>(ROLE, role)).transpose()?;
        let role_arn = role.flatten().map(|role| role.arn);
        Ok(Some(InstanceProfile { name: profile.name, arn: profile.arn, id: profile.id, role_arn }))
    }
}
