//! Updates and deletes come while AWS still creates, updates or deletes: they wait.

use serde_json::json;
use tempfile::NamedTempFile;

use crate::env::Env;
use crate::small::serving;

const RUNBOOK: &str = r#"---
title: Transitions
params:
  count: {default: 1}
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
  initial_instance_count: "{{ params.count }}"
```
"#;

/// Returns an environment whose endpoints are Creating as long as a file exists.
fn holding() -> (Env, NamedTempFile) {
    holding_of("moving.md", RUNBOOK)
}

/// As [`holding`], with another runbook.
pub fn holding_of(name: &str, runbook: &str) -> (Env, NamedTempFile) {
    let env = serving(name, runbook);
    // An endpoint's container has a /tmp of its own.
    let hold = NamedTempFile::new_in("/var/tmp").unwrap();
    let wait = format!(
        "import time\nwhile os.path.exists({:?}):\n    time.sleep(0.02)\naddress = ",
        hold.path().display().to_string()
    );
    let worker = env.read("opsml-worker").replace("address = ", &wait);
    env.write("opsml-worker", worker);
    (env, hold)
}

/// Interrupts a run while its endpoint is Creating.
fn interrupted(env: &Env) {
    let mut run = env.start(["run", "moving.md"], "interrupted.txt");
    assert!(run.wait_for(": Creating"), "{}", run.said());
    run.interrupt();
    assert_eq!(run.wait(), 3, "{}", run.said());
    let said = run.said();
    assert!(said.contains("endpoint moving-deploy-") && said.contains("USD an hour on AWS"), "{said}");
}

#[test]
fn down_waits_for_an_endpoint_that_is_still_created() {
    let (env, hold) = holding();
    interrupted(&env);
    let mut down = env.start(["down", "moving.md"], "down.txt");
    assert!(down.wait_for(": Creating"), "{}", down.said());
    // Interrupted and repeated, it ends empty.
    down.interrupt();
    assert_eq!(down.wait(), 3, "{}", down.said());
    let mut down = env.start(["down", "moving.md"], "down.txt");
    assert!(down.wait_for(": Creating"), "{}", down.said());
    hold.close().unwrap();
    assert_eq!(down.wait(), 0, "{}", down.said());
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, json!([]), "{kind}");
    }
}

#[test]
fn an_update_waits_for_an_endpoint_that_is_still_created() {
    let (env, hold) = holding();
    interrupted(&env);
    let mut run = env.start(["run", "moving.md", "-p", "count=2"], "again.txt");
    assert!(run.wait_for(": Creating"), "{}", run.said());
    hold.close().unwrap();
    assert_eq!(run.wait(), 0, "{}", run.said());
    let account = env.account();
    for kind in ["models", "configs", "endpoints"] {
        assert_eq!(account[kind].as_array().unwrap().len(), 1, "{kind}: {account}");
    }
}

/// A step that fails again and again leaves one failed attempt at most.
#[test]
fn a_failing_step_leaves_one_attempt() {
    let env = serving("moving.md", RUNBOOK);
    env.write("opsml-worker", "#!/bin/sh\nexit 1\n");
    for _ in 0..4 {
        env.opsml(["run", "moving.md"]).code(1);
    }
    let account = env.account();
    for kind in ["models", "configs", "endpoints"] {
        assert!(account[kind].as_array().unwrap().len() <= 1, "{kind}: {account}");
    }
    println!("4 failed runs: 1 failed attempt left");
}
