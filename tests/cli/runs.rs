//! What the runs of a runbook were: status, history, two runs side by side, and the page that fills itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;

use serde_json::Value;

use crate::cloud::repository;
use crate::env::{Env, Started};
use crate::page::look;

const COUNTS: &str = r#"---
title: Runs
params:
  count: {default: 3}
---
```opsml many
command: {run: [sh, -c, "echo one; echo two"]}
```

```opsml measure
command: {run: [sh, -c, "exit {{ params.count - 3 }}"]}
```

```opsml bucket
bucket: {}
```

```opsml last
command: {run: [echo, "{{ bucket.name }}"]}
```
"#;

fn counts() -> Env {
    let env = Env::new();
    env.write("runs.md", COUNTS);
    env
}

#[test]
fn status_has_every_step_and_what_has_become_of_it() {
    let env = counts();
    env.opsml(["run", "runs.md", "--until", "bucket"]).code(0);
    let status = env.opsml(["status", "runs.md"]).code(0);
    let state = |text: &str, step: &str| {
        let line = text.lines().find(|line| line.starts_with(&format!("{step} "))).unwrap().to_owned();
        line.split("  ").filter(|cell| !cell.trim().is_empty()).nth(2).unwrap().trim().to_owned()
    };
    assert_eq!(state(&status.stdout, "bucket"), "done", "{}", status.stdout);
    assert_eq!(state(&status.stdout, "last"), "not begun");
    assert!(!status.stdout.contains("\\n"), "{}", status.stdout);
    assert!(status.stdout.contains("1 live resource\n"), "{}", status.stdout);

    env.opsml(["down", "runs.md"]).code(0);
    let status = env.opsml(["status", "runs.md"]).code(0).says("0 live resources");
    assert_eq!(state(&status.stdout, "bucket"), "deleted");
    assert_eq!(state(&status.stdout, "measure"), "done");

    env.write("runs.md", COUNTS.replace("opsml last\n", "opsml final\n"));
    env.opsml(["run", "runs.md"]).code(0);
    env.write(
        "runs.md",
        COUNTS.replace("```opsml last\ncommand: {run: [echo, \"{{ bucket.name }}\"]}\n```\n", ""),
    );
    env.opsml(["status", "runs.md"]).code(0).says("no longer in the runbook");
}

#[test]
fn history_says_what_was_new_in_each_run() {
    let env = counts();
    env.opsml(["run", "runs.md"]).code(0);
    env.opsml(["run", "runs.md", "-p", "count=5"]).code(1);
    env.opsml(["run", "runs.md"]).code(0);
    let history = env.opsml(["history", "runs.md"]).code(0);
    let lines: Vec<&str> = history.stdout.lines().collect();
    assert!(
        lines[0].starts_with("run 1 ") && lines[0].contains("  done ") && lines[0].contains("4 steps ran"),
        "{lines:#?}"
    );
    assert!(
        lines[1].starts_with("run 2 ") && lines[1].contains("  failed ") && lines[1].contains("1 step ran"),
        "{lines:#?}"
    );
    assert_eq!(lines[2].trim(), "count: 3 → 5");
    assert!(lines[3].trim().starts_with("measure: "), "{lines:#?}");
    assert!(lines[4].starts_with("run 3 ") && lines[5].trim() == "count: 5 → 3", "{lines:#?}");
    let runs: Value =
        serde_json::from_str(&env.opsml(["history", "runs.md", "--format", "json"]).code(0).stdout).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 3);
}

