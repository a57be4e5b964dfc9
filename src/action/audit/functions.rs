//! Functions that anybody may invoke.

use super::check::FUNCTION_PUBLIC;
use super::finding::{Audited, Options};
use super::policy::Document;
use crate::aws::{Aws, failure, present};
use crate::failure::Outcome;

pub(super) async fn functions(aws: &Aws, options: &Options, audited: &mut Audited) -> Outcome<()> {
    let all = format!("arn:aws:lambda:{}:{}:function:*", aws.region, aws.account);
    let mut pages = aws.lambda.list_functions().into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListFunctions", error));
        let Some(page) = audited.seen(&[&FUNCTION_PUBLIC], &all, page)? else { return Ok(()) };
        for function in page.functions() {
            let name = function.function_name().unwrap_or_default();
            if !options.covers("function", name) {
                continue;
            }
            let arn = function.function_arn().unwrap_or_default();
            let policy = aws.lambda.get_policy().function_name(name).send().await;
            let policy = present(policy.map_err(|error| failure("GetPolicy", error)));
            if let Some(policy) = audited.seen(&[&FUNCTION_PUBLIC], arn, policy)? {
                judge(arn, policy.as_ref().and_then(|policy| policy.policy()), audited);
            }
        }
    }
    Ok(())
}

fn judge(arn: &str, policy: Option<&str>, audited: &mut Audited) {
    audited.count("functions");
    match policy.map(Document::read) {
        Some(Ok(policy)) if policy.allowing().any(|statement| statement.is_for_anybody()) => {
            audited.add(&FUNCTION_PUBLIC, arn, "its policy lets anybody invoke it");
        }
        Some(Err(error)) => audited.unread(&FUNCTION_PUBLIC, arn, "its policy", &error),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_invoke() {
        let policy = |principal: &str, condition: &str| {
            format!(
                r#"{{"Version": "2012-10-17", "Id": "default", "Statement": [{{"Sid": "s", "Effect": "Allow",
                "Principal": {principal}, "Action": "lambda:InvokeFunction", "Resource": "arn"{condition}}}]}}"#
            )
        };
        let account = r#", "Condition": {"StringEquals": {"AWS:SourceAccount": "123456789012"}}"#;
        for (policy, expected) in [
            (None, vec![]),
            (Some(policy(r#""*""#, "")), vec!["function-public"]),
            (Some(policy(r#"{"AWS": "*"}"#, "")), vec!["function-public"]),
            (Some(policy(r#""*""#, account)), vec![]),
            (Some(policy(r#"{"Service": "s3.amazonaws.com"}"#, account)), vec![]),
            (Some("?".to_owned()), vec!["function-public"]),
        ] {
            let mut audited = Audited::default();
            judge("arn", policy.as_deref(), &mut audited);
            let found: Vec<&str> = audited.findings.iter().map(|finding| finding.check.as_str()).collect();
            assert_eq!(found, expected, "{policy:?}");
        }
    }
}
