//! What continuous integration sees of a run: JUnit's XML, the summary, annotations and exit codes.

use std::process::Command;

use clap::Parser;
use opsml::cli::Cli;
use opsml::runbook::yaml;
use serde_json::{Value, json};

use crate::env::{Env, ran};

/// A step that is done, one that is skipped, one that fails with all that XML can't hold, and one that is not reached.
const RUNBOOK: &str = r#"---
title: A <run> & "more"
params:
  token: {secret: true}
---
# Steps

```opsml first
command:
  run: [sh, -c, 'echo it is {{ params.token }}']
```

```opsml never
command:
  run: [touch, never]
when: 1 > 2
```

```opsml bad
command:
  run: [sh, -c, 'test -e well || { printf "]]>\001\033\377<b> | %s" {{ params.token }} >&2; exit 3; }']
```

```opsml after
command:
  run: ["true"]
```
"#;

const SECRET: &str = "correct-horse-battery";

fn env() -> Env {
    let env = Env::new();
    env.write("runbooks/ci.md", RUNBOOK);
    env.with("OPSML_PARAM_TOKEN", SECRET)
}

/// Returns the test cases of a document, as Python's parser reads it: each with its attributes and what it has.
fn read(xml: &str) -> Value {
    const READ: &str = r#"
import json, sys, xml.etree.ElementTree as tree
root = tree.fromstring(sys.argv[1].encode())
cases = {}
for case in root.iter("testcase"):
    cases[case.get("name")] = {**case.attrib, "has": {c.tag: [c.get("message") or "", c.text or ""] for c in case}}
print(json.dumps({"suite": dict(root.find("testsuite").attrib), "all": dict(root.attrib), "cases": cases}))
"#;
    let read = ran(Command::new("python3").args(["-c", READ, xml])).code(0);
    serde_json::from_str(&read.stdout).unwrap()
}

#[test]
fn junit_has_a_case_for_each_step_and_stays_xml() {
    let env = env();
    let run = env.opsml(["run", "runbooks/ci.md", "--format", "junit"]).code(1);
    assert!(run.stdout.starts_with("<?xml"), "nothing else is on standard output: {}", run.stdout);
    assert!(!run.stdout.contains(SECRET) && !run.stderr.contains(SECRET), "{}", run.stdout);
    assert!(run.stderr.contains("✓ first: it is [redacted] ("), "progress is beside it: {}", run.stderr);
    let results = read(&run.stdout);
    let suite = &results["suite"];
    assert_eq!(suite["name"], "A <run> & \"more\"");
    let counts = ["tests", "failures", "errors", "skipped"].map(|name| suite[name].as_str().unwrap());
    assert_eq!(counts, ["4", "1", "0", "2"]);
    assert!(suite["timestamp"].as_str().unwrap().contains('T'), "{suite}");
    let cases = &results["cases"];
    assert_eq!(cases["first"]["classname"], "ci");
    assert_eq!(cases["first"]["has"]["system-out"][1], "it is [redacted]");
    assert!(cases["first"]["time"].as_str().unwrap().parse::<f64>().unwrap() >= 0.0);
    assert_eq!(cases["never"]["has"]["skipped"][0], "`1 > 2` does not hold");
    assert_eq!(cases["after"]["has"]["skipped"][0], "the run ended before this step");
    let bad = cases["bad"]["has"]["failure"][1].as_str().unwrap();
    assert_eq!((&cases["bad"]["file"], &cases["bad"]["line"]), (&json!("runbooks/ci.md"), &json!("19")));
    assert!(bad.starts_with("step `bad` (runbooks/ci.md:19): Command: "), "{bad}");
    assert!(bad.contains("]]>") && bad.contains("<b> | [redacted]"), "{bad}");
    // What is repaired goes on; what was done is kept, and no failure.
    env.write("runbooks/well", "");
    let results = read(&env.opsml(["run", "runbooks/ci.md", "--format", "junit"]).code(0).stdout);
    assert_eq!(results["all"]["failures"], "0");
    assert_eq!(results["cases"]["first"]["has"]["system-out"][1], "kept: it is [redacted]");
    assert_eq!(results["cases"]["after"]["has"], json!({"system-out": ["", ""]}));
    assert!(env.path("reports/ci/report.md").exists());
}

