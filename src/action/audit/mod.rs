//! What is insecure in an account. A file a subject: each fetches what its rules need, and the rules are functions
//! from that to findings.
//!
//! Severities are Security Hub's where it has a control for the matter, and ours where the table below has no control.
//! Who can anybody be is critical, who can become administrator is high, more rights than needed are medium, and what
//! only lies about is low. What may not be looked at counts as bad as the worst that could have been found.

mod account;
mod functions;
mod network;
mod policy;
mod principals;
mod storage;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::aws::Aws;
use crate::failure::{Failure, Outcome};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Critical, Self::High, Self::Medium, Self::Low];

    pub fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// 1 for low to 4 for critical.
    pub fn rank(self) -> u8 {
        self as u8 + 1
    }
}

/// Something that is looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    pub id: &'static str,
    /// Security Hub's control, where it has one.
    pub control: Option<&'static str>,
    pub severity: Severity,
    pub fix: &'static str,
    /// AWS's page about it.
    pub reference: &'static str,
}

macro_rules! checks {
    ($($NAME:ident $id:literal $control:expr, $severity:ident, $reference:literal, $fix:literal;)*) => {
        $(static $NAME: Check = Check {
            id: $id, control: $control, severity: Severity::$severity, reference: $reference, fix: $fix,
        };)*
        /// Everything that is looked for.
        pub static CHECKS: &[&Check] = &[$(&$NAME),*];
    };
}

checks! {
    ROOT_MFA "root-mfa" Some("IAM.9"), Critical,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html#iam-9",
        "sign in as root once, and turn on MFA for it";
    ROOT_ACCESS_KEY "root-access-key" Some("IAM.4"), Critical,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html#iam-4",
        "delete the root user's access keys, and use roles";
    FULL_ADMIN "full-admin" Some("IAM.1"), High,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html#iam-1",
        "allow the actions that are needed, on the resources that they are needed on";
    PASS_ROLE "pass-role" None, High,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-security-warning-pass-role-with-star-in-resource",
        "name the roles that may be passed, or the services by a condition on iam:PassedToService";
    FULL_ACCESS "full-access" None, Medium,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#grant-least-privilege",
        "detach it, and allow the actions that are used";
    SERVICE_WILDCARD "service-wildcard" Some("IAM.21"), Low,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html#iam-21",
        "name the actions that are used";
    OPEN_TRUST "open-trust" None, Critical,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-anonymous",
        "name in the trust policy who may take the role on, or add a condition";
    UNUSED_ROLE "unused-role" None, Low,
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html#remove-credentials",
        "delete the role";
    OLD_ACCESS_KEY "old-access-key" Some("IAM.3"), Medium,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html#iam-3",
        "make a new key, and delete this one";
    UNUSED_ACCESS_KEY "unused-access-key" Some("IAM.8"), Medium,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/iam-controls.html#iam-8",
        "delete the key";
    SSH_OPEN "ssh-open" Some("EC2.13"), High,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-13",
        "admit your own address alone";
    ALL_PORTS_OPEN "all-ports-open" Some("EC2.19"), Critical,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-19",
        "admit the ports that are needed, from the addresses that need them";
    BUCKET_PUBLIC "bucket-public" Some("S3.2"), Critical,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html#s3-2",
        "take the grant to everybody out of the bucket's policy or ACL, and block public access";
    BUCKET_BLOCK "bucket-block" Some("S3.8"), High,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/s3-controls.html#s3-8",
        "turn on all four settings of the bucket's public access block";
    FUNCTION_PUBLIC "function-public" Some("Lambda.1"), Critical,
        "https://docs.aws.amazon.com/securityhub/latest/userguide/lambda-controls.html#lambda-1",
        "name in the function's policy who may invoke it, or add a condition on the source's account";
}

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
    fn covers(&self, kind: &str, name: &str) -> bool {
        let named = |only: &BTreeSet<_>| only.contains(&(kind.to_owned(), name.to_owned()));
        self.only.as_ref().is_none_or(named)
    }

    /// Whole days since a time, in seconds since 1970.
    fn days_since(&self, then: i64) -> i64 {
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
    fn add(&mut self, check: &Check, resource: impl Into<String>, problem: impl Into<String>) {
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
    fn unread(&mut self, check: &Check, resource: &str, what: &str, error: &dyn std::fmt::Display) {
        self.push(check, resource.to_owned(), format!("not checked: {what} cannot be read: {error}"), false);
    }

    fn count(&mut self, kind: &'static str) {
        *self.looked_at.entry(kind).or_default() += 1;
    }

    /// What a call answers; where it is refused, that is a finding for each check that needs it.
    fn seen<T>(&mut self, checks: &[&Check], resource: &str, answer: Outcome<T>) -> Outcome<Option<T>> {
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

/// Looks at the account, or at what is asked for of it; the worst findings come first.
pub async fn audit(aws: &Aws, asked: &Asked) -> Outcome<Audited> {
    let mut audited = Audited::default();
    if asked.only.is_none() {
        account::root(aws, &mut audited).await?;
        account::keys(aws, asked, &mut audited).await?;
    }
    principals::principals(aws, asked, &mut audited).await?;
    network::groups(aws, asked, &mut audited).await?;
    storage::buckets(aws, asked, &mut audited).await?;
    functions::functions(aws, asked, &mut audited).await?;
    audited.findings.sort_by(|a, b| {
        let by = |finding: &Finding| (finding.check.clone(), finding.resource.clone());
        b.severity.cmp(&a.severity).then_with(|| by(a).cmp(&by(b)))
    });
    Ok(audited)
}

/// Whether a pattern with `*` and `?` matches all of a text.
pub fn glob(pattern: &str, text: &str) -> bool {
    let escaped = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    regex::Regex::new(&format!("(?is)^{escaped}$")).is_ok_and(|regex| regex.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_check_is_told_apart_and_cites_aws() {
        let ids: BTreeSet<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for check in CHECKS {
            assert!(check.reference.starts_with("https://docs.aws.amazon.com/"), "{}", check.id);
            let hub = check.reference.contains("/securityhub/");
            assert_eq!(hub, check.control.is_some(), "{}", check.id);
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, matches) in [
            ("*", "arn:aws:iam::1:role/r", true),
            ("arn:*:role/dogs-*", "arn:aws:iam::1:role/dogs-1", true),
            ("arn:*:role/dogs-*", "arn:aws:iam::1:role/cats-1", false),
            ("iam:Pass*", "iam:passrole", true),
            ("iam:PassRol?", "iam:PassRole", true),
            ("a.c", "abc", false),
            ("(", "(", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

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
