//! AWS's own managed policies.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

pub const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// A policy that AWS maintains, in the version of the day on which the table was made.
#[derive(Debug, Deserialize)]
pub struct AwsManaged {
    pub arn: String,
    /// `v1`.
    pub version: String,
    /// In the time format of IAM's answers.
    pub created: String,
    pub updated: String,
    document: Box<RawValue>,
}

impl AwsManaged {
    /// Returns the policy's document.
    pub fn document(&self) -> &str {
        self.document.get()
    }
}

/// The AWS managed policies that are here: those that people attach to the roles of machine-learning projects. AWS has
/// more than a thousand. The documents, versions, dates and paths are AWS's own as of October 2026, taken from the copy
/// of them in the PyPI package moto 5.2.5. ReadOnlyAccess, with 95 KB, isn't among them.
pub static AWS_MANAGED: LazyLock<Vec<AwsManaged>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("managed.json")).expect("the table is part of the program")
});

/// Returns the AWS managed policy of this ARN.
pub fn aws_managed(arn: &str) -> Option<&'static AwsManaged> {
    AWS_MANAGED.iter().find(|policy| policy.arn == arn)
}

/// Returns the last part of a policy's ARN.
pub fn policy_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
