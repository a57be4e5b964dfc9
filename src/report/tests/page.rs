//! The first page, the diagram, what a step shows, where figures stand, and the user's templates.

use super::*;

/// A bucket, a job that reads it with a role, and an endpoint of its model.
fn built() -> State {
    let mut journal = Journaled::new("local");
    let step = |journal: &mut Journaled, step: &str, kind: &str, name: &str, facts: Value| {
        journal.start(step, kind);
        journal.ready(step, kind, name, facts);
        journal.done(step, json!({}), "", vec![]);
    };
    step(&mut journal, "data", "bucket", "pictures", json!({"encryption": "AES256", "region": "us-east-1"}));
    step(&mut journal, "reader", "role", "reader-x", json!({"arn": "arn:aws:iam::1:role/reader-x"}));
    step(
        &mut journal,
        "train",
        "training-job",
        "job-1",
        json!({"input": "s3://pictures/data", "role_arn": "arn:aws:iam::1:role/reader-x", "instance_type": "ml.m5.large"}),
    );
    step(&mut journal, "front", "model", "model-1", json!({"job": "job-1"}));
    step(&mut journal, "deploy", "endpoint", "end-1", json!({"model": "model-1", "not": "job-11"}));
    journal.end(RunOutcome::Done)
}

const BUILT: &str = "```opsml data\nbucket: {}\n```\n```opsml reader\nbucket: {}\n```\n```opsml train\nbucket: {}\n```\n\
    ```opsml front\nbucket: {}\n```\n```opsml deploy\nbucket: {}\n```\n";

#[test]
fn the_diagram_shows_what_uses_what() {
    let data = ReportData::new(&runbook(BUILT), &built(), &Background::default());
    let diagram = data.first.diagram.unwrap();
    let boxes: Vec<(&str, &str)> =
        diagram.nodes.iter().map(|node| (node.what.as_str(), node.step.as_str())).collect();
    assert_eq!(boxes, [("Bucket", "data"), ("Training job", "train"), ("Endpoint", "deploy")]);
    assert_eq!(diagram.edges, [(0, 1), (1, 2)], "the model only leads on");
    assert_eq!(diagram.nodes[1].notes, ["role: reader"]);
    let svg = super::super::diagram::svg("d", &diagram);
    assert!(svg.contains("training job train uses bucket data") && !svg.contains("NaN"), "{svg}");
}

#[test]
fn the_first_page_has_the_summary_or_what_the_steps_offer() {
    let summary = "---\nsummary:\n  - {label: Accuracy, value: '{{ train.metrics.test_accuracy | percent }} of {{ train.n }}'}\n\
        \x20 - {label: Gone, value: '{{ later.x }}'}\n---\n";
    let steps = "```opsml train\ntrain: {}\n```\n```opsml later\nbucket: {}\n```\n";
    let mut journal = Journaled::new("local");
    journal.start("train", "train");
    journal.done("train", json!({"metrics": {"test_accuracy": 0.8123}, "n": "<600>"}), "", vec![]);
    let state = journal.end(RunOutcome::Done);
    let page = |text: &str| {
        let background = Background {
            digest: "0123456789abcdef".into(),
            commit: Some("1a91f2e".into()),
            ..Background::default()
        };
        ReportData::new(&runbook(text), &state, &background).first
    };
    let own = page(&format!("{summary}{steps}"));
    let line = |label: &str, value: &str| (label.to_owned(), value.to_owned());
    assert_eq!(own.summary, [line("Accuracy", "81.2 % of <600>"), line("Gone", "later.x: not run")]);
    let offered = page(steps).summary;
    assert_eq!(offered[0], line("Test accuracy (train)", "81.2 %"));
    assert_eq!(offered[1].0, "Cost by AWS's prices");
    assert!(
        own.facts.contains(&line("commit", "1a91f2e"))
            && own.facts.contains(&line("SHA-256", "0123456789ab"))
    );
}

#[test]
fn a_step_chooses_the_rows_of_its_cards() {
    let rows = |show: &str| {
        let book = format!("```opsml a\nbucket: {{}}\n{show}\n```\n");
        let mut journal = Journaled::new("local");
        journal.start("a", "bucket");
        let facts = json!({"arn": "arn", "region": "r", "versioning": "Enabled", "encryption": "AES256"});
        journal.ready("a", "bucket", "b", facts);
        journal.done("a", json!({}), "", vec![]);
        let data = ReportData::new(&runbook(&book), &journal.end(RunOutcome::Done), &Background::default());
        let figures = data.steps.into_iter().flat_map(|step| step.figures);
        let names =
            |facts: Vec<fact::Fact>| facts.into_iter().map(|it| it.name).collect::<Vec<_>>().join(" ");
        let card = |figure: view::FigureView| match figure.body {
            view::Body::Card { facts, folded, .. } => (names(facts), names(folded)),
            _ => unreachable!(),
        };
        figures.map(card).collect::<Vec<_>>()
    };
    let both = |shown: &str, folded: &str| vec![(shown.to_owned(), folded.to_owned())];
    assert_eq!(rows(""), both("encryption versioning", "ARN region"));
    assert_eq!(rows("show: all"), both("ARN region versioning encryption", ""));
    assert_eq!(rows("show: none"), []);
    assert_eq!(rows("show: [region, wrong]"), both("region wrong", "ARN versioning encryption"));
}

