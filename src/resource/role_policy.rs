//! A change of a role's policies by a later step: an inline policy, a managed policy that is attached, or one that is
//! detached.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::role::Role;
use super::role::{decode, role_tags};
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;
use crate::journal::ResourceId;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolePolicy {
    pub role: String,
    pub change: Change,
}

/// The change. Deleting the resource reverts it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An inline policy of this name.
    Inline { name: String, document: Value },
    /// The managed policy with this ARN is attached.
    Attached(String),
    /// The managed policy with this ARN, which the role had, is detached.
    Detached(String),
}

impl RolePolicy {
    /// Whether the managed policy is attached. Returns `None` if there is no such role.
    pub async fn attached(&self, aws: &Aws, arn: &str) -> Outcome<Option<bool>> {
        let mut pages =
            aws.iam.list_attached_role_policies().role_name(&self.role).into_paginator().items().send();
        while let Some(policy) = pages.next().await {
            match present(policy.map_err(|error| failure("ListAttachedRolePolicies", error)))? {
                None => return Ok(None),
                Some(policy) if policy.policy_arn() == Some(arn) => return Ok(Some(true)),
                Some(_) => {}
            }
        }
        Ok(Some(false))
    }

    async fn attach(&self, aws: &Aws, arn: &str) -> Outcome<()> {
        let attached = aws.iam.attach_role_policy().role_name(&self.role).policy_arn(arn).send().await;
        attached.map(|_| ()).map_err(|error| failure("AttachRolePolicy", error))
    }

    async fn detach(&self, aws: &Aws, arn: &str) -> Outcome<()> {
        let detached = aws.iam.detach_role_policy().role_name(&self.role).policy_arn(arn).send().await;
        present(detached.map_err(|error| failure("DetachRolePolicy", error))).map(|_| ())
    }
}

impl Resource for RolePolicy {
    const TYPE: &'static str = "role-policy";
    const ROWS: &'static [&'static str] = &["attached", "detached"];
    const SHARES_TAGS: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(match &self.change {
            Change::Inline { name, .. } => format!("{}/{name}", self.role),
            Change::Attached(arn) => format!("{} with {arn}", self.role),
            Change::Detached(arn) => format!("{} without {arn}", self.role),
        })
    }

    fn replaces(&self, old: &Self) -> bool {
        self.naming() != old.naming()
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let facts = match &self.change {
            Change::Inline { name, .. } => {
                let found = aws.iam.get_role_policy().role_name(&self.role).policy_name(name).send().await;
                let found = present(found.map_err(|error| failure("GetRolePolicy", error)))?;
                let Some(found) = found else { return Ok(None) };
                let document = decode(found.policy_document());
                facts([("document", json!(document.to_string()))])
            }
            Change::Attached(arn) => match self.attached(aws, arn).await? {
                Some(true) => facts([("attached", json!(arn))]),
                _ => return Ok(None),
            },
            Change::Detached(arn) => match self.attached(aws, arn).await? {
                Some(false) => facts([("detached", json!(arn))]),
                _ => return Ok(None),
            },
        };
        Ok(Some(Live { status: Status::Ready, facts }))
    }

    /// Returns the role's tags: only a role of this stack may be changed.
    async fn tags(&self, aws: &Aws, _name: &str) -> Outcome<Tags> {
        role_tags(aws, &self.role).await
    }

    fn attached_to(&self) -> Option<ResourceId> {
        Some(ResourceId { kind: Role::TYPE.into(), name: self.role.clone() })
    }

    fn inverse(&self) -> Option<ResourceId> {
        let Change::Attached(arn) = &self.change else { return None };
        Some(ResourceId { kind: Self::TYPE.into(), name: format!("{} without {arn}", self.role) })
    }

    async fn create(&self, aws: &Aws, _name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        match &self.change {
            Change::Inline { name, document } => {
                let put = aws.iam.put_role_policy().role_name(&self.role).policy_name(name);
                let put = put.policy_document(document.to_string()).send().await;
                put.map(|_| ()).map_err(|error| failure("PutRolePolicy", error))
            }
            Change::Attached(arn) => self.attach(aws, arn).await,
            Change::Detached(arn) => self.detach(aws, arn).await,
        }
    }

    async fn delete(&self, aws: &Aws, _name: &str) -> Outcome<()> {
        match &self.change {
            Change::Inline { name, .. } => {
                let deleted =
                    aws.iam.delete_role_policy().role_name(&self.role).policy_name(name).send().await;
                present(deleted.map_err(|error| failure("DeleteRolePolicy", error))).map(|_| ())
            }
            Change::Attached(arn) => self.detach(aws, arn).await,
            Change::Detached(arn) => self.attach(aws, arn).await,
        }
    }
}
