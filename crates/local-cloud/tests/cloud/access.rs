//! What services ask of the cloud: decisions, roles to act as, and environments for children.

use std::sync::Arc;

use local_cloud::call::{AwsError, Call, Caller, Reply};
use local_cloud::child::child_env;
use local_cloud::iam::{Context, Document};
use local_cloud::{Cloud, Settings, iam, logs};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

fn cloud() -> (tempfile::TempDir, Arc<Cloud>) {
    let dir = tempfile::tempdir().unwrap();
    let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
    (dir, cloud)
}

fn call(cloud: &Arc<Cloud>, operation: &str, input: Value) -> Reply {
    let caller = cloud.iam.first_user().unwrap();
    iam::call(cloud, &Call { caller, operation: operation.to_owned(), input, request_id: "id".to_owned() })
}

/// The role `r`, which SageMaker may assume, and which may do what `statement` says.
fn make_role(cloud: &Arc<Cloud>, statement: &Value) {
    let trust = json!({"Statement": {
        "Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole",
    }});
    call(cloud, "CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()}))
        .unwrap();
    let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
    call(cloud, "PutRolePolicy", json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy}))
        .unwrap();
}

#[test]
fn a_service_acts_as_a_role_that_trusts_it() {
    let (_dir, cloud) = cloud();
    make_role(&cloud, &json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}));
    let session = cloud.assume_role(ROLE, "sagemaker.amazonaws.com", "SageMaker").unwrap();
    assert_eq!(session.caller.arn, "arn:aws:sts::123456789012:assumed-role/r/SageMaker");
    let may =
        |action: &str, resource: &str| cloud.authorize(&session.caller, action, resource, &Context::new());
    may("s3:GetObject", "arn:aws:s3:::b/k").unwrap();
    let denied = may("s3:GetObject", "arn:aws:s3:::other/k").unwrap_err();
    assert_eq!((denied.status, denied.code.as_str()), (403, "AccessDenied"));
    assert_eq!(
        denied.message,
        "User: arn:aws:sts::123456789012:assumed-role/r/SageMaker is not authorized to perform: s3:GetObject on \
         resource: \"arn:aws:s3:::other/k\" because no identity-based policy allows the s3:GetObject action"
    );
    let denied = may("sagemaker:ListModels", "*").unwrap_err();
    assert_eq!((denied.status, denied.code.as_str()), (400, "AccessDeniedException"));
    assert!(!denied.message.contains("on resource"), "{}", denied.message);

    for (role, service) in
        [(ROLE, "lambda.amazonaws.com"), ("arn:aws:iam::123456789012:role/x", "sagemaker.amazonaws.com")]
    {
        let AwsError { code, message, .. } = cloud.assume_role(role, service, "s").unwrap_err();
        assert_eq!(code, "AccessDenied");
        let expected =
            format!("User: {service} is not authorized to perform: sts:AssumeRole on resource: {role}");
        assert_eq!(message, expected);
    }
}

#[test]
fn a_role_is_handed_on_only_with_pass_role() {
    let (_dir, cloud) = cloud();
    let to_sagemaker = json!({"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}});
    let statement =
        json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE, "Condition": to_sagemaker});
    make_role(&cloud, &statement);
    let caller = cloud.assume_role(ROLE, "sagemaker.amazonaws.com", "s").unwrap().caller;
    cloud.authorize_pass_role(&caller, ROLE, "sagemaker.amazonaws.com").unwrap();
    let denied = cloud.authorize_pass_role(&caller, ROLE, "ec2.amazonaws.com").unwrap_err();
    assert_eq!(denied.code, "AccessDeniedException");
    assert!(denied.message.contains("iam:PassRole on resource: arn:aws:iam::123456789012:role/r because"));
}

#[test]
fn every_decision_is_recorded() {
    let (_dir, cloud) = cloud();
    let user = cloud.iam.first_user().unwrap();
    let nobody = Caller::new("arn:aws:iam::123456789012:user/x", "AIDAX");
    let root = Caller::new("arn:aws:iam::123456789012:root", "123456789012");
    cloud.authorize(&user, "s3:ListBucket", "arn:aws:s3:::b", &Context::new()).unwrap();
    cloud.authorize(&nobody, "s3:ListBucket", "arn:aws:s3:::b", &Context::new()).unwrap_err();
    cloud.authorize(&root, "s3:ListBucket", "arn:aws:s3:::b", &Context::new()).unwrap();
    let decisions = cloud.decisions(10).unwrap();
    let seen: Vec<_> =
        decisions.iter().map(|each| (each.principal.as_str(), each.outcome.as_str())).collect();
    assert_eq!(seen, [(&*user.arn, "allowed"), (&*nobody.arn, "implicitDeny"), (&*root.arn, "allowed")]);
    assert!(decisions.iter().all(|each| each.action == "s3:ListBucket" && each.resource == "arn:aws:s3:::b"));
    assert_eq!(cloud.decisions(1).unwrap(), decisions[2..]);
}

