//! Assuming a role: checks its trust policy, and starts a session.

use jiff::SignedDuration;

use super::error::invalid;
use super::service::Iam;
use super::stored::{ROLE, Role};
use crate::authority::{RoleSession, Session};
use crate::call::{AwsError, Caller};
use crate::policy::{Asker, Context, Document, Grant, Policies, Source, Verdict};

const ACTION: &str = "sts:AssumeRole";

/// How long the credentials of a service's session are valid. On AWS a container gets new ones as long as it runs.
/// Local jobs and endpoints need them at their start and their end at most.
const SERVICE_SESSION: SignedDuration = SignedDuration::from_hours(12);

impl Iam {
    /// Starts a session in which a service acts as a role.
    pub(super) fn assume_for_service(
        &self,
        role_arn: &str,
        service: &str,
        session_name: &str,
        context: &Context,
    ) -> Result<Session, AwsError> {
        let context = context.clone().or(Context::new().with("aws:SourceAccount", &*self.cloud.account));
        let role = self.role_by_arn(role_arn)?;
        let grant = match &role {
            Some(role) => trust(role)?.grant(Asker::Service(service), ACTION, role_arn, &context),
            None => Grant::None,
        };
        let verdict = match grant {
            Grant::Exact | Grant::Named | Grant::Account => Verdict::Allowed,
            Grant::Denied => Verdict::ExplicitDeny(Source::Resource),
            Grant::None => Verdict::NoAllow(Source::Resource),
        };
        self.record(service, ACTION, role_arn, verdict)?;
        match role {
            Some(role) if verdict == Verdict::Allowed => {
                let caller = Caller { over_tls: true, ..self.role_caller(&role, session_name) };
                self.start_session(caller, SERVICE_SESSION)
            }
            _ => Err(not_assumable(service, role_arn)),
        }
    }

    /// Starts a session in which a user or another session acts as a role.
    pub(super) fn assume_for_caller(
        &self,
        caller: &Caller,
        session: RoleSession,
    ) -> Result<Session, AwsError> {
        let RoleSession { role_arn, name, lasts, policies, context } = session;
        let context = context.with("sts:RoleSessionName", &*name);
        let role = self.role_by_arn(&role_arn)?;
        let verdict = match &role {
            Some(role) => self.trust_verdict(caller, role, &context)?,
            None => Verdict::NoAllow(Source::Resource),
        };
        self.record(&caller.arn, ACTION, &role_arn, verdict)?;
        match role {
            Some(role) if verdict == Verdict::Allowed => {
                if lasts.as_secs() > i64::from(role.max_session) {
                    return Err(invalid(
                        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                    ));
                }
                let caller = Caller { session_policies: policies, ..self.role_caller(&role, &name) };
                self.start_session(caller, lasts)
            }
            _ => Err(not_assumable(&caller.arn, &role_arn)),
        }
    }

    fn trust_verdict(&self, caller: &Caller, role: &Role, context: &Context) -> Result<Verdict, AwsError> {
        let (principal, limits) = (self.principal_of(caller)?, self.session_policies(caller)?);
        let trust = trust(role)?;
        let policies = Policies {
            identity: &principal.identity,
            boundary: principal.boundary.as_ref(),
            session: limits.as_deref(),
            resource: Some(&trust),
        };
        let account = &self.cloud.account;
        let who = Asker::Arn { arn: &caller.arn, role: principal.role.as_deref(), account };
        let context = self.full_context(caller, &principal, context);
        let verdict = policies.judge(who, ACTION, &role.arn, &context);
        // Unlike with other resources, it isn't enough that the caller's own policies allow it: the trust policy must,
        // too.
        let trusted = trust.grant(who, ACTION, &role.arn, &context) != Grant::None;
        Ok(if verdict == Verdict::Allowed && !trusted { Verdict::NoAllow(Source::Resource) } else { verdict })
    }

    fn role_by_arn(&self, arn: &str) -> Result<Option<Role>, AwsError> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        Ok(self.store().get::<Role>(ROLE, name)?.filter(|role| role.arn == arn))
    }

    /// Returns the caller that a session of a role is, and records that the role is used.
    fn role_caller(&self, role: &Role, session: &str) -> Caller {
        let arn = format!("arn:aws:sts::{}:assumed-role/{}/{session}", self.cloud.account, role.name);
        self.log_lines.forget(&arn);
        self.used_now(&role.id, "sts", &self.cloud.region);
        Caller::new(arn, format!("{}:{session}", role.id))
    }
}

fn trust(role: &Role) -> Result<Document, AwsError> {
    Document::trust(&role.trust).map_err(AwsError::internal)
}

fn not_assumable(who: &str, role_arn: &str) -> AwsError {
    let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role_arn}");
    AwsError::new(403, "AccessDenied", message)
}
