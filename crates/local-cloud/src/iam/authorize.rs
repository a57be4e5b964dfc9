//! Decides whether a caller may do something, and records each decision.

use super::principal::Principal;
use super::service::Iam;
use crate::authority::Access;
use crate::call::{AwsError, Caller};
use crate::policy::{Asker, EVERYTHING, Policies, Source, Verdict};

/// The actions on a bucket's policy that its owner may always do, whatever that policy says.
const OWNERS: [&str; 3] = ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"];

impl Iam {
    /// Decides, and records the decision. `denied` is the status and code of the error.
    pub(super) fn decide(
        &self,
        caller: &Caller,
        access: &Access,
        (status, code): (u16, &str),
    ) -> Result<(), AwsError> {
        let verdict = self.verdict(caller, access)?;
        self.record(&caller.arn, &access.action, &access.resource, verdict)?;
        refusal(caller, access, verdict).map_or(Ok(()), |message| Err(AwsError::new(status, code, message)))
    }

    fn verdict(&self, caller: &Caller, access: &Access) -> Result<Verdict, AwsError> {
        let Access { action, resource, context, policy } = access;
        let policy = policy.as_ref();
        if caller.is_anonymous() {
            let policies = Policies { resource: policy, ..Policies::default() };
            let context = self.full_context(caller, &Principal::default(), context);
            return Ok(policies.judge(Asker::Anonymous, action, resource, &context));
        }
        let (principal, limits) = (self.principal_of(caller)?, self.session_policies(caller)?);
        let policies = if caller.arn == self.arn("root") {
            let resource = policy.filter(|_| !OWNERS.contains(&action.as_str()));
            Policies { identity: &*EVERYTHING, resource, ..Policies::default() }
        } else {
            Policies {
                identity: &principal.identity,
                boundary: principal.boundary.as_ref(),
                session: limits.as_deref(),
                resource: policy,
            }
        };
        let account = &self.cloud.account;
        let who = Asker::Arn { arn: &caller.arn, role: principal.role.as_deref(), account };
        Ok(policies.judge(who, action, resource, &self.full_context(caller, &principal, context)))
    }
}

/// Returns the error message of a verdict. None: access is allowed.
fn refusal(caller: &Caller, access: &Access, verdict: Verdict) -> Option<String> {
    let Access { action, resource, .. } = access;
    let kind = |source| match source {
        Source::Identity => ("an", "identity-based policy"),
        Source::Resource => ("a", "resource-based policy"),
        Source::Boundary => ("a", "permissions boundary"),
        Source::Session => ("a", "session policy"),
    };
    let why = match verdict {
        Verdict::Allowed => return None,
        Verdict::NoAllow(source) => format!("because no {} allows the {action} action", kind(source).1),
        Verdict::ExplicitDeny(source) => {
            let (article, kind) = kind(source);
            format!("with an explicit deny in {article} {kind}")
        }
    };
    let on = match resource.as_str() {
        "*" => String::new(),
        arn if action.starts_with("s3:") => format!(" on resource: \"{arn}\""),
        arn => format!(" on resource: {arn}"),
    };
    Some(format!("User: {} is not authorized to perform: {action}{on} {why}", caller.arn))
}

/// Returns the status and code of an access error: those of the action's service.
pub fn denied(action: &str) -> (u16, &'static str) {
    match action.split(':').next().unwrap_or_default() {
        "s3" | "iam" | "sts" => (403, "AccessDenied"),
        "ec2" => (403, "UnauthorizedOperation"),
        "lambda" => (403, "AccessDeniedException"),
        _ => (400, "AccessDeniedException"),
    }
}
