//! Managed policies: AWS's own, and where a document is found by its ARN.

use super::Iam;
use super::model::{POLICY, Policy};
use crate::call::AwsError;

/// A policy that AWS maintains. Its name is the last part of its ARN.
#[derive(Debug)]
pub struct AwsManaged {
    pub arn: &'static str,
    pub id: &'static str,
    pub description: &'static str,
    pub version: &'static str,
    pub created: &'static str,
    pub updated: &'static str,
    pub document: &'static str,
}

impl Iam {
    /// The default version of a managed policy, AWS's or the account's.
    pub(super) fn managed_document(&self, arn: &str) -> Result<Option<String>, AwsError> {
        if let Some(policy) = aws_managed(arn) {
            return Ok(Some(policy.document.to_owned()));
        }
        let policy = self.store.get::<Policy>(POLICY, arn)?;
        Ok(policy.and_then(|policy| Some(policy.versions.get(&policy.default_version)?.document.clone())))
    }
}

pub fn aws_managed(arn: &str) -> Option<&'static AwsManaged> {
    AWS_MANAGED.iter().find(|policy| policy.arn == arn)
}

pub const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

pub static AWS_MANAGED: &[AwsManaged] = &[AwsManaged {
    arn: ADMINISTRATOR,
    id: "ANPAIWMBCKSKIEE64ZLYK",
    description: "Provides full access to AWS services and resources.",
    version: "v1",
    created: "2015-02-06T18:39:46Z",
    updated: "2015-02-06T18:39:46Z",
    document: r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#,
}];
