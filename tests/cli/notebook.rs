//! `export`: a runbook with its results as a Jupyter notebook, as Jupyter's own package reads it.

use std::process::Command;

use serde_json::{Value, json};

use crate::env::{Env, ran};
use crate::small::{RUNBOOK, small_with};

/// Reads a notebook, and panics with what Jupyter's `nbformat` says if it isn't one.
#[track_caller]
fn read(env: &Env, name: &str) -> Value {
    const CHECK: &str = "import nbformat, sys\nnbformat.validate(nbformat.read(sys.argv[1], as_version=4))";
    let mut python = Command::new("python3");
    python.args(["-c", CHECK]).arg(env.path(name));
    if let Some(path) = std::env::var_os("OPSML_TEST_PYTHONPATH") {
        python.env("PYTHONPATH", path);
    }
    ran(&mut python).code(0);
    let notebook: Value = serde_json::from_str(&env.read(name)).unwrap();
    assert_eq!((&notebook["nbformat"], &notebook["nbformat_minor"]), (&json!(4), &json!(5)));
    notebook
}

fn cells(notebook: &Value) -> &Vec<Value> {
    notebook["cells"].as_array().unwrap()
}

#[track_caller]
fn cell<'a>(notebook: &'a Value, id: &str) -> &'a Value {
    cells(notebook).iter().find(|cell| cell["id"] == id).unwrap_or_else(|| panic!("no cell {id}"))
}

fn text(lines: &Value) -> String {
    lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect()
}

fn prose(notebook: &Value) -> String {
    let prose = cells(notebook).iter().filter(|cell| cell["cell_type"] == "markdown");
    prose.map(|cell| text(&cell["source"]) + "\n\n").collect()
}

#[test]
fn a_run_becomes_a_notebook_with_its_results() {
    let _cores = crate::env::cores();
    let book = RUNBOOK.replace(
        "The job was",
        "![A dark one](images/test/dark/0.png)\n\n{{ table(data.samples) }}\n\nThe job was",
    );
    let env = small_with(&book);
    env.opsml(["run", "small.md"]).code(0);
    env.opsml(["export", "small.md"]).code(0).says("small.ipynb");
    let notebook = read(&env, "small.ipynb");
    let steps: Vec<&str> =
        cells(&notebook).iter().filter_map(|it| it["metadata"]["opsml"]["step"].as_str()).collect();
    assert_eq!(steps, ["data", "bucket", "images", "role", "train", "deploy", "predict", "never", "echo"]);
    let train = cell(&notebook, "step-train");
    assert_eq!(
        (&train["metadata"]["opsml"]["status"], &train["metadata"]["opsml"]["kind"]),
        (&json!("done"), &json!("train"))
    );
    assert!(
        text(&train["source"]).starts_with("# opsml train\ntrain:\n  role: \"{{ role.arn }}\"\n"),
        "{train}"
    );
    let outputs = train["outputs"].as_array().unwrap();
    assert!(text(&outputs[0]["text"]).starts_with("done in "), "{train}");
    // A chart as a picture, a card as a table, and each in words.
    let chart = outputs.iter().find(|it| it["data"]["image/svg+xml"].is_array()).unwrap();
    let svg = text(&chart["data"]["image/svg+xml"]);
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
    assert!(text(&chart["data"]["text/html"]).contains("src=\"data:image/svg+xml;base64,"));
    let card = outputs
        .iter()
        .find(|it| !it["data"]["text/html"].is_null() && it["data"]["image/svg+xml"].is_null())
        .unwrap();
    assert!(text(&card["data"]["text/html"]).contains("<table class=\"facts\">"), "{card}");
    assert!(text(&card["data"]["text/plain"]).contains("Training job small-train-"), "{card}");
    assert!(text(&card["data"]["text/markdown"]).contains("| Training job |"), "{card}");
    assert_eq!(
        cell(&notebook, "step-never")["outputs"][0]["text"][0],
        "skipped: `params.epochs > 1000` does not hold\n"
    );
    // The prose has its values; the pictures are in the cells.
    let prose = prose(&notebook);
    assert!(prose.contains("The job was small-train-") && prose.contains("| dark | "), "{prose}");
    let shows = cells(&notebook)
        .iter()
        .find(|it| text(&it["source"]).contains("(<attachment:picture-1.png>)"))
        .unwrap();
    assert!(shows["attachments"]["picture-1.png"]["image/png"].is_string(), "{shows}");
    let head = cell(&notebook, "head");
    assert!(head["attachments"]["diagram.svg"]["image/svg+xml"].is_string(), "{head}");
    assert!(!prose.contains("](figures/"), "{prose}");
    let closing = text(&cell(&notebook, "closing")["source"]);
    assert!(
        closing.contains("| `train` | train | done |") && closing.contains("## What is alive"),
        "{closing}"
    );
    // The same state gives the same bytes, and nothing was called.
    let before = (env.read("small.ipynb"), env.events("small"));
    env.opsml(["cloud", "stop"]).code(0);
    env.opsml(["export", "small.md"]).code(0);
    assert_eq!(before, (env.read("small.ipynb"), env.events("small")));
}

