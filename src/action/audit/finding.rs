//! What an audit is asked, and what it finds.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::check::{Check, Severity};
use crate::failure::{Failure, Outcome};

/// Something that is wrong, or that could not be looked at.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Finding {
    pub severity: Severity,
    pub check: String,
    /// Security Hub's control, where it has one.
    pub control: Option<String>,
    /// ARN.
    pub resource: String,
    pub problem: String,
    pub fix: String,
    /// AWS's page about it.
    pub reference: String,
    /// False where it could not be looked at, and may be fine.
    pub checked: bool,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Resources by type and name, as `role`; `None` for all that is in the account.
    pub only: Option<BTreeSet<(String, String)>>,
    /// Days without use after which a role or a key counts as unused.
    pub unused_days: i64,
    /// Days after which a key is old.
    pub key_days: i64,
    /// Seconds since 1970.
    pub now: i64,
}

impl Asked {
    pub fn covers(&self, kind: &str, name: &str) -> bool {
        let named = |only: &BTreeSet<_>| only.contains(&(kind.to_owned(), name.to_owned()));
        self.only.as_ref().is_none_or(named)
    }

    /// Whole days since a time, in seconds since 1970.
    pub fn days_since(&self, then: i64) -> i64 {
        (self.now - then) / (24 * 3600)
    }
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Audited {
    pub findings: Vec<Finding>,
    /// How many resources of each kind were looked at.
    pub looked_at: BTreeMap<&'static str, usize>,
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

    /// A document that can't be read is none that was looked at.
    pub fn unread(&mut self, check: &Check, resource: &str, what: &str, error: &dyn std::fmt::Display) {
        self.push(check, resource.to_owned(), format!("not checked: {what} cannot be read: {error}"), false);
    }

    pub fn count(&mut self, kind: &'static str) {
        *self.looked_at.entry(kind).or_default() += 1;
    }

    /// What a call answers; where it is refused, that is a finding for each check that needs it.
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

/// Whether the service won't make a call: the caller may not, or there is no such call there.
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
