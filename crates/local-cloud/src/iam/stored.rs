//! Users, roles, policies, instance profiles and access keys as they are stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access_key::AccessKey;
use crate::call::Caller;

/// Their kinds in the store. Users, roles and profiles are stored by name, policies by ARN, and keys by id.
pub const USER: &str = "iam.user";
pub const ROLE: &str = "iam.role";
pub const POLICY: &str = "iam.policy";
pub const PROFILE: &str = "iam.instance-profile";
pub const KEY: &str = "iam.access-key";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// The policies of a user or a role.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Grants {
    /// Inline policies: their documents by name.
    pub inline: BTreeMap<String, String>,
    /// ARNs of managed policies, in the order in which they were attached.
    pub attached: Vec<String>,
    /// The ARN of the managed policy that is the permissions boundary.
    #[serde(default)]
    pub boundary: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct User {
    pub name: String,
    pub path: String,
    /// `AIDA…`
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    #[serde(default)]
    pub tags: Vec<Tag>,
    pub grants: Grants,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Role {
    pub name: String,
    pub path: String,
    /// `AROA…`
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    /// The trust policy.
    pub trust: String,
    pub description: Option<String>,
    /// The longest session, in seconds.
    pub max_session: u32,
    pub tags: Vec<Tag>,
    pub grants: Grants,
}

/// A customer-managed policy.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    pub name: String,
    pub path: String,
    /// `ANPA…`
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    pub updated: Timestamp,
    pub description: Option<String>,
    /// The number of the default version: 1 is `v1`.
    pub default_version: u32,
    pub versions: BTreeMap<u32, PolicyVersion>,
    /// The number of the next version. A number is never used again, even after the version was deleted.
    pub next_version: u32,
    pub tags: Vec<Tag>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PolicyVersion {
    pub document: String,
    pub created: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceProfile {
    pub name: String,
    pub path: String,
    /// `AIPA…`
    pub id: String,
    pub arn: String,
    pub created: Timestamp,
    /// The names of its roles, of which there is at most one.
    pub roles: Vec<String>,
    pub tags: Vec<Tag>,
}

/// A user's access key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UserKey {
    pub key: AccessKey,
    pub user: String,
    pub caller: Caller,
    pub active: bool,
    pub created: Timestamp,
}

/// The last use of an access key or a role, to the minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub time: Timestamp,
    /// The service's name in the credential scope of a signature: `s3`.
    pub service: String,
    pub region: String,
}
