//! Names, log lines and output that look like markup, a template or a terminal's control sequence are shown as text.

use std::path::Path;

use crate::crash::executable;
use crate::env::{Env, cores};
use crate::small::{RUNBOOK, small_with, through};

/// A folder's name that is HTML, a template and emphasis at once.
const CLASSES: [&str; 2] = ["<img src=x onerror=alert(1)>", "*a* {{ 7*15853 }} [l](javascript:x) `c` $m$"];

/// Asserts that the page has such strings as text only, and nothing that a browser would act on.
#[track_caller]
fn inert(html: &str) {
    for live in ["<img src=x", "<script>alert", "<em>a</em>", "href=\"javascript:", "<b>bold"] {
        assert!(!html.contains(live), "`{live}` is live in\n{html}");
    }
    assert!(!html.contains("110971"), "a template was evaluated in\n{html}");
    assert!(!html.contains('\u{1b}'));
}

/// Asserts that both the page and the rendered Markdown show hostile strings as text.
#[track_caller]
fn written_up_as_text(env: &Env) {
    let page = env.read("reports/small/report.html");
    let markdown = env.read("reports/small/report.md");
    let mut rendered = String::new();
    pulldown_cmark::html::push_html(
        &mut rendered,
        pulldown_cmark::Parser::new_ext(&markdown, pulldown_cmark::Options::all()),
    );
    for body in [&page[page.find("<body").unwrap_or(0)..], &rendered] {
        let lines = body
            .lines()
            .filter(|line| ["alert", "15853", "bold", "javascript"].iter().any(|word| line.contains(word)));
        let lines: Vec<&str> = lines.collect();
        assert!(!lines.is_empty(), "it says nothing of what came from outside:\n{body}");
        inert(&lines.join("\n"));
    }
}

#[test]
fn class_names_are_text_from_the_folder_to_the_page() {
    let _cores = cores();
    let env = Env::new();
    env.write(
        "small.md",
        format!("{RUNBOOK}\nIt is {{{{ predict.class }}}}: *{{{{ data.classes | join(', ') }}}}*.\n"),
    );
    env.images("images", CLASSES, 4);
    let ran = env.opsml(["run", "small.md"]).code(0);
    assert!(CLASSES.iter().any(|class| ran.stdout.contains(class)), "{}", ran.stdout);
    written_up_as_text(&env);
}

#[test]
fn output_is_text_on_the_terminal_and_on_the_page() {
    let env = Env::new();
    let said = "<script>alert(1)</script> {{ 7*15853 }} *a* <b>bold</b> \u{1b}[31m";
    env.write("said", said);
    env.write("small.md", "```opsml a\ncommand:\n  run: [cat, said]\n```\n\nIt says {{ a.stdout }}.\n");
    let ran = env.opsml(["run", "small.md"]).code(0).says("<script>alert(1)</script>");
    assert!(!ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
    written_up_as_text(&env);
}

#[test]
fn a_failure_reason_is_text() {
    let env = small_with(&through("train"));
    let worker = env.write(
        "worker.sh",
        "#!/bin/sh\nprintf '<script>alert(1)</script> {{ 7*15853 }} *a* <b>bold</b> \\033[31m\\n'\nexit 3\n",
    );
    executable(Path::new(&worker));
    let env = env.with("OPSML_WORKER", worker);
    let ran = env.opsml(["run", "small.md"]).code(1).complains("<script>alert(1)</script>");
    assert!(!ran.stderr.contains('\u{1b}') && !ran.stdout.contains('\u{1b}'));
    written_up_as_text(&env);
    env.opsml(["logs", "small.md", "train"]).code(0).says("<b>bold</b>");
}

/// A failed run has a report too, which begins with what failed and where.
#[test]
fn a_denied_job_is_written_up() {
    let runbook = through("train");
    let env = small_with(&runbook.replace("s3:ListBucket", "s3:ListAllMyBuckets"));
    let denied = "is not authorized to perform: s3:ListBucket";
    env.opsml(["run", "small.md"]).code(1).complains(denied);
    for written in ["report.md", "report.html"] {
        let text = env.read(&format!("reports/small/{written}"));
        assert!(text.contains(denied), "{written}:\n{text}");
    }
    // The report is made from the journal alone, so it doesn't need the cloud.
    env.opsml(["cloud", "stop"]).code(0);
    std::fs::remove_dir_all(env.path("reports")).unwrap();
    env.opsml(["report", "small.md"]).code(0);
    assert!(env.read("reports/small/report.md").contains(denied));
}