#[test]
fn the_summary_has_the_steps_the_failure_and_the_costs() {
    let env = env();
    env.write("summary.md", "# Of an earlier step\n");
    let file = env.path("summary.md");
    let env = env.with("GITHUB_STEP_SUMMARY", file);
    env.opsml(["run", "runbooks/ci.md"]).code(1).says("▶ bad");
    let summary = env.read("summary.md");
    let start = "# Of an earlier step\n### ❌ A &lt;run&gt; &amp; \"more\": failed at bad\n";
    assert!(summary.starts_with(start), "{summary}");
    assert!(summary.contains("4 steps: 1 done, 1 skipped, 1 failed, 1 not reached, in "), "{summary}");
    assert!(summary.contains("| first | command | ✅ done | "), "{summary}");
    assert!(summary.contains(r"| bad | command | ❌ failed | "), "{summary}");
    assert!(summary.contains("```text\nstep `bad` (runbooks/ci.md:19): Command: `sh` ended"), "{summary}");
    assert!(summary.contains("\nOn AWS, this would have cost 0.00 USD in all runs so far"), "{summary}");
    assert!(!summary.contains(SECRET) && !summary.contains('\u{1b}'), "{summary}");
    env.write("runbooks/well", "");
    env.opsml(["run", "runbooks/ci.md"]).code(0);
    let both = env.read("summary.md");
    let second = both.strip_prefix(&summary).expect("the second run's is below the first's");
    assert!(second.starts_with("### ✅ A "), "{second}");
    // A summary that can't be written changes nothing.
    let env = env.with("GITHUB_STEP_SUMMARY", "no/such/folder/file");
    env.opsml(["run", "runbooks/ci.md"]).code(0).complains("no summary was written to no/such/folder/file");
}

#[test]
fn annotations_point_into_the_runbook() {
    let env = env();
    let root = env.work();
    let env = env.with("GITHUB_ACTIONS", "true").with("GITHUB_WORKSPACE", root);
    // As with `working-directory`, GitHub knows the file by its path from the root of the repository.
    let run = ran(env.command(["run", "ci.md"]).current_dir(env.path("runbooks"))).code(1);
    let line = run.stderr.lines().find(|line| line.starts_with("::error ")).unwrap();
    assert!(
        line.starts_with("::error file=runbooks/ci.md,line=19,endLine=19,title=step bad::Command"),
        "{line}"
    );
    assert!(!line.contains(SECRET), "{line}");
    env.write(
        "runbooks/wrong.md",
        "# Wrong\n\n```opsml a\ncomand:\n  run: [echo]\n```\n\n``` opsml-b\n```\n",
    );
    for verb in ["check", "run"] {
        let wrong = env.opsml([verb, "runbooks/wrong.md"]).code(2);
        let error = "::error file=runbooks/wrong.md,line=4,endLine=4,col=1,title=opsml check::there is no kind of step \
                     `comand`%0Ahint: did you mean `command`?\n";
        let wrong = wrong.complains(error);
        wrong.complains("::warning file=runbooks/wrong.md,line=8,");
    }
    // Elsewhere nobody reads them.
    let env = Env::new();
    env.write("wrong.md", "```opsml a\ncomand:\n```\n");
    let wrong = env.opsml(["check", "wrong.md"]).code(2);
    assert!(!wrong.stderr.contains("::error") && !wrong.stdout.contains("::error"));
}

/// Why no step has run is in the XML and in the summary, too.
#[test]
fn what_ends_a_run_before_its_first_step_is_told() {
    let env = Env::new();
    env.write("wrong.md", "# Wrong\n\n```opsml a\ncomand:\n```\n");
    let file = env.path("summary.md");
    let env = env.with("GITHUB_STEP_SUMMARY", file);
    let run = env.opsml(["run", "wrong.md", "--format", "junit"]).code(2);
    let results = read(&run.stdout);
    assert_eq!((&results["all"]["tests"], &results["all"]["errors"]), (&json!("1"), &json!("1")));
    let error = results["cases"]["run"]["has"]["error"][1].as_str().unwrap();
    assert!(
        error.contains("there is no kind of step `comand`") && error.contains("--> wrong.md:4:1"),
        "{error}"
    );
    assert!(env.read("summary.md").contains("there is no kind of step `comand`"));
    let run = env.opsml(["run", "none.md", "--format", "junit"]).code(2);
    let error = read(&run.stdout)["cases"]["run"]["has"]["error"][1].to_string();
    assert!(error.contains("none.md: No such file") && error.contains("hint: opsml new none.md"), "{error}");
    let block = "```opsml a\ncommand:\n  run: [echo, \"3\"]\nexpect: [\"stdout == '4'\"]\n```\n";
    env.write("expect.md", block);
    let run = env.opsml(["run", "expect.md", "--format", "junit"]).code(4);
    assert_eq!(
        read(&run.stdout)["cases"]["a"]["has"]["failure"][0],
        "`stdout == '4'` does not hold (stdout is \"3\")"
    );
}

/// The example is YAML, and each of its command lines is one that opsml takes.
#[test]
fn the_example_workflow_uses_only_what_there_is() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/github-workflow.yml");
    let text = std::fs::read_to_string(file).unwrap();
    let mut problems = Vec::new();
    let node = yaml::parse(&text, 0..text.len(), &mut problems).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let workflow = node.to_value();
    let steps =
        workflow["jobs"].as_object().unwrap().values().flat_map(|job| job["steps"].as_array().unwrap());
    let scripts: Vec<&str> = steps.filter_map(|step| step["run"].as_str()).collect();
    let lines = scripts.iter().flat_map(|script| script.lines()).filter(|line| line.starts_with("opsml "));
    let mut verbs = Vec::new();
    for line in lines {
        let words = line.split(' ').take_while(|word| *word != ">");
        Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{line}: {error}"));
        verbs.extend(line.split(' ').nth(1));
    }
    assert_eq!(verbs, ["check", "run", "down", "plan", "run", "down"]);
}
