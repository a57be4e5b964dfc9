//! A runbook is run, run again, changed, torn down and run again. The tests ask the cloud, not opsml, what happened.

use serde_json::{Value, json};

use crate::env::{CANARY, Env, cores, mutating};
use crate::small::{RUNBOOK, small, started};

#[test]
fn a_run_is_done_once_and_torn_down_whole() {
    let _cores = cores();
    let env = small();
    let ran = env
        .opsml(["run", "small.md"])
        .code(0)
        .says("- never: skipped")
        .says("created training job small-train-");
    assert_eq!(
        started(&ran.stdout),
        ["data", "bucket", "images", "role", "train", "deploy", "predict", "echo"]
    );
    assert!(!env.path("never").exists());
    // A resource is named when it is made, and in the summary. Between them stands what has changed.
    let of_train = ran.stdout.lines().filter(|line| line.starts_with("  train: "));
    assert!(
        of_train.clone().count() > 0 && of_train.clone().all(|line| !line.contains("training job")),
        "{}",
        ran.stdout
    );
    assert!(of_train.filter(|line| line.contains("valid_accuracy")).count() <= 1, "{}", ran.stdout);
    let account = env.account();
    for (kind, count) in [
        ("buckets", 1),
        ("roles", 1),
        ("jobs", 1),
        ("live_jobs", 1),
        ("models", 1),
        ("configs", 1),
        ("endpoints", 1),
    ] {
        assert_eq!(account[kind].as_array().unwrap().len(), count, "{kind}: {account}");
    }
    let endpoint = account["endpoints"][0].as_str().unwrap();
    assert!(ran.stdout.contains(endpoint) && ran.stdout.contains("bright "), "{}", ran.stdout);

    nothing_to_do(&env);
    reads_agree(&env, endpoint);
    a_change_reruns_what_depends_on_it(&env);

    env.opsml(["down", "small.md"]).code(0).says("nothing of small.md is left");
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, json!([]), "{kind}");
    }
    env.opsml(["down", "small.md"]).code(0).says("deleted 0 resources");
    let ran = env.opsml(["run", "small.md"]).code(0).says("gone: bucket small-bucket-");
    assert!(started(&ran.stdout).contains(&"deploy"), "{}", ran.stdout);
    assert_eq!(env.account()["endpoints"].as_array().unwrap().len(), 1);

    let (_, calls) = env.calls(0);
    assert!(!calls.is_empty() && !format!("{calls:?}").contains(CANARY));
}

fn nothing_to_do(env: &crate::env::Env) {
    let (before, calls) = env.calls(0);
    assert!(mutating(&calls).len() > 10, "{calls:?}");
    let again = env.opsml(["run", "small.md"]).code(0).says("nothing to do: 8 steps kept");
    assert_eq!(started(&again.stdout), [""; 0]);
    let (_, calls) = env.calls(before);
    assert!(
        calls.iter().any(|call| call.starts_with("sagemaker:DescribeEndpoint ")),
        "it must look: {calls:?}"
    );
    assert_eq!(mutating(&calls), [""; 0], "{calls:?}");
}

/// The verbs that only read print the same as the run.
fn reads_agree(env: &crate::env::Env, endpoint: &str) {
    env.opsml(["status", "small.md"]).code(0).says(endpoint).says("skipped").says("USD an hour");
    let state: Value =
        serde_json::from_str(&env.opsml(["status", "small.md", "--format", "json"]).code(0).stdout).unwrap();
    assert_eq!(state["steps"]["train"]["status"], "done");
    env.opsml(["show", "small.md", "deploy"]).code(0).says(endpoint).says("InService");
    env.opsml(["show", "small.md", "deplyo"]).code(2).complains("did you mean `deploy`?");
    env.opsml(["logs", "small.md", "train"]).code(0).says("test_accuracy");
    env.opsml(["logs", "small.md", "role"]).code(2).complains("has nothing that writes a log");
    env.opsml(["cloud", "status"]).code(0).says("running at http://127.0.0.1:");
}

fn a_change_reruns_what_depends_on_it(env: &crate::env::Env) {
    // A change of the prose, or of a step's line, changes no step.
    env.write("small.md", format!("{RUNBOOK}\nMore words.\n"));
    env.opsml(["run", "small.md"]).code(0).says("nothing to do");

    let changed = ["small.md", "-p", "seed=2"];
    let plan = env.opsml(["plan"].iter().chain(&changed)).code(0).says("hyperparameters.seed 1 → 2");
    let action = |id: &str| {
        let line = plan.stdout.lines().find(|line| line.starts_with(&format!("{id} "))).unwrap();
        line.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
    };
    assert!(action("train").starts_with("run "), "{}", plan.stdout);
    for kept in ["data", "bucket", "images", "role"] {
        assert!(action(kept).starts_with("keep "), "{}", plan.stdout);
    }
    for open in ["deploy", "predict", "echo"] {
        assert!(action(open).starts_with("may run upstream train"), "{}", plan.stdout);
    }

    let before = env.account();
    let ran = env
        .opsml(["run"].iter().chain(&changed))
        .code(0)
        .says("▶ train (train): changed: hyperparameters.seed 1 → 2");
    assert_eq!(started(&ran.stdout), ["train", "deploy", "predict", "echo"]);
    let after = env.account();
    assert_eq!(after["endpoints"], before["endpoints"], "the endpoint is updated in place");
    for kind in ["jobs", "models", "configs"] {
        assert_eq!(after[kind].as_array().unwrap().len(), 1, "{kind}: {after}");
        assert_ne!(after[kind], before[kind]);
    }
}

#[test]
fn an_existing_notebook_is_used_and_left_alone() {
    let env = Env::new();
    let notebook = |fields: &str| format!("```opsml notebook\nnotebook: {{{fields}}}\n```\n");
    let role = "```opsml role\nrole: {}\n```\n\n".to_owned();
    env.write(
        "mine.md",
        role + &notebook("name: mine, instance_type: ml.t3.medium, role: \"{{ role.arn }}\""),
    );
    env.opsml(["run", "mine.md"]).code(0);
    env.write("used.md", notebook("existing: mine") + "{{ notebook.instance_type }}\n");
    env.opsml(["run", "used.md"]).code(0).says("notebook instance mine InService");
    assert!(env.read("reports/used/report.md").contains("ml.t3.medium"));
    env.opsml(["down", "used.md"]).code(0);
    assert_eq!(env.account()["notebooks"], serde_json::json!(["mine"]));
    env.write("used.md", notebook("existing: other"));
    env.opsml(["run", "used.md"]).code(1).complains("there is no notebook instance other");
    for (fields, why) in [
        ("existing: mine, volume_size: 50", "takes no other key"),
        ("existing: mine, instance_type: ml.t3.medium", "takes no other key"),
        ("instance_type: ml.t3.medium", "a new notebook instance needs `role`"),
    ] {
        env.write("used.md", notebook(fields));
        env.opsml(["check", "used.md"]).code(2).says(why);
    }
    env.opsml(["down", "mine.md"]).code(0);
    assert_eq!(env.account()["notebooks"], serde_json::json!([]));
}
