//! The trials of a tuning job share the features of a frozen backbone through S3, and none fails if it may not.

use serde_json::{Value, json};

use crate::env::{Env, cores};
use crate::small::{small_with, through};

/// Returns a runbook that tries three learning rates of a head, one after the other, and then trains with the best one, by
/// itself. The role is that of `role`.
fn tuning(role: &str) -> String {
    let fields = r#"    role: "{{ role.arn }}"
    instance_type: ml.m5.xlarge
    inputs: {training: "{{ images.uri }}"}
    output_path: "{{ bucket.uri }}/models"
"#;
    format!(
        r#"{role}
```opsml tune
tune:
  estimator:
{fields}    hyperparameters:
      {{arch: resnet18, image_size: 32, epochs: 2, batch_size: 4, fine_tune: head, transform: resize, precision: fp32}}
  objective_metric_name: valid_accuracy
  strategy: Grid
  hyperparameter_ranges: {{learning_rate: {{categorical: [0.001, 0.003, 0.01]}}}}
  max_jobs: 3
  max_parallel_jobs: 1
```

```opsml best
train:
{}  hyperparameters: "{{{{ tune.best }}}}"
```
"#,
        fields.replace("    ", "  ")
    )
}

fn outputs(env: &Env, step: &str) -> Value {
    let shown = env.opsml(["show", "small.md", step, "--format", "json"]).code(0).stdout;
    serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone()
}

#[test]
fn three_trials_compute_the_features_once() {
    let _cores = cores();
    let env = small_with(&tuning(&through("role")));
    env.opsml(["run", "small.md"]).code(0);
    let log = env.opsml(["logs", "small.md", "tune"]).code(0).stdout;
    let place = "/models/features/";
    // Of each split once, and read by both of the trials that follow.
    let lines = |what: &str| log.lines().filter(|line| line.contains(what) && line.contains(place)).count();
    assert_eq!(
        (lines("images were computed, and left at s3://"), lines("images were read from s3://")),
        (3, 6),
        "{log}"
    );
    assert_eq!((lines("features=read_from_s3://"), log.matches("features=once;").count()), (2, 1), "{log}");

    // Training alone, without what was shared, measures the same.
    let (tune, best) = (outputs(&env, "tune"), outputs(&env, "best"));
    assert_eq!(tune["best"].get("features"), None, "{tune}");
    assert_eq!(
        tune["best_value"].as_f64().unwrap() as f32,
        best["metrics"]["valid_accuracy"].as_f64().unwrap() as f32
    );
    env.opsml(["logs", "small.md", "best"]).code(0).says("features=once;");

    env.opsml(["run", "small.md"]).code(0).says("nothing to do");
    let code = "import boto3\ns3 = boto3.client('s3')\n[bucket] = s3.list_buckets()['Buckets']\n\
                print(s3.list_objects_v2(Bucket=bucket['Name'], Prefix='models/features/')['KeyCount'])";
    assert_eq!(env.python(code).trim(), "3");
    env.opsml(["down", "small.md"]).code(0);
    assert_eq!(env.account()["buckets"], json!([]));
}

#[test]
fn a_role_that_may_not_share_trains_all_the_same() {
    let _cores = cores();
    let may = r#"["{{ bucket.arn }}/data/*", "{{ bucket.arn }}/models/small-*"]"#;
    let role = through("role").replace(r#"["{{ bucket.arn }}/*"]"#, may);
    assert!(role.contains("models/small-*"));
    let env = small_with(&tuning(&role));
    env.opsml(["run", "small.md", "--until", "tune"]).code(0);
    let log = env.opsml(["logs", "small.md", "tune"]).code(0).stdout;
    assert_eq!(log.matches("features=once;").count(), 3, "{log}");
    assert!(log.contains("can't be left at s3://") && log.contains("status 403, AccessDenied"), "{log}");
}
