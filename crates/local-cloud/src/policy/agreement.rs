//! Two independent evaluators, ours and the crate iam-rs, must agree on generated policies and requests. Where iam-rs
//! differs from AWS's documentation, nothing is generated: ArnEquals with wildcards, wildcards that match an ARN's
//! colons, keys in another case, several values in a negated condition on numbers. Those cases are in `cases`.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;

use iam_rs::{
    Arn, Context as TheirContext, Decision, IAMPolicy, IAMRequest, Principal, PrincipalId, evaluate_policies,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use super::context::Context;
use super::document::Document;
use super::evaluate::{Policies, Verdict};
use super::principal::Asker;

const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "S3:getobject",
    "s3:PutObject",
    "s3:Get*",
    "s3:*Object",
    "s3:?etObject",
    "s3:*",
    "sagemaker:InvokeEndpoint",
    "sagemaker:*",
    "iam:PassRole",
    "*",
];
const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:s3:::b/*",
    "arn:aws:s3:::b/k",
    "arn:aws:s3:::B/k",
    "arn:aws:s3:::?/k",
    "arn:aws:s3:::*/k",
    "arn:aws:s3:::b/${aws:username}/*",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
    "arn:aws:sagemaker:*:123456789012:endpoint/e*",
    "arn:aws:iam::123456789012:role/*",
];
const ASKED: &[(&str, &str)] = &[
    ("s3:GetObject", "arn:aws:s3:::b/k"),
    ("s3:GetObject", "arn:aws:s3:::B/k"),
    ("s3:GetObject", "arn:aws:s3:::b/ann/k"),
    ("s3:PutObject", "arn:aws:s3:::c/k"),
    ("s3:DeleteObject", "arn:aws:s3:::b/"),
    ("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"),
    ("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:eu-west-1:123456789012:endpoint/f"),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/r"),
];
const NAMES: &[&str] = &["ann", "Ann", "bob", "a", ""];
const PATTERNS: &[&str] = &["ann", "a*", "?nn", "*n", "*", "b?b"];
const ADDRESSES: &[&str] = &["192.0.2.7", "192.0.3.7", "2001:db8::1"];
const NETWORKS: &[&str] = &["192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "2001:db8::/32"];
const ARNS: &[&str] = &["arn:aws:lambda:us-east-1:123456789012:function:f", "arn:aws:s3:::b"];
const ARN_PATTERNS: &[&str] =
    &["arn:aws:lambda:*:123456789012:function:f", "arn:aws:s3:::*", "arn:aws:s3:::c"];

/// A request. A condition key that is None is missing.
#[derive(Clone, Debug)]
struct Request {
    asked: (&'static str, &'static str),
    username: Option<&'static str>,
    address: Option<&'static str>,
    source: Option<&'static str>,
    age: Option<i32>,
    mfa: Option<bool>,
}

fn one_of<T: Clone + Debug + 'static>(from: &'static [T]) -> impl Strategy<Value = T> + Clone {
    select(from)
}

fn some_of(from: &'static [&'static str]) -> impl Strategy<Value = Value> {
    vec(one_of(from), 1..4).prop_map(|list| if list.len() == 1 { json!(list[0]) } else { json!(list) })
}

/// Generates an operator, perhaps with IfExists, a key, and values of its type.
fn condition() -> impl Strategy<Value = (String, &'static str, Value)> {
    let typed = prop_oneof![
        (select(vec!["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase"]), some_of(NAMES))
            .prop_map(|(operator, values)| (operator, "aws:username", values)),
        (select(vec!["StringLike", "StringNotLike"]), some_of(PATTERNS)).prop_map(|(operator, values)| (
            operator,
            "aws:username",
            values
        )),
        (select(vec!["ArnLike", "ArnNotLike"]), some_of(ARN_PATTERNS)).prop_map(|(operator, values)| (
            operator,
            "aws:SourceArn",
            values
        )),
        (select(vec!["IpAddress", "NotIpAddress"]), some_of(NETWORKS)).prop_map(|(operator, values)| (
            operator,
            "aws:SourceIp",
            values
        )),
        (
            select(vec!["NumericLessThan", "NumericGreaterThanEquals", "NumericEquals", "NumericNotEquals"]),
            -2i32..3
        )
            .prop_map(|(operator, value)| (
                operator,
                "aws:MultiFactorAuthAge",
                json!(value.to_string())
            )),
        any::<bool>().prop_map(|value| ("Bool", "aws:MultiFactorAuthPresent", json!(value.to_string()))),
    ];
    let keys = [
        "aws:username",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:MultiFactorAuthAge",
        "aws:MultiFactorAuthPresent",
    ];
    let typed = (typed, any::<bool>()).prop_map(|((operator, key, values), if_exists)| {
        (format!("{operator}{}", if if_exists { "IfExists" } else { "" }), key, values)
    });
    let null = (select(keys.to_vec()), any::<bool>())
        .prop_map(|(key, absent)| ("Null".to_owned(), key, json!(absent.to_string())));
    prop_oneof![6 => typed, 1 => null]
}

