//! What roles, users and groups may do, and who may assume a role.
//!
//! AWS managed policies are judged by their names, all others by their documents.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{AttachedPolicy, EntityType, ManagedPolicyDetail, PolicyDetail, RoleDetail};

use super::check::{FULL_ACCESS, FULL_ADMIN, OPEN_TRUST, PASS_ROLE, SERVICE_WILDCARD, UNUSED_ROLE};
use super::finding::{Audited, Options, SeenRole};
use super::policy::{Document, Statement};
use crate::aws::{Aws, failure};
use crate::failure::Outcome;

/// A part of the ARN of each AWS managed policy. The partition before it differs in China.
const AWS_MANAGED: &str = ":iam::aws:policy/";
/// A part of the ARN of each service-linked role, which its service deletes.
const SERVICE_LINKED: &str = "/aws-service-role/";

pub(super) async fn principals(aws: &Aws, options: &Options, audited: &mut Audited) -> Outcome<()> {
    let all = format!("arn:aws:iam::{}:*", aws.account);
    let (mut users, mut groups, mut roles, mut policies) =
        (Vec::new(), Vec::new(), Vec::new(), BTreeMap::new());
    let wanted = [EntityType::User, EntityType::Group, EntityType::Role, EntityType::LocalManagedPolicy];
    let details = aws.iam.get_account_authorization_details().set_filter(Some(wanted.into()));
    let mut pages = details.into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("GetAccountAuthorizationDetails", error));
        let checks = [&FULL_ADMIN, &PASS_ROLE, &FULL_ACCESS, &SERVICE_WILDCARD, &OPEN_TRUST, &UNUSED_ROLE];
        let Some(page) = audited.seen(&checks, &all, page)? else { return Ok(()) };
        users.extend(page.user_detail_list().iter().cloned());
        groups.extend(page.group_detail_list().iter().cloned());
        roles.extend(page.role_detail_list().iter().cloned());
        policies.extend(
            page.policies().iter().filter_map(|policy| Some((policy.arn()?.to_owned(), document(policy)?))),
        );
    }
    for role in &roles {
        if options.covers("role", role.role_name().unwrap_or_default()) {
            judge_role(role, &policies, options, audited);
        }
    }
    if options.only.is_some() {
        return Ok(());
    }
    for user in &users {
        audited.count("users");
        let arn = user.arn().unwrap_or_default();
        judge_grants(arn, user.user_policy_list(), user.attached_managed_policies(), &policies, audited);
    }
    for group in &groups {
        audited.count("groups");
        let arn = group.arn().unwrap_or_default();
        judge_grants(arn, group.group_policy_list(), group.attached_managed_policies(), &policies, audited);
    }
    Ok(())
}

/// Returns the document of a policy's default version.
fn document(policy: &ManagedPolicyDetail) -> Option<String> {
    let version = policy.policy_version_list().iter().find(|version| version.is_default_version())?;
    version.document().map(str::to_owned)
}

fn seen(role: &RoleDetail) -> SeenRole {
    let statements = |document: &str| -> Vec<String> {
        let document = Document::read(document).ok();
        document.iter().flat_map(|document| document.allowing().map(Statement::in_words)).collect()
    };
    let trust = Document::read(role.assume_role_policy_document().unwrap_or_default()).ok();
    let used = role.role_last_used().and_then(|last| last.last_used_date());
    let managed = role.attached_managed_policies().iter().filter_map(|policy| policy.policy_name());
    let inline = role.role_policy_list().iter().filter_map(|policy| policy.policy_document());
    SeenRole {
        name: role.role_name().unwrap_or_default().to_owned(),
        trusts: trust.iter().flat_map(|trust| trust.allowing().flat_map(Statement::principals)).collect(),
        allows: inline.flat_map(statements).collect(),
        managed_policies: managed.map(str::to_owned).collect(),
        last_used: used
            .and_then(|date| jiff::Timestamp::from_second(date.secs()).ok())
            .map(|date| date.to_string()),
    }
}

fn judge_role(
    role: &RoleDetail,
    policies: &BTreeMap<String, String>,
    options: &Options,
    audited: &mut Audited,
) {
    audited.count("roles");
    audited.roles.push(seen(role));
    let arn = role.arn().unwrap_or_default();
    judge_grants(arn, role.role_policy_list(), role.attached_managed_policies(), policies, audited);
    match Document::read(role.assume_role_policy_document().unwrap_or_default()) {
        Ok(trust) if trust.allowing().any(|statement| statement.is_for_anybody()) => {
            audited.add(&OPEN_TRUST, arn, "its trust policy lets anybody take it on");
        }
        Ok(_) => {}
        Err(error) => audited.unread(&OPEN_TRUST, arn, "its trust policy", &error),
    }
    if role.path().unwrap_or_default().starts_with(SERVICE_LINKED) {
        return;
    }
    // A new role may not have been used yet.
    let age = options.days_since(role.create_date().map_or(options.now, |date| date.secs()));
    let used = role.role_last_used().and_then(|last| last.last_used_date());
    let idle = used.map(|date| options.days_since(date.secs()));
    match idle {
        None if age >= options.unused_days => {
            audited.add(&UNUSED_ROLE, arn, format!("it was never used in its {age} days"));
        }
        Some(idle) if idle >= options.unused_days => {
            audited.add(&UNUSED_ROLE, arn, format!("it was last used {idle} days ago"));
        }
        _ => {}
    }
}

