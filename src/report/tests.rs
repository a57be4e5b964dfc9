//! Write-ups held against golden files, and against values that mean harm.

use std::path::{Path, PathBuf};

use pulldown_cmark::{Event as Md, Parser};
use serde_json::{Value, json};

use super::prose::options;
use super::*;
use crate::diagnostic::Source;
use crate::failure::Failure;
use crate::journal::{Cause, Event, Figure, Record, ResourceId, RunOutcome, Series};

const STARTED: i64 = 1_795_224_000_000;

/// Texts that would do something where a value was taken for markup.
const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "**bold** _em_ ~~s~~ `code` ``x",
    "[link](javascript:alert(1)) ![i](http://evil/x.png)",
    "{{ 70007*7 }} {% for x in y %} {# c #}",
    "\u{f0000}\u{f0001}\u{f0002}",
    "a | b || c \\| d",
    "one\n# two\n\n- three\n```\nfour",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "---",
    "===",
    "~~~",
    "&lt;b&gt; &#60;b&#62; &copy;",
    "javascript:alert(1)",
    " JaVa\tScript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\u{1b}[31mred\u{1b}]0;t\u{7}\u{202e}",
    "<!-- --> -->",
    "trailing \\",
    "[^1]: note [x]: http://evil",
    "http://evil.example www.evil.example",
    "<https://evil.example>",
    "'\"`<>&",
    "</title></style></figure></svg>",
    "",
];

struct Journaled {
    state: State,
    seq: u64,
}

impl Journaled {
    fn new(target: &str) -> Self {
        let mut new = Self { state: State::default(), seq: 0 };
        let (stack, account) = ("k3x9".into(), "123456789012".into());
        new.add(Event::Opened { stack, target: target.into(), account, region: "us-east-1".into() });
        let params = json!({"instance_type": "ml.m5.xlarge"});
        new.add(Event::RunStarted {
            run: 1,
            params: params.as_object().unwrap().clone(),
            version: "0.1.0".into(),
        });
        new
    }

    fn add(&mut self, event: Event) {
        self.seq += 1;
        let record = Record { seq: self.seq, at: STARTED + self.seq as i64 * 1700, event };
        self.state.apply(&record).unwrap();
    }

    fn start(&mut self, step: &str, kind: &str) {
        let (step, kind, reason) = (step.into(), kind.into(), "new".into());
        self.add(Event::StepStarted { step, kind, inputs: Value::Null, files: Default::default(), reason });
    }

    fn done(&mut self, step: &str, outputs: Value, summary: &str, figures: Vec<Figure>) {
        self.add(Event::StepDone { step: step.into(), outputs, summary: summary.into(), figures });
    }

    fn fail(&mut self, step: &str, failure: Failure) {
        self.add(Event::StepFailed { step: step.into(), failure });
    }

    fn ready(&mut self, step: &str, kind: &str, name: &str, facts: Value) -> ResourceId {
        let id = ResourceId { kind: kind.into(), name: name.into() };
        self.add(Event::Intended {
            id: id.clone(),
            step: step.into(),
            slot: kind.into(),
            spec: Value::Null,
            lifetime: Default::default(),
            attached_to: None,
        });
        self.add(Event::Created { id: id.clone(), adopted: false });
        self.add(Event::Ready { id: id.clone(), facts: facts.as_object().unwrap().clone() });
        id
    }

    fn end(mut self, outcome: RunOutcome) -> State {
        let failed =
            self.state.steps.iter().find_map(|(step, row)| Some((step.clone(), row.failure.clone()?)));
        let cause = failed.map(|(step, failure)| Cause { step, failure });
        self.add(Event::RunEnded { run: 1, outcome, cause });
        self.state
    }
}

fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/golden")
}

fn runbook(text: &str) -> Runbook {
    Runbook::parse(Source::new("book.md", text)).0
}

fn golden_runbook() -> Runbook {
    let path = golden_folder().join("fashion.md");
    let (runbook, problems) = Runbook::parse(Source::new(&path, std::fs::read_to_string(&path).unwrap()));
    assert!(problems.is_empty(), "{problems:?}");
    runbook
}

