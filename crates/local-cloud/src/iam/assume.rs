//! Acting as a role: what its trust policy says, and the session that it then is.

use jiff::SignedDuration;

use super::evaluate::{Asker, Grant, Policies, Source, Verdict};
use super::model::{ROLE, Role};
use super::{Context, Document, Iam, Session};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;

const ACTION: &str = "sts:AssumeRole";

/// How long a service may act as a role without asking anew. On AWS a container fetches fresh credentials
/// for as long as it runs; local jobs and endpoints need theirs for the start and the end at most.
const SERVICE_SESSION: SignedDuration = SignedDuration::from_hours(12);

impl Cloud {
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
        self.assume_role_for(role_arn, service, session_name, &Context::new())
    }

    /// As [`assume_role`](Self::assume_role), with the keys of the service's request, such as `aws:SourceArn`: the
    /// resource on whose behalf it acts.
    pub fn assume_role_for(
        &self,
        role_arn: &str,
        service: &str,
        session_name: &str,
        context: &Context,
    ) -> Result<Session, AwsError> {
        let context = context.clone().or(Context::new().with("aws:SourceAccount", &*self.account));
        let role = self.iam.role_by_arn(role_arn)?;
        let grant = match &role {
            Some(role) => trusting(role)?.grant(Asker::Service(service), ACTION, role_arn, &context),
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
                self.iam.start_role_session(&role, session_name, SERVICE_SESSION, &self.region, Vec::new())
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
        session_policies: Vec<String>,
        context: &Context,
    ) -> Result<Session, AwsError> {
        let context = context.clone().with("sts:RoleSessionName", session_name);
        let role = self.iam.role_by_arn(role_arn)?;
        let held = self.iam.held_by(caller)?;
        let verdict = match &role {
            Some(role) => {
                let trust = trusting(role)?;
                let limits = self.iam.session_policies(caller)?;
                let policies = Policies {
                    identity: &held.identity,
                    boundary: held.boundary.as_ref(),
                    session: limits.as_deref(),
                    resource: Some(&trust),
                };
                let who = Asker::Arn { arn: &caller.arn, role: held.role.as_deref(), account: &self.account };
                let full = self.full_context(caller, &held, &context);
                // Their own allow alone doesn't open a role, as it would a resource of another kind.
                match (
                    trust.grant(who, ACTION, role_arn, &full),
                    policies.judge(who, ACTION, role_arn, &full),
                ) {
                    (Grant::None, Verdict::Allowed) => Verdict::NoAllow(Source::Resource),
                    (_, verdict) => verdict,
                }
            }
            None => Verdict::NoAllow(Source::Resource),
        };
        self.record(&caller.arn, ACTION, role_arn, verdict)?;
        match role {
            Some(role) if verdict == Verdict::Allowed => {
                if lasts.as_secs() > i64::from(role.max_session) {
                    return Err(AwsError::new(
                        400,
                        "ValidationError",
                        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
                    ));
                }
                self.iam.start_role_session(&role, session_name, lasts, &self.region, session_policies)
            }
            _ => Err(not_assumable(&caller.arn, role_arn)),
        }
    }
}

impl Iam {
    fn role_by_arn(&self, arn: &str) -> Result<Option<Role>, AwsError> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        Ok(self.store.get::<Role>(ROLE, name)?.filter(|role| role.arn == arn))
    }

    fn start_role_session(
        &self,
        role: &Role,
        name: &str,
        lasts: SignedDuration,
        region: &str,
        session_policies: Vec<String>,
    ) -> Result<Session, AwsError> {
        let account = role.arn.split(':').nth(4).unwrap_or_default();
        let arn = format!("arn:aws:sts::{account}:assumed-role/{}/{name}", role.name);
        self.written.forget(&arn);
        self.used_now(&role.id, "sts", region);
        let user_id = format!("{}:{name}", role.id);
        self.start_session(Caller { arn, user_id, session_policies }, lasts)
    }
}

fn trusting(role: &Role) -> Result<Document, AwsError> {
    Document::trust(&role.trust).map_err(AwsError::internal)
}

fn not_assumable(who: &str, role_arn: &str) -> AwsError {
    let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {role_arn}");
    AwsError::new(403, "AccessDenied", message)
}
