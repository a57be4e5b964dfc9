//! AWS's names: regions, services that take on roles, managed policies, and the parts of an ARN. What isn't in the lists and is close to
//! a name of them is misspelt.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::diagnostic::{Unknown, closest};
use crate::iam_actions;

/// Lists, each of a line. `scripts/aws-names.py` writes the file.
const TABLE: &str = include_str!("aws_names.txt");

const PARTITIONS: &[&str] =
    &["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

const OF_AWS: &str = ":aws:policy/";

/// Returns the names of a list.
fn list(name: &str) -> &'static [&'static str] {
    static LISTS: OnceLock<HashMap<&str, Vec<&str>>> = OnceLock::new();
    let lists = LISTS.get_or_init(|| {
        let lines = TABLE.lines().filter_map(|line| line.split_once(": "));
        lines.map(|(name, names)| (name, names.split(' ').collect())).collect()
    });
    lists.get(name).map(Vec::as_slice).unwrap_or_default()
}

/// Returns what is wrong with a region, as `us-east-1`.
pub fn region(name: &str) -> Option<Unknown> {
    let known = list("regions");
    (!known.contains(&name))
        .then(|| Unknown::new(format!("AWS has no region `{name}`"), closest(name, known.iter().copied())))
}

/// Returns what is wrong with a service that takes on a role, as `sagemaker.amazonaws.com`. Some have a region, as
/// `states.us-east-1.amazonaws.com`.
pub fn service_principal(principal: &str) -> Option<Unknown> {
    const END: &str = ".amazonaws.com";
    let name = principal.strip_suffix(END).or_else(|| principal.strip_suffix(".amazonaws.com.cn"))?;
    let known = list("services");
    let is_known = |name: &str| known.contains(&name) || iam_actions::is_service(name);
    if is_known(name) {
        return None;
    }
    if let Some((service, at)) = name.rsplit_once('.').filter(|(service, _)| is_known(service)) {
        let wrong = region(at)?;
        let meant = wrong.meant.map(|at| format!("{service}.{at}{END}"));
        return Some(Unknown::new(wrong.message, meant));
    }
    let all = known.iter().copied().chain(iam_actions::service_prefixes());
    let mut all: Vec<&str> = all.collect();
    // Of services that are as close, one that takes on roles.
    all.sort_by_key(|one| !known.contains(one));
    let meant = closest(name, all).map(|meant| format!("{meant}{END}"));
    Some(Unknown::new(format!("`{principal}` is no service of AWS's that is known"), meant))
}

/// Returns what is wrong with a managed policy, by its name, as `service-role/AWSLambdaRole`, or by its ARN.
pub fn managed_policy(policy: &str) -> Option<Unknown> {
    let (before, name) = match policy.split_once(OF_AWS) {
        Some((before, name)) if policy.starts_with("arn:") => (Some(before), name),
        // A policy of an account may have any name.
        _ if policy.starts_with("arn:") => {
            let is_policy = policy.contains(":iam::") && policy.contains(":policy/");
            let problem = Unknown::new(format!("`{policy}` is not a managed policy's ARN"), None::<String>);
            return match is_policy {
                true => arn(policy),
                false => {
                    Some(problem.wrong().hint("it is arn:aws:iam::ACCOUNT:policy/NAME, or the name alone"))
                }
            };
        }
        _ => (None, policy),
    };
    let known = list("policies");
    if known.contains(&name) {
        return None;
    }
    let whole = |name: &str| match before {
        Some(before) => format!("{before}{OF_AWS}{name}"),
        None => name.to_owned(),
    };
    let last = |path: &'static str| path.rsplit('/').next().unwrap_or(path);
    let given = name.rsplit('/').next().unwrap_or(name);
    let same = known.iter().copied().find(|path| last(path).eq_ignore_ascii_case(given));
    let close = || {
        let meant = closest(given, known.iter().copied().map(last))?;
        known.iter().copied().find(|path| last(path) == meant)
    };
    let meant = same.or_else(close).map(whole);
    Some(Unknown::new(format!("AWS has no managed policy `{name}` that is known"), meant))
}

