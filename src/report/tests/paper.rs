//! The write-up as PDF: the tree that its template reads, and that no data keeps it from being made.

use opsml_typeset::Problem;

use super::super::{document, link, pdf};
use super::hostile::{HOSTILE, everywhere};
use super::*;

/// What the template reads.
fn tree(book: &str, state: &State) -> Value {
    let data = ReportData::new(&runbook(book), state, &Background::default());
    json!(document::read(&data, &Default::default()))
}

/// The document of a runbook and a state, and what is wrong with it: what a screen reader can't read, what was left out.
fn on_paper(book: &Runbook, state: &State) -> (Vec<u8>, Vec<String>) {
    let data = ReportData::new(book, state, &Background::default());
    let made =
        pdf::render(&data, (&Default::default(), &Default::default()), &Templates::default(), state.last)
            .unwrap_or_else(|error| panic!("{error}"));
    (made.bytes, problems(&made.barriers, &made.warnings))
}

fn problems(barriers: &[Problem], warnings: &[Problem]) -> Vec<String> {
    barriers.iter().chain(warnings).map(ToString::to_string).collect()
}

fn text(text: &str) -> Value {
    json!([{"inline": "text", "text": text}])
}

#[test]
fn the_prose_becomes_a_tree_with_plain_values() {
    let book = "## One\n\nA *b **c*** `{{ a.v }}` {{ a.v }} [l](http://x/{{ a.v }}) {{ a.w }}\\\nend[^n]\n\n\
        - i\n- j\n\n  3. k\n\n> q\n\n| x | y |\n| --- | ---: |\n| 1 | {{ a.v }} |\n\n{{ table(a.rows) }}\n\n\
        ```python\nprint(\"{{ a.v }}\")\n```\n\n    indented\n\n---\n\n<!-- no --><b>x</b>\n\n[^n]: said\n\n\
        ```opsml a\nbucket: {}\n```\n\n#### Four\n";
    let mut journal = Journaled::new("local");
    journal.start("a", "bucket");
    journal.done("a", json!({"v": "*v*", "rows": [{"k": 1}]}), "", vec![]);
    let link = json!({"inline": "link", "target": "http://x/%2Av%2A", "inner": text("l")});
    let expected = json!({"blocks": [
        {"block": "heading", "level": 1, "text": text("One")},
        {"block": "paragraph", "text": [
            {"inline": "text", "text": "A "},
            {"inline": "emphasis", "inner": [
                {"inline": "text", "text": "b "}, {"inline": "strong", "inner": text("c")},
            ]},
            {"inline": "text", "text": " "},
            {"inline": "code", "code": "*v*"},
            {"inline": "text", "text": " *v* "},
            link,
            {"inline": "text", "text": " "},
            {"inline": "missing", "name": "a.w", "why": "no such value"},
            {"inline": "break"},
            {"inline": "text", "text": "end"},
            {"inline": "note", "label": "n"},
        ]},
        {"block": "list", "start": null, "items": [
            [{"block": "paragraph", "text": text("i")}],
            [
                {"block": "paragraph", "text": text("j")},
                {"block": "list", "start": 3, "items": [[{"block": "paragraph", "text": text("k")}]]},
            ],
        ]},
        {"block": "quote", "blocks": [{"block": "paragraph", "text": text("q")}]},
        {"block": "table", "align": [null, "right"], "columns": [text("x"), text("y")],
            "rows": [[text("1"), text("*v*")]]},
        {"block": "table", "align": ["right"], "columns": [text("k")], "rows": [[text("1")]]},
        {"block": "code", "language": "python", "code": "print(\"{{ a.v }}\")\n"},
        {"block": "code", "language": null, "code": "indented\n"},
        {"block": "rule"},
        {"block": "paragraph", "text": text("<b>x</b>")},
        {"block": "step", "index": 0},
        // No level is left out.
        {"block": "heading", "level": 2, "text": text("Four")},
    ], "notes": {"n": [{"block": "paragraph", "text": text("said")}]}});
    let found = tree(book, &journal.end(RunOutcome::Done));
    assert_eq!(found, expected, "{}", serde_json::to_string_pretty(&found).unwrap());
}

#[test]
fn links_that_could_run_something_are_words() {
    let found = tree("[a](javascript:x) [b]( <data:text/html,x> ) ![c](file:///x.png)\n", &State::default());
    assert_eq!(found["blocks"][0]["text"], text("a b c"));
}

