//! Finds the user or role of a caller, its policies, and the condition keys that describe the caller.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::principal::Principal;
use super::service::Iam;
use super::stored::{Grants, ROLE, Role, USER, User};
use crate::call::{AwsError, Caller};
use crate::policy::{Context, Document};
use crate::support::lock::locked;

impl Iam {
    /// Returns the user or role of a caller. One that was deleted has no policies, so its sessions may do nothing.
    pub(super) fn principal_of(&self, caller: &Caller) -> Result<Arc<Principal>, AwsError> {
        // Locked while the store is read, so that no change comes between the read and its caching.
        let mut cache = locked(&self.principals);
        let id = caller.user_id.split(':').next().unwrap_or_default();
        if let Some(principal) = cache.get(id) {
            return Ok(principal.clone());
        }
        let (role, grants, tags) = match self.role_of(caller)? {
            Some(role) => (Some(role.arn), role.grants, role.tags),
            None => self.user_of(caller)?.map(|it| (None, it.grants, it.tags)).unwrap_or_default(),
        };
        let boundary = grants.boundary.as_deref().map(|arn| self.boundary(arn)).transpose()?;
        let principal = Arc::new(Principal { role, tags, identity: self.documents(&grants)?, boundary });
        cache.insert(id.to_owned(), principal.clone());
        Ok(principal)
    }

    /// Returns the role of an assumed-role session. None: it was deleted, even if there is a new role of its name.
    fn role_of(&self, caller: &Caller) -> Result<Option<Role>, AwsError> {
        let Some((_, rest)) = caller.arn.split_once(":assumed-role/") else { return Ok(None) };
        let name = rest.split('/').next().unwrap_or_default();
        let id = caller.user_id.split(':').next().unwrap_or_default();
        Ok(self.store().get::<Role>(ROLE, name)?.filter(|role| role.id == id))
    }

    fn user_of(&self, caller: &Caller) -> Result<Option<User>, AwsError> {
        let name = caller.arn.rsplit('/').next().unwrap_or_default();
        Ok(self.store().get::<User>(USER, name)?.filter(|user| user.id == caller.user_id))
    }

    fn documents(&self, grants: &Grants) -> Result<Vec<Document>, AwsError> {
        let mut seen = HashSet::new();
        let mut texts: Vec<String> = grants.inline.values().cloned().collect();
        for arn in &grants.attached {
            texts.extend(self.managed_document(arn)?);
        }
        texts.retain(|text| seen.insert(text.clone()));
        texts.iter().map(|text| Document::identity(text).map_err(AwsError::internal)).collect()
    }

    /// Returns a boundary's document. A boundary that was deleted allows nothing.
    fn boundary(&self, arn: &str) -> Result<Document, AwsError> {
        match self.managed_document(arn)? {
            Some(text) => Document::identity(&text).map_err(AwsError::internal),
            None => Ok(Document::empty()),
        }
    }

    /// Returns the policies that limit a session. None: it has no session policies.
    pub(super) fn session_policies(&self, caller: &Caller) -> Result<Option<Vec<Document>>, AwsError> {
        if caller.session_policies.is_empty() {
            return Ok(None);
        }
        let mut documents = Vec::new();
        for policy in &caller.session_policies {
            let managed = policy.starts_with("arn:");
            let text = if managed { self.managed_document(policy)? } else { Some(policy.clone()) };
            documents
                .extend(text.as_deref().map(Document::identity).transpose().map_err(AwsError::internal)?);
        }
        Ok(Some(documents))
    }

    /// Returns the condition keys of a request: its own, and those that every request has.
    pub(super) fn full_context(&self, caller: &Caller, principal: &Principal, context: &Context) -> Context {
        let now = Timestamp::now();
        let mut every = self
            .principal_context(caller, principal)
            .with("aws:PrincipalIsAWSService", "false")
            .with("aws:ViaAWSService", "false")
            .with("aws:ResourceAccount", &*self.cloud.account)
            .with("aws:CurrentTime", now.to_string())
            .with("aws:EpochTime", now.as_second().to_string())
            .with("aws:RequestedRegion", &*self.cloud.region)
            .with("aws:SourceIp", "127.0.0.1")
            .with("aws:SecureTransport", caller.over_tls.to_string());
        if let Some(agent) = &caller.agent {
            every = every.with("aws:UserAgent", &**agent);
        }
        every.or(context.clone())
    }

    /// Returns the condition keys that describe the caller.
    pub(super) fn principal_context(&self, caller: &Caller, principal: &Principal) -> Context {
        if caller.is_anonymous() {
            return Context::new().with("aws:PrincipalType", "Anonymous");
        }
        let kind = match &principal.role {
            Some(_) => "AssumedRole",
            None if caller.arn == self.arn("root") => "Account",
            None => "User",
        };
        let mut context = Context::new()
            .with("aws:PrincipalArn", principal.role.as_deref().unwrap_or(&caller.arn))
            .with("aws:PrincipalAccount", &*self.cloud.account)
            .with("aws:userid", &*caller.user_id)
            .with("aws:PrincipalType", kind);
        // Keys of a user have no such key, and whoever assumed a role here used no device.
        if principal.role.is_some() {
            context = context.with("aws:MultiFactorAuthPresent", "false");
        }
        if let Some((_, name)) = caller.arn.rsplit_once(":user/") {
            context = context.with("aws:username", name.rsplit('/').next().unwrap_or(name));
        }
        for tag in &principal.tags {
            context = context.with(&format!("aws:PrincipalTag/{}", tag.key), &*tag.value);
        }
        context
    }
}
