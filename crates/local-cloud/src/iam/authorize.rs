//! Decisions: may this caller do that? Each is recorded.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use rusqlite::params;

use super::evaluate::{Context, Document, Trust, Trustee, Verdict, judge};
use super::model::{Grants, ROLE, Role, USER, User};
use super::{Iam, Session};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;

/// How many decisions are kept; the oldest go.
const DECISIONS_KEPT: i64 = 100_000;

/// How long a service may act as a role without asking anew. On AWS a container fetches fresh credentials
/// for as long as it runs; local jobs and endpoints need theirs for the start and the end at most.
const SERVICE_SESSION: SignedDuration = SignedDuration::from_hours(12);

/// One recorded decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Milliseconds since the epoch.
    pub time_ms: i64,
    pub principal: String,
    /// `s3:GetObject`.
    pub action: String,
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`, as in SimulatePrincipalPolicy.
    pub outcome: String,
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
        self.authorize_as(denied_code(action), caller, action, resource, context)
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
        self.authorize_as((400, "AccessDeniedException"), caller, "iam:PassRole", role_arn, &context)
    }

    fn authorize_as(
        &self,
        (status, code): (u16, &str),
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), AwsError> {
        let verdict = self.verdict(caller, action, resource, context)?;
        self.iam.record(&caller.arn, action, resource, verdict)?;
        let why = match verdict {
            Verdict::Allowed => return Ok(()),
            Verdict::ExplicitDeny => "with an explicit deny in an identity-based policy".to_owned(),
            Verdict::NoAllow => format!("because no identity-based policy allows the {action} action"),
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

    /// Credentials of a role for an AWS service (`sagemaker.amazonaws.com`), if the role's trust policy lets it.
    /// They are the role's, end after 12 hours and outlive a restart.
    ///
    /// # Errors
    /// `AccessDenied`, also where there is no such role; services word it in their own way.
    pub fn assume_role(
        &self,
        role_arn: &str,
        service: &str,
        session_name: &str,
    ) -> Result<Session, AwsError> {
        let context = Context::new().with("aws:SourceAccount", &*self.account);
        let role = self.iam.role_by_arn(role_arn)?;
        let trust = match &role {
            Some(role) => trusting(role)?.trusts(Trustee::Service(service), "sts:AssumeRole", &context),
            None => Trust::None,
        };
        let verdict = match trust {
            Trust::Named | Trust::Account => Verdict::Allowed,
            Trust::Denied => Verdict::ExplicitDeny,
            Trust::None => Verdict::NoAllow,
        };
        self.iam.record(service, "sts:AssumeRole", role_arn, verdict)?;
        match role {
            Some(role) if verdict == Verdict::Allowed => {
                self.iam.start_role_session(&role, session_name, SERVICE_SESSION)
            }
            _ => Err(not_assumable(service, role_arn)),
        }
    }

    /// Credentials of a role for a user or another session (STS's AssumeRole).
    pub(crate) fn assume_role_as(
        &self,
        caller: &Caller,
        role_arn: &str,
        session_name: &str,
        lasts: SignedDuration,
    ) -> Result<Session, AwsError> {
        const ACTION: &str = "sts:AssumeRole";
        let context = self.full_context(caller, &Context::new())?;
        let own = self.verdict(caller, ACTION, role_arn, &Context::new())?;
        let role = self.iam.role_by_arn(role_arn)?;
        let trust = match &role {
            Some(role) => {
                let own_role = self.iam.role_of(caller)?.map(|role| role.arn);
                let who =
                    Trustee::Arn { arn: &caller.arn, role: own_role.as_deref(), account: &self.account };
                trusting(role)?.trusts(who, ACTION, &context)
            }
            None => Trust::None,
        };
        let verdict = match (trust, own) {
            (Trust::Denied, _) | (_, Verdict::ExplicitDeny) => Verdict::ExplicitDeny,
            (Trust::Named, _) | (Trust::Account, Verdict::Allowed) => Verdict::Allowed,
            (Trust::Account | Trust::None, _) => Verdict::NoAllow,
        };
        self.iam.record(&caller.arn, ACTION, role_arn, verdict)?;
        match role {
            Some(role) if verdict == Verdict::Allowed => {
                if lasts.as_secs() > i64::from(role.max_session) {
                    return Err(AwsError::new(
                        400,
                        "ValidationError",
                        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                    ));
                }
                self.iam.start_role_session(&role, session_name, lasts)
            }
            _ => Err(not_assumable(&caller.arn, role_arn)),
        }
    }

    /// The newest decisions, oldest first, at most `limit`.
    pub fn decisions(&self, limit: usize) -> Result<Vec<Decision>, AwsError> {
        self.iam.decisions(limit)
    }

    fn verdict(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        context: &Context,
    ) -> Result<Verdict, AwsError> {
        // Root answers to no policy of its account.
        if caller.arn == format!("arn:aws:iam::{}:root", self.account) {
            return Ok(Verdict::Allowed);
        }
        let policies = self.iam.policies_of(caller)?;
        Ok(judge(&policies, action, resource, &self.full_context(caller, context)?))
    }

    /// The request's own keys, and those that every request has.
    fn full_context(&self, caller: &Caller, context: &Context) -> Result<Context, AwsError> {
        let now = Timestamp::now();
        let role = self.iam.role_of(caller)?;
        let principal = role.as_ref().map_or(caller.arn.as_str(), |role| &role.arn);
        let mut full = context
            .clone()
            .with("aws:PrincipalArn", principal)
            .with("aws:PrincipalAccount", &*self.account)
            .with("aws:userid", &*caller.user_id)
            .with("aws:PrincipalType", if role.is_some() { "AssumedRole" } else { "User" })
            .with("aws:CurrentTime", now.to_string())
            .with("aws:EpochTime", now.as_second().to_string())
            .with("aws:RequestedRegion", &*self.region)
            .with("aws:SourceIp", "127.0.0.1")
            // Loopback carries it without TLS; the same call to AWS would have it.
            .with("aws:SecureTransport", "true");
        if let Some((_, name)) = caller.arn.rsplit_once(":user/") {
            full = full.with("aws:username", name.rsplit('/').next().unwrap_or(name));
        }
        for tag in role.iter().flat_map(|role| &role.tags) {
            full = full.with(&format!("aws:PrincipalTag/{}", tag.key), &*tag.value);
        }
        Ok(full)
    }
}

impl Iam {
    /// Whoever changed a principal or a policy calls this after the change is stored.
    pub(super) fn changed(&self) {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The caller's identity policies. A role that is gone has none, so its sessions may do nothing.
    fn policies_of(&self, caller: &Caller) -> Result<Arc<Vec<Document>>, AwsError> {
        // The lock is held while reading, so that a change cannot slip between the read and its caching.
        let mut cache = self.policies.lock().unwrap_or_else(PoisonError::into_inner);
        let id = caller.user_id.split(':').next().unwrap_or_default();
        if let Some(policies) = cache.get(id) {
            return Ok(policies.clone());
        }
        let grants = match self.role_of(caller)? {
            Some(role) => role.grants,
            None => self.user_of(caller)?.map(|user| user.grants).unwrap_or_default(),
        };
        let policies = Arc::new(self.documents(&grants)?);
        cache.insert(id.to_owned(), policies.clone());
        Ok(policies)
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
    fn role_of(&self, caller: &Caller) -> Result<Option<Role>, AwsError> {
        let Some((_, rest)) = caller.arn.split_once(":assumed-role/") else { return Ok(None) };
        let name = rest.split('/').next().unwrap_or_default();
        let id = caller.user_id.split(':').next().unwrap_or_default();
        Ok(self.store.get::<Role>(ROLE, name)?.filter(|role| role.id == id))
    }

    fn user_of(&self, caller: &Caller) -> Result<Option<User>, AwsError> {
        let name = caller.arn.rsplit('/').next().unwrap_or_default();
        Ok(self.store.get::<User>(USER, name)?.filter(|user| user.id == caller.user_id))
    }

    fn role_by_arn(&self, arn: &str) -> Result<Option<Role>, AwsError> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        Ok(self.store.get::<Role>(ROLE, name)?.filter(|role| role.arn == arn))
    }

    fn start_role_session(
        &self,
        role: &Role,
        name: &str,
        lasts: SignedDuration,
    ) -> Result<Session, AwsError> {
        let account = role.arn.split(':').nth(4).unwrap_or_default();
        let arn = format!("arn:aws:sts::{account}:assumed-role/{}/{name}", role.name);
        self.start_session(Caller { arn, user_id: format!("{}:{name}", role.id) }, lasts)
    }

    fn record(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        verdict: Verdict,
    ) -> Result<(), AwsError> {
        let outcome = match verdict {
            Verdict::Allowed => "allowed",
            Verdict::ExplicitDeny => "explicitDeny",
            Verdict::NoAllow => "implicitDeny",
        };
        let now = Timestamp::now().as_millisecond();
        self.store.with(|c| {
            c.prepare_cached(
                "INSERT INTO decision (time_ms, principal, action, resource, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![now, principal, action, resource, outcome])?;
            let id = c.last_insert_rowid();
            if id % 1000 == 0 {
                c.execute("DELETE FROM decision WHERE id <= ?1", [id - DECISIONS_KEPT])?;
            }
            Ok(())
        })
    }

    fn decisions(&self, limit: usize) -> Result<Vec<Decision>, AwsError> {
        let mut newest_first: Vec<Decision> = self.store.with(|c| {
            c.prepare_cached(
                "SELECT time_ms, principal, action, resource, outcome FROM decision ORDER BY id DESC LIMIT ?1",
            )?
            .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                Ok(Decision {
                    time_ms: row.get(0)?,
                    principal: row.get(1)?,
                    action: row.get(2)?,
                    resource: row.get(3)?,
                    outcome: row.get(4)?,
                })
            })?
            .collect()
        })?;
        newest_first.reverse();
        Ok(newest_first)
    }
}

fn trusting(role: &Role) -> Result<Document, AwsError> {
    Document::trust(&role.trust).map_err(AwsError::internal)
}

/// Query and REST-XML services answer AccessDenied, the JSON ones AccessDeniedException, EC2 a word of its own.
fn denied_code(action: &str) -> (u16, &'static str) {
    match action.split(':').next().unwrap_or_default() {
        "s3" | "iam" | "sts" => (403, "AccessDenied"),
        "ec2" => (403, "UnauthorizedOperation"),
        _ => (400, "AccessDeniedException"),
    }
}

fn not_assumable(who: &str, role_arn: &str) -> AwsError {
    let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role_arn}");
    AwsError::new(403, "AccessDenied", message)
}
