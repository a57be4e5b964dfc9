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

/// A load at a rate beyond what is answered goes on at the rate of the answers, and keeps its figures.
#[test]
fn a_load_that_is_answered_slowly_is_done_and_says_what_it_held_back() {
    let load = "\n```opsml load\nload:\n  endpoint_name: \"{{ deploy.endpoint_name }}\"\n  payload: {a: 1}\n  rate: 500\n  seconds: 2\n  max_in_flight: 10\nexpect:\n  - held_back > 0\n  - ok == requests\n```\n\n{{ load.requests }} sent, {{ load.held_back }} held back.\n";
    let env = serving("moving.md", &format!("{RUNBOOK}{}", load.replace("held_back > 0", "p50_ms < 100")));
    let slow = env.read("opsml-worker").replace(
        "    def do_POST(self):\n",
        "    def do_POST(self):\n        import time; time.sleep(0.2)\n",
    );
    env.write("opsml-worker", slow);
    // What an expectation refuses is shown all the same.
    env.opsml(["run", "moving.md"]).code(4).says("p50_ms < 100");
    assert!(env.read("reports/moving/report.md").contains("over time"));
    env.write("moving.md", format!("{RUNBOOK}{load}"));
    env.opsml(["run", "moving.md"]).code(0).says("held back, since ");
    assert!(env.read("reports/moving/report.md").contains("over time"));
}

/// A step's highest price is known before what it trains on, and how, is.
#[test]
fn a_price_does_not_wait_for_what_a_template_makes() {
    let env = Env::new();
    let before = "```opsml made\ncommand:\n  run: [echo]\n```\n\n";
    let train = "```opsml train\ntrain:\n  role: arn:aws:iam::123456789012:role/r\n  instance_type: ml.m5.xlarge\n  inputs: \"{{ {'training': made.stdout} }}\"\n  hyperparameters: \"{{ {'epochs': made.exit_code} }}\"\n  output_path: s3://bucket/models\n```\n";
    env.write("train.md", format!("{before}{train}"));
    env.opsml(["plan", "train.md"]).code(0).says("up to 0.23 USD on AWS: 1 × ml.m5.xlarge");
}

/// What a run has deleted is no "nothing to do".
#[test]
fn a_run_says_what_it_has_deleted() {
    let env = Env::new();
    let bucket = |id: &str| format!("```opsml {id}\nbucket: {{}}\n```\n\n");
    env.write("two.md", bucket("a") + &bucket("b"));
    env.opsml(["run", "two.md"]).code(0).says("done: 2 steps ran, 0 kept\n");
    env.write("two.md", bucket("a"));
    env.opsml(["run", "two.md"])
        .code(0)
        .says("still has 1 live resource:")
        .says("nothing to do: 1 step kept");
    env.opsml(["run", "two.md", "--yes"]).code(0).says("done: 0 steps ran, 1 kept, 1 resource deleted");
    env.opsml(["status", "two.md"]).code(0).says("\n1 live resource\n");
    env.opsml(["run", "two.md"]).code(0).says("nothing to do: 1 step kept");
}

/// A step that runs again only because an expectation was not true finds its endpoint, which costs nothing more.
#[test]
fn what_a_step_finds_made_has_no_price_again() {
    let runbook =
        RUNBOOK.replace("params.count }}\"\n", "params.count }}\"\nexpect:\n  - status == 'Gone'\n");
    let env = serving("moving.md", &runbook);
    env.opsml(["plan", "moving.md"]).code(0).says("up to 0.12 USD on AWS").says("At worst 0.12 USD");
    env.opsml(["run", "moving.md"]).code(4).complains("does not hold");
    env.opsml(["plan", "moving.md"]).code(0).says("reuses what it has made").says("At worst 0.00 USD");
    env.opsml(["plan", "moving.md", "-p", "count=2"]).code(0).says("up to 0.23 USD on AWS");
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
