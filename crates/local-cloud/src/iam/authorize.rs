//! May this caller do that? Each decision is recorded.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::evaluate::{Asker, EVERYTHING, Policies, Source, Verdict};
use super::model::{Grants, ROLE, Role, Tag, USER, User};
use super::{Context, Document, Iam};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;

/// What a user or role holds, parsed.
#[derive(Debug)]
pub(super) struct Held {
    /// A role's ARN, to its sessions.
    pub role: Option<String>,
    pub tags: Vec<Tag>,
    pub identity: Vec<Document>,
    pub boundary: Option<Document>,
}

impl Cloud {
    /// Whether `caller` may do `action` (`sagemaker:CreateTrainingJob`) on `resource`, an ARN, or `*` for an
    /// action that AWS defines without a resource. The decision is recorded.
    ///
    /// # Errors
    /// AWS's AccessDenied, with the code and wording of the action's service.
    pub fn authorize(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), AwsError> {
        self.authorize_as(denied_code(action), caller, action, resource, context, None)
    }

    /// As [`authorize`](Self::authorize), for a resource that may have a policy of its own ([`Document::resource`]): a
    /// bucket, a function. Its allow is enough, its deny wins over all.
    ///
    /// # Errors
    /// AWS's AccessDenied, with the code and wording of the action's service.
    pub fn authorize_with_resource_policy(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &Context,
        policy: Option<&Document>,
    ) -> Result<(), AwsError> {
        self.authorize_as(denied_code(action), caller, action, resource, context, policy)
    }

    /// `iam:PassRole`, which the caller needs to hand `role_arn` to a service (`sagemaker.amazonaws.com`).
    pub fn authorize_pass_role(
        &self,
        caller: &Caller,
        role_arn: &str,
        service: &str,
    ) -> Result<(), AwsError> {
        let context = Context::new().with("iam:PassedToService", service);
        // It is the other service that answers, so the code is not IAM's own.
        self.authorize_as((400, "AccessDeniedException"), caller, "iam:PassRole", role_arn, &context, None)
    }

    fn authorize_as(
        &self,
        (status, code): (u16, &str),
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &Context,
        policy: Option<&Document>,
    ) -> Result<(), AwsError> {
        let verdict = self.verdict(caller, action, resource, context, policy)?;
        self.record(&caller.arn, action, resource, verdict)?;
        let (source, why) = match verdict {
            Verdict::Allowed => return Ok(()),
            Verdict::ExplicitDeny(source) => (source, None),
            Verdict::NoAllow(source) => (source, Some(action)),
        };
        let (article, kind) = match source {
            Source::Identity => ("an", "identity-based policy"),
            Source::Resource => ("a", "resource-based policy"),
            Source::Boundary => ("a", "permissions boundary"),
            Source::Session => ("a", "session policy"),
        };
        let why = match why {
            Some(action) => format!("because no {kind} allows the {action} action"),
            None => format!("with an explicit deny in {article} {kind}"),
        };
        let on = match resource {
            "*" => String::new(),
            arn if action.starts_with("s3:") => format!(" on resource: \"{arn}\""),
            arn => format!(" on resource: {arn}"),
        };
        let who = &caller.arn;
        Err(AwsError::new(
            status,
            code,
            format!("User: {who} is not authorized to perform: {action}{on} {why}"),
        ))
    }

    /// What all policies that have a say make of it.
    pub(super) fn verdict(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &Context,
        policy: Option<&Document>,
    ) -> Result<Verdict, AwsError> {
        if caller.is_anonymous() {
            let policies = Policies { resource: policy, ..Policies::default() };
            return Ok(policies.judge(Asker::Anonymous, action, resource, context));
        }
        // Root answers to no policy but a resource's, and even a bucket's can't keep it from that policy itself.
        let root = caller.arn == format!("arn:aws:iam::{}:root", self.account);
        let own_policy =
            ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"].contains(&action);
        let (held, limits) = (self.iam.held_by(caller)?, self.iam.session_policies(caller)?);
        let policies = if root {
            Policies {
                identity: &*EVERYTHING,
                resource: policy.filter(|_| !own_policy),
                ..Policies::default()
            }
        } else {
            let boundary = held.boundary.as_ref();
            Policies { identity: &held.identity, boundary, resource: policy, session: limits.as_deref() }
        };
        let who = Asker::Arn { arn: &caller.arn, role: held.role.as_deref(), account: &self.account };
        Ok(policies.judge(who, action, resource, &self.full_context(caller, &held, context)))
    }

    /// Whether a policy may name this principal (`AWS`, `Service`): those of the account must be there, others are believed.
    pub(crate) fn knows_principal(&self, kind: &str, principal: &str) -> Result<bool, AwsError> {
        if kind == "Service" {
            return Ok(principal.ends_with(".amazonaws.com"));
        }
        let Some(rest) = principal.strip_prefix("arn:aws:iam::") else {
            let number = principal.len() == 12 && principal.bytes().all(|b| b.is_ascii_digit());
            return Ok(principal == "*" || number || principal.starts_with("arn:aws:sts::"));
        };
        let Some(entity) = rest.strip_prefix(self.account.as_str()) else { return Ok(true) };
        let name = entity.rsplit('/').next().unwrap_or_default();
        Ok(if entity.starts_with(":user/") {
            self.store.get::<User>(USER, name)?.is_some_and(|user| user.arn == principal)
        } else if entity.starts_with(":role/") {
            self.store.get::<Role>(ROLE, name)?.is_some_and(|role| role.arn == principal)
        } else {
            entity == ":root"
        })
    }