fn curve() -> Figure {
    let series = |name: &str, values: &[f64]| {
        Series::line(
            name,
            values.iter().enumerate().map(|(epoch, value)| (epoch as f64 + 1.0, *value)).collect(),
        )
    };
    Figure::Curve {
        caption: "Accuracy by epoch".into(),
        x: "epoch".into(),
        y: "accuracy".into(),
        series: vec![
            series("train", &[0.61, 0.78, 0.83, 0.862, 0.88]),
            series("valid", &[0.66, 0.77, 0.81, 0.835, 0.842]),
        ],
    }
}

fn trained() -> Journaled {
    let mut journal = Journaled::new("local");
    let classes = [
        "Ankle boot",
        "Bag",
        "Coat",
        "Dress",
        "Pullover",
        "Sandal",
        "Shirt",
        "Sneaker",
        "T-shirt|top",
        "Trouser",
    ];
    journal.start("data", "dataset");
    journal.done(
        "data",
        json!({"path": "data/fashion", "classes": classes, "train": 2000, "valid": 500}),
        "10 classes; 2000 images to train",
        vec![],
    );
    journal.start("bucket", "bucket");
    let facts = json!({"arn": "arn:aws:s3:::fashion-k3x9", "region": "us-east-1", "versioning": "Enabled"});
    journal.ready("bucket", "bucket", "fashion-k3x9", facts);
    journal.done("bucket", json!({"uri": "s3://fashion-k3x9"}), "s3://fashion-k3x9", vec![]);
    journal.start("train", "train");
    let name = "fashion-train-2026-11-21-01-20-00-123";
    journal.ready("train", "training-job", name, json!({
        "arn": format!("arn:aws:sagemaker:us-east-1:123456789012:training-job/{name}"), "status": "Completed",
        "instance_type": "ml.m5.xlarge", "instance_count": 1, "billable_seconds": 41,
        "model_uri": format!("s3://fashion-k3x9/models/{name}/output/model.tar.gz"),
        "metrics": {"test_accuracy": 0.842_099_999, "valid_loss": 0.4521}, "none": null,
    }));
    let epochs: Vec<Value> = (1..=3)
        .map(|epoch| json!({"epoch": epoch, "valid_accuracy": 0.6 + 0.08 * f64::from(epoch)}))
        .collect();
    let outputs = json!({"job_name": name, "metrics": {"test_accuracy": 0.842_099_999}, "epochs": epochs});
    journal.done("train", outputs, &format!("{name} test_accuracy 0.8421"), vec![curve()]);
    journal
}

fn finished() -> State {
    let mut journal = trained();
    journal.start("deploy", "deploy");
    let facts = json!({"arn": "arn:aws:sagemaker:us-east-1:123456789012:endpoint/fashion-deploy", "status": "InService"});
    let endpoint = journal.ready("deploy", "endpoint", "fashion-deploy", facts);
    journal.done(
        "deploy",
        json!({"endpoint_name": "fashion-deploy"}),
        "endpoint fashion-deploy InService",
        vec![],
    );
    journal.start("ask", "predict");
    let rows = vec![vec!["T-shirt|top".into(), "0.9120".into()], vec!["Shirt".into(), "0.0700".into()]];
    let figure = Figure::Table {
        caption: "Prediction of fashion-deploy".into(),
        columns: vec!["class".into(), "probability".into()],
        rows,
    };
    let vector: Vec<f64> = (0..10).map(|n| f64::from(n) / 3.0).collect();
    journal.done(
        "ask",
        json!({"class": "T-shirt|top", "probability": 0.912, "vector": vector}),
        "T-shirt|top 91.2 %",
        vec![figure],
    );
    let mut state = journal.end(RunOutcome::Done);
    let at = STARTED + 100_000;
    for event in [Event::Deleting { id: endpoint.clone() }, Event::Deleted { id: endpoint }] {
        state.apply(&Record { seq: 99, at, event }).unwrap();
    }
    state
}

fn failed() -> State {
    let mut journal = trained();
    journal.start("deploy", "deploy");
    let message =
        "User: arn:aws:sts::123456789012:assumed-role/r/SageMaker is not authorized to perform: s3:GetObject";
    journal.fail("deploy", Failure::new("AccessDenied", message).hint("let the role read the model"));
    journal.end(RunOutcome::Failed)
}

