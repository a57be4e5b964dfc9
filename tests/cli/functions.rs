//! `function`, `invoke`, `policy`, `version` and `concurrency`: an event that must be denied, the policy that allows
//! it, and the same once more.
//!
//! The handler and IAM are real. The worker behind the endpoint is a script that answers requests.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::env::Env;
use crate::small::{serving, started};

const RUNBOOK: &str = r#"---
title: A function in front
params:
  reserved: {default: 2}
  provisioned: {default: 1}
  memory: {default: 256}
---
```opsml bucket
bucket: {}
```

```opsml model
upload: {source: model, to: "{{ bucket.uri }}/model"}
```

```opsml role
role:
  allow:
    - actions: [s3:ListBucket]
      resources: ["{{ bucket.arn }}"]
    - actions: [s3:GetObject]
      resources: ["{{ bucket.arn }}/*"]
```

```opsml deploy
deploy:
  model_data: "{{ model.uri }}model.tar.gz"
  role: "{{ role.arn }}"
  instance_type: ml.m5.large
```

```opsml other
deploy:
  model_data: "{{ model.uri }}model.tar.gz"
  role: "{{ role.arn }}"
  instance_type: ml.m5.large
```

```opsml function_role
role: {service: lambda.amazonaws.com}
```

```opsml function
function:
  role: "{{ function_role.arn }}"
  environment: {ENDPOINT_NAME: "{{ deploy.endpoint_name }}"}
  memory_size: "{{ params.memory }}"
  timeout: 20
```

```opsml denied
invoke: {function_name: "{{ function.name }}", payload: {url: "https://example.com/dog.jpg"}}
expect_error: AccessDeniedException
expect:
  - "'smallest that does' in error.explanation"
```

```opsml least
policy:
  least_privilege: "{{ function.name }}"
  evidence: ["{{ denied.error.message }}"]
  denies:
    - actions: [sagemaker:DeleteEndpoint]
      resources: ["{{ deploy.arn }}"]
    - actions: [sagemaker:InvokeEndpoint]
      resources: ["{{ other.arn }}"]
  compare_with: [AmazonSageMakerFullAccess]
expect:
  - compared[0].actions > 100 * actions
```

```opsml allowed
invoke: {function_name: "{{ function.name }}", payload: {url: "https://example.com/dog.jpg"}}
expect:
  - payload.statusCode == 200
  - body == [[0.5, 0.25]]
```

```opsml stranger
function:
  role: "{{ function_role.arn }}"
  environment: {ENDPOINT_NAME: "{{ other.endpoint_name }}"}
  timeout: 20
needs: [least]
```

```opsml refused
invoke: {function_name: "{{ stranger.name }}", payload: {url: "https://example.com/dog.jpg"}}
expect_error: AccessDeniedException
```

```opsml version
version: {function_name: "{{ function.name }}", alias: live}
```

```opsml concurrency
concurrency:
  function_name: "{{ function.name }}"
  qualifier: "{{ version.qualifier }}"
  reserved: "{{ params.reserved }}"
  provisioned: "{{ params.provisioned }}"
```

```opsml live
invoke: {function_name: "{{ function.name }}", qualifier: "{{ version.qualifier }}", payload: {url: "https://example.com/dog.jpg"}}
expect:
  - executed_version == version.version
needs: [concurrency]
```
"#;

fn env_with(runbook: &str) -> Env {
    serving("front.md", runbook)
}

fn outputs(env: &Env, step: &str) -> Value {
    let shown = env.opsml(["show", "front.md", step, "--format", "json"]).code(0).stdout;
    serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone()
}

/// Returns what boto3 reads: the role's policies, reserved and provisioned concurrency, and versions.
fn there(env: &Env) -> Value {
    serde_json::from_str(&env.python(include_str!("functions/there.py"))).unwrap()
}

/// The event is denied, allowed by the smallest policy, and denied to others. Then it is denied again, and allowed
/// again.
#[test]
fn what_must_be_denied_can_be_done_again() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "front.md"]).code(0);
    let least = outputs(&env, "least");
    let endpoint = outputs(&env, "deploy")["arn"].as_str().unwrap().to_owned();
    let function = outputs(&env, "function")["name"].as_str().unwrap().to_owned();
    assert_eq!(
        least["policy"]["Statement"],
        json!([
            {"Effect": "Allow", "Action": ["sagemaker:InvokeEndpoint"], "Resource": [endpoint]},
            {"Effect": "Allow",
             "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
             "Resource": [format!("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/{function}:*")]},
        ])
    );
    assert_eq!(least["actions"], 4);
    let set = json!({"policies": ["opsml-least"], "functions": 2, "reserved": [2], "provisioned": [1], "versions": [1]});
    assert_eq!(there(&env), set);
    env.opsml(["run", "front.md"]).code(0).says("nothing to do");

    let again = env.opsml(["run", "front.md", "--force", "denied"]).code(0);
    assert!(again.stdout.contains("detaching role policy"), "{}", again.stdout);
    // The policy that allowed it is the same again, so no step that depends on it is repeated.
    assert_eq!(started(&again.stdout), ["denied", "least", "concurrency"]);
    assert_eq!(there(&env), set);
    assert_eq!(outputs(&env, "least")["policy"], least["policy"]);

    env.opsml(["down", "front.md"]).code(0);
    let nothing = json!({"policies": [], "functions": 0, "reserved": [], "provisioned": [], "versions": []});
    assert_eq!(there(&env), nothing);
}