fn judge_grants(
    arn: &str,
    inline: &[PolicyDetail],
    attached: &[AttachedPolicy],
    policies: &BTreeMap<String, String>,
    audited: &mut Audited,
) {
    for policy in inline {
        let called = format!("its inline policy {}", policy.policy_name().unwrap_or_default());
        judge_document(arn, &called, policy.policy_document().unwrap_or_default(), audited);
    }
    for policy in attached {
        let policy = policy.policy_arn().unwrap_or_default();
        let name = policy.rsplit('/').next().unwrap_or_default();
        match policies.get(policy) {
            _ if policy.contains(AWS_MANAGED) && name == "AdministratorAccess" => {
                audited.add(&FULL_ADMIN, arn, "AWS's policy AdministratorAccess is attached to it");
            }
            _ if policy.contains(AWS_MANAGED) => {
                if name.ends_with("FullAccess") || name == "PowerUserAccess" {
                    audited.add(&FULL_ACCESS, arn, format!("AWS's policy {name} is attached to it"));
                }
            }
            Some(document) => judge_document(arn, &format!("its policy {name}"), document, audited),
            None => audited.unread(
                &FULL_ADMIN,
                arn,
                &format!("its policy {name}"),
                &"it is not among the account's",
            ),
        }
    }
}

fn judge_document(arn: &str, called: &str, document: &str, audited: &mut Audited) {
    let document = match Document::read(document) {
        Ok(document) => document,
        Err(error) => return audited.unread(&FULL_ADMIN, arn, called, &error),
    };
    for statement in document.allowing() {
        if statement.is_admin() {
            // The other checks would only report less severe parts of the same problem.
            audited.add(
                &FULL_ADMIN,
                arn,
                format!("{called} allows every action on everything, or all but some"),
            );
            continue;
        }
        if statement.passes_any_role() {
            audited.add(&PASS_ROLE, arn, format!("{called} allows to pass any role to any service"));
        }
        for service in statement.whole_services() {
            audited.add(&SERVICE_WILDCARD, arn, format!("{called} allows {service} on everything"));
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::primitives::DateTime;
    use aws_sdk_iam::types::RoleLastUsed;

    use super::*;

    const DAY: i64 = 24 * 3600;
    const NOW: i64 = 1000 * DAY;
    const SERVICE: &str = r#"{"Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}"#;

    fn attached(arn: &str) -> AttachedPolicy {
        AttachedPolicy::builder().policy_arn(arn).build()
    }

    fn inline(statement: &str) -> PolicyDetail {
        let document = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
        PolicyDetail::builder().policy_name("p").policy_document(document).build()
    }

    fn findings_of(role: RoleDetail, policies: &[(&str, &str)]) -> Vec<String> {
        let options = Options { only: None, unused_days: 90, key_days: 90, now: NOW };
        let policies = policies.iter().map(|(arn, text)| (arn.to_string(), text.to_string())).collect();
        let mut audited = Audited::default();
        judge_role(&role, &policies, &options, &mut audited);
        audited.findings.iter().map(|f| format!("{}{}", f.check, if f.checked { "" } else { "?" })).collect()
    }

    fn role() -> aws_sdk_iam::types::builders::RoleDetailBuilder {
        let role = RoleDetail::builder().arn("arn").path("/").create_date(DateTime::from_secs(NOW));
        role.assume_role_policy_document(SERVICE)
    }

    #[test]
    fn what_a_role_may_do() {
        let aws = |name: &str| attached(&format!("arn:aws:iam::aws:policy/{name}"));
        let least = r#"{"Effect": "Allow", "Action": "sagemaker:InvokeEndpoint", "Resource": "arn:aws:sagemaker:r:1:endpoint/e"}"#;
        for (role, expected) in [
            (role().role_policy_list(inline(least)), vec![]),
            (role().attached_managed_policies(aws("service-role/AWSLambdaBasicExecutionRole")), vec![]),
            (role().attached_managed_policies(aws("AmazonSageMakerFullAccess")), vec!["full-access"]),
            (role().attached_managed_policies(aws("AdministratorAccess")), vec!["full-admin"]),
            (
                role().role_policy_list(inline(
                    r#"{"Effect": "Allow", "Action": ["sagemaker:*", "iam:PassRole"], "Resource": "*"}"#,
                )),
                vec!["pass-role", "service-wildcard"],
            ),
            // A customer managed policy may have the same name.
            (role().attached_managed_policies(attached("arn:aws:iam::1:policy/AdministratorAccess")), vec![]),
            (role().attached_managed_policies(attached("arn:aws:iam::1:policy/own")), vec!["full-admin"]),
            (role().attached_managed_policies(attached("arn:aws:iam::1:policy/other")), vec!["full-admin?"]),
        ] {
            let admin = r#"{"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
            let least = format!(r#"{{"Statement": [{least}]}}"#);
            let policies = [
                ("arn:aws:iam::1:policy/own", admin),
                ("arn:aws:iam::1:policy/AdministratorAccess", least.as_str()),
            ];
            assert_eq!(findings_of(role.clone().build(), &policies), expected, "{role:?}");
        }
    }

    #[test]
    fn who_may_be_it_and_whether_anybody_is() {
        let used =
            |days: i64| RoleLastUsed::builder().last_used_date(DateTime::from_secs(NOW - days * DAY)).build();
        let made = |days: i64| role().create_date(DateTime::from_secs(NOW - days * DAY));
        let open = r#"{"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}]}"#;
        for (role, expected) in [
            (role().assume_role_policy_document(open), vec!["open-trust"]),
            (role().assume_role_policy_document("<"), vec!["open-trust?"]),
            (made(89), vec![]),
            (made(90), vec!["unused-role"]),
            (made(400).role_last_used(used(1)), vec![]),
            (made(400).role_last_used(used(91)), vec!["unused-role"]),
            (made(400).path("/aws-service-role/x.amazonaws.com/"), vec![]),
        ] {
            assert_eq!(findings_of(role.clone().build(), &[]), expected, "{role:?}");
        }
    }
}
