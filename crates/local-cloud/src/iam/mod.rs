//! IAM: users, roles and their policies, the decisions that follow from these, and the operations on them.

mod access_key;
mod account;
mod assume;
mod authority;
mod authorize;
mod callers;
mod credentials;
mod decisions;
mod describe;
mod entity;
mod error;
mod grants;
mod id;
mod keys;
mod last_accessed;
mod log_lines;
mod managed;
mod needs;
mod open;
mod policies;
mod principal;
mod profiles;
mod report;
mod request;
mod roles;
mod service;
mod simulate;
mod stored;
mod tags;
mod usage;
mod used;
mod users;

use std::sync::LazyLock;

use crate::model::Model;
use crate::service::{Operation, Service, on_everything};
use stored::{InstanceProfile, Role, User};

pub use access_key::{AccessKey, KEYS_FILE};
pub use decisions::Decision;
pub use service::Iam;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<Iam>] = &[
    Operation::new("CreateRole", needs::new_one::<Role>, roles::create),
    Operation::new("GetRole", needs::one::<Role>, roles::get),
    Operation::new("ListRoles", needs::under_path::<Role>, roles::list),
    Operation::new("UpdateRole", needs::one::<Role>, roles::update),
    Operation::new("UpdateRoleDescription", needs::one::<Role>, roles::update_description),
    Operation::new("UpdateAssumeRolePolicy", needs::one::<Role>, roles::update_trust),
    Operation::new("DeleteRole", needs::one::<Role>, roles::delete),
    Operation::new("TagRole", needs::one::<Role>, tags::add::<Role>),
    Operation::new("UntagRole", needs::one::<Role>, tags::remove::<Role>),
    Operation::new("ListRoleTags", needs::one::<Role>, tags::list::<Role>),
    Operation::new("CreateUser", needs::new_one::<User>, users::create),
    Operation::new("GetUser", needs::one::<User>, users::get),
    Operation::new("ListUsers", needs::under_path::<User>, users::list),
    Operation::new("DeleteUser", needs::one::<User>, users::delete),
    Operation::new("TagUser", needs::one::<User>, tags::add::<User>),
    Operation::new("UntagUser", needs::one::<User>, tags::remove::<User>),
    Operation::new("ListUserTags", needs::one::<User>, tags::list::<User>),
    Operation::new("ListMFADevices", needs::one::<User>, users::list_mfa_devices),
    Operation::new("CreateAccessKey", needs::one::<User>, keys::create),
    Operation::new("ListAccessKeys", needs::one::<User>, keys::list),
    Operation::new("UpdateAccessKey", needs::one::<User>, keys::update),
    Operation::new("DeleteAccessKey", needs::one::<User>, keys::delete),
    Operation::new("GetAccessKeyLastUsed", needs::owner_of_key, keys::last_used),
    Operation::new("GetAccountSummary", on_everything, account::summary),
    Operation::new("GetAccountAuthorizationDetails", on_everything, account::authorization_details),
    Operation::new("GenerateCredentialReport", on_everything, report::generate),
    Operation::new("GetCredentialReport", on_everything, report::get),
    Operation::new("GenerateServiceLastAccessedDetails", last_accessed::needs, last_accessed::generate),
    Operation::new("GetServiceLastAccessedDetails", on_everything, last_accessed::get),
    Operation::new("SimulatePrincipalPolicy", needs::simulated, simulate::principal),
    Operation::new("SimulateCustomPolicy", on_everything, simulate::custom),
    Operation::new("PutRolePolicy", needs::grants::<Role>, grants::put::<Role>),
    Operation::new("PutUserPolicy", needs::grants::<User>, grants::put::<User>),
    Operation::new("GetRolePolicy", needs::grants::<Role>, grants::get::<Role>),
    Operation::new("GetUserPolicy", needs::grants::<User>, grants::get::<User>),
    Operation::new("DeleteRolePolicy", needs::grants::<Role>, grants::delete::<Role>),
    Operation::new("DeleteUserPolicy", needs::grants::<User>, grants::delete::<User>),
    Operation::new("ListRolePolicies", needs::grants::<Role>, grants::list::<Role>),
    Operation::new("ListUserPolicies", needs::grants::<User>, grants::list::<User>),
    Operation::new("AttachRolePolicy", needs::grants::<Role>, grants::attach::<Role>),
    Operation::new("AttachUserPolicy", needs::grants::<User>, grants::attach::<User>),
    Operation::new("DetachRolePolicy", needs::grants::<Role>, grants::detach::<Role>),
    Operation::new("DetachUserPolicy", needs::grants::<User>, grants::detach::<User>),
    Operation::new("ListAttachedRolePolicies", needs::grants::<Role>, grants::list_attached::<Role>),
    Operation::new("ListAttachedUserPolicies", needs::grants::<User>, grants::list_attached::<User>),
    Operation::new("PutRolePermissionsBoundary", needs::grants::<Role>, grants::put_boundary::<Role>),
    Operation::new("PutUserPermissionsBoundary", needs::grants::<User>, grants::put_boundary::<User>),
    Operation::new("DeleteRolePermissionsBoundary", needs::grants::<Role>, grants::delete_boundary::<Role>),
    Operation::new("DeleteUserPermissionsBoundary", needs::grants::<User>, grants::delete_boundary::<User>),
    Operation::new("CreatePolicy", needs::new_policy, policies::create),
    Operation::new("GetPolicy", needs::policy, policies::get),
    Operation::new("ListPolicies", on_everything, policies::list),
    Operation::new("ListEntitiesForPolicy", needs::policy, policies::list_entities),
    Operation::new("DeletePolicy", needs::policy, policies::delete),
    Operation::new("TagPolicy", needs::policy, policies::tag),
    Operation::new("UntagPolicy", needs::policy, policies::untag),
    Operation::new("ListPolicyTags", needs::policy, policies::list_tags),
    Operation::new("CreatePolicyVersion", needs::policy, policies::create_version),
    Operation::new("GetPolicyVersion", needs::policy, policies::get_version),
    Operation::new("ListPolicyVersions", needs::policy, policies::list_versions),
    Operation::new("DeletePolicyVersion", needs::policy, policies::delete_version),
    Operation::new("SetDefaultPolicyVersion", needs::policy, policies::set_default_version),
    Operation::new("CreateInstanceProfile", needs::new_one::<InstanceProfile>, profiles::create),
    Operation::new("GetInstanceProfile", needs::one::<InstanceProfile>, profiles::get),
    Operation::new("ListInstanceProfiles", needs::under_path::<InstanceProfile>, profiles::list),
    Operation::new("ListInstanceProfilesForRole", needs::one::<Role>, profiles::list_for_role),
    Operation::new("TagInstanceProfile", needs::one::<InstanceProfile>, tags::add::<InstanceProfile>),
    Operation::new("UntagInstanceProfile", needs::one::<InstanceProfile>, tags::remove::<InstanceProfile>),
    Operation::new("ListInstanceProfileTags", needs::one::<InstanceProfile>, tags::list::<InstanceProfile>),
    Operation::new("DeleteInstanceProfile", needs::one::<InstanceProfile>, profiles::delete),
    Operation::new("AddRoleToInstanceProfile", needs::one::<InstanceProfile>, profiles::add_role),
    Operation::new("RemoveRoleFromInstanceProfile", needs::one::<InstanceProfile>, profiles::remove_role),
];

impl Service for Iam {
    const NAME: &'static str = "iam";
    const TITLE: &'static str = "IAM";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }

    /// The first user doesn't count, since the local cloud itself creates it.
    fn is_empty(&self) -> bool {
        self.is_as_opened().unwrap_or(false)
    }
}
