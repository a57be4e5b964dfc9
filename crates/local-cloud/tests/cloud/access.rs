//! What services need from the cloud: decisions on permissions, sessions of roles, and environments for child
//! processes.

use std::sync::Arc;

use local_cloud::authority::{Access, Authority, Session};
use local_cloud::call::{AwsError, Call, Caller, Reply};
use local_cloud::child::child_env;
use local_cloud::iam::{AccessKey, Iam};
use local_cloud::logs::Logs;
use local_cloud::policy::{Context, Document};
use local_cloud::service::{Handler, Request, Service};
use local_cloud::{Cloud, Settings};
use serde_json::{Value, json};

const ROLE: &str = "arn:aws:iam::123456789012:role/r";

struct Opened {
    dir: tempfile::TempDir,
    cloud: Arc<Cloud>,
    logs: Arc<Logs>,
    iam: Arc<Iam>,
}

impl Opened {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::open(Settings::new(dir.path())).unwrap();
        let logs = Arc::new(Logs::new(&cloud));
        let keys = AccessKey::ensure(dir.path()).unwrap();
        let iam = Arc::new(Iam::open(&cloud, logs.clone(), &keys).unwrap());
        Self { dir, cloud, logs, iam }
    }

    /// Calls an operation's handler as the first user.
    fn call<S: Service>(&self, service: &Arc<S>, operation: &str, input: Value) -> Reply {
        let row = S::operations().iter().find(|row| row.name == operation).unwrap();
        let Handler::Now(handler) = row.handler else { panic!("{operation} waits") };
        let call = Call {
            caller: self.iam.first_user().unwrap(),
            operation: operation.to_owned(),
            input,
            payload: bytes::Bytes::new(),
            headers: http::HeaderMap::new(),
            request_id: "id".to_owned(),
        };
        handler(&Request { service, call: &call })
    }

    fn assume(&self, service: &str, name: &str) -> Result<Session, AwsError> {
        self.iam.assume_role(ROLE, service, name, &Context::new())
    }

    fn make_role(&self, trust: &Value) {
        let input = json!({"RoleName": "r", "AssumeRolePolicyDocument": trust.to_string()});
        self.call(&self.iam, "CreateRole", input).unwrap();
    }

    /// Creates the role `r`, which SageMaker may assume and whose policy is `statement`.
    fn make_role_that_may(&self, statement: &Value) {
        self.make_role(&json!({"Statement": {
            "Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole",
        }}));
        let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let input = json!({"RoleName": "r", "PolicyName": "p", "PolicyDocument": policy});
        self.call(&self.iam, "PutRolePolicy", input).unwrap();
    }
}

#[test]
fn a_service_acts_as_a_role_that_trusts_it() {
    let opened = Opened::new();
    opened.make_role_that_may(
        &json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}),
    );
    let session = opened.assume("sagemaker.amazonaws.com", "SageMaker").unwrap();
    assert_eq!(session.caller.arn, "arn:aws:sts::123456789012:assumed-role/r/SageMaker");
    let may =
        |action: &str, resource: &str| opened.iam.authorize(&session.caller, &Access::new(action, resource));
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
        let AwsError { code, message, .. } =
            opened.iam.assume_role(role, service, "s", &Context::new()).unwrap_err();
        assert_eq!(code, "AccessDenied");
        let expected =
            format!("User: {service} is not authorized to perform: sts:AssumeRole on resource: {role}");
        assert_eq!(message, expected);
    }
}

#[test]
fn a_role_is_passed_only_with_pass_role() {
    let opened = Opened::new();
    let to_sagemaker = json!({"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}});
    let statement =
        json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE, "Condition": to_sagemaker});
    opened.make_role_that_may(&statement);
    let caller = opened.assume("sagemaker.amazonaws.com", "s").unwrap().caller;
    opened.iam.authorize_pass_role(&caller, ROLE, "sagemaker.amazonaws.com").unwrap();
    let denied = opened.iam.authorize_pass_role(&caller, ROLE, "ec2.amazonaws.com").unwrap_err();
    assert_eq!(denied.code, "AccessDeniedException");
    assert!(denied.message.contains("iam:PassRole on resource: arn:aws:iam::123456789012:role/r because"));
}

