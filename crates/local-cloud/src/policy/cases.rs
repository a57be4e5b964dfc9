//! Cases of AWS's documented evaluation. Each names the page of IAM's User Guide that documents it.

use serde_json::{Value, json};

use super::context::Context;
use super::document::Document;
use super::evaluate::{Policies, Source, Verdict};
use super::principal::Asker;

const LOGIC: &str = "Policy evaluation logic";
const ONE_ACCOUNT: &str = "Evaluating identity-based policies with resource-based policies";
const BOUNDARY: &str = "Permissions boundaries for IAM entities";
const ACTION: &str = "IAM JSON policy elements: Action";
const NOT_ACTION: &str = "IAM JSON policy elements: NotAction";
const RESOURCE: &str = "IAM JSON policy elements: Resource";
const NOT_RESOURCE: &str = "IAM JSON policy elements: NotResource";
const OPERATORS: &str = "IAM JSON policy elements: Condition operators";
const SEVERAL: &str = "Conditions with multiple context keys or values";
const SETS: &str = "Set operators for multivalued context keys";
const VARIABLES: &str = "IAM policy elements: Variables and tags";
const VERSION: &str = "IAM JSON policy elements: Version";
const PRINCIPAL: &str = "AWS JSON policy elements: Principal";
const NOT_PRINCIPAL: &str = "AWS JSON policy elements: NotPrincipal";
const SESSION: &str = "Policies and permissions in AWS Identity and Access Management: session policies";

const USER: &str = "arn:aws:iam::123456789012:user/ann";
const ROLE: &str = "arn:aws:iam::123456789012:role/r";
const ROLE_SESSION: &str = "arn:aws:sts::123456789012:assumed-role/r/s";
const OBJECT: &str = "arn:aws:s3:::b/ann/k";

const ALLOWED: Verdict = Verdict::Allowed;
const DENIED: Verdict = Verdict::ExplicitDeny(Source::Identity);
const NOTHING: Verdict = Verdict::NoAllow(Source::Identity);

fn document(statements: &Value, version: &str, of_resource: bool) -> Document {
    let text = json!({"Version": version, "Statement": statements}).to_string();
    let read = if of_resource { Document::resource(&text) } else { Document::identity(&text) };
    read.unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn identity(statements: &Value) -> Document {
    document(statements, "2012-10-17", false)
}

fn statement(effect: &str, action: &str, resource: &str) -> Value {
    json!({"Effect": effect, "Action": action, "Resource": resource})
}

fn allow(action: &str, resource: &str) -> Value {
    statement("Allow", action, resource)
}

fn context() -> Context {
    Context::new()
        .with("aws:username", "ann")
        .with("aws:PrincipalTag/team", "vision")
        .with("aws:SourceIp", "192.0.2.7")
        .with("aws:CurrentTime", "2026-01-01T12:00:00Z")
        .with("aws:SecureTransport", "true")
        .with("s3:max-keys", "10")
        .with("aws:SourceArn", "arn:aws:lambda:us-east-1:123456789012:function:f")
        .with_list("aws:TagKeys", ["a".to_owned(), "z".to_owned()])
}

fn user() -> Asker<'static> {
    Asker::Arn { arn: USER, role: None, account: "123456789012" }
}

fn session() -> Asker<'static> {
    Asker::Arn { arn: ROLE_SESSION, role: Some(ROLE), account: "123456789012" }
}

