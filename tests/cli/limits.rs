//! Requests that AWS refuses because it lacks capacity or the account lacks quota, and tuning jobs whose trials fail.
//! Each is reported with AWS's own code and leaves nothing behind. Once the limit is raised, the same runbook runs.

use local_cloud::ec2::{Knobs, Quota, set_knobs, set_quota};
use local_cloud::store::Store;
use serde_json::{Value, json};

use crate::ec2::{RUNBOOK, env_with, nothing_is_left};
use crate::env::{Env, cores, mutating};
use crate::small::{small_with, through};

/// Opens the state of the local cloud, which is started if it doesn't run.
fn store(env: &Env) -> Store {
    env.opsml(["cloud", "start"]).code(0);
    Store::open(&env.cloud().join("state.db")).unwrap()
}

#[test]
fn no_capacity_for_a_spot_instance() {
    let env = env_with(RUNBOOK);
    set_knobs(&store(&env), &Knobs { spot_capacity: false, ..Knobs::default() }).unwrap();
    let run = ["run", "ec2.md", "-p", "spot=true"];
    env.opsml(run).code(1).complains("InsufficientInstanceCapacity").complains("step `ec2` (ec2.md:");
    nothing_is_left(&env);
    set_knobs(&store(&env), &Knobs::default()).unwrap();
    env.opsml(run).code(0);
    nothing_is_left(&env);
}

#[test]
fn more_vcpus_than_the_account_may_have() {
    let env = env_with(RUNBOOK);
    set_quota(&store(&env), Quota::OnDemandStandard, 1).unwrap();
    env.opsml(["run", "ec2.md"]).code(1).complains("VcpuLimitExceeded").complains("current vCPU limit of 1");
    nothing_is_left(&env);
    let (last, _) = env.calls(0);
    // The next run is refused at once, too, and doesn't repeat the steps before.
    env.opsml(["run", "ec2.md"]).code(1).complains("VcpuLimitExceeded");
    let again = env.calls(last).1;
    assert!(!mutating(&again).iter().any(|call| call.contains("CreateBucket")), "{again:?}");
    set_quota(&store(&env), Quota::OnDemandStandard, 2).unwrap();
    env.opsml(["run", "ec2.md"]).code(0);
    nothing_is_left(&env);
}

#[test]
fn more_training_instances_than_the_account_may_have() {
    let _cores = cores();
    let env = small_with(&through("train"));
    let quota = "ml.m5.xlarge for training job usage";
    local_cloud::sagemaker::set_quota(&store(&env), quota, 0).unwrap();
    env.opsml(["run", "small.md"])
        .code(1)
        .complains("ResourceLimitExceeded")
        .complains(quota)
        .complains("step `train` (small.md:");
    assert_eq!(env.account()["jobs"], json!([]));
    local_cloud::sagemaker::set_quota(&store(&env), quota, 1).unwrap();
    env.opsml(["run", "small.md"]).code(0);
}

/// Returns the small runbook with a grid search over learning rates in place of training.
fn tuning(rates: &str, objective: &str, more: &str) -> String {
    format!(
        r#"{}
```opsml tune
tune:
  estimator:
    role: "{{{{ role.arn }}}}"
    instance_type: ml.m5.xlarge
    inputs: {{training: "{{{{ images.uri }}}}"}}
    output_path: "{{{{ bucket.uri }}}}/trials"
    hyperparameters: {{arch: resnet18, image_size: 32, epochs: 1, batch_size: 4, transform: resize, optimizer: sgd}}
    {more}
  objective_metric_name: {objective}
  strategy: Grid
  hyperparameter_ranges: {{learning_rate: {{categorical: [{rates}]}}}}
  max_jobs: 2
  max_parallel_jobs: 2
```
"#,
        through("role")
    )
}

#[test]
fn an_objective_that_no_log_line_has() {
    let _cores = cores();
    let never = "metric_definitions: [{name: never, regex: 'never: ([0-9.]+)'}]";
    let env = small_with(&tuning("0.01, 0.02", "never", never));
    env.opsml(["run", "small.md"])
        .code(1)
        .complains("No objective metrics found after running 2 training jobs.")
        .complains("step `tune` (small.md:");
    env.opsml(["down", "small.md"]).code(0);
    let account = env.account();
    for kind in ["tuning_jobs", "jobs", "buckets"] {
        assert_eq!(account[kind], json!([]), "{kind}");
    }
}

#[test]
fn a_trial_that_diverges_fails_alone() {
    let _cores = cores();
    let env = small_with(&tuning("0.01, 1e30", "test_accuracy", ""));
    env.opsml(["run", "small.md"]).code(0);
    let shown = env.opsml(["show", "small.md", "tune", "--format", "json"]).code(0).stdout;
    let outputs = serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone();
    assert_eq!(outputs["best"]["learning_rate"], json!(0.01), "{outputs}");
    let trials = outputs["trials"].as_array().unwrap();
    let statuses: Vec<&str> = trials.iter().map(|trial| trial["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["Completed", "Failed"], "{outputs}");
    // The tuning job's log lists how each trial ended.
    env.opsml(["logs", "small.md", "tune"]).code(0).says("lower learning_rate");

    // If every trial fails, the tuning job fails.
    env.write("small.md", tuning("1e29, 1e30", "test_accuracy", ""));
    env.opsml(["run", "small.md"]).code(1).complains("No training job succeeded after 2 attempts.");
}
