//! Steps that run at the same time: `run --jobs N`.

use serde_json::json;

use crate::env::Env;
use crate::small::serving;
use crate::transitions::holding_of;

/// Two endpoints of one model, which do not need each other, and a step that needs both.
pub const RUNBOOK: &str = r#"---
title: Beside
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

```opsml one
deploy: {model_data: "{{ model.uri }}model.tar.gz", role: "{{ role.arn }}", instance_type: ml.m5.large}
```

```opsml two
deploy: {model_data: "{{ model.uri }}model.tar.gz", role: "{{ role.arn }}", instance_type: ml.m5.large}
```

```opsml both
command: {run: [echo, "{{ one.endpoint_name }} {{ two.endpoint_name }}"]}
```
"#;

fn is_empty(env: &Env) {
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, json!([]), "{kind}");
    }
}

#[test]
fn neighbours_run_together_and_what_needs_them_afterwards() {
    let (env, hold) = holding_of("beside.md", RUNBOOK);
    let mut run = env.start(["run", "beside.md", "--jobs", "2"], "run.txt");
    // Each endpoint is held in Creating, so both are begun before either has ended.
    assert!(run.wait_for("endpoint beside-one") && run.wait_for("endpoint beside-two"), "{}", run.said());
    assert!(!run.said().contains("▶ both"), "{}", run.said());
    hold.close().unwrap();
    assert_eq!(run.wait(), 0, "{}", run.said());
    let said = run.said();
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text} in {said}"));
    assert!(place("▶ both") > place("✓ one") && place("▶ both") > place("✓ two"), "{said}");
    env.opsml(["run", "beside.md", "--jobs", "2"]).code(0).says("nothing to do: 6 steps kept");
    env.opsml(["down", "beside.md"]).code(0);
    is_empty(&env);
}

#[test]
fn a_kill_while_two_run_makes_nothing_twice() {
    let (env, hold) = holding_of("beside.md", RUNBOOK);
    let mut run = env.start(["run", "beside.md", "--jobs", "2"], "run.txt");
    assert!(run.wait_for("endpoint beside-one") && run.wait_for("endpoint beside-two"), "{}", run.said());
    run.kill();
    let mut run = env.start(["run", "beside.md", "--jobs", "2"], "again.txt");
    assert!(run.wait_for("▶ one (deploy): was interrupted"), "{}", run.said());
    assert!(run.wait_for("▶ two (deploy): was interrupted"), "{}", run.said());
    run.interrupt();
    assert_eq!(run.wait(), 3, "{}", run.said());
    hold.close().unwrap();
    env.opsml(["run", "beside.md"]).code(0);
    let account = env.account();
    for kind in ["models", "configs", "endpoints"] {
        assert_eq!(account[kind].as_array().unwrap().len(), 2, "{kind}: {account}");
    }
    env.opsml(["down", "beside.md"]).code(0);
    is_empty(&env);
}

#[test]
fn a_failure_stops_no_neighbour_that_has_begun_and_what_comes_later() {
    let env = serving("beside.md", RUNBOOK);
    env.write("opsml-worker", "#!/bin/sh\nexit 1\n");
    let run = env.opsml(["run", "beside.md", "--jobs", "2"]).code(1).says("✗ one: ").says("✗ two: ");
    assert!(!run.stdout.contains("▶ both"), "{}", run.stdout);
    run.complains("step `one`");
    env.opsml(["down", "beside.md"]).code(0);
    is_empty(&env);
}