#[test]
fn every_decision_is_recorded() {
    let opened = Opened::new();
    let user = opened.iam.first_user().unwrap();
    let nobody = Caller::new("arn:aws:iam::123456789012:user/x", "AIDAX");
    let root = Caller::new("arn:aws:iam::123456789012:root", "123456789012");
    opened.iam.authorize(&user, &Access::new("s3:ListBucket", "arn:aws:s3:::b")).unwrap();
    opened.iam.authorize(&nobody, &Access::new("s3:ListBucket", "arn:aws:s3:::b")).unwrap_err();
    opened.iam.authorize(&root, &Access::new("s3:ListBucket", "arn:aws:s3:::b")).unwrap();
    let decisions = opened.iam.decisions(10).unwrap();
    let seen: Vec<_> =
        decisions.iter().map(|each| (each.principal.as_str(), each.outcome.as_str())).collect();
    assert_eq!(seen, [(&*user.arn, "allowed"), (&*nobody.arn, "implicitDeny"), (&*root.arn, "allowed")]);
    assert!(decisions.iter().all(|each| each.action == "s3:ListBucket" && each.resource == "arn:aws:s3:::b"));
    assert_eq!(opened.iam.decisions(1).unwrap(), decisions[2..]);
}

#[test]
fn decisions_on_sessions_that_services_start_reach_the_logs() {
    let opened = Opened::new();
    let trust = json!({"Statement": {
        "Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:lambda:*:123456789012:function:f"}},
    }});
    opened.make_role(&trust);
    let of = |function: &str| {
        let arn = format!("arn:aws:lambda:us-east-1:123456789012:function:{function}");
        let context = Context::new().with("aws:SourceArn", arn);
        opened.iam.assume_role(ROLE, "lambda.amazonaws.com", function, &context)
    };
    assert_eq!(of("g").unwrap_err().code, "AccessDenied");
    let caller = of("f").unwrap().caller;
    let endpoint = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e";
    let denied =
        opened.iam.authorize(&caller, &Access::new("sagemaker:InvokeEndpoint", endpoint)).unwrap_err();
    assert!(
        denied
            .message
            .ends_with("because no identity-based policy allows the sagemaker:InvokeEndpoint action")
    );
    let input = json!({"logGroupName": opsml_contract::DECISIONS_LOG_GROUP, "logStreamName": "r"});
    let read = opened.call(&opened.logs, "GetLogEvents", input).unwrap();
    let message = read["events"][0]["message"].as_str().unwrap();
    let decision: opsml_contract::Decision = serde_json::from_str(message).unwrap();
    let expected =
        ("arn:aws:sts::123456789012:assumed-role/r/f", "sagemaker:InvokeEndpoint", endpoint, "implicitDeny");
    let opsml_contract::Decision { principal, action, resource, outcome } = &decision;
    assert_eq!((&**principal, &**action, &**resource, &**outcome), expected);
    // This log doesn't count as a resource, so a cloud that has nothing else may stop.
    assert!(opened.logs.is_empty());
}

#[test]
fn a_resources_own_policy_is_judged_with_the_callers() {
    let opened = Opened::new();
    opened.make_role_that_may(&json!({"Effect": "Allow", "Action": "lambda:GetFunction", "Resource": "*"}));
    let session = opened.assume("sagemaker.amazonaws.com", "s").unwrap().caller;
    let function = "arn:aws:lambda:us-east-1:123456789012:function:f";
    let policy = |effect: &str, principal: Value| {
        let statement =
            json!({"Effect": effect, "Principal": principal, "Action": "lambda:*", "Resource": function});
        Document::resource(&json!({"Version": "2012-10-17", "Statement": statement}).to_string()).unwrap()
    };
    let ask = |action: &str, policy: Option<&Document>| {
        let access = Access::new(action, function).with_policy(policy.cloned());
        opened.iam.authorize(&session, &access).map_err(|error| error.message)
    };
    assert_eq!(ask("lambda:GetFunction", None), Ok(()));
    let denied = ask("lambda:InvokeFunction", None).unwrap_err();
    assert!(
        denied.ends_with("because no identity-based policy allows the lambda:InvokeFunction action"),
        "{denied}"
    );
    assert_eq!(ask("lambda:InvokeFunction", Some(&policy("Allow", json!({"AWS": ROLE})))), Ok(()));
    assert_eq!(ask("lambda:InvokeFunction", Some(&policy("Allow", json!("*")))), Ok(()));
    // If the resource's policy allows the whole account, the caller's own policies must allow the action too.
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
    let opened = Opened::new();
    opened.make_role_that_may(&json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let session = opened.assume("sagemaker.amazonaws.com", "s").unwrap();
    let child = std::process::Command::new("env")
        // Credentials as developers' machines have them. None may reach the child.
        .env("AWS_PROFILE", "production")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/canary")
        .env_clear()
        .envs(child_env(&opened.cloud, opened.dir.path(), &session))
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
    assert!(
        env.contains(&session.access_key_id)
            && env.contains(&format!("HOME={}", opened.dir.path().display()))
    );
}
