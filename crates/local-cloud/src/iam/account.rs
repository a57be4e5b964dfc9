//! The account as a whole: its summary, and all of its users, roles and policies at once.

use serde_json::{Map, Value, json};

use super::describe;
use super::managed::AWS_MANAGED;
use super::request::{Request, url_encoded};
use super::stored::{Grants, InstanceProfile, POLICY, PROFILE, Policy, ROLE, Role, USER, User};
use super::usage::Usage;
use crate::call::{AwsError, Reply};

/// Returns the counts of the account's resources. Root has a password and neither an MFA device nor access keys, as in
/// a new account.
pub fn summary(request: &Request) -> Reply {
    let store = request.store();
    let users = store.list::<User>(USER)?.len();
    let roles = store.list::<Role>(ROLE)?.len();
    let own = store.list::<Policy>(POLICY)?;
    let versions: usize = own.iter().map(|(_, policy)| policy.versions.len()).sum();
    let profiles = store.list::<InstanceProfile>(PROFILE)?.len();
    let numbers = [
        ("Users", users),
        ("UsersQuota", 5000),
        ("Groups", 0),
        ("GroupsQuota", 300),
        ("GroupsPerUserQuota", 10),
        ("GroupPolicySizeQuota", 5120),
        ("Roles", roles),
        ("RolesQuota", 1000),
        ("Policies", own.len()),
        ("PoliciesQuota", 1500),
        ("PolicySizeQuota", 6144),
        ("PolicyVersionsInUse", versions),
        ("PolicyVersionsInUseQuota", 10_000),
        ("VersionsPerPolicyQuota", 5),
        ("InstanceProfiles", profiles),
        ("InstanceProfilesQuota", 1000),
        ("UserPolicySizeQuota", 2048),
        ("RolePolicySizeQuota", 10_240),
        ("AssumeRolePolicySizeQuota", 2048),
        ("AttachedPoliciesPerGroupQuota", 10),
        ("AttachedPoliciesPerRoleQuota", 10),
        ("AttachedPoliciesPerUserQuota", 10),
        ("AccessKeysPerUserQuota", 2),
        ("SigningCertificatesPerUserQuota", 2),
        ("ServerCertificates", 0),
        ("ServerCertificatesQuota", 20),
        ("Providers", 0),
        ("MFADevices", 0),
        ("MFADevicesInUse", 0),
        ("AccountMFAEnabled", 0),
        ("AccountAccessKeysPresent", 0),
        ("AccountPasswordPresent", 1),
        ("AccountSigningCertificatesPresent", 0),
        ("GlobalEndpointTokenVersion", 1),
    ];
    let map: Map<String, Value> =
        numbers.into_iter().map(|(name, number)| (name.to_owned(), json!(number))).collect();
    Ok(json!({"SummaryMap": map}))
}

/// Lists users, roles and policies on the pages of one list.
pub fn authorization_details(request: &Request) -> Reply {
    let store = request.store();
    let filter = request.texts("Filter");
    let wanted = |kind: &str| filter.is_empty() || filter.contains(&kind);
    let usage = Usage::read(request)?;
    let mut items: Vec<(String, Value)> = Vec::new();
    if wanted("User") {
        for (name, user) in store.list::<User>(USER)? {
            let mut detail = describe::user(&user, true);
            add_grants(&mut detail, "UserPolicyList", &user.grants);
            items.push((format!("1 {name}"), json!({"UserDetailList": detail})));
        }
    }
    if wanted("Role") {
        let profiles = store.list::<InstanceProfile>(PROFILE)?;
        for (name, role) in store.list::<Role>(ROLE)? {
            let mut detail = describe::role(&role);
            add_grants(&mut detail, "RolePolicyList", &role.grants);
            let of_role = profiles.iter().filter(|(_, profile)| profile.roles.contains(&name));
            let of_role = of_role.map(|(_, profile)| describe::profile(request, profile));
            detail["InstanceProfileList"] = of_role.collect::<Result<_, AwsError>>()?;
            detail["RoleLastUsed"] = describe::last_used(request, &role)?;
            for shown_by_get_alone in ["Description", "MaxSessionDuration"] {
                detail[shown_by_get_alone] = Value::Null;
            }
            items.push((format!("2 {name}"), json!({"RoleDetailList": detail})));
        }
    }
    if wanted("LocalManagedPolicy") {
        for (arn, policy) in store.list::<Policy>(POLICY)? {
            let mut detail = usage.counted(describe::policy(&policy));
            let versions = policy.versions.iter().map(|(n, it)| describe::version(&policy, *n, it, true));
            detail["PolicyVersionList"] = versions.collect();
            detail["Tags"] = Value::Null;
            items.push((format!("3 {arn}"), json!({"Policies": detail})));
        }
    }
    if wanted("AWSManagedPolicy") {
        for policy in AWS_MANAGED.iter() {
            let mut detail = usage.counted(describe::aws_policy(policy));
            // Of AWS's own policies, only those that are in use.
            if detail["AttachmentCount"] == 0 && detail["PermissionsBoundaryUsageCount"] == 0 {
                continue;
            }
            detail["PolicyVersionList"] = json!([describe::aws_version(policy, true)]);
            detail["Tags"] = Value::Null;
            items.push((format!("3 {}", policy.arn), json!({"Policies": detail})));
        }
    }
    request.page_of(&["UserDetailList", "GroupDetailList", "RoleDetailList", "Policies"], items)
}

fn add_grants(detail: &mut Value, inline: &str, grants: &Grants) {
    let policies = grants.inline.iter();
    let policies =
        policies.map(|(name, text)| json!({"PolicyName": name, "PolicyDocument": url_encoded(text)}));
    detail[inline] = policies.collect();
    let attached = grants.attached.iter();
    let attached = attached.map(String::as_str).map(describe::attached);
    detail["AttachedManagedPolicies"] = attached.collect();
    detail["PermissionsBoundary"] = json!(describe::boundary(grants));
}