#[test]
fn decisions_on_sessions_that_services_start_reach_the_logs() {
    let (_dir, cloud) = cloud();
    let trust = json!({"Statement": {
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*:123456789012:function:f"}},
    }});
    call(&cloud, "CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()}))
        .unwrap();
    let of = |function: &str| {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{function}");
        let context = Context::new().with("aws:SourceArn", arn);
        cloud.assume_role_for(ROLE, "lambda.amazonaws.com", function, &context)
    };
    assert_eq!(of("g").unwrap_err().code, "AccessDenied");
    let caller = of("f").unwrap().caller;
    let endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e";
    let denied = cloud.authorize(&caller, "sagemaker:InvokeEndpoint", endpoint, &Context::new()).unwrap_err();
    assert!(
        denied
            .message
            .ends_with("because no identity-based policy allows the sagemaker:InvokeEndpoint action")
    );
    let user = cloud.iam.first_user().unwrap();
    let input = json!({"logGroupName": opsml_contract::DECISIONS_LOG_GROUP, "logStreamName": "r"});
    let (operation, request_id) = ("GetLogEvents".to_owned(), "id".to_owned());
    let read = logs::call(&cloud, &Call { caller: user, operation, input, request_id }).unwrap();
    let message = read["events"][0]["message"].as_str().unwrap();
    let decision: opsml_contract::Decision = serde_json::from_str(message).unwrap();
    let expected =
        ("arn:aws:sts::123456789012:assumed-role/r/f", "sagemaker:InvokeEndpoint", endpoint, "implicitDeny");
    let opsml_contract::Decision { principal, action, resource, outcome } = &decision;
    assert_eq!((&**principal, &**action, &**resource, &**outcome), expected);
    // The log isn't what keeps a cloud awake.
    assert!(cloud.logs.is_empty().unwrap());
}

#[test]
fn a_resources_own_policy_is_judged_with_the_callers() {
    let (_dir, cloud) = cloud();
    make_role(&cloud, &json!({"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "*"}));
    let session = cloud.assume_role(ROLE, "sagemaker.amazonaws.com", "s").unwrap().caller;
    let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let policy = |effect: &str, principal: Value| {
        let statement =
            json!({"Effect": effect, "Principal": principal, "Action": "lambda:*", "Resource": function});
        Document::resource(&json!({"Version": "2012-10-17", "Statement": statement}).to_string()).unwrap()
    };
    let ask = |action: &str, policy: Option<&Document>| {
        let none = Context::new();
        cloud
            .authorize_with_resource_policy(&session, action, function, &none, policy)
            .map_err(|error| error.message)
    };
    assert_eq!(ask("lambda:GetFunction", None), Ok(()));
    let denied = ask("lambda:InvokeFunction", None).unwrap_err();
    assert!(
        denied.ends_with("because no identity-based policy allows the lambda:InvokeFunction action"),
        "{denied}"
    );
    assert_eq!(ask("lambda:InvokeFunction", Some(&policy("Allow", json!({"AWS": ROLE})))), Ok(()));
    assert_eq!(ask("lambda:InvokeFunction", Some(&policy("Allow", json!("*")))), Ok(()));
    // Who trusts the account leaves it to the account's own policies.
    let account = policy("Allow", json!({"AWS": "123456789012"}));
    assert!(ask("lambda:InvokeFunction", Some(&account)).is_err());
    let denied = ask("lambda:GetFunction", Some(&policy("Deny", json!({"AWS": ROLE})))).unwrap_err();
    assert!(
        denied.ends_with(
            "lambda:GetFunction on resource: {function} with an explicit deny in a resource-based policy"
                .replace("{function}", function)
                .as_str()
        ),
        "{denied}"
    );
}

#[test]
fn children_know_only_the_local_cloud() {
    let (dir, cloud) = cloud();
    make_role(&cloud, &json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let session = cloud.assume_role(ROLE, "sagemaker.amazonaws.com", "s").unwrap();
    let child = std::process::Command::new("env")
        // Canaries of the kind that a developer's machine is full of.
        .env("AWS_PROFILE", "production")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/canary")
        .env_clear()
        .envs(child_env(&cloud, dir.path(), &session))
        .output()
        .unwrap();
    let env = String::from_utf8(child.stdout).unwrap();
    let mut names: Vec<&str> = env.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    let aws: Vec<&str> = names.into_iter().filter(|name| name.starts_with("AWS_")).collect();
    assert_eq!(
        aws,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_CONFIG_FILE",
            "AWS_DEFAULT_REGION",
            "AWS_EC2_METADATA_DISABLED",
            "AWS_ENDPOINT_URL",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_SHARED_CREDENTIALS_FILE",
        ]
    );
    assert!(env.contains(&session.access_key_id) && env.contains(&format!("HOME={}", dir.path().display())));
}
