//! What an audit looks for. Severities are those of Security Hub's controls. Where it has no control: what lets anybody in is
//! critical, what lets a principal become administrator is high, more rights than needed are medium, and what is unused is
//! low.

use schemars::JsonSchema;
use serde::Serialize;

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

    /// Returns 1 for low to 4 for critical.
    pub fn rank(self) -> u8 {
        self as u8 + 1
    }
}

/// A check of an audit.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    pub id: &'static str,
    /// Security Hub's control, if it has one.
    pub control: Option<&'static str>,
    pub severity: Severity,
    pub fix: &'static str,
    /// AWS's page about it.
    pub reference: &'static str,
}

macro_rules! checks {
    ($($NAME:ident $id:literal $control:expr, $severity:ident, $reference:literal, $fix:literal;)*) => {
        $(pub static $NAME: Check = Check {
            id: $id, control: $control, severity: Severity::$severity, reference: $reference, fix: $fix,
        };)*
        /// All checks.
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
        "allow only your own address";
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_check_has_its_own_id_and_cites_aws() {
        let ids: BTreeSet<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for check in CHECKS {
            assert!(check.reference.starts_with("https://docs.aws.amazon.com/"), "{}", check.id);
            let hub = check.reference.contains("/securityhub/");
            assert_eq!(hub, check.control.is_some(), "{}", check.id);
        }
    }
}