/// The Markdown and HTML of a runbook.
fn rendered(runbook: &Runbook, state: &State) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let written = write(runbook, state, folder.path()).unwrap();
    (std::fs::read_to_string(written.markdown).unwrap(), std::fs::read_to_string(written.html).unwrap())
}

fn golden(name: &str, state: &State) {
    let (markdown, html) = rendered(&golden_runbook(), state);
    for (ending, text) in [("report.md", markdown), ("report.html", html)] {
        let path = golden_folder().join(format!("{name}.{ending}"));
        if std::env::var_os("OPSML_UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            text == expected,
            "{} differs: look, then run again with OPSML_UPDATE_GOLDEN=1\n{text}",
            path.display()
        );
    }
}

#[test]
fn a_finished_run_is_as_it_was() {
    golden("finished", &finished());
}

#[test]
fn a_failed_run_is_as_it_was() {
    golden("failed", &failed());
}

#[test]
fn a_failed_run_opens_with_what_where_and_the_way_out() {
    let (markdown, html) = rendered(&golden_runbook(), &failed());
    for text in [&markdown, &html] {
        let opening = &text[..text.find("The pictures are").unwrap()];
        for part in [
            "The run failed in step deploy.",
            "fashion.md, line",
            "AccessDenied",
            "let the role read the model",
            "opsml run fashion.md",
        ] {
            assert!(opening.contains(part), "{part} in {opening}");
        }
        assert!(text.contains("deploy.endpoint_name: failed"));
        assert!(text.contains("ask.class: not run"));
    }
}

#[test]
fn a_caption_stands_at_what_the_step_is_for() {
    let mut journal = Journaled::new("local");
    for (step, kinds) in [("a", ["objects", "instance"]), ("b", ["role", "instance-profile"])] {
        journal.start(step, "any");
        for kind in kinds {
            journal.ready(step, kind, step, json!({}));
        }
        journal.done(step, json!({}), "", vec![curve()]);
    }
    let book =
        runbook("```opsml a\nbucket: {}\ncaption: Own\n```\n\n```opsml b\nbucket: {}\ncaption: Own\n```\n");
    let data = ReportData::new(&book, &journal.end(RunOutcome::Done));
    let captions: Vec<&str> = data.figures().map(|figure| figure.caption.as_str()).collect();
    let curve = "Accuracy by epoch";
    assert_eq!(captions, ["Objects", "Own", curve, "Own", "Instance profile", curve]);
}

#[test]
fn rendered_again_it_is_the_same_and_old_figures_go() {
    let folder = tempfile::tempdir().unwrap();
    let read = |written: &Written| {
        (std::fs::read(&written.markdown).unwrap(), std::fs::read(&written.html).unwrap())
    };
    let first = read(&write(&golden_runbook(), &finished(), folder.path()).unwrap());
    let figures = folder.path().join("figures");
    std::fs::write(figures.join("figure-99.svg"), "old").unwrap();
    std::fs::write(figures.join("mine.txt"), "kept").unwrap();
    assert_eq!(read(&write(&golden_runbook(), &finished(), folder.path()).unwrap()), first);
    assert!(!figures.join("figure-99.svg").exists() && figures.join("mine.txt").exists());
}

#[test]
fn what_is_not_there_is_marked_and_the_rest_is_rendered() {
    let book = "{{ a.x }} and {{ a.list | length }}\n\n{% for t in a.rows %}\n- {{ t }}\n{% endfor %}\n\n\
        {% if a.x.y > 1 %}yes{% else %}no{% endif %} {{ a.x | default('other') }} {{ figure('zz') }} {{ 7 * 6 }}\n\n\
        ```opsml a\nbucket: {}\n```\n\n```opsml b\nbucket: {}\n```\n{{ b.wrong }}\n";
    let mut journal = Journaled::new("local");
    journal.start("b", "bucket");
    journal.done("b", json!({"uri": "s3://b"}), "", vec![]);
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Interrupted));
    for text in [&markdown, &html] {
        for part in [
            "a.x: not run",
            "a.list: not run",
            "a.rows: not run",
            "no other",
            "there is no such figure",
            "42",
            "b.wrong: no such value",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("yes"));
    }
}

