//! A part of a runbook: which steps run, a plan that is kept, a step with another id, and what `down` keeps.

use crate::env::{Env, mutating};
use crate::small::started;

/// `greet` uses `name`, `bucket` and `role` own something, and `role` uses `bucket`.
const RUNBOOK: &str = r#"---
title: Parts
params:
  who: {default: world}
---
```opsml name
command: {run: [echo, "{{ params.who }}"]}
labels: [words]
```

```opsml greet
command: {run: [echo, "hello {{ name.stdout }}"]}
labels: [words]
```

```opsml bucket
bucket: {}
```

```opsml role
role:
  allow:
    - actions: [s3:ListBucket]
      resources: ["{{ bucket.arn }}"]
```
"#;

fn parts() -> Env {
    let env = Env::new();
    env.write("parts.md", RUNBOOK);
    env
}

#[test]
fn a_run_is_about_the_steps_that_are_chosen() {
    let env = parts();
    let run = |arguments: &[&str]| env.opsml(["run", "parts.md"].iter().chain(arguments));

    run(&["--only", "greet"])
        .code(2)
        .complains("`greet` uses `name`, which has not run and is not selected")
        .complains("--only +greet runs what it needs, too");
    assert!(!env.cloud().join("state.db").exists() || env.events("parts") <= 1, "nothing has run");

    let ran = run(&["--only", "+greet"]).code(0);
    assert_eq!(started(&ran.stdout), ["name", "greet"]);
    ran.says("done: 2 steps ran, 0 kept, 2 left out");

    let kept = run(&["--only", "greet"]).code(0);
    assert_eq!(started(&kept.stdout), [""; 0]);
    assert_eq!(started(&run(&["--only", "greet", "--force", "greet"]).code(0).stdout), ["greet"]);
    assert_eq!(
        started(&run(&["--until", "label:words", "--force", "label:words"]).code(0).stdout),
        ["name", "greet"]
    );
    assert_eq!(started(&run(&["--from", "bucket", "--skip", "role"]).code(0).stdout), ["bucket"]);
    assert_eq!(started(&run(&["--only", "bucket+"]).code(0).stdout), ["role"]);

    for (arguments, why, hint) in [
        (&["--only", "gret"][..], "the runbook has no step `gret`", "did you mean `greet`?"),
        (&["--skip", "label:word"], "no step of the runbook has the label `word`", "did you mean `words`?"),
        (&["--from", "+greet"], "`+greet`: --from and --until take a step or label:NAME", "--only +STEP"),
        (
            &["--only", "name", "--force", "greet"],
            "--force names `greet`, which the other options leave out",
            "",
        ),
    ] {
        run(arguments).code(2).complains(why).complains(hint);
    }
}

#[test]
fn a_chosen_step_uses_what_a_stale_one_did_last_and_the_run_says_so() {
    let env = parts();
    env.opsml(["run", "parts.md", "--only", "label:words"]).code(0);
    let ran = env.opsml(["run", "parts.md", "-p", "who=moon", "--only", "greet", "--force", "greet"]).code(0);
    assert_eq!(started(&ran.stdout), ["greet"]);
    ran.says("= name: not selected, and would run (changed: run")
        .says("later steps use what its last run left")
        .says("✓ greet: hello world");
}

#[test]
fn a_plan_of_a_part_is_about_that_part() {
    let env = parts();
    let plan = env.opsml(["plan", "parts.md", "--skip", "label:words"]).code(0);
    let steps: Vec<&str> = plan.stdout.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(steps[..2], ["bucket", "role"], "{}", plan.stdout);
}

#[test]
fn a_plan_that_is_kept_is_what_runs() {
    let env = parts();
    let plan = ["plan", "parts.md", "-p", "who=moon", "--only", "+greet", "--out", "parts.plan"];
    env.opsml(plan).code(0).says("kept; this does what it says: opsml run parts.plan");

    env.opsml(["run", "parts.plan", "-p", "who=sun"]).code(2).complains("opsml plan takes these options");
    let ran = env.opsml(["run", "parts.plan"]).code(0);
    assert_eq!(started(&ran.stdout), ["name", "greet"]);
    ran.says("✓ greet: hello moon");

    // It is of the state before that run.
    env.opsml(["run", "parts.plan"]).code(6).complains("the plan no longer holds: parts.md has run since");

    env.opsml(plan).code(0);
    env.write("parts.md", RUNBOOK.replace("hello", "good day"));
    env.opsml(["run", "parts.plan"])
        .code(6)
        .complains("the plan no longer holds: parts.md has changed since");
    env.opsml(["show", "parts.md", "greet"]).code(0).says("hello moon");

    env.write("parts.plan", env.read("parts.plan").replace("\"opsml_plan\": 1", "\"opsml_plan\": 99"));
    env.opsml(["run", "parts.plan"]).code(2).complains("the plan has the format 99");
    env.write("parts.plan", "{\"opsml_plan\": 1, \"steps\": []}");
    env.opsml(["run", "parts.plan"]).code(2).complains("the plan is damaged");
}

#[test]
fn a_plan_is_refused_where_the_account_has_moved() {
    let env = parts();
    env.opsml(["run", "parts.md", "--only", "bucket"]).code(0);
    env.opsml(["plan", "parts.md", "--only", "label:words,bucket", "--out", "kept.plan"]).code(0);
    env.python("import boto3\ns3 = boto3.client('s3')\nfor one in s3.list_buckets()['Buckets']:\n    s3.delete_bucket(Bucket=one['Name'])");
    env.opsml(["run", "kept.plan"])
        .code(6)
        .complains("the plan leaves the step as it is, and now it would run: gone: bucket");
    assert!(env.account()["buckets"].as_array().unwrap().is_empty());
}