#[test]
fn actions_and_resources() {
    let both = |one: Value, other: Value| json!([one, other]);
    for (page, statements, action, resource, expected) in [
        (LOGIC, json!([]), "s3:GetObject", OBJECT, NOTHING),
        (LOGIC, allow("s3:PutObject", "*"), "s3:GetObject", OBJECT, NOTHING),
        (LOGIC, allow("s3:GetObject", "*"), "s3:GetObject", OBJECT, ALLOWED),
        (LOGIC, both(allow("*", "*"), statement("Deny", "s3:*", OBJECT)), "s3:GetObject", OBJECT, DENIED),
        (LOGIC, both(statement("Deny", "s3:*", OBJECT), allow("*", "*")), "s3:GetObject", OBJECT, DENIED),
        (LOGIC, both(allow("*", "*"), statement("Deny", "ec2:*", "*")), "s3:GetObject", OBJECT, ALLOWED),
        (ACTION, allow("S3:getobject", "*"), "s3:GetObject", OBJECT, ALLOWED),
        (ACTION, allow("s3:Get*", "*"), "s3:GetBucketPolicy", "arn:aws:s3:::b", ALLOWED),
        (ACTION, allow("s3:*Object", "*"), "s3:GetObject", OBJECT, ALLOWED),
        (ACTION, allow("s3:*Object", "*"), "s3:GetObjectTagging", OBJECT, NOTHING),
        (ACTION, allow("s3:?etObject", "*"), "s3:GetObject", OBJECT, ALLOWED),
        (ACTION, allow("*", "*"), "iam:PassRole", ROLE, ALLOWED),
        (
            NOT_ACTION,
            json!({"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "arn:aws:s3:::*"}),
            "s3:GetObject",
            OBJECT,
            ALLOWED,
        ),
        (
            NOT_ACTION,
            json!({"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "arn:aws:s3:::*"}),
            "s3:DeleteBucket",
            "arn:aws:s3:::b",
            NOTHING,
        ),
        (
            NOT_ACTION,
            json!([allow("*", "*"), {"Effect": "Deny", "NotAction": ["iam:*", "s3:*"], "Resource": "*"}]),
            "ec2:RunInstances",
            "*",
            DENIED,
        ),
        (
            NOT_ACTION,
            json!([allow("*", "*"), {"Effect": "Deny", "NotAction": ["iam:*", "s3:*"], "Resource": "*"}]),
            "s3:GetObject",
            OBJECT,
            ALLOWED,
        ),
        (RESOURCE, allow("s3:*", "arn:aws:s3:::b/*"), "s3:GetObject", OBJECT, ALLOWED),
        (RESOURCE, allow("s3:*", "arn:aws:s3:::b/*"), "s3:ListBucket", "arn:aws:s3:::b", NOTHING),
        (RESOURCE, allow("s3:*", "arn:aws:s3:::B/*"), "s3:GetObject", OBJECT, NOTHING),
        (RESOURCE, allow("s3:*", "arn:aws:s3:::?/*/k"), "s3:GetObject", OBJECT, ALLOWED),
        (RESOURCE, allow("s3:*", "arn:aws:s3:::b/???/k"), "s3:GetObject", OBJECT, ALLOWED),
        (RESOURCE, allow("s3:*", "arn:aws:s3:::b/??/k"), "s3:GetObject", OBJECT, NOTHING),
        (
            RESOURCE,
            allow("sagemaker:*", "arn:aws:sagemaker:*:*:endpoint/e"),
            "sagemaker:InvokeEndpoint",
            "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e",
            ALLOWED,
        ),
        (
            RESOURCE,
            allow("logs:*", "arn:aws:logs:us-east-1:*:g"),
            "logs:PutLogEvents",
            "arn:aws:logs:us-east-1:123456789012:log-group:g",
            ALLOWED,
        ),
        (
            RESOURCE,
            allow("logs:*", "arn:aws:logs:us-*-1:123456789012:g"),
            "logs:PutLogEvents",
            "arn:aws:logs:us-east:x-1:123456789012:g",
            NOTHING,
        ),
        (RESOURCE, allow("s3:ListAllMyBuckets", "*"), "s3:ListAllMyBuckets", "*", ALLOWED),
        (RESOURCE, allow("s3:ListAllMyBuckets", "arn:aws:s3:::*"), "s3:ListAllMyBuckets", "*", NOTHING),
        (
            NOT_RESOURCE,
            json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}),
            "s3:GetObject",
            OBJECT,
            NOTHING,
        ),
        (
            NOT_RESOURCE,
            json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"}),
            "s3:GetObject",
            "arn:aws:s3:::c/k",
            ALLOWED,
        ),
        (
            NOT_RESOURCE,
            json!([allow("*", "*"), {"Effect": "Deny", "Action": "s3:*", "NotResource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}]),
            "s3:GetObject",
            "arn:aws:s3:::c/k",
            DENIED,
        ),
    ] {
        let documents: Vec<Document> =
            if statements == json!([]) { Vec::new() } else { vec![identity(&statements)] };
        let policies = Policies { identity: &documents, ..Policies::default() };
        assert_eq!(
            policies.judge(user(), action, resource, &context()),
            expected,
            "{page}: {statements} {action}"
        );
    }
}

#[test]
fn conditions() {
    for (page, condition, expected) in [
        (OPERATORS, json!({"StringEquals": {"aws:username": "ann"}}), true),
        (OPERATORS, json!({"StringEquals": {"AWS:UserName": "ann"}}), true),
        (OPERATORS, json!({"StringEquals": {"aws:username": "Ann"}}), false),
        (OPERATORS, json!({"StringEqualsIgnoreCase": {"aws:username": "ANN"}}), true),
        (OPERATORS, json!({"StringNotEquals": {"aws:username": "bob"}}), true),
        (OPERATORS, json!({"StringNotEqualsIgnoreCase": {"aws:username": "ANN"}}), false),
        (OPERATORS, json!({"StringLike": {"aws:username": "a?n"}}), true),
        (OPERATORS, json!({"StringNotLike": {"aws:username": "a*"}}), false),
        (OPERATORS, json!({"StringEquals": {"aws:username": "a*"}}), false),
        (OPERATORS, json!({"NumericLessThanEquals": {"s3:max-keys": "10"}}), true),
        (OPERATORS, json!({"NumericLessThan": {"s3:max-keys": "10"}}), false),
        (OPERATORS, json!({"NumericGreaterThan": {"s3:max-keys": 9.5}}), true),
        (OPERATORS, json!({"NumericNotEquals": {"s3:max-keys": "10"}}), false),
        (OPERATORS, json!({"DateGreaterThan": {"aws:CurrentTime": "2025-12-31T00:00:00Z"}}), true),
        (OPERATORS, json!({"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}), false),
        (OPERATORS, json!({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}}), true),
        (OPERATORS, json!({"BinaryEquals": {"aws:username": "ann"}}), true),
        (OPERATORS, json!({"Bool": {"aws:SecureTransport": "true"}}), true),
        (OPERATORS, json!({"Bool": {"aws:SecureTransport": false}}), false),
        (OPERATORS, json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}), true),
        (OPERATORS, json!({"IpAddress": {"aws:SourceIp": "192.0.2.7"}}), true),
        (OPERATORS, json!({"NotIpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}}), false),
        (OPERATORS, json!({"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}), false),
        (OPERATORS, json!({"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*:123456789012:function:*"}}), true),
        (
            OPERATORS,
            json!({"ArnEquals": {"aws:SourceArn": "arn:aws:lambda:*:123456789012:function:?"}}),
            true,
        ),
        (OPERATORS, json!({"ArnNotLike": {"aws:SourceArn": "arn:aws:s3:::*"}}), true),
        (OPERATORS, json!({"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*:function:f"}}), false),
        (OPERATORS, json!({"Null": {"aws:TokenIssueTime": "true"}}), true),
        (OPERATORS, json!({"Null": {"aws:username": "true"}}), false),
        (OPERATORS, json!({"Null": {"aws:username": "false"}}), true),
        // A key that is missing.
        (OPERATORS, json!({"StringEquals": {"aws:Absent": "x"}}), false),
        (OPERATORS, json!({"StringNotEquals": {"aws:Absent": "x"}}), true),
        (OPERATORS, json!({"StringEqualsIfExists": {"aws:Absent": "x"}}), true),
        (OPERATORS, json!({"NumericLessThan": {"aws:Absent": "1"}}), false),
        (OPERATORS, json!({"NotIpAddress": {"aws:Absent": "192.0.2.0/24"}}), true),
        (OPERATORS, json!({"ArnNotEquals": {"aws:Absent": "arn:aws:s3:::b"}}), true),
        (OPERATORS, json!({"Bool": {"aws:MultiFactorAuthPresent": "false"}}), false),
        (OPERATORS, json!({"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}), true),
        // Several values are joined by OR, several keys and operators by AND, and negated values by NOR.
        (SEVERAL, json!({"StringEquals": {"aws:username": ["bob", "ann"]}}), true),
        (SEVERAL, json!({"StringEquals": {"aws:username": "ann", "aws:PrincipalTag/team": "sound"}}), false),
        (
            SEVERAL,
            json!({"StringEquals": {"aws:username": "ann"}, "Bool": {"aws:SecureTransport": "true"}}),
            true,
        ),
        (SEVERAL, json!({"StringNotEquals": {"aws:username": ["bob", "ann"]}}), false),
        (SEVERAL, json!({"NumericNotEquals": {"s3:max-keys": ["9", "10"]}}), false),
        (SEVERAL, json!({"NumericNotEquals": {"s3:max-keys": ["9", "11"]}}), true),
        (SETS, json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "z", "y"]}}), true),
        (SETS, json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}), false),
        (SETS, json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a", "b"]}}), true),
        (SETS, json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["b"]}}), false),
        (SETS, json!({"ForAllValues:StringEquals": {"aws:Absent": ["a"]}}), true),
        (SETS, json!({"ForAnyValue:StringEquals": {"aws:Absent": ["a"]}}), false),
        (VARIABLES, json!({"StringEquals": {"aws:username": "${aws:username}"}}), true),
        (VARIABLES, json!({"StringEquals": {"aws:PrincipalTag/team": "${aws:username}"}}), false),
        (VARIABLES, json!({"StringNotEquals": {"aws:username": "${aws:Absent}"}}), false),
        (VARIABLES, json!({"StringEquals": {"aws:username": "${aws:Absent, 'ann'}"}}), true),
        (VARIABLES, json!({"StringLike": {"aws:username": "a${*}"}}), false),
    ] {
        let mut statement = allow("s3:*", "*");
        statement["Condition"] = condition;
        let policies = Policies { identity: &[identity(&statement)], ..Policies::default() };
        let verdict = policies.judge(user(), "s3:GetObject", OBJECT, &context());
        assert_eq!(verdict == ALLOWED, expected, "{page}: {}", statement["Condition"]);
    }
}

#[test]
fn variables_in_resources() {
    for (page, version, resource, expected) in [
        (VARIABLES, "2012-10-17", "arn:aws:s3:::b/${aws:username}/*", true),
        (VARIABLES, "2012-10-17", "arn:aws:s3:::b/${AWS:USERNAME}/*", true),
        (VARIABLES, "2012-10-17", "arn:aws:s3:::b/${aws:PrincipalTag/team}/*", false),
        (VARIABLES, "2012-10-17", "arn:aws:s3:::b/${aws:PrincipalTag/unit, 'ann'}/*", true),
        (VARIABLES, "2012-10-17", "arn:aws:s3:::b/${aws:Absent}*", false),
        (VARIABLES, "2012-10-17", "arn:aws:s3:::b/${*}", false),
        // In the older version, a variable is plain text.
        (VERSION, "2008-10-17", "arn:aws:s3:::b/${aws:username}/*", false),
        (VERSION, "2008-10-17", "arn:aws:s3:::b/ann/*", true),
    ] {
        let mut statement = allow("s3:GetObject", resource);
        statement["Principal"] = json!({"AWS": USER});
        let policy = document(&statement, version, true);
        let policies = Policies { resource: Some(&policy), ..Policies::default() };
        let verdict = policies.judge(user(), "s3:GetObject", OBJECT, &context());
        assert_eq!(verdict == ALLOWED, expected, "{page}: {version} {resource}");
    }
}

#[test]
fn several_kinds_of_policy() {
    let get = allow("s3:GetObject", "*");
    let deny = statement("Deny", "s3:GetObject", "*");
    let other = allow("ec2:*", "*");
    let to = |principal: Value| {
        let mut statement = get.clone();
        statement["Principal"] = principal;
        statement
    };
    let to_all_but = |principal: Value| {
        let mut statement = deny.clone();
        statement["NotPrincipal"] = principal;
        statement
    };
    let mut deny_user = deny.clone();
    deny_user["Principal"] = json!({"AWS": USER});
    let bounded = Verdict::NoAllow(Source::Boundary);
    let by_resource = Verdict::ExplicitDeny(Source::Resource);
    let none = Value::Null;
    // The caller, the identity policy, the boundary, the session policy, the resource's policy.
    let rows: Vec<(&str, Asker, &Value, &Value, &Value, Value, Verdict)> = vec![
        (ONE_ACCOUNT, user(), &get, &none, &none, none.clone(), ALLOWED),
        (ONE_ACCOUNT, user(), &none, &none, &none, to(json!({"AWS": USER})), ALLOWED),
        (ONE_ACCOUNT, user(), &other, &none, &none, to(json!({"AWS": ROLE})), NOTHING),
        (ONE_ACCOUNT, user(), &get, &none, &none, deny_user.clone(), by_resource),
        (ONE_ACCOUNT, user(), &deny, &none, &none, to(json!({"AWS": USER})), DENIED),
        (ONE_ACCOUNT, session(), &none, &none, &none, to(json!({"AWS": ROLE})), ALLOWED),
        (ONE_ACCOUNT, session(), &none, &none, &none, to(json!({"AWS": ROLE_SESSION})), ALLOWED),
        (PRINCIPAL, user(), &none, &none, &none, to(json!("*")), ALLOWED),
        (PRINCIPAL, user(), &none, &none, &none, to(json!({"AWS": "*"})), ALLOWED),
        (PRINCIPAL, Asker::Anonymous, &none, &none, &none, to(json!("*")), ALLOWED),
        (
            PRINCIPAL,
            Asker::Anonymous,
            &none,
            &none,
            &none,
            to(json!({"AWS": USER})),
            Verdict::NoAllow(Source::Resource),
        ),
        (PRINCIPAL, user(), &none, &none, &none, to(json!({"AWS": "123456789012"})), NOTHING),
        (
            PRINCIPAL,
            user(),
            &get,
            &none,
            &none,
            to(json!({"AWS": "arn:aws:iam::123456789012:root"})),
            ALLOWED,
        ),
        (
            PRINCIPAL,
            user(),
            &none,
            &none,
            &none,
            to(json!({"AWS": "arn:aws:iam::999999999999:root"})),
            NOTHING,
        ),
        (
            PRINCIPAL,
            Asker::Service("s3.amazonaws.com"),
            &none,
            &none,
            &none,
            to(json!({"Service": "s3.amazonaws.com"})),
            ALLOWED,
        ),
        (PRINCIPAL, user(), &none, &none, &none, to(json!({"Service": "s3.amazonaws.com"})), NOTHING),
        (NOT_PRINCIPAL, user(), &get, &none, &none, to_all_but(json!({"AWS": USER})), ALLOWED),
        (NOT_PRINCIPAL, session(), &get, &none, &none, to_all_but(json!({"AWS": USER})), by_resource),
        (BOUNDARY, user(), &get, &get, &none, none.clone(), ALLOWED),
        (BOUNDARY, user(), &get, &other, &none, none.clone(), bounded),
        (BOUNDARY, user(), &none, &get, &none, none.clone(), NOTHING),
        (BOUNDARY, user(), &get, &deny, &none, none.clone(), Verdict::ExplicitDeny(Source::Boundary)),
        // A boundary doesn't limit what a resource's policy allows the ARN of a user or a session. It limits what one
        // allows a role.
        (BOUNDARY, user(), &none, &other, &none, to(json!({"AWS": USER})), ALLOWED),
        (BOUNDARY, session(), &none, &other, &none, to(json!({"AWS": ROLE_SESSION})), ALLOWED),
        (BOUNDARY, session(), &none, &other, &none, to(json!({"AWS": ROLE})), bounded),
        (SESSION, session(), &get, &none, &get, none.clone(), ALLOWED),
        (SESSION, session(), &get, &none, &other, none.clone(), Verdict::NoAllow(Source::Session)),
        (SESSION, session(), &none, &none, &get, none.clone(), NOTHING),
        (SESSION, session(), &get, &none, &deny, none.clone(), Verdict::ExplicitDeny(Source::Session)),
        (SESSION, session(), &none, &none, &other, to(json!({"AWS": ROLE_SESSION})), ALLOWED),
        (
            SESSION,
            session(),
            &none,
            &none,
            &other,
            to(json!({"AWS": ROLE})),
            Verdict::NoAllow(Source::Session),
        ),
    ];
    for (page, who, own, boundary, session, resource, expected) in rows {
        let parsed = |it: &Value| (!it.is_null()).then(|| identity(it));
        let identity: Vec<Document> = parsed(own).into_iter().collect();
        let (boundary, session) = (parsed(boundary), parsed(session));
        let policy = (!resource.is_null()).then(|| document(&resource, "2012-10-17", true));
        let policies = Policies {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_ref().map(std::slice::from_ref),
            resource: policy.as_ref(),
        };
        let verdict = policies.judge(who, "s3:GetObject", OBJECT, &context());
        assert_eq!(verdict, expected, "{page}: {who:?} {own} {boundary:?} {resource}");
    }
}