#[test]
fn what_has_not_run_has_no_output_and_what_failed_says_why() {
    let env = Env::new();
    let book = "# A\n\n```opsml a\ncommand:\n  run: [echo, hello]\n```\n\nIt said {{ a.stdout }}, and {{ b.stdout }}.\n\n\
                ```opsml b\ncommand:\n  run: [sh, -c, 'echo no good >&2; exit 1']\n```\n\n```opsml c\ncommand:\n  run: [echo]\n```\n";
    env.write("a.md", book);
    env.opsml(["export", "a.md"]).code(0).says("a.ipynb").says("has not run on the target `local`");
    let notebook = read(&env, "a.ipynb");
    for id in ["step-a", "step-b", "step-c"] {
        assert_eq!(
            (&cell(&notebook, id)["outputs"], &cell(&notebook, id)["metadata"]["opsml"]["status"]),
            (&json!([]), &json!("not run"))
        );
    }
    assert!(prose(&notebook).contains("⚠ `a.stdout: not run`"), "{}", prose(&notebook));
    assert!(!env.cloud().exists());
    env.opsml(["run", "a.md"]).code(1);
    env.opsml(["export", "a.md"]).code(0);
    let notebook = read(&env, "a.ipynb");
    assert!(prose(&notebook).contains("It said hello, and ⚠ `b.stdout: failed`"), "{}", prose(&notebook));
    let failed = &cell(&notebook, "step-b")["outputs"][0];
    assert_eq!((&failed["output_type"], &failed["ename"]), (&json!("error"), &json!("Command")));
    assert!(failed["traceback"][0].as_str().unwrap().contains("no good"), "{failed}");
    assert_eq!(cell(&notebook, "step-c")["outputs"], json!([]));
}

/// An export of opsml's is written again; any other file stays.
#[test]
fn a_notebook_of_the_users_is_not_overwritten() {
    let env = Env::new();
    env.write("a.md", "```opsml a\ncommand:\n  run: [echo]\n```\n");
    env.write("a.ipynb", r#"{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}"#);
    env.opsml(["export", "a.md"])
        .code(2)
        .complains("a.ipynb: it was not written by opsml")
        .complains("--output names");
    assert!(env.read("a.ipynb").contains("\"cells\": []"));
    env.opsml(["export", "a.md", "--output", "mine.ipynb"]).code(0).says("mine.ipynb");
    env.opsml(["export", "a.md", "-o", "mine.ipynb"]).code(0);
    env.opsml(["export", "a.md", "-o", "no/such/folder.ipynb"]).code(2).complains("no/such/folder.ipynb: ");
    env.opsml(["export", "none.md"]).code(2).complains("none.md: No such file");
}

/// What a step wrote is text in the notebook, whatever it looks like, and a secret is not there.
#[test]
fn no_output_becomes_markup() {
    let env = Env::new().with("OPSML_PARAM_TOKEN", "correct-horse-battery");
    env.write(
        "a.md",
        "---\nparams: {token: {secret: true}}\n---\n```opsml a\ncommand:\n  run: [sh, -c, 'printf \"<script>alert(1)</script> ![x](attachment:y) \\\\033[1m {{ params.token }}\"']\n```\n\nIt said {{ a.stdout }}.\n",
    );
    env.opsml(["run", "a.md"]).code(0);
    env.opsml(["export", "a.md"]).code(0);
    let notebook = read(&env, "a.ipynb");
    assert!(!env.read("a.ipynb").contains("correct-horse"));
    assert!(
        prose(&notebook).contains(r"It said &lt;script&gt;alert(1)&lt;/script&gt; !\[x\](attachment:y) "),
        "{}",
        prose(&notebook)
    );
    let card = &cell(&notebook, "step-a")["outputs"][1]["data"];
    assert!(
        !text(&card["text/html"]).contains("<script>") && text(&card["text/html"]).contains("&lt;script&gt;"),
        "{card}"
    );
    assert!(!card.to_string().contains("\\u001b"), "{card}");
}