#[test]
fn figures_stand_where_the_prose_places_them_and_are_numbered_in_that_order() {
    let book = "First {{ ref('b') }}, {{ ref('a') }}, {{ ref('a', 2) }}.\n\n{{ figure('a', 2) }}\n\n\
        ```opsml a\nbucket: {}\n```\n\n```opsml b\nbucket: {}\n```\n\nAnd {{ figure('b') }} again.\n";
    let table = |caption: &str| Figure::Table {
        caption: caption.into(),
        columns: vec!["n".into()],
        rows: vec![vec!["1".into()]],
    };
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    journal.done("a", json!({}), "", vec![table("one"), table("two")]);
    journal.start("b", "bucket");
    journal.done("b", json!({}), "", vec![table("three")]);
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Done));
    assert!(
        markdown.contains("First [Figure 3](#figure-3), [Figure 2](#figure-2), [Figure 1](#figure-1)."),
        "{markdown}"
    );
    let order = |text: &str| {
        let at = |number: usize| text.find(&format!("id=\"figure-{number}\"")).unwrap();
        assert!(at(1) < at(2) && at(2) < at(3), "{text}");
    };
    order(&markdown);
    order(&html);
    assert_eq!(html.matches("id=\"figure-3\"").count(), 1);
    assert!(html.contains("And <a href=\"#figure-3\">Figure 3</a> again."), "{html}");
}

#[test]
fn a_reference_is_to_a_whole_figure_or_to_a_part() {
    let book = "See {{ ref('a') }}, {{ ref('a', 2) }} and {{ ref('a', 3) }}.\n\n\
        ```opsml a\nbucket: {}\n```\n\nBelow:\n\n{{ figure('a', 3) }}\n";
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    journal.done("a", json!({}), "", vec![curve(), curve(), curve()]);
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Done));
    assert!(
        markdown.contains("See [Figure 1](#figure-1a), [Figure 1b](#figure-1b) and [Figure 2](#figure-2)."),
        "{markdown}"
    );
    for id in ["1a", "1b", "2"] {
        assert!(html.contains(&format!("id=\"figure-{id}\"")), "{id}");
        assert!(markdown.contains(&format!("](figures/figure-{id}.svg)")), "{id}");
    }
}

#[test]
fn tables_and_code_are_blocks_and_listings_are_whole() {
    let book = "{{ a.rows | table }}\n\n{{ a.policy | code('json') }}\n\n```opsml a\nbucket: {}\n```\n";
    let lines: Vec<String> = (1..=40).map(|n| format!("line {n}")).collect();
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    let outputs = json!({"rows": [{"n": 1.5}, {"n": 2}], "policy": "{\"Statement\":[\"```\"]}"});
    journal.done("a", outputs, "", vec![Figure::code("The script", "bash", lines.join("\n"))]);
    let (markdown, html) = rendered(&runbook(book), &journal.end(RunOutcome::Done));
    assert!(markdown.contains("| n |\n| ---: |\n| 1.5 |\n| 2.0 |\n"), "{markdown}");
    assert!(markdown.contains("````json\n{\"Statement\": [\"```\"]}\n````"), "{markdown}");
    assert!(html.contains("<code class=\"language-json\">{\"Statement\""), "{html}");
    for text in [&markdown, &html] {
        assert!(lines.iter().all(|line| text.contains(line.as_str())), "{text}");
        assert!(text.contains("28 more"));
    }
}

#[test]
fn a_users_template_takes_the_place_of_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let templates = folder.path().join("templates");
    std::fs::create_dir(&templates).unwrap();
    std::fs::write(templates.join("style.css"), "h1 { color: teal }\n").unwrap();
    let page = "{% extends \"opsml/report.html.j2\" %}\n{% block footer %}<footer>ACME {{ data.title }}</footer>{% endblock %}\n";
    std::fs::write(templates.join("report.html.j2"), page).unwrap();
    let render = || {
        let templates = Templates::with(&templates)?;
        let pictures = &Pictures::beside(folder.path());
        let output =
            Output { folder: folder.path(), formats: &[Format::Html], pictures, templates: &templates };
        write(&runbook("# T & T\n\nText.\n"), &finished(), &Background::default(), output)?;
        std::fs::read_to_string(folder.path().join("report.html"))
    };
    let html = render().unwrap();
    assert!(html.contains("<footer>ACME book</footer>") && html.contains("h1 { color: teal }"), "{html}");
    assert!(html.contains("<h1 id=\"s-t-t\">T &amp; T</h1>") && !html.contains("--ground"), "{html}");
    std::fs::write(templates.join("report.html.j2"), "{{ data.title\n").unwrap();
    let error = render().unwrap_err().to_string();
    assert!(error.contains("report.html.j2, line"), "{error}");
    std::fs::remove_file(templates.join("report.html.j2")).unwrap();
    std::fs::write(templates.join("other.j2"), "").unwrap();
    let error = render().unwrap_err().to_string();
    assert!(error.contains("other.j2 is no template"), "{error}");
}

#[test]
fn the_schema_describes_the_data() {
    let data = data(&golden_runbook(), &finished(), &Background::default()).unwrap();
    let schema = schema();
    for (name, _) in data.as_object().unwrap() {
        assert!(schema["properties"].get(name).is_some(), "{name}");
    }
    let figure = &schema["$defs"]["FigureView"];
    assert!(figure["properties"].get("caption").is_some(), "{figure}");
}
