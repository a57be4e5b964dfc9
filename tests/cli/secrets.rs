//! Secrets: none of many that are planted reaches anything that opsml writes, and none is needed there to go on.

use std::collections::BTreeMap;
use std::path::Path;

use crate::crash::executable;
use crate::env::{Env, Ran};
use crate::small::{small_with, through};

/// Thirty kinds. `{w36}` is replaced by as many characters of an alphabet, so that no secret stands in this repository.
const KINDS: &[&str] = &[
    "AKIA{U16}",
    "IQoJ{w300}",
    "ghp_{w36}",
    "github_pat_{w82}",
    "glpat-{w20}",
    "xoxb-{d12}-{w24}",
    "sk-proj-{w64}",
    "sk-ant-api03-{w90}",
    "hf_{w34}",
    "npm_{w36}",
    "pypi-AgEIcHlwaS5vcmc{w60}",
    "sk_live_{w24}",
    "whsec_{w32}",
    "eyJ{w33}.eyJ{w90}.{w43}",
    "AIza{w35}",
    "GOCSPX-{w28}",
    "SG.{w22}.{w43}",
    "dop_v1_{x64}",
    "dckr_pat_{w27}",
    "dapi{x32}",
    "glsa_{w32}_{x8}",
    "hvs.{w95}",
    "lin_api_{w40}",
    "ntn_{d11}{w35}",
    "NRAK-{U27}",
    "PMAK-{x24}-{x34}",
    "rubygems_{x48}",
    "shpat_{x32}",
    "AGE-SECRET-KEY-1{U58}",
    "{d10}:AA{w33}",
];

/// A private key, of which each line is a secret.
const KEY: &str =
    "-----BEGIN RSA PRIVATE KEY-----\n{b64}\n{c64}\n{b64}\n{c30}==\n-----END RSA PRIVATE KEY-----\n";

/// Returns a secret of a kind. The same seed gives the same one.
fn secret(kind: &str, seed: usize) -> String {
    let mut text = String::new();
    let mut rest = kind;
    while let Some((before, after)) = rest.split_once('{') {
        let (spec, behind) = after.split_once('}').unwrap();
        let alphabet = match &spec[..1] {
            "w" => "aZ3kQ9xTb7LmWc2RfYd8JnVg5HsPe4KuBi6",
            "x" => "3fa8c05e9d17b462",
            "U" => "A7QK2XM5PZ3RVW6TYJ",
            "d" => "8301927465",
            "b" => "MIIEpQIBAAKCAQEA7xJd/K9b+Lm3zT0yWq2sXv8h",
            "c" => "q7Xz/T2mP9vKb4LdW8nRc5YfHs1JgE6uA3oZ0iMt",
            other => panic!("{other}"),
        };
        text.push_str(before);
        text.extend(alphabet.chars().cycle().skip(seed * 7).take(spec[1..].parse().unwrap()));
        rest = behind;
    }
    text + rest
}

/// Two secrets of each kind.
fn planted() -> Vec<String> {
    KINDS.iter().flat_map(|kind| [secret(kind, 1), secret(kind, 2)]).collect()
}

/// Every file below a folder, by its path, as text.
fn files_below(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        match entry.path() {
            folder if folder.is_dir() => files_below(&folder, found),
            pdf if pdf.extension().is_some_and(|ending| ending == "pdf") => {
                found.insert(pdf.display().to_string(), crate::paper::text(&pdf));
            }
            file => {
                let bytes = std::fs::read(&file).unwrap();
                found.insert(file.display().to_string(), String::from_utf8_lossy(&bytes).into_owned());
            }
        }
    }
}

fn both(ran: &Ran) -> String {
    format!("{}\n{}", ran.stdout, ran.stderr)
}

/// Asserts that no text has one of the secrets, and prints how many were looked for in how many texts.
#[track_caller]
fn no_leaks(what: &str, secrets: &[String], sinks: &BTreeMap<String, String>) {
    let mut leaks = Vec::new();
    for (sink, text) in sinks {
        leaks.extend(secrets.iter().filter(|one| text.contains(*one)).map(|one| format!("{sink}: {one}")));
    }
    println!("{what}: {} leaks of {} secrets in {} sinks", leaks.len(), secrets.len(), sinks.len());
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
}

