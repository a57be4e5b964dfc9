//! `runbooks/project.md` is run from the start to a live endpoint and a report, and torn down.

use serde_json::{Value, json};

use crate::cloud::repository;
use crate::env::{Env, cores};

pub fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        // What a run on this machine has left is not part of the runbook.
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == ".opsml" => {}
            true => copy(&from, &to),
            false => drop(std::fs::copy(&from, &to).unwrap()),
        }
    }
}

#[test]
fn the_project_runs_from_start_to_end() {
    let _cores = cores();
    let env = Env::new();
    copy(&repository("runbooks"), &env.path("runbooks"));
    let ran = env.opsml(["run", "runbooks/project.md"]).code(0);

    let account = env.account();
    let endpoint = account["endpoints"][0].as_str().unwrap();
    assert!(ran.stdout.contains(endpoint), "{}", ran.stdout);
    let step = |id: &str| -> Value {
        let shown = env.opsml(["show", "runbooks/project.md", id, "--format", "json"]).code(0).stdout;
        serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone()
    };
    let accuracy = step("train")["metrics"]["test_accuracy"].as_f64().unwrap();
    assert!(accuracy >= 0.75, "{accuracy}");
    let class = step("predict")["class"].clone();
    assert!(ran.stdout.contains(class.as_str().unwrap()), "{class}: {}", ran.stdout);
    assert!(step("data")["classes"].as_array().unwrap().contains(&class), "{class}");
    assert_eq!(step("tune")["trials"].as_array().unwrap().len(), 6);
    assert!(step("multi")["metrics"]["test_accuracy"].as_f64().unwrap() >= 0.65);
    let shards = env.opsml(["logs", "runbooks/project.md", "multi"]).code(0).stdout;
    for rank in ["rank 0 of 2 (algo-1): 1850 of 3700", "rank 1 of 2 (algo-2): 1850 of 3700"] {
        assert!(shards.contains(rank), "{rank}: {shards}");
    }
    for kind in ["instances", "key_pairs", "security_groups"] {
        assert_eq!(account[kind], json!([]), "{kind}");
    }
    // The only job that failed is the one that had to.
    assert!(
        step("denied")["error"]["message"]
            .as_str()
            .unwrap()
            .contains("is not authorized to perform: s3:ListBucket")
    );
    crate::page::look(&[&env.path("reports/project/report.html")]);
    for written in ["reports/project/report.md", "reports/project/report.html"] {
        assert!(env.read(written).contains(endpoint), "{written}");
    }

    env.opsml(["run", "runbooks/project.md"]).code(0).says("nothing to do");
    env.opsml(["down", "runbooks/project.md"]).code(0);
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, json!([]), "{kind}");
    }
}
