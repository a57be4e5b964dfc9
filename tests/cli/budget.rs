//! A budget is for all runs of a stack, on every target that may cost something.

use crate::env::Env;
use crate::small::{small_with, through};

/// The worst price of the training: ml.m5.xlarge for an hour.
const WORST: f64 = 0.23;

/// Returns an environment whose commands reach the local cloud as any other server, by its URL and with its keys.
fn by_url() -> (Env, String) {
    let mut env = small_with(&through("train"));
    let mut url = String::new();
    for line in env.opsml(["cloud", "env"]).code(0).stdout.lines() {
        let (name, value) = line.trim_start_matches("export ").split_once('=').unwrap();
        match name {
            "AWS_ENDPOINT_URL" => url = value.to_owned(),
            _ => env = env.with(name, value),
        }
    }
    (env, url)
}

#[test]
fn what_earlier_runs_have_spent_counts() {
    let (env, url) = by_url();
    let run = |budget: f64, more: &[&str]| {
        let budget = budget.to_string();
        let run = ["run", "small.md", "--target", &url, "--budget", &budget];
        env.opsml([&run[..], more].concat())
    };
    run(WORST - 0.01, &[]).code(6).complains("over the budget of 0.22 USD");
    assert_eq!(env.account()["jobs"].as_array().unwrap().len(), 0);
    // A second is less than a hundredth of a cent, and the job takes less than a minute.
    run(WORST + 0.00001, &[]).code(0);
    // The training has cost something, so that the same budget has no room for another one.
    run(WORST + 0.00001, &["--force", "train"]).code(6).complains("spent so far");
    assert_eq!(env.account()["jobs"].as_array().unwrap().len(), 1);
    // A training that only an expectation refused is there, and costs nothing more.
    let runbook = env.read("small.md");
    env.write("small.md", runbook.replace("metrics.test_accuracy >= 0", "metrics.test_accuracy >= 2"));
    run(2.0 * WORST, &["--force", "train"]).code(4);
    env.write("small.md", runbook);
    run(WORST, &[]).code(0).says("1 step ran");
    // Nothing to pay for is always within it.
    run(WORST + 0.00001, &[]).code(0).says("nothing to do");
    run(2.0 * WORST, &["--force", "train"]).code(0);
    // The same server by another spelling is the same stack.
    let spelt = url.replace("127.0.0.1", "localhost") + "/";
    let again = env.opsml(["run", "small.md", "--target", &spelt, "--budget", "1"]).code(0);
    again.says("nothing to do");
}