    /// The request's own keys, and those that every request has.
    pub(super) fn full_context(&self, caller: &Caller, held: &Held, context: &Context) -> Context {
        let now = Timestamp::now();
        let every = self
            .principal_context(caller, held)
            .with("aws:CurrentTime", now.to_string())
            .with("aws:EpochTime", now.as_second().to_string())
            .with("aws:RequestedRegion", &*self.region)
            .with("aws:SourceIp", "127.0.0.1")
            // Loopback carries it without TLS; the same call to AWS would have it.
            .with("aws:SecureTransport", "true");
        every.or(context.clone())
    }

    /// The keys that tell who asks.
    pub(super) fn principal_context(&self, caller: &Caller, held: &Held) -> Context {
        let mut full = Context::new()
            .with("aws:PrincipalArn", held.role.as_deref().unwrap_or(&caller.arn))
            .with("aws:PrincipalAccount", &*self.account)
            .with("aws:userid", &*caller.user_id)
            .with("aws:PrincipalType", if held.role.is_some() { "AssumedRole" } else { "User" });
        if let Some((_, name)) = caller.arn.rsplit_once(":user/") {
            full = full.with("aws:username", name.rsplit('/').next().unwrap_or(name));
        }
        for tag in &held.tags {
            full = full.with(&format!("aws:PrincipalTag/{}", tag.key), &*tag.value);
        }
        full
    }
}

impl Iam {
    /// Whoever changed a principal or a policy calls this after the change is stored.
    pub(super) fn changed(&self) {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.written.forget_all();
    }

    /// What the caller holds. A role that is gone holds nothing, so its sessions may do nothing.
    pub(super) fn held_by(&self, caller: &Caller) -> Result<Arc<Held>, AwsError> {
        // The lock is held while reading, so that a change cannot slip between the read and its caching.
        let mut cache = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let id = caller.user_id.split(':').next().unwrap_or_default();
        if let Some(held) = cache.get(id) {
            return Ok(held.clone());
        }
        let (role, grants, tags) = match self.role_of(caller)? {
            Some(role) => (Some(role.arn), role.grants, role.tags),
            None => self.user_of(caller)?.map(|it| (None, it.grants, it.tags)).unwrap_or_default(),
        };
        let boundary = grants.boundary.as_deref().map(|arn| self.boundary(arn)).transpose()?;
        let held = Arc::new(Held { role, tags, identity: self.documents(&grants)?, boundary });
        cache.insert(id.to_owned(), held.clone());
        Ok(held)
    }

    /// A boundary that isn't there any more allows nothing.
    pub(super) fn boundary(&self, arn: &str) -> Result<Document, AwsError> {
        match self.managed_document(arn)? {
            Some(text) => Document::identity(&text).map_err(AwsError::internal),
            None => Ok(Document::empty()),
        }
    }

    /// The policies that limit a session, if any do.
    pub(super) fn session_policies(&self, caller: &Caller) -> Result<Option<Vec<Document>>, AwsError> {
        if caller.session_policies.is_empty() {
            return Ok(None);
        }
        let mut documents = Vec::new();
        for policy in &caller.session_policies {
            let managed = if policy.starts_with("arn:") { self.managed_document(policy)? } else { None };
            let text = managed.as_deref().or((!policy.starts_with("arn:")).then_some(policy.as_str()));
            documents.extend(text.map(Document::identity).transpose().map_err(AwsError::internal)?);
        }
        Ok(Some(documents))
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

    /// The role behind an assumed-role session, while it is still the one that was assumed.
    pub(super) fn role_of(&self, caller: &Caller) -> Result<Option<Role>, AwsError> {
        let Some((_, rest)) = caller.arn.split_once(":assumed-role/") else { return Ok(None) };
        let name = rest.split('/').next().unwrap_or_default();
        let id = caller.user_id.split(':').next().unwrap_or_default();
        Ok(self.store.get::<Role>(ROLE, name)?.filter(|role| role.id == id))
    }

    fn user_of(&self, caller: &Caller) -> Result<Option<User>, AwsError> {
        let name = caller.arn.rsplit('/').next().unwrap_or_default();
        Ok(self.store.get::<User>(USER, name)?.filter(|user| user.id == caller.user_id))
    }
}

/// Query and REST-XML services answer AccessDenied, the JSON ones AccessDeniedException, EC2 a word of its own.
fn denied_code(action: &str) -> (u16, &'static str) {
    match action.split(':').next().unwrap_or_default() {
        "s3" | "iam" | "sts" => (403, "AccessDenied"),
        "ec2" => (403, "UnauthorizedOperation"),
        "lambda" => (403, "AccessDeniedException"),
        _ => (400, "AccessDeniedException"),
    }
}
