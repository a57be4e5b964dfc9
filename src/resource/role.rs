//! IAM role, with its trust policy, managed policies and inline policies.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::Tag;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::bucket::invalid;
use super::traits::{Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Role {
    pub name: Option<String>,
    pub base: String,
    /// `sagemaker.amazonaws.com`, …
    pub service: String,
    /// ARNs of managed policies.
    pub managed: BTreeSet<String>,
    /// Documents of inline policies by name.
    pub inline: BTreeMap<String, Value>,
}

/// A statement of a policy that allows actions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// `s3:GetObject`, …
    #[schemars(length(min = 1))]
    pub actions: Vec<String>,
    /// ARNs. `*` only for actions that have no resources.
    #[schemars(length(min = 1))]
    pub resources: Vec<String>,
}

/// Returns the policy document of some statements.
pub fn policy_document(statements: &[Statement]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|one| json!({"Effect": "Allow", "Action": one.actions, "Resource": one.resources}))
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

/// Returns the ARN of an AWS managed policy that is given by its name.
pub fn managed_policy_arn(name: &str) -> String {
    match name.starts_with("arn:") {
        true => name.to_owned(),
        false => format!("arn:aws:iam::aws:policy/{name}"),
    }
}

impl Role {
    fn trust(&self) -> Value {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": self.service}, "Action": "sts:AssumeRole"}
        ]})
    }

    async fn managed_now(&self, aws: &Aws, name: &str) -> Outcome<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let mut pages = aws.iam.list_attached_role_policies().role_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure("ListAttachedRolePolicies", error))?;
            found.extend(
                page.attached_policies().iter().filter_map(|policy| policy.policy_arn()).map(str::to_owned),
            );
        }
        Ok(found)
    }

    async fn inline_now(&self, aws: &Aws, name: &str) -> Outcome<BTreeSet<String>> {
        let mut found = BTreeSet::new();
        let mut pages = aws.iam.list_role_policies().role_name(name).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure("ListRolePolicies", error))?;
            found.extend(page.policy_names().iter().cloned());
        }
        Ok(found)
    }
}

impl Resource for Role {
    const TYPE: &'static str = "role";
    const ROWS: &'static [&'static str] = &["trusts", "managed_policies", "inline_policies"];
    const DRAWN: Drawn = Drawn::Role;
    const STAGED: bool = true;

    fn naming(&self) -> Naming {
        match &self.name {
            Some(name) => Naming::Fixed(name.clone()),
            None => Naming::Stack { base: self.base.clone(), max: 64 },
        }
    }

    fn replaces(&self, old: &Self) -> bool {
        self.name != old.name
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let role = aws.iam.get_role().role_name(name).send().await;
        let Some(role) = present(role.map_err(|error| failure("GetRole", error)))? else { return Ok(None) };
        let role = role.role();
        let trust = role.and_then(|role| role.assume_role_policy_document()).map(decode).unwrap_or_default();
        let trusted = trust.pointer("/Statement/0/Principal/Service").cloned().unwrap_or_default();
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(role.map(|role| role.arn()))),
                ("trusts", trusted),
                ("managed_policies", json!(self.managed_now(aws, name).await?)),
                ("inline_policies", json!(self.inline_now(aws, name).await?)),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        role_tags(aws, name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let set: Result<Vec<_>, _> =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let created = aws
            .iam
            .create_role()
            .role_name(name)
            .assume_role_policy_document(self.trust().to_string())
            .description("Made by opsml")
            .set_tags(Some(set.map_err(invalid)?))
            .send()
            .await;
        created.map_err(|error| failure("CreateRole", error))?;
        self.update(aws, name, tags, progress).await
    }

    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let trust =
            aws.iam.update_assume_role_policy().role_name(name).policy_document(self.trust().to_string());
        trust.send().await.map_err(|error| failure("UpdateAssumeRolePolicy", error))?;
        let managed = self.managed_now(aws, name).await?;
        for arn in self.managed.difference(&managed) {
            let attached = aws.iam.attach_role_policy().role_name(name).policy_arn(arn).send().await;
            attached.map_err(|error| failure("AttachRolePolicy", error))?;
        }
        for arn in managed.difference(&self.managed) {
            let detached = aws.iam.detach_role_policy().role_name(name).policy_arn(arn).send().await;
            detached.map_err(|error| failure("DetachRolePolicy", error))?;
        }
        for (policy, document) in &self.inline {
            let put = aws.iam.put_role_policy().role_name(name).policy_name(policy);
            let put = put.policy_document(document.to_string()).send().await;
            put.map_err(|error| failure("PutRolePolicy", error))?;
        }
        for policy in
            self.inline_now(aws, name).await?.iter().filter(|policy| !self.inline.contains_key(*policy))
        {
            let deleted = aws.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
            deleted.map_err(|error| failure("DeleteRolePolicy", error))?;
        }
        Ok(())
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { name: Some(name.to_owned()), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        // It may be gone already.
        for arn in present(self.managed_now(aws, name).await)?.unwrap_or_default() {
            let detached = aws.iam.detach_role_policy().role_name(name).policy_arn(arn).send().await;
            present(detached.map_err(|error| failure("DetachRolePolicy", error)))?;
        }
        for policy in present(self.inline_now(aws, name).await)?.unwrap_or_default() {
            let deleted = aws.iam.delete_role_policy().role_name(name).policy_name(policy).send().await;
            present(deleted.map_err(|error| failure("DeleteRolePolicy", error)))?;
        }
        let deleted = aws.iam.delete_role().role_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteRole", error))).map(|_| ())
    }
}

/// Returns the ARN of a role from IAM, since it has the role's path.
pub async fn role_arn(aws: &Aws, name: &str) -> Outcome<String> {
    let found = aws.iam.get_role().role_name(name).send().await;
    let found = found.map_err(|error| failure("GetRole", error))?;
    Ok(found.role().map(|role| role.arn().to_owned()).unwrap_or_default())
}

/// Returns the tags of a role, which are also those of its attachments.
pub async fn role_tags(aws: &Aws, name: &str) -> Outcome<Tags> {
    let tags = aws.iam.list_role_tags().role_name(name).send().await;
    let tags = tags.map_err(|error| failure("ListRoleTags", error))?;
    Ok(tags.tags().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
}

/// Decodes a policy document, which IAM returns URL-encoded (RFC 3986).
pub fn decode(document: &str) -> Value {
    let text = percent_encoding::percent_decode_str(document).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_default()
}
