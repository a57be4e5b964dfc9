//! The root user, and users' access keys.

use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};

use super::check::{OLD_ACCESS_KEY, ROOT_ACCESS_KEY, ROOT_MFA, UNUSED_ACCESS_KEY};
use super::finding::{Audited, Options};
use crate::aws::{Aws, failure};
use crate::failure::Outcome;

pub(super) async fn root(aws: &Aws, audited: &mut Audited) -> Outcome<()> {
    let arn = format!("arn:aws:iam::{}:root", aws.account);
    let summary = aws.iam.get_account_summary().send().await;
    let summary = summary.map_err(|error| failure("GetAccountSummary", error));
    let Some(summary) = audited.seen(&[&ROOT_MFA, &ROOT_ACCESS_KEY], &arn, summary)? else { return Ok(()) };
    let entries = summary.summary_map().into_iter().flatten();
    let entries: Vec<(&str, i32)> = entries.map(|(key, value)| (key.as_str(), *value)).collect();
    judge_root(&arn, &entries, audited);
    Ok(())
}

fn judge_root(arn: &str, summary: &[(&str, i32)], audited: &mut Audited) {
    let entry = |name| summary.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    audited.count("account");
    if entry("AccountMFAEnabled") != Some(1) {
        audited.add(&ROOT_MFA, arn, "the root user signs in without MFA");
    }
    if entry("AccountAccessKeysPresent").is_some_and(|keys| keys > 0) {
        audited.add(&ROOT_ACCESS_KEY, arn, "the root user has an access key");
    }
}

pub(super) async fn keys(aws: &Aws, options: &Options, audited: &mut Audited) -> Outcome<()> {
    let checks = [&OLD_ACCESS_KEY, &UNUSED_ACCESS_KEY];
    let all = format!("arn:aws:iam::{}:user/*", aws.account);
    let mut pages = aws.iam.list_users().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListUsers", error));
        let Some(page) = audited.seen(&checks, &all, page)? else { return Ok(()) };
        for user in page.users() {
            let listed = aws.iam.list_access_keys().user_name(user.user_name()).send().await;
            let listed = listed.map_err(|error| failure("ListAccessKeys", error));
            let Some(listed) = audited.seen(&checks, user.arn(), listed)? else { continue };
            for key in listed.access_key_metadata() {
                let used = aws.iam.get_access_key_last_used();
                let used = used.access_key_id(key.access_key_id().unwrap_or_default()).send().await;
                let used = used.map_err(|error| failure("GetAccessKeyLastUsed", error));
                let used = audited.seen(&[&UNUSED_ACCESS_KEY], user.arn(), used)?;
                let used = used.map(|used| {
                    used.access_key_last_used().and_then(|last| last.last_used_date()).map(|date| date.secs())
                });
                judge_key(user.arn(), key, used, options, audited);
            }
        }
    }
    Ok(())
}

/// `used` is the time of its last use in seconds since 1970: `Some(None)` if it was never used, `None` if unknown.
fn judge_key(
    user: &str,
    key: &AccessKeyMetadata,
    used: Option<Option<i64>>,
    options: &Options,
    audited: &mut Audited,
) {
    audited.count("access_keys");
    if key.status() != Some(&StatusType::Active) {
        return;
    }
    // The end of the id distinguishes a user's two keys, without printing an id.
    let id = key.access_key_id().unwrap_or_default();
    let end: String = id.chars().skip(id.chars().count().saturating_sub(4)).collect();
    let age = options.days_since(key.create_date().map_or(options.now, |date| date.secs()));
    if age > options.key_days {
        audited.add(&OLD_ACCESS_KEY, user, format!("the active key …{end} is {age} days old"));
    }
    match used {
        Some(None) if age >= options.unused_days => {
            let problem = format!("the active key …{end} was never used in its {age} days");
            audited.add(&UNUSED_ACCESS_KEY, user, problem);
        }
        Some(Some(last)) if options.days_since(last) >= options.unused_days => {
            let problem =
                format!("the active key …{end} was last used {} days ago", options.days_since(last));
            audited.add(&UNUSED_ACCESS_KEY, user, problem);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_iam::primitives::DateTime;

    use super::*;

    const DAY: i64 = 24 * 3600;

    fn checks(audited: &Audited) -> Vec<&str> {
        audited.findings.iter().map(|finding| finding.check.as_str()).collect()
    }

    #[test]
    fn root() {
        for (summary, expected) in [
            (vec![("AccountMFAEnabled", 1), ("AccountAccessKeysPresent", 0)], vec![]),
            (vec![("AccountMFAEnabled", 0)], vec!["root-mfa"]),
            (vec![("AccountMFAEnabled", 1), ("AccountAccessKeysPresent", 1)], vec!["root-access-key"]),
            (vec![], vec!["root-mfa"]),
        ] {
            let mut audited = Audited::default();
            judge_root("arn", &summary, &mut audited);
            assert_eq!(checks(&audited), expected, "{summary:?}");
        }
    }

    #[test]
    fn keys() {
        let now = 1000 * DAY;
        let options = Options { only: None, unused_days: 90, key_days: 90, now };
        for (status, age, used, expected) in [
            (StatusType::Active, 90, Some(Some(0)), vec![]),
            (StatusType::Active, 91, Some(Some(0)), vec!["old-access-key"]),
            (StatusType::Active, 10, Some(None), vec![]),
            (StatusType::Active, 90, Some(None), vec!["unused-access-key"]),
            (StatusType::Active, 200, Some(Some(90)), vec!["old-access-key", "unused-access-key"]),
            (StatusType::Active, 200, None, vec!["old-access-key"]),
            (StatusType::Inactive, 200, Some(None), vec![]),
        ] {
            let key = AccessKeyMetadata::builder().access_key_id("AKIAIOSFODNN7EXAMPLE").status(status);
            let key = key.create_date(DateTime::from_secs(now - age * DAY)).build();
            let used = used.map(|used: Option<i64>| used.map(|days| now - days * DAY));
            let mut audited = Audited::default();
            judge_key("arn", &key, used, &options, &mut audited);
            assert_eq!(checks(&audited), expected, "{age} {used:?}");
            assert!(audited.findings.iter().all(|finding| !finding.problem.contains("AKIA")));
        }
    }
}
