//! The verbs that don't need a run (new, schema, completions, doctor, plan), and usage errors.

use serde_json::{Value, json};

use crate::env::Env;
use crate::small::small;

#[test]
fn new_writes_a_runbook_that_passes_and_never_overwrites() {
    let env = Env::new();
    env.opsml(["new", "mine"]).code(0).says("opsml run mine.md -p dataset=");
    env.opsml(["check", "mine.md"]).code(2).says("data/images.zip: there is no such file or folder");
    env.images("own", ["dark", "bright"], 1);
    env.opsml(["check", "mine.md", "-p", "dataset=own"]).code(0).says("no problems");
    env.write("mine.md", "my own");
    for name in ["mine", "mine.md"] {
        env.opsml(["new", name]).code(2).complains("mine.md exists already");
    }
    assert_eq!(env.read("mine.md"), "my own");
    env.opsml(["new", "no/such/folder"]).code(2).complains("no/such/folder.md");
}

#[test]
fn what_is_not_there_is_told_with_the_way_out() {
    let env = Env::new();
    env.opsml(["run", "nope.md"]).code(2).complains("nope.md: No such file").complains("opsml new nope.md");
    env.opsml(["new", "mine"]).code(0);
    let run = env.opsml(["run", "mine.md"]).code(2).complains("nothing was run");
    run.complains("data/images.zip: there is no such").complains("a parameter takes another: -p NAME=PATH");
    let run = env.opsml(["run", "mine.md", "-p", "dataset=/no/such.zip"]).code(2);
    run.complains("/no/such.zip: there is no such file or folder");
}

/// `schema` prints what an editor needs: one schema for all blocks, in which every reference can be resolved.
#[test]
fn schema_has_every_kind() {
    let env = Env::new();
    let schema: Value = serde_json::from_str(&env.opsml(["schema"]).code(0).stdout).unwrap();
    let bodies = schema["oneOf"].as_array().unwrap();
    assert!(references_resolve(&schema, &schema) > 20);
    for (kind, body) in opsml::step::kinds().iter().zip(bodies) {
        let name = kind.name;
        assert_eq!(body["required"], json!([name]));
        assert_eq!(body["additionalProperties"], false, "{name}");
        assert!(body["properties"]["expect"].is_object() && body["properties"][name].is_object());
        let one: Value = serde_json::from_str(&env.opsml(["schema", name]).code(0).stdout).unwrap();
        references_resolve(&one, &one);
        assert_eq!(one["properties"], body["properties"]);
        assert_eq!(one["outputs"], schema["outputs"][name]);
        for (output, described) in one["outputs"]["properties"].as_object().unwrap() {
            let target = described["$ref"].as_str().and_then(|path| one.pointer(&path[1..]));
            let said = |value: &Value| value["description"].is_string();
            assert!(said(described) || target.is_some_and(said), "{name}.{output} has no documentation");
        }
    }
    assert_eq!(bodies.len(), opsml::step::kinds().len());
    // A number may come from a template. So may a list, or parts of it.
    let template = json!({"$ref": "#/$defs/template"});
    let dataset = &bodies.iter().find(|body| body["title"] == "dataset").unwrap()["properties"]["dataset"];
    assert_eq!(dataset["properties"]["source"]["anyOf"][1], template);
    let command = &bodies.iter().find(|body| body["title"] == "command").unwrap()["properties"]["command"];
    assert_eq!(command["properties"]["run"]["anyOf"][1], template);
    assert_eq!(command["properties"]["run"]["anyOf"][0]["items"]["anyOf"][1], template);
    assert!(schema["front_matter"]["properties"]["params"].is_object());
    env.opsml(["schema", "trian"]).code(2).complains("did you mean `train`?");
}

/// Returns the number of references. Panics if one can't be resolved.
#[track_caller]
fn references_resolve(root: &Value, schema: &Value) -> usize {
    match schema {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| match value.as_str() {
                Some(target) if name == "$ref" => {
                    assert!(root.pointer(target.strip_prefix('#').unwrap()).is_some(), "{target}");
                    1
                }
                _ => references_resolve(root, value),
            })
            .sum(),
        Value::Array(items) => items.iter().map(|item| references_resolve(root, item)).sum(),
        _ => 0,
    }
}

#[test]
fn completions_for_every_shell() {
    let env = Env::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        env.opsml(["completions", shell]).code(0).says("opsml").says("doctor");
    }
}

