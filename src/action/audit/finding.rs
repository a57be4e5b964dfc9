//! The scope of an audit, and its findings.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Check, Severity};
use crate::failure::{Failure, Outcome};

/// A problem, or something that the audit was not allowed to read.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Finding {
    pub severity: Severity,
    pub check: String,
    /// Security Hub's control, if it has one.
    pub control: Option<String>,
    /// ARN.
    pub resource: String,
    pub problem: String,
    pub fix: String,
    /// AWS's page about it.
    pub reference: String,
    /// False if it could not be read, and may be fine.
    pub checked: bool,
}

/// What an audit looks at.
#[derive(Clone, Debug)]
pub struct Options {
    /// Resources by type (as `role`) and name. `None` for all in the account.
    pub only: Option<BTreeSet<(String, String)>>,
    /// Days without use after which a role or a key counts as unused.
    pub unused_days: i64,
    /// Days after which a key is old.
    pub key_days: i64,
    /// Seconds since 1970.
    pub now: i64,
}

impl Options {
    pub fn covers(&self, kind: &str, name: &str) -> bool {
        let named = |only: &BTreeSet<_>| only.contains(&(kind.to_owned(), name.to_owned()));
        self.only.as_ref().is_none_or(named)
    }

    /// Returns the whole days since a time in seconds since 1970.
    pub fn days_since(&self, then: i64) -> i64 {
        (self.now - then) / (24 * 3600)
    }
}

/// The result of an audit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audited {
    pub findings: Vec<Finding>,
    /// How many resources of each kind were looked at.
    pub looked_at: BTreeMap<&'static str, usize>,
    pub roles: Vec<SeenRole>,
}

/// A role, what it may do, and when it last did something.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct SeenRole {
    pub name: String,
    /// Who may take it on: services, accounts, ARNs.
    pub trusts: Vec<String>,
    /// What its own policies allow, a line for each statement: `s3:GetObject, s3:PutObject on arn:aws:s3:::bucket/*`.
    pub allows: Vec<String>,
    /// The names of its managed policies.
    pub managed_policies: Vec<String>,
    /// When it was last used (RFC 3339), as IAM says it. IAM may be behind by some hours.
    pub last_used: Option<String>,
}

impl Audited {
    pub fn add(&mut self, check: &Check, resource: impl Into<String>, problem: impl Into<String>) {
        self.push(check, resource.into(), problem.into(), true);
    }

    fn push(&mut self, check: &Check, resource: String, problem: String, checked: bool) {
        self.findings.push(Finding {
            severity: check.severity,
            check: check.id.to_owned(),
            control: check.control.map(str::to_owned),
            resource,
            problem,
            fix: if checked { check.fix } else { "let the auditor make the call, and look again" }.to_owned(),
            reference: check.reference.to_owned(),
            checked,
        });
    }

    /// Adds a finding for a document that cannot be read.
    pub fn unread(&mut self, check: &Check, resource: &str, what: &str, error: &dyn std::fmt::Display) {
        self.push(check, resource.to_owned(), format!("not checked: {what} cannot be read: {error}"), false);
    }

    pub fn count(&mut self, kind: &'static str) {
        *self.looked_at.entry(kind).or_default() += 1;
    }

    /// Returns the response of a call. If it was refused, adds a finding for each check that needs it, and returns `None`.
    pub fn seen<T>(&mut self, checks: &[&Check], resource: &str, answer: Outcome<T>) -> Outcome<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if is_refusal(&failure) => {
                for check in checks {
                    self.push(check, resource.to_owned(), format!("not checked: {failure}"), false);
                }
                Ok(None)
            }
            Err(failure) => Err(failure),
        }
    }
}

/// Whether the service refuses a call: the caller is not allowed to make it, or the service does not have it.
fn is_refusal(failure: &Failure) -> bool {
    const REFUSALS: &[&str] = &[
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "UnauthorizedOperation",
        "InvalidAction",
        "NotImplemented",
        "UnknownOperationException",
        "UnsupportedOperation",
    ];
    REFUSALS.contains(&failure.code.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::check::ROOT_MFA;
    use super::*;

    #[test]
    fn a_refusal_is_a_finding_and_another_failure_is_none() {
        let mut audited = Audited::default();
        let denied: Outcome<()> = Err(Failure::new("AccessDenied", "no"));
        assert_eq!(audited.seen(&[&ROOT_MFA], "arn", denied), Ok(None));
        assert_eq!(audited.findings[0].problem, "not checked: AccessDenied: no");
        assert!(!audited.findings[0].checked);
        assert_eq!(audited.findings[0].severity, Severity::Critical);
        let broken: Outcome<()> = Err(Failure::new("Connection", "reset"));
        assert!(audited.seen(&[&ROOT_MFA], "arn", broken).is_err());
    }
}