/// The runbook's own text has secrets in prose, code, fields and arguments; its steps print the others.
fn runbook(secrets: &[String]) -> String {
    let [first, second, third, ..] = secrets else { unreachable!() };
    format!(
        r#"---
title: Planted {first}
params:
  given: {{secret: true}}
  in_file: {{secret: true, help: from a file}}
  in_environment: {{secret: true}}
---
It is `{first}`, and **{second}**: [here](https://ann:{third}@example.com).

```sh
export API_KEY={third}
```

```opsml all
command:
  run: [cat, planted.txt]
  env: {{DB_PASSWORD: pl4nted-by-name, GIVEN: "{{{{ params.given }}}}"}}
caption: All of {second}
```

```opsml words
command:
  run: [sh, -c, 'echo "$@"; echo $DB_PASSWORD', sh, --password=pl4nted-by-flag, --api-key, pl4nted-by-item, "{{{{ params.given }}}}",
    "{{{{ params.in_file | upper }}}}", "a{{{{ params.in_environment }}}}b", {first}]
  env: {{DB_PASSWORD: "{{{{ params.in_file }}}}"}}
```

```opsml pieces
command:
  run: [sh, -c, "cat key.pem; sed -n 2,4p key.pem >&2; head -n 3 key.pem"]
```

```opsml fails
command:
  run: [sh, -c, "cat planted.txt key.pem >&2; tail -n 1 planted.txt >&2; exit 3"]
```

It said {{{{ all.stdout }}}}, `{{{{ words.stdout }}}}`, {{{{ pieces.stdout }}}}, {{{{ pieces.stderr }}}} and {{{{ params.given }}}}.
"#
    )
}

#[test]
fn no_sink_has_a_planted_secret() {
    let mut secrets = planted();
    let count = secrets.len();
    let key = secret(KEY, 1);
    let env =
        Env::new().with("OPSML_PARAM_IN_ENVIRONMENT", "pl4nted-variable").with("MY_TOKEN", "pl4nted-around");
    env.write("planted.txt", secrets.join("\n") + "\npl4nted-around");
    env.write("key.pem", &key);
    env.write("params.yaml", "in_file: pl4nted-in-file\n");
    env.write("p.md", runbook(&secrets));
    secrets.extend(key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    let words = ["by-name", "by-flag", "by-item", "in-file", "variable", "around", "given-\"x\"/y"];
    secrets.extend(words.iter().map(|word| format!("pl4nted-{word}")));
    secrets.push("PL4NTED-IN-FILE".into());
    secrets.push("pl4nted-given-\\\"x\\\"/y".into());

    let mut sinks = BTreeMap::new();
    let mut run = |name: &str, arguments: &[&str], code: i32| {
        let given = ["-p", "given=pl4nted-given-\"x\"/y", "-f", "params.yaml"];
        let takes = ["run", "plan", "check"].contains(&arguments[0]);
        for format in ["text", "json"] {
            let mut all = arguments.to_vec();
            all.extend(["--format", format]);
            all.extend(given.iter().filter(|_| takes));
            let ran = env.opsml(&all).code(code);
            sinks.insert(format!("{name} as {format}"), both(&ran));
        }
    };
    run("plan before", &["plan", "p.md"], 0);
    run("run", &["run", "p.md"], 1);
    run("plan after", &["plan", "p.md"], 0);
    run("check", &["check", "p.md"], 0);
    run("status", &["status", "p.md"], 0);
    for step in ["all", "words", "pieces", "fails"] {
        run(&format!("show {step}"), &["show", "p.md", step], 0);
    }
    run("logs", &["logs", "p.md", "all"], 2);
    // The arguments change, and a mistake stands in the line of a secret.
    let changed = runbook(&planted())
        .replace("pl4nted-by-flag", "pl4nted-anew")
        .replace("DB_PASSWORD:", "DB_PASSWORD :");
    env.write("p.md", changed.replace("env: {DB_PASSWORD", "emv: {DB_PASSWORD"));
    run("check of a mistake", &["check", "p.md"], 2);
    run("run of a mistake", &["run", "p.md"], 2);
    env.write("p.md", changed);
    run("plan of a change", &["plan", "p.md"], 0);
    sinks.insert("report".into(), both(&env.opsml(["report", "p.md"]).code(0)));
    files_below(&env.path("reports"), &mut sinks);
    files_below(&env.path(".opsml"), &mut sinks);
    assert!(
        sinks.keys().any(|sink| sink.ends_with("report.html"))
            && sinks.keys().any(|sink| sink.ends_with("report.pdf"))
            && sinks.keys().any(|sink| sink.ends_with(".db"))
    );
    no_leaks(
        &format!("{count} of {} kinds and {} more", KINDS.len(), secrets.len() - count),
        &secrets,
        &sinks,
    );
    for sink in ["run as text", "run as json", "show all as text", "status as json"] {
        assert!(sinks[sink].contains("[redacted]"), "{sink}:\n{}", sinks[sink]);
    }
}

#[test]
fn the_log_of_a_job_has_no_secret() {
    let secrets = planted();
    let key = secret(KEY, 1);
    let env = small_with(&through("train"));
    // A job sees no file of the machine's /tmp, so its program brings the text.
    let planted = format!("<<'PLANTED'\n{}\n{key}\nPLANTED\n", secrets.join("\n"));
    let worker = env.write("worker.sh", format!("#!/bin/sh\ncat {planted}head -n 9 >&2 {planted}exit 3\n"));
    executable(Path::new(&worker));
    let env = env.with("OPSML_WORKER", worker);
    let mut sinks = BTreeMap::new();
    sinks.insert("run".to_owned(), both(&env.opsml(["run", "small.md"]).code(1)));
    for format in ["text", "json"] {
        let logs = env.opsml(["logs", "small.md", "train", "--format", format]).code(0).says("[redacted]");
        sinks.insert(format!("logs as {format}"), both(&logs));
    }
    let mut lines = secrets.clone();
    lines.extend(key.lines().filter(|line| !line.starts_with('-')).map(str::to_owned));
    files_below(&env.path("reports"), &mut sinks);
    files_below(&env.path(".opsml/small"), &mut sinks);
    no_leaks("a job's log", &lines, &sinks);
}

/// A step that writes its secret where the test can see it.
const WRITES: &str = "---\nparams:\n  token: {secret: true}\n---\n```opsml a\ncommand:\n  run: [sh, -c, 'printf %s \"$T\" > got']\n  env: {T: \"{{ params.token }}\"}\n```\n";

#[test]
fn a_secret_parameter_is_given_at_each_run_and_kept_by_none() {
    let env = Env::new();
    env.write("s.md", WRITES);
    env.opsml(["run", "s.md"])
        .code(2)
        .complains("parameter `token` is secret")
        .complains("OPSML_PARAM_TOKEN");
    env.opsml(["run", "s.md", "-p", "token=hunter2"]).code(0);
    assert_eq!(env.read("got"), "hunter2");
    // It is not there for the next run, which says so, and is the same from wherever it comes.
    env.opsml(["run", "s.md"]).code(2).complains("no run keeps it");
    env.opsml(["plan", "s.md"]).code(2).complains("OPSML_PARAM_TOKEN");
    env.write("p.yaml", "token: hunter2\n");
    env.opsml(["run", "s.md", "-f", "p.yaml"]).code(0).says("nothing to do");
    let env = env.with("OPSML_PARAM_TOKEN", "hunter2");
    env.opsml(["run", "s.md"]).code(0).says("nothing to do");
    // Another value makes the step stale, and neither is shown.
    let planned = env.opsml(["plan", "s.md", "-p", "token=hunter3"]).code(0).says("changed: ");
    let ran = env.opsml(["run", "s.md", "-p", "token=hunter3"]).code(0).says("changed: ");
    assert_eq!(env.read("got"), "hunter3");
    let mut sinks = BTreeMap::from([("plan".to_owned(), both(&planned)), ("run".to_owned(), both(&ran))]);
    files_below(&env.path(".opsml"), &mut sinks);
    files_below(&env.path("reports"), &mut sinks);
    no_leaks("a parameter", &["hunter2".into(), "hunter3".into()], &sinks);
    env.opsml(["run", "s.md", "-p", "token=abc"]).code(2).complains("too short");
    env.opsml(["run", "s.md", "-p", "token=hunter3", "-p", "x=hunter3"])
        .code(2)
        .complains("no parameter `x`");
}

#[test]
fn a_secret_parameter_has_no_default_and_is_text() {
    let env = Env::new();
    env.write("s.md", WRITES.replace("{secret: true}", "{secret: true, default: hunter2}"));
    let checked =
        env.opsml(["check", "s.md"]).code(2).says("a default stands in the file").says("[redacted]");
    assert!(!checked.stdout.contains("hunter2"), "{}", checked.stdout);
    env.write("s.md", WRITES.replace("{secret: true}", "{secret: true, type: integer}"));
    env.opsml(["check", "s.md"]).code(2).says("a secret is text");
}

#[test]
fn an_excerpt_is_masked_and_its_carets_stay() {
    let env = Env::new();
    let token = secret("glpat-{w20}", 1);
    env.write(
        "s.md",
        format!("```opsml a\ncommand: {{run: [x, {token}, password: hunter2], wrong: 1}}\n```\n"),
    );
    let checked = env.opsml(["check", "s.md"]).code(2);
    let lines: Vec<&str> = checked.stdout.lines().collect();
    assert!(!checked.stdout.contains(&token) && !checked.stdout.contains("hunter2"), "{}", checked.stdout);
    let carets =
        lines.iter().position(|line| line.trim_start_matches([' ', '|']).starts_with("^^^^^")).unwrap();
    let at = lines[carets].find('^').unwrap();
    assert!(
        ["wrong", "[redac", "passw"].iter().any(|word| lines[carets - 1][at..].starts_with(word)),
        "{}",
        checked.stdout
    );
}

/// What an earlier step has printed is masked in the journal. It never reaches a later step as a mask.
#[test]
fn a_mask_is_never_taken_for_the_value() {
    let env = Env::new();
    let token = secret("ghp_{w36}", 1);
    env.write("token", &token);
    env.write(
        "s.md",
        "```opsml a\ncommand:\n  run: [cat, token]\n```\n\n```opsml b\ncommand:\n  run: [echo, \"{{ a.stdout }}\"]\n```\n",
    );
    let ran =
        env.opsml(["run", "s.md"]).code(1).complains("the journal keeps none").complains("secret: true");
    assert!(!both(&ran).contains(&token), "{}", both(&ran));
}

#[test]
fn a_masked_write_up_is_well_formed() {
    let env = Env::new();
    env.write("said", "password=<img src=x onerror=alert(1)> token=hunter2` *em* <b>");
    env.write(
        "s.md",
        "```opsml a\ncommand:\n  run: [cat, said]\n```\n\nIt is `password={{ a.stdout }}` and `token=hunter22` **then**.\n\n\
         `{{ a.stdout }}` and *more*: token: `{{ a.stdout }}` **end**.\n",
    );
    env.opsml(["run", "s.md"]).code(0);
    let mut rendered = String::new();
    let markdown = env.read("reports/s/report.md");
    pulldown_cmark::html::push_html(
        &mut rendered,
        pulldown_cmark::Parser::new_ext(&markdown, pulldown_cmark::Options::all()),
    );
    let page = env.read("reports/s/report.html");
    for text in [&rendered, &page] {
        for live in ["<img src=x", "<em>em</em>", "hunter2"] {
            assert!(!text.contains(live), "`{live}` in\n{text}");
        }
        for whole in
            ["<strong>then</strong>", "<em>more</em>", "<strong>end</strong>", "token=[redacted]</code>"]
        {
            assert!(text.contains(whole), "no `{whole}` in\n{text}");
        }
    }
}

#[test]
fn a_function_gets_the_real_value() {
    let env = Env::new();
    env.write("code.py", "def handler(event, context):\n    return 1\n");
    let runbook = |memory: u32| {
        format!(
            "---\nparams:\n  token: {{secret: true}}\n---\n```opsml role\nrole: {{service: lambda.amazonaws.com}}\n```\n\n\
             ```opsml f\nfunction:\n  name: dogs\n  code: code.py\n  runtime: python3.12\n  handler: code.handler\n  memory_size: {memory}\n  \
             role: \"{{{{ role.arn }}}}\"\n  environment: {{API: \"key {{{{ params.token }}}}\"}}\n```\n"
        )
    };
    let environment = || {
        env.python(
            "import boto3\nprint(boto3.client('lambda').get_function_configuration(FunctionName='dogs')['Environment']['Variables']['API'])",
        )
    };
    env.write("f.md", runbook(128));
    env.opsml(["run", "f.md", "-p", "token=hunter2"]).code(0);
    assert_eq!(environment().trim(), "key hunter2");
    env.opsml(["run", "f.md", "-p", "token=hunter2"]).code(0).says("nothing to do");
    // A change of something else sends it again, and not its mask.
    env.write("f.md", runbook(256));
    env.opsml(["run", "f.md", "-p", "token=hunter2"]).code(0).says("128 → 256");
    assert_eq!(environment().trim(), "key hunter2");
    env.opsml(["run", "f.md", "-p", "token=hunter3"]).code(0).says("changed: ");
    assert_eq!(environment().trim(), "key hunter3");
    let mut sinks = BTreeMap::new();
    files_below(&env.path(".opsml/f"), &mut sinks);
    files_below(&env.path("reports"), &mut sinks);
    no_leaks("a function", &["hunter2".into(), "hunter3".into()], &sinks);
    // To delete needs no secret.
    env.opsml(["down", "f.md"]).code(0);
}

/// `PWD` ends like the name of a password.
#[test]
fn the_working_folder_is_no_secret() {
    let env = Env::new();
    let book = env.write("a.md", "```opsml a\ncommand: {run: ['true']}\n```\n");
    let folder = book.parent().unwrap().to_owned();
    let env = env.with("PWD", &folder).with("OLDPWD", &folder);
    let said = env.opsml(["check".as_ref(), book.as_os_str()]).code(0).stdout;
    assert!(said.contains(folder.to_str().unwrap()), "{said}");
}