/// A changed function gets a new version behind the same alias. The old version is deleted.
#[test]
fn a_change_is_published_and_limits_are_updates() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "front.md"]).code(0);
    let first = outputs(&env, "version")["version"].clone();
    let changed = env.opsml(["run", "front.md", "-p", "reserved=3", "-p", "provisioned=2"]).code(0);
    assert_eq!(started(&changed.stdout), ["concurrency", "live"]);
    assert_eq!(there(&env)["reserved"], json!([3]));
    env.opsml(["run", "front.md", "-p", "memory=512"]).code(0);
    let second = outputs(&env, "version")["version"].clone();
    assert_ne!(first, second);
    assert_eq!(outputs(&env, "live")["executed_version"], second);
    assert_eq!(there(&env)["versions"], json!([1]));
}

#[test]
fn check_reports_mistakes_and_refusals_are_in_awss_words() {
    for (right, wrong, message) in [
        ("reserved: {default: 2}", "reserved: {default: 0}", "1 provisioned of 0 reserved"),
        ("qualifier: live\n  reserved", "reserved", "not of $LATEST"),
        ("timeout: 20\n```\n\n```opsml denied", "timeout: 901\n```\n\n```opsml denied", "901"),
        ("service: lambda.amazonaws.com", "service: lambda", "did you mean `lambda.amazonaws.com`?"),
    ] {
        // A rule about several fields is checked once all their values are known.
        let known = RUNBOOK
            .replace("function_name: \"{{ function.name }}\"\n", "function_name: front\n")
            .replace("qualifier: \"{{ version.qualifier }}\"\n", "qualifier: live\n");
        assert!(known.contains(right), "{right}");
        let env = env_with(&known.replace(right, wrong));
        env.opsml(["check", "front.md"]).code(2).says(message);
    }
    // More than the account has, minus what AWS keeps for functions without a reservation.
    let env = env_with(RUNBOOK);
    env.opsml(["run", "front.md", "-p", "reserved=950"])
        .code(1)
        .complains("below its minimum value of [100]")
        .complains("Service Quotas");
    env.opsml(["run", "front.md"]).code(0);
}

/// A function of the user's own calls boto3, which its role allows.
#[test]
fn a_python_function_runs_as_on_lambda() {
    let env = env_with(
        r#"---
title: Python
---
```opsml role
role:
  service: lambda.amazonaws.com
  allow: [{actions: ["s3:ListAllMyBuckets"], resources: ["*"]}]
```

```opsml function
function:
  role: "{{ role.arn }}"
  code: code
  runtime: python3.12
  handler: lambda_function.lambda_handler
  environment: {GREETING: hello}
  timeout: 60
```

```opsml event
invoke: {function_name: "{{ function.name }}", payload: {name: you}}
expect:
  - payload.said == "hello you"
  - payload.buckets == []
```

```opsml broken
invoke: {function_name: "{{ function.name }}", payload: {}}
expect_error: KeyError
expect:
  - "'name' in error.message"
```
"#,
    );
    env.write("code/lambda_function.py", include_str!("functions/lambda_function.py"));
    // A function's environment is cleared, and with it the path to the boto3 of these tests.
    let path = std::env::var("OPSML_TEST_PYTHONPATH").unwrap_or_default();
    let python = env.write("python", format!("#!/bin/sh\nPYTHONPATH={path} exec python3 \"$@\"\n"));
    std::fs::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
    let env = env.with("OPSML_PYTHON", python);
    env.opsml(["run", "front.md"]).code(0);
}

/// A policy is shown beside what it replaces: a managed policy by service, its own former text line by line.
#[test]
fn what_a_policy_replaces_is_shown() {
    let runbook = r#"---
title: Policy
params: {action: {default: s3:GetObject}}
---
```opsml role
role: {service: lambda.amazonaws.com, managed_policies: [AmazonS3ReadOnlyAccess]}
```

```opsml narrow
policy:
  role: "{{ role.name }}"
  allow: [{actions: ["{{ params.action }}"], resources: ["*"]}]
  detach: [AmazonS3ReadOnlyAccess]
expect:
  - actions == 1
  - compared[0].policy == 'AmazonS3ReadOnlyAccess' and compared[0].actions > 20
```
"#;
    let env = env_with(runbook);
    env.opsml(["run", "front.md"]).code(0);
    let report = env.read("reports/front/report.md");
    assert!(report.contains("| service | this policy | AmazonS3ReadOnlyAccess |"), "{report}");
    assert!(report.contains("\n| s3 | 1 | "), "{report}");
    assert!(!report.contains("```diff"), "{report}");
    env.opsml(["run", "front.md", "-p", "action=s3:PutObject"]).code(0);
    let report = env.read("reports/front/report.md");
    let changed = report.split_once("```diff\n").unwrap().1.split_once("```").unwrap().0;
    let lines: Vec<&str> = changed.lines().filter(|line| line.starts_with(['-', '+'])).collect();
    assert!(
        matches!(lines[..], [old, new] if old.contains("s3:GetObject") && new.contains("s3:PutObject")),
        "{changed}"
    );
}