/// Returns what is wrong with an ARN's parts, or with those of a pattern of ARNs. A part with `*` or `?` may be anything.
pub fn arn(text: &str) -> Option<Unknown> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [_, partition, service, at, account, _] = parts.as_slice() else {
        let message = format!("`{text}` is not a whole ARN");
        let form = "an ARN is arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE; some parts may be empty, as in arn:aws:s3:::BUCKET";
        let is_pattern = text.contains(['*', '?']);
        return (!is_pattern).then(|| Unknown::new(message, None::<String>).wrong().hint(form));
    };
    let is_open = |part: &str| part.is_empty() || part.contains(['*', '?']);
    let changed = |index: usize, part: &str| {
        let mut parts = parts.clone();
        parts[index] = part;
        parts.join(":")
    };
    if !is_open(partition) && !PARTITIONS.contains(partition) {
        let meant = closest(partition, PARTITIONS.iter().copied()).map(|meant| changed(1, meant));
        return Some(Unknown::new(format!("AWS has no partition `{partition}`"), meant));
    }
    if !is_open(service) && !iam_actions::is_service(service) {
        let mut all: Vec<&str> = iam_actions::service_prefixes().collect();
        all.sort_unstable();
        let meant = closest(service, all).map(|meant| changed(2, meant));
        return Some(Unknown::new(format!("no ARN is known of a service `{service}`"), meant));
    }
    if let Some(wrong) = region(at).filter(|_| !is_open(at)) {
        let meant = wrong.meant.map(|meant| changed(3, &meant));
        return Some(Unknown::new(wrong.message, meant));
    }
    let is_account = account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
    let has_digits = account.bytes().any(|digit| digit.is_ascii_digit());
    (!is_open(account) && has_digits && !is_account)
        .then(|| Unknown::new(format!("`{account}` is no account: it has 12 digits"), None::<String>).wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn meant(found: Option<Unknown>) -> String {
        found.map(|unknown| unknown.meant.unwrap_or(unknown.message)).unwrap_or_default()
    }

    #[test]
    fn services() {
        for (given, found) in [
            ("sagemaker.amazonaws.com", ""),
            ("lambda.amazonaws.com", ""),
            ("states.us-east-1.amazonaws.com", ""),
            ("edgelambda.amazonaws.com", ""),
            ("sagemkaer.amazonaws.com", "sagemaker.amazonaws.com"),
            ("lamda.amazonaws.com", "lambda.amazonaws.com"),
            ("states.us-eest-1.amazonaws.com", "states.us-east-1.amazonaws.com"),
            (
                "nothing-like-it.amazonaws.com",
                "`nothing-like-it.amazonaws.com` is no service of AWS's that is known",
            ),
        ] {
            assert_eq!(meant(service_principal(given)), found, "{given}");
        }
    }

    #[test]
    fn policies() {
        for (given, found) in [
            ("AmazonSageMakerFullAccess", ""),
            ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", ""),
            ("service-role/AWSLambdaBasicExecutionRole", ""),
            ("arn:aws:iam::123456789012:policy/mine", ""),
            ("AmazonSagemakerFullAccess", "AmazonSageMakerFullAccess"),
            ("AmazonSageMakerFulAccess", "AmazonSageMakerFullAccess"),
            ("AWSLambdaBasicExecutionRole", "service-role/AWSLambdaBasicExecutionRole"),
            (
                "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole",
                "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
            ),
            ("arn:aws:iam::1234:policy/mine", "`1234` is no account: it has 12 digits"),
            ("arn:aws:s3:::bucket", "`arn:aws:s3:::bucket` is not a managed policy's ARN"),
            ("OfNobody", "AWS has no managed policy `OfNobody` that is known"),
        ] {
            assert_eq!(meant(managed_policy(given)), found, "{given}");
        }
    }

    #[test]
    fn arns() {
        for (given, found) in [
            ("arn:aws:s3:::bucket/*", ""),
            ("arn:aws:sagemaker:*:123456789012:endpoint/*", ""),
            ("arn:aws:iam::aws:policy/X", ""),
            ("arn:*", ""),
            ("arn:aws:s3", "`arn:aws:s3` is not a whole ARN"),
            (
                "arn:aws:sagemker:us-east-1:123456789012:endpoint/e",
                "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
            ),
            (
                "arn:aws:lambda:us-eest-1:123456789012:function:f",
                "arn:aws:lambda:us-east-1:123456789012:function:f",
            ),
            ("arn:aws:lambda:us-east-1:12345:function:f", "`12345` is no account: it has 12 digits"),
            ("arn:was:s3:::b", "arn:aws:s3:::b"),
        ] {
            assert_eq!(meant(arn(given)), found, "{given}");
        }
        assert_eq!(meant(region("eu-centrl-1")), "eu-central-1");
        assert_eq!(region("eu-central-1"), None);
    }
}