#[test]
fn two_runs_stand_side_by_side() {
    let env = counts();
    env.opsml(["run", "runs.md"]).code(0);
    env.opsml(["run", "runs.md", "-p", "count=4"]).code(1);
    let diff = env.opsml(["diff", "runs.md", "1", "last"]).code(0);
    let line = |start: &str| {
        let found = diff.stdout.lines().find(|line| line.trim_start().starts_with(start));
        found.unwrap_or_else(|| panic!("no {start} in {}", diff.stdout)).to_owned()
    };
    assert!(line("count").contains("3") && line("count").ends_with("+1 (+33.3 %)"), "{}", line("count"));
    assert!(
        line("measure: command.run[2]").contains("exit 0")
            && line("measure: command.run[2]").ends_with("exit 1")
    );
    assert!(line("measure: status").contains("done  failed"), "{}", line("measure: status"));
    assert!(!diff.stdout.contains("many:"), "what does not differ is left out: {}", diff.stdout);

    env.opsml(["diff", "runs.md", "1", "1"]).code(0).says("nothing differs");
    env.opsml(["diff", "runs.md", "1", "7"]).code(2).complains("there is no run `7`: the last is 2");
    env.opsml(["diff", "runs.md", "1", "2", "--html", "diff.html"]).code(0);
    let page = env.read("diff.html");
    assert!(page.contains("<code>count</code>") && page.contains("+1 (+33.3 %)"), "{page}");
    look(&[&env.path("diff.html")]);
}

const SLOW: &str = r#"---
title: Watched
---
It says: {{ first.stdout }}. And then: {{ second.stdout }}.

```opsml first
command: {run: [echo, said by the first]}
```

```opsml second
command: {run: [sh, -c, "until [ -e go ]; do sleep 0.05; done; echo said by the second"]}
```
"#;

/// Returns the address that a command has printed.
fn address(started: &mut Started) -> String {
    assert!(started.wait_for("/\n"), "{}", started.said());
    let said = started.said();
    said.lines().find_map(|line| line.strip_prefix("watch: ")).unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn watches(env: &Env, url: &str) {
    let chromium = std::env::var_os("OPSML_TEST_CHROMIUM").unwrap_or_else(|| "chromium".into());
    let mut python = Command::new("python3");
    python.arg(repository("tests/cli/page/watch.py")).arg(chromium).arg(url).arg(env.path("go"));
    let output = python.output().unwrap();
    let (problems, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && problems.is_empty(), "{problems}{error}");
}

#[test]
fn the_page_fills_itself_while_another_process_runs() {
    let env = Env::new();
    env.write("slow.md", SLOW);
    let mut watch = env.start(["watch", "slow.md"], "watch.txt");
    let url = address(&mut watch);
    let mut run = env.start(["run", "slow.md"], "run.txt");
    watches(&env, &url);
    assert_eq!(run.wait(), 0, "{}", run.said());
    watch.interrupt();
    assert_eq!(watch.wait(), 0, "{}", watch.said());
}

#[test]
fn only_who_knows_the_address_sees_the_page() {
    let env = Env::new();
    env.write("slow.md", SLOW);
    let mut watch = env.start(["watch", "slow.md"], "watch.txt");
    let url = address(&mut watch);
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let ask = |path: &str, host_header: &str| {
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host_header}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let report = format!("{path}report");
    assert!(ask(&report, host).contains("<title>Watched</title>"));
    assert!(ask(&report, "evil.example").starts_with("HTTP/1.1 403"));
    assert!(ask("report", host).starts_with("HTTP/1.1 404"));
    let other: String = path.chars().map(|c| if c == '0' { '1' } else { c }).rev().collect();
    assert!(ask(&format!("{}/report", other.trim_matches('/')), host).starts_with("HTTP/1.1 404"));
    // A runbook that breaks meanwhile is said in the page, and the server stays.
    std::fs::remove_file(env.path("slow.md")).unwrap();
    assert!(ask(&report, host).starts_with("HTTP/1.1 503"));
    env.write("slow.md", SLOW);
    assert!(ask(&report, host).contains("<title>Watched</title>"));
}

#[test]
fn a_run_serves_its_own_page() {
    let env = Env::new();
    env.write("slow.md", SLOW);
    let mut run = env.start(["run", "slow.md", "--watch"], "run.txt");
    let url = address(&mut run);
    // The page can't be asked for its end: the server ends with the run.
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{path}events HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("goes on: second") {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    assert!(seen.contains("event: changed") && seen.contains("event: state"), "{seen}");
    env.write("go", "");
    assert_eq!(run.wait(), 0, "{}", run.said());
}