#[test]
fn code_stays_literal_and_loops_make_tables() {
    let book = "```python\nprint('{{ a.x }}')\n```\n\n{% raw %}{{ a.x }}{% endraw %} `{{ a.n }}`\n\n| n | f |\n| --- | --- |\n\
        {% for row in a.rows %}\n| {{ row.n }} | {{ row.f }} |\n{% endfor %}\n\n{{ table(a.rows) }}\n\n\
        ```opsml a\nbucket: {}\n```\n";
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    journal.done("a", json!({"n": 3, "rows": [{"n": 1, "f": 0.5}, {"n": 2, "f": 0.25}]}), "", vec![]);
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Done));
    assert!(
        markdown.contains("```python\nprint('{{ a.x }}')\n```") && markdown.contains("\n{{ a.x }} `3`"),
        "{markdown}"
    );
    assert_eq!(markdown.matches("| 2 | 0.25 |").count(), 2, "{markdown}");
    assert_eq!(html.matches("<tr><td>2</td><td>0.25</td></tr>").count(), 2, "{html}");
    assert!(html.contains("<code>3</code>") && html.contains("print('{{ a.x }}')"));
}

#[test]
fn a_job_that_must_fail_shows_how_it_did() {
    let book = "```opsml a\nbucket: {}\nexpect_error: AccessDenied\n```\n";
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    let id = ResourceId { kind: "bucket".into(), name: "b".into() };
    journal.add(Event::Intended {
        id: id.clone(),
        step: "a".into(),
        slot: "bucket".into(),
        spec: Value::Null,
        lifetime: Default::default(),
        attached_to: None,
    });
    journal.add(Event::Created { id, adopted: false });
    journal.done(
        "a",
        json!({"error": {"code": "AccessDenied", "message": "User is not authorized"}}),
        "",
        vec![],
    );
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Done));
    for text in [markdown, html] {
        assert!(text.contains("failed, as it must") && text.contains("User is not authorized"), "{text}");
    }
}

/// Every place that a value may land in.
fn everywhere(value: &str) -> (Runbook, State) {
    let book = "---\ntitle: T\n---\n# About {{ a.v }} it\n\n{{ a.v }}\n\n{{ a.v }}. next\n\nText {{ a.v }} more `{{ a.v }}` and \\{{ a.v }} \
        **{{ a.v }}** [to](http://x/{{ a.v }}) [whole]({{ a.v }}) <http://x/{{ a.v }}> <b title=\"{{ a.v }}\">b</b> ![alt {{ a.v }}](x.png)\n\n\
        - {{ a.v }}\n\n> {{ a.v }}\n\n| h {{ a.v }} | i |\n| --- | --- |\n| {{ a.v }} | `{{ a.v }}` |\n\n    indented {{ a.v }}\n\n\
        - list\n\n  ```\n  {{ a.v }}\n  ```\n\n<div>{{ a.v }}</div>\n\n[ref]: http://x/{{ a.v }}\n\nSee [ref]. {% set y %}{{ a.v }}{% endset %}{{ y }}\n\n\
        {{ table(a.rows) }}\n\n```opsml a\nbucket: {}\n```\n\n```opsml c\nbucket: {}\n```\n\nEND\n";
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    journal.ready(
        "a",
        "bucket",
        &format!("n{value}"),
        json!({"status": value, value: value, "list": [value]}),
    );
    let figures = vec![
        Figure::Table { caption: value.into(), columns: vec![value.into()], rows: vec![vec![value.into()]] },
        Figure::Curve {
            caption: value.into(),
            x: value.into(),
            y: value.into(),
            series: vec![Series::line(value, vec![(1.0, 2.0)])],
        },
    ];
    journal.done("a", json!({"v": value, "rows": [{"k": value}]}), value, figures);
    journal.start("c", "bucket");
    journal.fail("c", Failure::new(value, value).hint(value));
    (runbook(book), journal.end(RunOutcome::Failed))
}

