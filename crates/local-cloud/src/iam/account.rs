//! The account as a whole: its summary, all of its identities at once, and the credential report.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::grants::boundary_described;
use super::keys::keys_of;
use super::managed::{AWS_MANAGED, policy_name};
use super::model::{Grants, InstanceProfile, POLICY, PROFILE, Policy, ROLE, Role, USER, User};
use super::policies;
use super::profiles;
use super::roles;
use super::service::{Request, texts, url_encoded, written};
use super::users;
use crate::call::{AwsError, Reply};
use crate::protocol::query;

const REPORT: &str = "iam.credential-report";
/// After this a report is too old to be got.
const REPORT_LASTS: SignedDuration = SignedDuration::from_hours(4);

/// Root has a password and neither an MFA device nor access keys, as in a new account.
pub fn summary(request: &Request) -> Reply {
    request.authorize("*")?;
    let store = &request.cloud.store;
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
    let map = query::map(numbers.into_iter().map(|(name, number)| (name, json!(number))));
    Ok(json!({"SummaryMap": map}))
}

/// Users, roles and policies on the pages of one list.
pub fn authorization_details(request: &Request) -> Reply {
    request.authorize("*")?;
    let store = &request.cloud.store;
    let filter = texts(request.call.input.get("Filter"))?;
    let wanted = |kind: &str| filter.is_empty() || filter.iter().any(|each| each == kind);
    let mut items: Vec<(String, Value)> = Vec::new();
    if wanted("User") {
        for (name, user) in store.list::<User>(USER)? {
            let mut detail = users::described(&user, true);
            add_grants(&mut detail, "UserPolicyList", &user.grants);
            items.push((format!("1 {name}"), json!({"UserDetailList": detail})));
        }
    }
    if wanted("Role") {
        let profiles = store.list::<InstanceProfile>(PROFILE)?;
        for (name, role) in store.list::<Role>(ROLE)? {
            let mut detail = roles::described(&role);
            add_grants(&mut detail, "RolePolicyList", &role.grants);
            let of_role = profiles.iter().filter(|(_, profile)| profile.roles.contains(&name));
            let of_role = of_role.map(|(_, profile)| profiles::described(request, profile));
            detail["InstanceProfileList"] = of_role.collect::<Result<_, AwsError>>()?;
            detail["RoleLastUsed"] = roles::last_used(request, &role)?;
            for shown_by_get_alone in ["Description", "MaxSessionDuration"] {
                detail[shown_by_get_alone] = Value::Null;
            }
            items.push((format!("2 {name}"), json!({"RoleDetailList": detail})));
        }
    }
    if wanted("LocalManagedPolicy") {
        for (arn, policy) in store.list::<Policy>(POLICY)? {
            let mut detail = policies::counted(request, &arn, policies::described(&policy))?;
            let versions =
                policy.versions.iter().map(|(n, it)| policies::described_version(&policy, *n, it, true));
            detail["PolicyVersionList"] = versions.collect();
            detail["Tags"] = Value::Null;
            items.push((format!("3 {arn}"), json!({"Policies": detail})));
        }
    }
    if wanted("AWSManagedPolicy") {
        for policy in AWS_MANAGED.iter() {
            let mut detail = policies::counted(request, &policy.arn, policies::aws_described(policy))?;
            // Of AWS's own, those that somebody uses.
            if detail["AttachmentCount"] == 0 && detail["PermissionsBoundaryUsageCount"] == 0 {
                continue;
            }
            detail["PolicyVersionList"] = json!([policies::aws_described_version(policy, true)]);
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
    let attached = attached.map(|arn| json!({"PolicyName": policy_name(arn), "PolicyArn": arn}));
    detail["AttachedManagedPolicies"] = attached.collect();
    detail["PermissionsBoundary"] = json!(boundary_described(grants));
}

#[derive(Serialize, Deserialize)]
struct Report {
    content: String,
    generated: Timestamp,
}

/// Made at once: an account of a few users needs no task for it.
pub fn generate_report(request: &Request) -> Reply {
    request.authorize("*")?;
    let report = Report { content: credentials(request)?, generated: Timestamp::now() };
    request.cloud.store.put(REPORT, "", &report)?;
    Ok(json!({"State": "COMPLETE"}))
}

pub fn report(request: &Request) -> Reply {
    request.authorize("*")?;
    let gone = |code: &str, message: &str| AwsError::new(410, code, message);
    let report: Option<Report> = request.cloud.store.get(REPORT, "")?;
    let report = report.ok_or_else(|| gone("ReportNotPresent", "The credential report does not exist."))?;
    if Timestamp::now().duration_since(report.generated) > REPORT_LASTS {
        return Err(gone("ReportExpired", "The most recent credential report has expired."));
    }
    Ok(json!({
        "Content": STANDARD.encode(&report.content),
        "ReportFormat": "text/csv",
        "GeneratedTime": written(report.generated),
    }))
}

/// The columns of AWS's report. <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html>
fn credentials(request: &Request) -> Result<String, AwsError> {
    let mut csv = String::from("user,arn,user_creation_time,password_enabled,password_last_used,");
    csv += "password_last_changed,password_next_rotation,mfa_active";
    for key in ["access_key_1", "access_key_2"] {
        for column in ["active", "last_rotated", "last_used_date", "last_used_region", "last_used_service"] {
            csv += &format!(",{key}_{column}");
        }
    }
    csv += ",cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
    let users = request.cloud.store.list::<User>(USER)?;
    // The account is as old as its first user.
    let opened = users.iter().map(|(_, user)| user.created).min().unwrap_or_else(Timestamp::now);
    let no_key = ["false", "N/A", "N/A", "N/A", "N/A"].map(str::to_owned);
    let no_certificates = ["false", "N/A", "false", "N/A"].map(str::to_owned);
    let password = ["not_supported", "no_information", "not_supported", "not_supported", "false"];
    let mut root = vec!["<root_account>".to_owned(), request.arn("root"), written(opened)];
    root.extend(password.map(str::to_owned));
    root.extend([no_key.clone(), no_key.clone()].concat());
    let mut rows = vec![root];
    for (name, user) in users {
        let mut row = vec![name, user.arn, written(user.created)];
        row.extend(["false", "N/A", "N/A", "N/A", "false"].map(str::to_owned));
        let mut keys = keys_of(request.cloud, &user.name)?.into_iter();
        for _ in 0..2 {
            let Some(key) = keys.next() else {
                row.extend(no_key.clone());
                continue;
            };
            row.extend([key.active.to_string(), written(key.created)]);
            row.extend(match request.cloud.iam.last_used(&key.key.access_key_id)? {
                Some(used) => [written(used.time), used.region, used.service],
                None => ["N/A", "N/A", "N/A"].map(str::to_owned),
            });
        }
        rows.push(row);
    }
    for mut row in rows {
        row.extend(no_certificates.clone());
        csv += "\n";
        csv += &row.join(",");
    }
    Ok(csv)
}