/// Each character that no font has, and each that could reorder or hide others, is shown by its number.
#[test]
fn hostile_values_make_a_document() {
    let more = [
        "#panic(\"x\") #import \"a\": * #let x = 1",
        "$x$ $ sum $ ] [ } { ) ( #[ #{ \\ \\u{41} /* // */ ~ -- --- ...",
        "@label <figure-1> *b* _e_ `r` = h + l - l / t: d",
        "😀 漢字 עברית العربية हिन्दी \u{202e}back\u{2066}x\u{200d}y ☠\u{fe0f} e\u{301}\u{302}\u{303}",
        "\0\u{1}\u{7f}\u{85}\u{2028}\u{fffe}\u{e000}",
        &"long".repeat(3000),
    ];
    for value in HOSTILE.iter().copied().chain(more) {
        let (book, state) = everywhere(value);
        let (_, problems) = on_paper(&book, &state);
        assert_eq!(problems, Vec::<String>::new(), "{value:?}");
    }
}

#[test]
fn a_document_of_any_depth_is_made() {
    let deep = [
        format!("{}x\n", "> ".repeat(300)),
        (0..200).map(|depth| format!("{}- x\n", "  ".repeat(depth))).collect(),
        format!("{}x{}\n", "*a **b ".repeat(100), "** c*".repeat(100)),
        "###### six\n\n# one\n\n###### six\n\n# \n\n[^a]\n\n[^a]: # in a note [^a]\n".to_owned(),
        "text without a heading\n".to_owned(),
        String::new(),
    ];
    for book in deep {
        let (_, problems) = on_paper(&runbook(&book), &State::default());
        assert_eq!(problems, Vec::<String>::new(), "{book}");
    }
}

#[test]
fn runs_that_ended_in_any_way_make_a_document() {
    let interrupted = {
        let mut journal = trained();
        journal.start("deploy", "deploy");
        journal.end(RunOutcome::Interrupted)
    };
    for state in [finished(), failed(), interrupted, State::default()] {
        let (first, problems) = on_paper(&golden_runbook(), &state);
        assert_eq!(problems, Vec::<String>::new());
        assert!(first == on_paper(&golden_runbook(), &state).0, "the same data gives the same bytes");
    }
}

#[test]
fn a_picture_that_cannot_be_decoded_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let whole = image::RgbImage::from_pixel(4, 4, image::Rgb([9, 9, 9]));
    whole.save(folder.path().join("whole.png")).unwrap();
    let mut bytes = std::fs::read(folder.path().join("whole.png")).unwrap();
    bytes.truncate(40);
    std::fs::write(folder.path().join("broken.png"), bytes).unwrap();
    let data = ReportData::new(
        &runbook("![a](whole.png) ![b](broken.png)\n\n![c](whole.png)\n"),
        &State::default(),
        &Background::default(),
    );
    let pictures = link::pictures(&data, folder.path());
    assert_eq!(pictures.len(), 2);
    let names = |files: &opsml_typeset::Contents| files.keys().cloned().collect::<Vec<_>>();
    let files = pdf::contents(&data, (&pictures, &Default::default()));
    assert_eq!(names(&files), ["figures/picture-1.png", "report.json"]);
    let report: Value = serde_json::from_slice(&files["report.json"]).unwrap();
    assert_eq!(report["files"], json!({"figures/picture-1.png": ""}));
    let made = pdf::render(&data, (&pictures, &Default::default()), &Templates::default(), 0).unwrap();
    assert_eq!(problems(&made.barriers, &made.warnings), Vec::<String>::new());
}

/// The template's checks of a name, a number and a label are made for what the data has.
#[test]
fn drawings_are_named_with_what_they_say() {
    let data = ReportData::new(&golden_runbook(), &finished(), &Background::default());
    let files = pdf::contents(&data, (&Default::default(), &Default::default()));
    let drawing = std::str::from_utf8(&files["figures/figure-2.svg"]).unwrap();
    assert!(drawing.contains("<style>") && !drawing.contains("@media"), "{drawing}");
    let report: Value = serde_json::from_slice(&files["report.json"]).unwrap();
    let said = report["files"]["figures/figure-2.svg"].as_str().unwrap();
    assert!(said.contains("train: from 0.61 at 1"), "{said}");
}
