//! `ec2_train`: however a step ends, it leaves nothing behind.
//!
//! The worker is a script here: the tests are about the engine, the user data and the local cloud's instances.
//! `runbooks/project.md` trains on EC2 with the real one.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::env::{Env, wait_for};

pub const RUNBOOK: &str = r#"---
title: EC2
params:
  seed: {default: 1}
  image: {default: resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64}
  spot: {default: false}
---
```opsml bucket
bucket: {}
```

```opsml images
upload: {source: images, to: "{{ bucket.uri }}/data"}
```

```opsml role
role:
  service: ec2.amazonaws.com
  allow:
    - actions: [s3:ListBucket]
      resources: ["{{ bucket.arn }}"]
    - actions: [s3:GetObject, s3:PutObject]
      resources: ["{{ bucket.arn }}/*"]
```

```opsml ec2
ec2_train:
  instance_type: m5.large
  image_id: "{{ params.image }}"
  instance_profile: "{{ role.instance_profile }}"
  inputs: {training: "{{ images.uri }}"}
  output_path: "{{ bucket.uri }}/ec2"
  hyperparameters: {seed: "{{ params.seed }}"}
  spot: "{{ params.spot }}"
  max_run: 600
```
"#;

pub fn env_with(runbook: &str) -> Env {
    let env = Env::new();
    env.write("ec2.md", runbook);
    env.write("images/train/a/1.txt", "an image");
    with_worker(env)
}

/// Makes the script the worker.
pub fn with_worker(env: Env) -> Env {
    let worker = env.write("opsml-worker", include_str!("ec2/worker.sh"));
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    env.with("OPSML_WORKER", worker)
}

/// Asserts that no instance, key pair, security group, process or file of the step exists. Its bucket and role may.
#[track_caller]
pub fn nothing_is_left(env: &Env) {
    let account = env.account();
    for kind in ["instances", "key_pairs", "security_groups", "spot_requests"] {
        assert_eq!(account[kind], json!([]), "{kind}");
    }
    let cache = env.path(".opsml/cache");
    let left = walk(&cache).into_iter().filter(|name| name.contains("bundle") || name.ends_with(".pem"));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(walk(&env.cloud().join("ec2")), Vec::<String>::new());
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| [vec![path.display().to_string()], walk(&path)].concat()).collect()
}

fn objects(env: &Env) -> String {
    env.python(
        "import boto3; s3 = boto3.client('s3')\n\
         bucket = s3.list_buckets()['Buckets'][0]['Name']\n\
         print([o['Key'] for o in s3.list_objects_v2(Bucket=bucket)['Contents']])",
    )
}

#[test]
fn it_trains_and_leaves_model_and_log() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "ec2.md"]).code(0);
    nothing_is_left(&env);
    let shown = env.opsml(["show", "ec2.md", "ec2", "--format", "json"]).code(0).stdout;
    let outputs = serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone();
    assert!(outputs["instance_id"].as_str().unwrap().starts_with("i-"), "{outputs}");
    assert_eq!((&outputs["market"], &outputs["ssh_from"]), (&json!("on demand"), &json!("127.0.0.1/32")));
    let keys = objects(&env);
    for name in ["output/model.tar.gz", "output/output.tar.gz", "log.txt"] {
        assert!(keys.contains(name), "{name}: {keys}");
    }
    assert!(!keys.contains("bundle") && !keys.contains("result.json"), "{keys}");
    env.opsml(["logs", "ec2.md", "ec2"]).code(0).says("training");
    env.opsml(["run", "ec2.md"]).code(0).says("nothing to do");
    env.opsml(["run", "ec2.md", "-p", "spot=true", "--force", "ec2"]).code(0).says("spot");
    nothing_is_left(&env);
    env.opsml(["down", "ec2.md"]).code(0);
    assert_eq!(env.account()["buckets"], json!([]));
    assert_eq!(env.account()["instance_profiles"], json!([]));
}

#[test]
fn a_training_that_fails_says_why() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "ec2.md", "-p", "seed=2"]).code(1).complains("TrainingFailed").complains("became NaN");
    nothing_is_left(&env);
    // Once the cause is repaired, the run continues.
    env.opsml(["run", "ec2.md"]).code(0);
    nothing_is_left(&env);
}

#[test]
fn a_training_that_never_ends_is_ended() {
    let env = env_with(&RUNBOOK.replace("  max_run: 600\n", "  max_run: 600\ntimeout: 5s\n"));
    env.opsml(["run", "ec2.md", "-p", "seed=3"]).code(1).complains("Timeout");
    nothing_is_left(&env);
}

#[test]
fn an_image_that_is_not_there() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "ec2.md", "-p", "image=ami-0123456789abcdef0"])
        .code(1)
        .complains("InvalidAMIID.NotFound");
    nothing_is_left(&env);
}

#[test]
fn a_role_that_may_not_read_the_data() {
    let env = env_with(&RUNBOOK.replace("[s3:GetObject, s3:PutObject]", "[s3:PutObject]"));
    env.opsml(["run", "ec2.md"]).code(1).complains("UserDataFailed").complains("s3:GetObject");
    nothing_is_left(&env);
}

#[test]
fn killed_while_it_trains_the_next_run_waits_for_the_same_instance() {
    let env = env_with(RUNBOOK);
    let mut run = env.start(["run", "ec2.md", "-p", "seed=3"], "first.txt");
    assert!(run.wait_for(": running"), "{}", run.said());
    let before = env.account()["instances"].clone();
    assert_eq!(before.as_array().map(Vec::len), Some(1), "{before}");
    run.kill();
    let mut again = env.start(["run", "ec2.md", "-p", "seed=3"], "second.txt");
    assert!(again.wait_for(": running"), "{}", again.said());
    assert_eq!(env.account()["instances"], before);
    // Ctrl-C leaves it running too; `down` ends it.
    again.interrupt();
    assert_eq!(again.wait(), 3);
    assert_eq!(env.account()["instances"], before);
    env.opsml(["down", "ec2.md"]).code(0);
    wait_for("the instance's end", || (env.account()["instances"] == json!([])).then_some(()));
    nothing_is_left(&env);
}
