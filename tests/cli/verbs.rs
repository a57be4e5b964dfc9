//! The verbs that need no run: new, schema, completions, doctor, plan before a run, and usage errors.

use serde_json::Value;

use crate::env::Env;
use crate::small::small;

#[test]
fn new_writes_a_runbook_that_passes_and_never_overwrites() {
    let env = Env::new();
    env.opsml(["new", "mine"]).code(0).says("opsml run mine.md");
    env.opsml(["check", "mine.md"]).code(0).says("no problems");
    env.write("mine.md", "my own");
    for name in ["mine", "mine.md"] {
        env.opsml(["new", name]).code(2).complains("mine.md exists already");
    }
    assert_eq!(env.read("mine.md"), "my own");
    env.opsml(["new", "no/such/folder"]).code(2).complains("no/such/folder.md");
}

#[test]
fn schema_has_every_kind() {
    let env = Env::new();
    let schema: Value = serde_json::from_str(&env.opsml(["schema"]).code(0).stdout).unwrap();
    for kind in opsml::step::kinds() {
        let block = &schema["blocks"][kind.name];
        assert_eq!(block["body"]["properties"][kind.name]["type"], "object", "{}", kind.name);
        assert_eq!(block["outputs"]["type"], "object", "{}", kind.name);
        assert!(block["body"]["properties"]["expect"].is_object());
        let one: Value = serde_json::from_str(&env.opsml(["schema", kind.name]).code(0).stdout).unwrap();
        assert_eq!(one, *block);
    }
    assert!(schema["front_matter"]["properties"]["params"].is_object());
    env.opsml(["schema", "trian"]).code(2).complains("did you mean `train`?");
}

#[test]
fn completions_for_every_shell() {
    let env = Env::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        env.opsml(["completions", shell]).code(0).says("opsml").says("doctor");
    }
}

#[test]
fn doctor_names_what_is_missing_and_the_way_out() {
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
    env.opsml(["run", "small.md", "--until", "trian"]).code(2).complains("no step `trian`");
    env.opsml(["run", "none.md"]).code(2).complains("none.md: No such file");
    env.opsml(["run", "small.md", "--target", "mars"]).code(2).complains("there is no target `mars`");
    env.opsml(["check"]).code(2);
    env.write("latin1.md", b"# caf\xe9\n");
    env.opsml(["check", "latin1.md"]).code(2).complains("latin1.md:1: a runbook is UTF-8 text");
    assert!(!env.cloud().exists());
}
