//! `autoscale` and `load`: by its scaling policy, an endpoint grows to its maximum under load, and then shrinks to its
//! minimum.
//!
//! The worker is a script that answers requests. The instances, alarms and cooldowns are real ones of the local cloud.

use serde_json::{Value, json};

use crate::env::Env;
use crate::small::serving;

/// A minute of the local cloud takes a second here, so 20 requests a second are 20 requests a minute to it.
const RUNBOOK: &str = r#"---
title: Scaling
params:
  target: {default: 5}
  most: {default: 3}
  seconds: {default: 60}
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

```opsml scale
autoscale:
  endpoint_name: "{{ deploy.endpoint_name }}"
  min_capacity: 1
  max_capacity: "{{ params.most }}"
  target_value: "{{ params.target }}"
  scale_in_cooldown: 30
  scale_out_cooldown: 30
```
"#;

const LOAD: &str = r#"
```opsml load
load:
  endpoint_name: "{{ scale.endpoint_name }}"
  payload: {url: "http://example.com/dog.jpg"}
  rate: 20
  seconds: "{{ params.seconds }}"
  until: {instances: 3}
  settle: {instances: 1, timeout: 2m, rate: 1}
expect:
  - ok == requests
  - throttled == 0
  - errors | length == 0
```
"#;

fn env_with(runbook: &str) -> Env {
    serving("scale.md", runbook)
}

fn outputs(env: &Env, step: &str) -> Value {
    let shown = env.opsml(["show", "scale.md", step, "--format", "json"]).code(0).stdout;
    serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone()
}

/// Returns minimum, maximum, target value and the number of alarms, as boto3 reads them.
fn scaling(env: &Env) -> Value {
    serde_json::from_str(&env.python(include_str!("autoscale/scaling.py"))).unwrap()
}

#[test]
fn it_grows_to_its_maximum_and_shrinks_to_its_minimum() {
    let env = env_with(&format!("{RUNBOOK}{LOAD}"));
    env.opsml(["run", "scale.md"]).code(0);
    let load = outputs(&env, "load");
    for (name, value) in [("instances_min", 1), ("instances_max", 3), ("instances_final", 1)] {
        assert_eq!(load[name], json!(value), "{name}: {load}");
    }
    let activities = load["activities"].as_array().unwrap();
    assert!(activities.len() >= 2, "{load}");
    assert!(activities[0]["cause"].as_str().unwrap().contains("AlarmHigh"), "{load}");
    let report = env.read("reports/scale/report.md");
    assert!(report.contains("60 times faster than life"), "the figures say how time passes");
    // With a higher target value, no instance is added. The load is repeated, since it depends on the changed step.
    env.opsml(["run", "scale.md", "-p", "target=500", "-p", "seconds=6"]).code(0).says("▶ load");
    assert_eq!(outputs(&env, "load")["instances_max"], json!(1));
}

#[test]
fn a_change_is_an_update_and_down_takes_it_with_the_endpoint() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "scale.md"]).code(0);
    assert_eq!(scaling(&env), json!([[[1, 3]], [5.0], 2]));
    let before = outputs(&env, "scale");
    env.opsml(["run", "scale.md"]).code(0).says("nothing to do");
    env.opsml(["run", "scale.md", "-p", "target=25", "-p", "most=4"]).code(0);
    assert_eq!(scaling(&env), json!([[[1, 4]], [25.0], 2]));
    assert_eq!(outputs(&env, "scale")["policy_arn"], before["policy_arn"]);
    // If someone else deletes it, the next run creates it again.
    env.python(include_str!("autoscale/deregistered.py"));
    env.opsml(["run", "scale.md", "-p", "target=25", "-p", "most=4"]).code(0).says("gone: scalable target");
    assert_eq!(scaling(&env), json!([[[1, 4]], [25.0], 2]));
    env.opsml(["down", "scale.md"]).code(0);
    assert_eq!(scaling(&env), json!([[], [], 0]));
    assert_eq!(env.account()["endpoints"], json!([]));
}

#[test]
fn a_target_that_someone_else_registered_is_left_alone() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "scale.md", "--until", "deploy"]).code(0);
    env.python(include_str!("autoscale/registered_by_another.py"));
    env.opsml(["run", "scale.md"]).code(1).complains("NotOurs").complains("scalable target endpoint/");
    assert_eq!(scaling(&env), json!([[[1, 2]], [], 0]));
}

#[test]
fn check_reports_what_makes_no_sense() {
    let env = env_with(&RUNBOOK.replace("min_capacity: 1", "min_capacity: 5"));
    env.opsml(["check", "scale.md", "-p", "most=4"])
        .code(2)
        .says("the fewest instances, 5, are more than the most, 4");
    env.write("scale.md", RUNBOOK.replace("\"{{ params.target }}\"", "0"));
    env.opsml(["check", "scale.md"]).code(2).says("must be above 0");
    // A rule about several fields is checked once all their values are known.
    let load = LOAD.replace("\"{{ scale.endpoint_name }}\"", "e").replace("\"{{ params.seconds }}\"", "9");
    for (wrong, message) in [
        ("  rate: 20\n", "give `rate` and `seconds`, or `stages`"),
        ("  payload: {url: \"http://example.com/dog.jpg\"}\n", "an `image` or a `payload`"),
        ("  endpoint_name: e\n", "lacks `endpoint_name` or `function_name`"),
    ] {
        assert!(load.contains(wrong), "{wrong}");
        env.write("scale.md", format!("{RUNBOOK}{}", load.replace(wrong, "")));
        env.opsml(["check", "scale.md"]).code(2).says(message);
    }
}
