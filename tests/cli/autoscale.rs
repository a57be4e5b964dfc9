//! `autoscale` and `load`: an endpoint that grows under load to its maximum and shrinks to its minimum, because its policy
//! says so.
//!
//! The worker is a script that answers; the instances, alarms and cooldowns are the local cloud's own.

use serde_json::{Value, json};

use crate::env::Env;
use crate::small::serving;

/// The local cloud's minutes take a second: 20 requests a second are 20 a minute of its.
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

/// Minimum, maximum, target and the number of alarms, as boto3 gets them.
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
    // A higher target needs no more instances, and the load is repeated since what it rests on has changed.
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
    // What goes behind our back is noticed and made again.
    env.python(include_str!("autoscale/deregistered.py"));
    env.opsml(["run", "scale.md", "-p", "target=25", "-p", "most=4"]).code(0).says("gone: scalable target");
    assert_eq!(scaling(&env), json!([[[1, 4]], [25.0], 2]));
    env.opsml(["down", "scale.md"]).code(0);
    assert_eq!(scaling(&env), json!([[], [], 0]));
    assert_eq!(env.account()["endpoints"], json!([]));
}

#[test]
fn another_ones_target_is_left_alone() {
    let env = env_with(RUNBOOK);
    env.opsml(["run", "scale.md", "--until", "deploy"]).code(0);
    env.python(include_str!("autoscale/registered_by_another.py"));
    env.opsml(["run", "scale.md"]).code(1).complains("NotOurs").complains("scalable target endpoint/");
    assert_eq!(scaling(&env), json!([[[1, 2]], [], 0]));
}

#[test]
fn what_makes_no_sense_is_told_by_check() {
    let env = env_with(&RUNBOOK.replace("min_capacity: 1", "min_capacity: 5"));
    env.opsml(["check", "scale.md", "-p", "most=4"])
        .code(2)
        .says("the fewest instances, 5, are more than the most, 4");
    env.write("scale.md", RUNBOOK.replace("\"{{ params.target }}\"", "0"));
    env.opsml(["check", "scale.md"]).code(2).says("must be above 0");
    // What several fields say together is known once all of them are.
    let load = LOAD.replace("\"{{ scale.endpoint_name }}\"", "e").replace("\"{{ params.seconds }}\"", "9");
    for (wrong, told) in [
        ("  rate: 20\n", "give `rate` and `seconds`, or `stages`"),
        ("  payload: {url: \"http://example.com/dog.jpg\"}\n", "an `image` or a `payload`"),
        ("  endpoint_name: e\n", "lacks `endpoint_name` or `function_name`"),
    ] {
        assert!(load.contains(wrong), "{wrong}");
        env.write("scale.md", format!("{RUNBOOK}{}", load.replace(wrong, "")));
        env.opsml(["check", "scale.md"]).code(2).says(told);
    }
}