/// As `opsml cloud env | true` has it: who reads the output may end before it is written.
#[test]
fn a_closed_pipe_is_no_bug() {
    let env = Env::new();
    for arguments in [&["cloud", "env"][..], &["cloud", "status"], &["completions", "bash"], &["schema"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = env.command(arguments).stdout(writer).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_region_that_the_local_cloud_is_not_is_refused() {
    let env = Env::new();
    env.write("a.md", "```opsml b\nbucket:\n```\n");
    env.opsml(["run", "a.md", "--region", "us-eest-1"])
        .code(2)
        .complains("the local cloud is us-east-1, and not us-eest-1");
}

#[test]
fn doctor_names_what_is_missing_and_what_to_do() {
    let env = Env::new();
    env.opsml(["doctor"]).code(0).says("✓ worker and libtorch: opsml-worker 0.");
    let env = Env::new().with("OPSML_WORKER", "/nonexistent/worker");
    let found = env.opsml(["doctor", "--format", "json"]).code(2);
    let found: Value = serde_json::from_str(&found.stdout).unwrap();
    let worker = found.as_array().unwrap().iter().find(|one| one["ok"] == false).unwrap();
    assert!(worker["found"].as_str().unwrap().starts_with("/nonexistent/worker: "), "{worker}");
    assert!(worker["way_out"].as_str().unwrap().contains("make build"), "{worker}");
}

#[test]
fn plan_calls_nothing() {
    let env = small();
    let plan = env.opsml(["plan", "small.md"]).code(0).says("up to").says("USD on AWS");
    // The columns are as wide as what is in them.
    let column = |line: &str| line.find("new").map(|at| line[..at].chars().count());
    let columns: Vec<usize> = plan.stdout.lines().filter_map(column).collect();
    assert!(columns.len() > 6 && columns.iter().all(|at| *at == columns[0]), "{}", plan.stdout);
    assert!(
        plan.stdout.lines().any(|line| line.starts_with("train ") && line.contains("new")),
        "{}",
        plan.stdout
    );
    let plan: Value =
        serde_json::from_str(&env.opsml(["plan", "small.md", "--format", "json"]).code(0).stdout).unwrap();
    assert_eq!(plan["steps"].as_array().unwrap().len(), 9);
    assert!(!env.cloud().exists() && !env.path(".opsml").exists(), "a plan starts and leaves nothing");
    for verb in ["status", "down", "report"] {
        env.opsml([verb, "small.md"]).code(2).complains("has not run on the target `local`");
    }
}

#[test]
fn usage_errors_say_what_was_meant() {
    let env = small();
    env.opsml(["run", "small.md", "-p", "epohcs=2"])
        .code(2)
        .complains("no parameter `epohcs`; did you mean `epochs`?");
    env.opsml(["run", "small.md", "-p", "epochs=many"])
        .code(2)
        .complains("parameter `epochs`: must be an integer");
    env.opsml(["run", "small.md", "-p", "epochs"]).code(2).complains("is not NAME=VALUE");
    env.write("wrong.yaml", "epochs: [1\n");
    env.opsml(["run", "small.md", "-f", "wrong.yaml"]).code(2).complains("this is not YAML");
    env.write("list.yaml", "# values\n- epochs: 1\n");
    env.opsml(["run", "small.md", "-f", "list.yaml"])
        .code(2)
        .complains("list.yaml:2:1")
        .complains("is a list");
    env.write("list.md", "---\nparams:\n  n: {default: [3]}\n---\n```opsml a\ncommand:\n  run: [echo, \"{{ params.n }}\"]\n```\n");
    env.opsml(["check", "list.md"]).code(2).says("must be text").says("`| tojson`");
    env.opsml(["run", "small.md", "--until", "trian"]).code(2).complains("did you mean `train`?");
    env.opsml(["run", "small.md", "--force", "trian"]).code(2).complains("did you mean `train`?");
    env.opsml(["run", "none.md"]).code(2).complains("none.md: No such file");
    env.opsml(["run", "small.md", "--target", "mars"]).code(2).complains("a target is local, aws, or a URL");
    env.opsml(["check"]).code(2);
    env.write("latin1.md", b"# caf\xe9\n");
    env.opsml(["check", "latin1.md"]).code(2).complains("latin1.md:1: a runbook must be UTF-8 text");
    assert!(!env.cloud().exists());
}

/// A report is written to the same place from any folder. A file that isn't a report is never overwritten.
#[test]
fn a_report_keeps_its_place_and_leaves_other_files() {
    let env = Env::new();
    env.write("runbooks/k.md", "```opsml a\ncommand:\n  run: [echo, one]\n```\nIt said {{ a.stdout }}.\n");
    env.opsml(["run", "runbooks/k.md"]).code(0);
    assert!(env.read("reports/k/report.md").contains("one"));
    std::fs::remove_dir_all(env.path("reports")).unwrap();
    let output = env.command(["report", "k.md"]).current_dir(env.path("runbooks")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(env.read("reports/k/report.md").contains("one") && !env.path("runbooks/reports").exists());
    // A file of the user's and a page of another program aren't reports.
    env.write("mine/report.md", "my own");
    env.write("mine/figures/figure-1.svg", "my own");
    env.opsml(["report", "runbooks/k.md", "--report", "mine"])
        .code(1)
        .complains("mine/report.md is not a write-up of opsml")
        .complains("--report");
    assert_eq!(env.read("mine/report.md"), "my own");
    assert_eq!(env.read("mine/figures/figure-1.svg"), "my own");
    env.write("reports/k/figures/figure-99.svg", "of an earlier rendering");
    env.write("reports/k/figures/figure-of-mine.svg", "my own");
    env.opsml(["report", "runbooks/k.md"]).code(0);
    assert!(!env.path("reports/k/figures/figure-99.svg").exists());
    assert!(env.path("reports/k/figures/figure-of-mine.svg").exists());
}

/// `k.md` and `k.markdown` have separate journals. Only the user can read what a run keeps.
#[test]
fn each_runbook_has_a_journal_of_its_own_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let env = Env::new();
    for (name, said) in [("k.md", "one"), ("k.markdown", "two")] {
        env.write(name, format!("```opsml a\ncommand:\n  run: [echo, {said}]\n```\n"));
        env.opsml(["run", name]).code(0).says("1 step ran");
        env.opsml(["show", name, "a"]).code(0).says(said);
    }
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&env.path(".opsml")), 0o700);
    assert_eq!(mode(&env.journal("k")), 0o600);
}