#[test]
fn no_plan_keeps_a_secret() {
    let env = Env::new();
    let runbook = "---\ntitle: t\nparams:\n  api_key: {default: none}\n  token: {secret: true}\n---\n```opsml one\ncommand: {run: [echo, \"{{ params.api_key | length | string }}\"]}\n```\n";
    env.write("one.md", runbook);
    let plan = ["plan", "one.md", "-p", "token=hunter2hunter2", "--out", "one.plan"];
    env.opsml(plan.iter().chain(&["-p", "api_key=s3cr3ts3cr3ts3cr3t"]))
        .code(2)
        .complains("the parameter `api_key` holds a secret, which no plan keeps")
        .complains("OPSML_PARAM_API_KEY");
    assert!(!env.path("one.plan").exists());
    env.opsml(plan).code(0);
    assert!(!env.read("one.plan").contains("hunter2"));
    env.opsml(["run", "one.plan"]).code(2).complains("OPSML_PARAM_TOKEN");
    let run = env.command(["run", "one.plan"]).env("OPSML_PARAM_TOKEN", "hunter2hunter2").output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

#[test]
fn a_step_with_another_id_keeps_what_it_made() {
    let env = parts();
    env.opsml(["run", "parts.md"]).code(0);
    let before = env.account();
    let (last, _) = env.calls(0);

    let renamed = RUNBOOK.replace("opsml bucket\n", "opsml store\n").replace("bucket.arn", "store.arn");
    let moved = renamed.replace("params:", "moved: {bucket: store}\nparams:");
    env.write("parts.md", &moved);
    let plan = env.opsml(["plan", "parts.md"]).code(0);
    assert!(
        plan.stdout.lines().all(|line| !line.contains(" run ") && !line.contains("delete")),
        "{}",
        plan.stdout
    );
    env.opsml(["run", "parts.md"]).code(0).says("nothing to do: 4 steps kept");
    let (_, calls) = env.calls(last);
    assert!(mutating(&calls).is_empty(), "{calls:?}");
    assert_eq!(env.account(), before);
    env.opsml(["show", "parts.md", "store"]).code(0).says("bucket");

    // The line may stay in the file, and may go.
    env.opsml(["run", "parts.md"]).code(0).says("nothing to do");
    env.write("parts.md", &renamed);
    env.opsml(["run", "parts.md"]).code(0).says("nothing to do");
    env.opsml(["down", "parts.md"]).code(0).says("nothing of parts.md is left");
}

#[test]
fn what_cannot_have_moved_is_refused() {
    let env = parts();
    for (moved, why) in [
        ("{name: greet}", "the runbook still has the step `name`, so it has not moved"),
        ("{old: nowhere}", "there is no step `nowhere`"),
        ("{old: name, older: name}", "two steps can't both become `name`"),
    ] {
        env.write("parts.md", RUNBOOK.replace("params:", &format!("moved: {moved}\nparams:")));
        env.opsml(["check", "parts.md"]).code(2).says(why);
    }
    // Both have made something.
    env.write("parts.md", RUNBOOK);
    env.opsml(["run", "parts.md"]).code(0);
    let second = "\n```opsml store\nbucket: {}\n```\n";
    env.write("parts.md", format!("{RUNBOOK}{second}"));
    env.opsml(["run", "parts.md"]).code(0);
    let renamed = RUNBOOK.replace("opsml bucket\nbucket: {}\n```\n", "opsml store\nbucket: {}\n```\n");
    let renamed =
        renamed.replace("bucket.arn", "store.arn").replace("params:", "moved: {bucket: store}\nparams:");
    env.write("parts.md", renamed);
    env.opsml(["run", "parts.md"])
        .code(2)
        .complains("`bucket` can't become `store`: both have live resources");
}

#[test]
fn down_deletes_a_part_and_keeps_what_it_must() {
    let env = parts();
    env.opsml(["run", "parts.md"]).code(0);
    let buckets = || env.account()["buckets"].as_array().unwrap().len();

    env.opsml(["down", "parts.md", "bucket"])
        .code(2)
        .complains("of `role` still uses `bucket`")
        .complains("opsml down parts.md bucket+ deletes what uses it, too");
    let rehearsal = env.opsml(["down", "parts.md", "--dry-run"]).code(0);
    let lines: Vec<&str> = rehearsal.stdout.lines().collect();
    assert!(lines[0].starts_with("would delete 2 resources"), "{lines:?}");
    assert!(lines[2].ends_with("of `bucket`"), "newest first: {lines:?}");
    assert_eq!(buckets(), 1);

    env.opsml(["down", "parts.md", "role"]).code(0).says("deleted 1 resource; kept 1 resource of `bucket`");
    assert_eq!(buckets(), 1);
    env.opsml(["run", "parts.md"]).code(0).says("▶ role (role): gone: role");

    // What is kept needs the bucket.
    env.write("parts.md", RUNBOOK.replace("role:\n  allow", "keep: true\nrole:\n  allow"));
    env.opsml(["down", "parts.md"]).code(0).says("deleted 0 resources; kept 2 resources of `bucket`, `role`");
    env.opsml(["down", "parts.md", "bucket"]).code(2).complains("`bucket` is kept").complains("--all");

    // A runbook that can't be read may keep something.
    let whole = env.read("parts.md");
    env.write("parts.md", whole.replace("bucket: {}", "bucket: {"));
    env.opsml(["down", "parts.md"]).code(2).complains("what it keeps is not known").complains("--all");
    env.write("parts.md", whole);
    env.opsml(["down", "parts.md", "--all"]).code(0).says("deleted 2 resources; nothing of parts.md is left");
    assert_eq!(buckets(), 0);
}
