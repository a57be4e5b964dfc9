//! Decides whether a resource's policy makes it public, by S3's definition.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use super::condition::{Comparison, Condition, Set};
use super::document::Document;

/// The condition keys that make a statement non-public if their values are fixed.
const NARROWING: [&str; 12] = [
    "aws:SourceIp",
    "aws:SourceArn",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceOwner",
    "aws:SourceAccount",
    "aws:userid",
    "aws:PrincipalOrgID",
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "s3:DataAccessPointArn",
    "s3:DataAccessPointAccount",
];

/// Returns, for each statement that allows something to everybody, whether a condition with fixed values limits it.
pub fn limits_everybody(document: &Document) -> impl Iterator<Item = bool> {
    let open = document.rules().iter().filter(|rule| rule.is_for_everybody());
    open.map(|rule| rule.conditions.iter().any(narrows))
}

fn narrows(condition: &Condition) -> bool {
    let operator = condition.operator;
    let known = NARROWING.iter().any(|key| key.eq_ignore_ascii_case(&condition.key));
    // With these operators, a missing key would make the condition true for everybody.
    let strict = !operator.negated && !operator.if_exists && operator.set != Some(Set::All);
    let fixed = |value: &String| match operator.comparison {
        Comparison::Equal | Comparison::EqualIgnoreCase => !value.contains("${"),
        Comparison::Like | Comparison::Arn => !value.contains(['*', '?', '$']),
        Comparison::Address => is_narrow(value),
        _ => false,
    };
    known && strict && !condition.values.is_empty() && condition.values.iter().all(fixed)
}

/// Returns whether a network isn't larger than /8 (IPv4) or /32 (IPv6). Larger ones count as public.
fn is_narrow(network: &str) -> bool {
    let (address, bits) = network.split_once('/').unwrap_or((network, "128"));
    let least = if address.contains(':') { 32 } else { 8 };
    bits.parse::<u32>().is_ok_and(|bits| bits >= least)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn fixed_values_narrow_a_policy_down() {
        let public = |principal: Value, condition: Value| {
            let statement = json!({
                "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*",
                "Condition": condition,
            });
            let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
            limits_everybody(&Document::resource(&text).unwrap()).any(|limited| !limited)
        };
        assert!(public(json!("*"), json!({})));
        assert!(public(json!({"AWS": "*"}), json!({})));
        assert!(!public(json!({"AWS": "123456789012"}), json!({})));
        for (condition, expected) in [
            (json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), false),
            (json!({"IpAddress": {"aws:sourceip": ["192.0.2.0/24", "0.0.0.0/0"]}}), true),
            (json!({"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}), true),
            (json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}), false),
            (json!({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}), true),
            (json!({"StringLike": {"aws:SourceVpc": "vpc-*"}}), true),
            (json!({"StringLike": {"aws:SourceVpc": "vpc-1"}}), false),
            (json!({"StringEquals": {"aws:Referer": "example.com"}}), true),
            (json!({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}), true),
        ] {
            assert_eq!(public(json!("*"), condition.clone()), expected, "{condition}");
        }
    }
}