fn statement() -> impl Strategy<Value = Value> {
    let effect = prop_oneof![3 => Just("Allow"), 1 => Just("Deny")];
    let action = (prop_oneof![3 => Just("Action"), 1 => Just("NotAction")], some_of(ACTIONS));
    let resource = (prop_oneof![3 => Just("Resource"), 1 => Just("NotResource")], some_of(RESOURCES));
    (effect, action, resource, vec(condition(), 0..3)).prop_map(|(effect, action, resource, conditions)| {
        let mut statement = Map::from_iter([
            ("Effect".to_owned(), json!(effect)),
            (action.0.to_owned(), action.1),
            (resource.0.to_owned(), resource.1),
        ]);
        if !conditions.is_empty() {
            let mut block = json!({});
            for (operator, key, values) in conditions {
                block[operator][key] = values;
            }
            statement.insert("Condition".to_owned(), block);
        }
        Value::Object(statement)
    })
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    let policy = vec(statement(), 1..4);
    let policy = policy.prop_map(|it| json!({"Version": "2012-10-17", "Statement": it}).to_string());
    vec(policy, 1..4)
}

fn request() -> impl Strategy<Value = Request> {
    let age = option::of(-2..3);
    let parts = (one_of(ASKED), option::of(one_of(NAMES)), option::of(one_of(ADDRESSES)));
    (parts, option::of(one_of(ARNS)), age, option::of(any::<bool>())).prop_map(
        |((asked, username, address), source, age, mfa)| Request {
            asked,
            username,
            address,
            source,
            age,
            mfa,
        },
    )
}

fn ours(policies: &[String], request: &Request) -> &'static str {
    let identity: Vec<Document> = policies.iter().map(|text| Document::identity(text).unwrap()).collect();
    let numbers = [
        ("aws:username", request.username.map(str::to_owned)),
        ("aws:SourceIp", request.address.map(str::to_owned)),
        ("aws:SourceArn", request.source.map(str::to_owned)),
        ("aws:MultiFactorAuthAge", request.age.map(|age| age.to_string())),
        ("aws:MultiFactorAuthPresent", request.mfa.map(|mfa| mfa.to_string())),
    ];
    let context = numbers.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let context = context.fold(Context::new(), |context, (key, value)| context.with(key, value));
    let who = Asker::Arn { arn: "arn:aws:iam::123456789012:user/ann", role: None, account: "123456789012" };
    let policies = Policies { identity: &identity, ..Policies::default() };
    match policies.judge(who, request.asked.0, request.asked.1, &context) {
        Verdict::Allowed => "allowed",
        Verdict::ExplicitDeny(_) => "denied",
        Verdict::NoAllow(_) => "nothing",
    }
}

fn theirs(policies: &[String], request: &Request) -> &'static str {
    let policies: Vec<IAMPolicy> = policies.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    let mut context = TheirContext::new();
    for (key, value) in [
        ("aws:username", request.username),
        ("aws:SourceIp", request.address),
        ("aws:SourceArn", request.source),
    ] {
        if let Some(value) = value {
            context = context.with_string(key, value);
        }
    }
    if let Some(age) = request.age {
        context = context.with_number("aws:MultiFactorAuthAge", f64::from(age));
    }
    if let Some(mfa) = request.mfa {
        context = context.with_boolean("aws:MultiFactorAuthPresent", mfa);
    }
    let principal = Principal::Aws(PrincipalId::String("arn:aws:iam::123456789012:user/ann".to_owned()));
    let resource = Arn::parse(request.asked.1).unwrap();
    let asked = IAMRequest::new_with_context(principal, request.asked.0, resource, context);
    match evaluate_policies(&policies, &asked).unwrap() {
        Decision::Allow => "allowed",
        Decision::Deny => "denied",
        Decision::NotApplicable => "nothing",
    }
}

#[test]
fn both_say_the_same() {
    let config = ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() };
    let seen = RefCell::new(BTreeSet::new());
    let agreed = TestRunner::new(config).run(&(policies(), request()), |(policies, mut request)| {
        // Here, a statement with a variable that has no value doesn't apply. iam-rs uses an empty text for the
        // variable.
        if policies.concat().contains("${") {
            request.username.get_or_insert("ann");
        }
        let said = ours(&policies, &request);
        seen.borrow_mut().insert(said);
        prop_assert_eq!(said, theirs(&policies, &request));
        Ok(())
    });
    agreed.unwrap_or_else(|error| panic!("{error}"));
    // All three answers must have occurred, or the agreement would prove little.
    assert_eq!(seen.into_inner(), BTreeSet::from(["allowed", "denied", "nothing"]));
}
