//! The pictures in a report: of the dataset, of a prediction, of the mistakes. They lie beside the journal, and are shown as
//! they were kept or not at all.

use std::path::PathBuf;

use crate::env::cores;
use crate::small::{RUNBOOK, small_with, through};

/// Until the prediction.
fn predicted() -> String {
    let text = through("predict");
    assert!(text.len() < RUNBOOK.len());
    text
}

#[test]
fn they_come_from_beside_the_journal_unchanged_or_not_at_all() {
    let _cores = cores();
    let env = small_with(&predicted());
    env.opsml(["run", "small.md"]).code(0);
    let kept = env.path(".opsml/small/pictures");
    let files =
        || -> Vec<PathBuf> { std::fs::read_dir(&kept).unwrap().map(|file| file.unwrap().path()).collect() };
    let report = || {
        env.opsml(["report", "small.md"]).code(0);
        env.read("reports/small/report.html")
    };
    let page = report();
    for caption in [
        "Training images of each of the 2 classes",
        "Confusion matrix over the",
        "Prediction of ",
        "true class: bright",
        "probability, the softmax of the logits (%)",
    ] {
        assert!(page.contains(caption), "{caption}");
    }
    let shown = page.matches("href=\"data:image/png;base64,").count();
    assert!(shown >= 2 && !page.contains("picture gone"), "{shown} pictures");
    // What is not what was kept is not shown, whatever it is.
    let all = files();
    assert_eq!(all.len(), shown);
    for file in &all {
        std::fs::write(file, b"\x89PNG\r\n\x1a\nanother picture").unwrap();
    }
    let page = report();
    assert!(!page.contains("data:image/") && page.contains("The picture is gone: Training images"), "{page}");
    std::fs::remove_dir_all(&kept).unwrap();
    let page = report();
    assert!(!page.contains("data:image/") && page.contains("true class: bright"), "{page}");
    // They are no reason to run anything again.
    env.opsml(["run", "small.md"]).code(0).says("nothing to do");
}