/// What a reader of Markdown makes of it but for its text: the tags, and where links lead.
fn structure(markdown: &str) -> Vec<String> {
    Parser::new_ext(markdown, options())
        .filter_map(|event| match event {
            Md::Text(_) | Md::Code(_) | Md::SoftBreak => None,
            Md::Start(
                pulldown_cmark::Tag::Link { dest_url, .. } | pulldown_cmark::Tag::Image { dest_url, .. },
            ) => {
                assert!(link::target(&dest_url, &Default::default()).is_some(), "{dest_url}");
                Some("link".into())
            }
            // The cards' own anchors hold a number.
            Md::Html(html) | Md::InlineHtml(html) => {
                assert!(
                    html.starts_with("<a id=\"figure-") || &*html == "</a>" || html.trim().is_empty(),
                    "{html}"
                );
                Some(html.to_string())
            }
            Md::Start(pulldown_cmark::Tag::Heading { level, .. }) => Some(format!("{level}")),
            other => Some(format!("{other:?}")),
        })
        .collect()
}

/// The tags of an HTML document with their attributes' names, without content.
fn tags(html: &str) -> Vec<String> {
    let tag = regex::Regex::new(r#"<(/?[a-zA-Z!][^\s>]*)((?:[^>"]|"[^"]*")*)>"#).unwrap();
    let attribute = regex::Regex::new(r#"([a-zA-Z-]+)="[^"]*""#).unwrap();
    let names =
        |text: &str| attribute.captures_iter(text).map(|a| a[1].to_owned()).collect::<Vec<_>>().join(" ");
    let body = &html[html.find("</style>").unwrap()..];
    tag.captures_iter(body).map(|found| format!("{} {}", &found[1], names(&found[2]))).collect()
}

#[test]
fn hostile_values_are_text_in_every_place_of_both_formats() {
    let (book, state) = everywhere("plain");
    let (markdown, html) = rendered(&book, &state);
    let (markdown, html) = (structure(&markdown), tags(&html));
    for value in HOSTILE.iter().filter(|value| !value.is_empty()) {
        let (book, state) = everywhere(value);
        let (found_markdown, found_html) = rendered(&book, &state);
        let found = structure(&found_markdown);
        // In HTML, a destination that may not be followed leaves no link at all.
        let unsafe_link = link::target(
            &link::encoded(&token::Token::Value { value: (*value).into() }),
            &Default::default(),
        )
        .is_none();
        assert_eq!(found, markdown, "{value:?} in\n{found_markdown}");
        let found = tags(&found_html);
        let without = |tags: &[String]| {
            tags.iter().filter(|tag| !tag.starts_with("a href") && *tag != "/a ").cloned().collect::<Vec<_>>()
        };
        match unsafe_link {
            true => assert_eq!(without(&found), without(&html), "{value:?} in\n{found_html}"),
            false => assert_eq!(found, html, "{value:?} in\n{found_html}"),
        }
        assert!(!found_html.contains("href=\"javascript") && !found_html.contains("href=\"data"));
        for text in [&found_markdown, &found_html] {
            assert!(!text.chars().any(|c| c == '\u{1b}' || c == '\u{7}' || token::is_token(c)), "{value:?}");
            assert!(!text.contains("490049"), "{value:?} was taken for a template");
            assert!(text.contains("END"));
        }
    }
}

#[test]
fn a_hostile_value_reads_in_markdown_as_it_is() {
    for value in HOSTILE
        .iter()
        .filter(|value| !value.chars().any(|c| c.is_control() || token::is_token(c) || c == '\u{202e}'))
    {
        let mut journal = Journaled::new("local");
        journal.start("a", "bucket");
        journal.done("a", json!({"v": value}), "", vec![]);
        let (markdown, _) = rendered(
            &runbook("x{{ a.v }}x\n\n```opsml a\nbucket: {}\n```\n"),
            &journal.end(RunOutcome::Done),
        );
        let read: String = Parser::new_ext(&markdown, options())
            .filter_map(|event| match event {
                Md::Text(text) | Md::Code(text) => Some(text.to_string()),
                _ => None,
            })
            .collect();
        let shown = token::one_line(value);
        assert!(read.contains(&format!("x{shown}x")), "{value:?}: {read}");
    }
}

#[test]
fn the_authors_html_and_links_that_run_code_are_not_meant() {
    let book = "<script>alert(1)</script>\n\nText <b onclick=\"x()\">b</b> [a](javascript:x) [b](<data:text/html,x>) <javascript:x> \
        ![p](http://evil/x.png) [c][r] <!-- note -->\n\n<!-- a\ncomment --> <i>shown</i>\n\n[r]: javascript:y\n";
    let (markdown, html) = rendered(&runbook(book), &Journaled::new("local").end(RunOutcome::Done));
    structure(&markdown);
    for text in [&markdown, &html] {
        assert!(!text.contains("<script") && !text.contains("<b ") && !text.contains("comment"), "{text}");
        assert!(text.contains("&lt;i") && text.contains("shown"), "{text}");
    }
    assert!(!html.contains("src=") && html.contains("<a href=\"http://evil/x.png\">p</a>"), "{html}");
}

#[test]
fn pictures_below_the_runbook_are_taken_in_and_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("book");
    std::fs::create_dir(&below).unwrap();
    let png = b"\x89PNG\r\n\x1a\nrest";
    std::fs::write(below.join("in side.png"), png).unwrap();
    std::fs::write(folder.path().join("out.png"), png).unwrap();
    std::fs::write(below.join("text.png"), "<svg onload=x>").unwrap();
    std::os::unix::fs::symlink(folder.path().join("out.png"), below.join("link.png")).unwrap();
    let text = "![in](<in side.png>) ![out](../out.png) ![link](link.png) ![text](text.png)\n";
    let (book, _) = Runbook::parse(Source::new(below.join("book.md"), text));
    let out = folder.path().join("report");
    let written = write(&book, &Journaled::new("local").end(RunOutcome::Done), &out).unwrap();
    let html = std::fs::read_to_string(written.html).unwrap();
    assert_eq!(html.matches("<img ").count(), 1, "{html}");
    assert!(html.contains("src=\"data:image/png;base64,iVBORw0KGgpyZXN0\""));
    assert!(std::fs::read_to_string(written.markdown).unwrap().contains("![in](<figures/picture-1.png>)"));
    assert_eq!(std::fs::read(out.join("figures/picture-1.png")).unwrap(), png);
}

#[test]
fn secrets_reach_no_file() {
    let canary = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1";
    let mut journal = Journaled::new("aws");
    journal.start("a", "bucket");
    journal.ready(
        "a",
        "bucket",
        "b",
        json!({"arn": "arn:aws:s3::123456789012:b", "note": format!("key {canary}")}),
    );
    journal.done(
        "a",
        json!({"v": format!("AWS_SECRET_ACCESS_KEY={canary}"), "SessionToken": "canary-token"}),
        canary,
        vec![],
    );
    journal.start("b", "bucket");
    journal.fail(
        "b",
        Failure::new("Denied", format!("https://x/?X-Amz-Signature=canary {canary} in 123456789012")),
    );
    let book = "{{ a.v }} `{{ a.SessionToken }}` {{ run.account }}\n\n-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n\n\
        ```opsml a\nbucket: {}\n```\n\n```opsml b\nbucket: {}\n```\n";
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Failed));
    for text in [markdown, html] {
        assert!(
            !text.contains(canary) && !text.contains("canary") && !text.contains("123456789012"),
            "{text}"
        );
        assert!(text.contains("redacted"));
    }
}

#[test]
fn any_document_gives_a_report() {
    for text in [
        "",
        "{{",
        "{% for x in %}",
        "```",
        "# {{ a }} \u{f0003}",
        "{% raw %}",
        "{{ 1/0 }} {{ x.y.z }}",
        "---\n",
        "{% include 'x' %}{{ range(99999999) }}",
    ] {
        let (markdown, html) = rendered(&runbook(text), &State::default());
        assert!(markdown.contains("## Steps") && html.contains("</html>"));
        assert!(
            Parser::new_ext(&markdown, options())
                .any(|event| matches!(event, Md::Start(pulldown_cmark::Tag::Table(_)))),
            "{markdown}"
        );
    }
}
