//! A runbook with nearly every kind of step, whose worker's model is a digest of its inputs: a stale result shows.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::env::Env;

const RUNBOOK: &str = include_str!("whole/whole.md");

/// Returns an environment with the runbook, its images, its function and its worker.
pub fn whole() -> Env {
    let env = Env::new();
    env.write("whole.md", RUNBOOK);
    env.images("images", ["a", "b"], 2);
    std::fs::copy(env.path("images/train/a/0.png"), env.path("one.png")).unwrap();
    env.write("hook/hook.py", include_str!("whole/hook.py"));
    env.write("note.txt", "a note");
    let worker = env.write("opsml-worker", include_str!("whole/worker.py"));
    std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o755)).unwrap();
    env.with("OPSML_WORKER", worker)
}

/// Returns the outputs of each step.
fn outputs(env: &Env, target: &[&str]) -> Value {
    let status = [&["status", "whole.md", "--format", "json"], target].concat();
    let state = env.opsml(status).code(0).stdout;
    serde_json::from_str::<Value>(&state).unwrap()["steps"].clone()
}

/// Asserts that what was kept is what would come out again: the logits that the journal has of the endpoint and of the
/// function are those of the model that the endpoint has now, and this is the model of the data that lies in the bucket.
#[track_caller]
pub fn nothing_is_stale(env: &Env, target: &[&str], change: &str) {
    let now: Value = serde_json::from_str(&env.python(include_str!("whole/now.py"))).unwrap();
    let steps = outputs(env, target);
    assert_eq!(steps["predict"]["outputs"]["vector"], now["endpoint"], "{change}");
    let logits = steps["event"]["outputs"]["body"][0].as_array().unwrap().iter().map(Value::as_f64);
    let expected = now["endpoint"].as_array().unwrap().iter().map(Value::as_f64);
    assert_eq!(logits.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{change}");
    assert_eq!(now["endpoint"], now["data"], "{change}");
}
