//! Write-ups held against golden files, and what they say of runs that failed or were kept.

mod hostile;
mod page;
mod paper;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::diagnostic::Source;
use crate::failure::Failure;
use crate::journal::{Cause, Event, Figure, Pictures, Record, ResourceId, RunOutcome, Series};

const STARTED: i64 = 1_795_224_000_000;

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
        self.state.apply(record).unwrap();
    }

    fn start(&mut self, step: &str, kind: &str) {
        let (step, kind, reason) = (step.into(), kind.into(), "new".into());
        self.add(Event::StepStarted { step, kind, inputs: Value::Null, files: Default::default(), reason });
    }

    fn done(&mut self, step: &str, outputs: Value, summary: &str, figures: Vec<Figure>) {
        self.add(Event::StepDone { step: step.into(), outputs, summary: summary.into(), figures });
    }

    fn fail(&mut self, step: &str, failure: Failure) {
        self.add(Event::StepFailed { step: step.into(), failure, figures: Vec::new() });
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
        let cause = failed.map(|(step, failure)| Cause { step, failure: *failure });
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
        state.apply(Record { seq: 99, at, event }).unwrap();
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
    render_into(runbook, state, folder.path()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    (read("report.md"), read("report.html"))
}

fn render_into(runbook: &Runbook, state: &State, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let formats = &[Format::Markdown, Format::Html];
    let (templates, pictures) = (&Templates::default(), &Pictures::beside(folder));
    let output = Output { folder, formats, pictures, templates };
    write(runbook, state, &Background::default(), output)
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
    // Without resources, it is what the step draws.
    journal.start("c", "any");
    journal.done("c", json!({"v": 1}), "", vec![curve(), curve()]);
    let step = |id: &str| format!("```opsml {id}\nbucket: {{}}\ncaption: Own\n```\n\n");
    let book = runbook(&["a", "b", "c"].map(step).concat());
    let data = ReportData::new(&book, &journal.end(RunOutcome::Done), &Background::default());
    let figures = || data.steps.iter().flat_map(|step| &step.figures);
    let captions: Vec<&str> = figures().map(|figure| figure.caption.as_str()).collect();
    let curve = "Accuracy by epoch";
    let outputs = "Outputs of c";
    assert_eq!(captions, ["Objects", "Own", curve, "Own", "Instance profile", curve, outputs, "Own", curve]);
    let numbers: Vec<String> = figures().flat_map(|figure| figure.number).map(|it| it.to_string()).collect();
    assert_eq!(numbers, ["1", "2", "3a", "3b"], "drawings that follow each other are one figure");
    let is_numbered: Vec<bool> = figures().map(|figure| figure.number.is_some()).collect();
    assert_eq!(is_numbered, [false, false, true, false, false, true, false, true, true]);
    let folds: Vec<bool> = figures().map(|figure| figure.folds).collect();
    assert_eq!(folds, [true, false, false, false, true, false, true, false, false]);
}

#[test]
fn rendered_again_it_is_the_same_and_old_figures_go() {
    let folder = tempfile::tempdir().unwrap();
    let rendered = || -> Vec<Vec<u8>> {
        let written = render_into(&golden_runbook(), &finished(), folder.path()).unwrap();
        written.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
    };
    let first = rendered();
    let figures = folder.path().join("figures");
    std::fs::write(figures.join("figure-99.svg"), "old").unwrap();
    std::fs::write(figures.join("mine.txt"), "kept").unwrap();
    assert_eq!(rendered(), first);
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
    let html = html.replace("<span class=\"value\" title=\"step a\">", "");
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
    assert_eq!(html.matches("<tr><td>2</td><td>0.25</td></tr>").count(), 1, "{html}");
    let row = r#"<tr><td class="number">2</td><td class="number">0.25</td></tr>"#;
    assert_eq!(html.matches(row).count(), 1, "{html}");
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
