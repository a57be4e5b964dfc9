//! IAM instance profile: passes a role to an EC2 instance.

use aws_sdk_iam::types::Tag;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::invalid;
use super::traits::{Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceProfile {
    /// The role's name, which is also the profile's.
    pub role: String,
}

impl Resource for InstanceProfile {
    const TYPE: &'static str = "instance-profile";
    const ROWS: &'static [&'static str] = &["roles"];
    const STAGED: bool = true;

    fn naming(&self) -> Naming {
        Naming::Fixed(self.role.clone())
    }

    fn replaces(&self, old: &Self) -> bool {
        self.role != old.role
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let profile = aws.iam.get_instance_profile().instance_profile_name(name).send().await;
        let profile = present(profile.map_err(|error| failure("GetInstanceProfile", error)))?;
        let Some(profile) = profile.and_then(|profile| profile.instance_profile) else { return Ok(None) };
        let roles: Vec<&str> = profile.roles().iter().map(|role| role.role_name()).collect();
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([("arn", json!(profile.arn())), ("roles", json!(roles))]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        let profile = aws.iam.get_instance_profile().instance_profile_name(name).send().await;
        let profile = profile.map_err(|error| failure("GetInstanceProfile", error))?;
        Ok(profile
            .instance_profile()
            .map(|profile| profile.tags())
            .unwrap_or_default()
            .iter()
            .map(|tag| (tag.key().to_owned(), tag.value().to_owned()))
            .collect())
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let set: Result<Vec<_>, _> =
            tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
        let created = aws.iam.create_instance_profile().instance_profile_name(name);
        let created = created.set_tags(Some(set.map_err(invalid)?)).send().await;
        created.map_err(|error| failure("CreateInstanceProfile", error))?;
        self.update(aws, name, tags, progress).await
    }

    async fn update(&self, aws: &Aws, name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let live = self.describe(aws, name).await?;
        let live =
            live.ok_or_else(|| Failure::new("Gone", format!("instance profile {name} was deleted")))?;
        if live.facts.get("roles") == Some(&json!([self.role])) {
            return Ok(());
        }
        let added = aws.iam.add_role_to_instance_profile().instance_profile_name(name).role_name(&self.role);
        match added.send().await.map_err(|error| failure("AddRoleToInstanceProfile", error)) {
            // A profile has one role. If it is this one, a reply was lost, and the SDK has made the call again.
            Err(full) if full.code == "LimitExceeded" => {
                let live = self.describe(aws, name).await?;
                match live.is_some_and(|live| live.facts.get("roles") == Some(&json!([self.role]))) {
                    true => Ok(()),
                    false => Err(full),
                }
            }
            added => added.map(|_| ()),
        }
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { role: name.to_owned() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        let removed = aws.iam.remove_role_from_instance_profile().instance_profile_name(name);
        let removed = removed.role_name(&self.role).send().await;
        present(removed.map_err(|error| failure("RemoveRoleFromInstanceProfile", error)))?;
        let deleted = aws.iam.delete_instance_profile().instance_profile_name(name).send().await;
        present(deleted.map_err(|error| failure("DeleteInstanceProfile", error))).map(|_| ())
    }
}
