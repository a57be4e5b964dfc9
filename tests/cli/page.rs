//! The report as a reader meets it: in Chromium, wide and narrow, light and dark, and printed; and with 133 classes.

use std::path::Path;
use std::process::Command;

use image::{Rgb, RgbImage};
use serde_json::Value;

use crate::cloud::repository;
use crate::env::{Env, cores};

/// Asserts that pages are as they should be in a browser.
#[track_caller]
pub fn look(pages: &[&Path]) {
    let chromium = std::env::var_os("OPSML_TEST_CHROMIUM").unwrap_or_else(|| "chromium".into());
    let script = repository("tests/cli/page/look.py");
    let output = Command::new("python3").arg(script).arg(chromium).args(pages).output().unwrap();
    let (problems, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && problems.is_empty(), "{problems}{error}");
}

#[test]
fn pages_fit_a_wide_and_a_narrow_window_and_paper() {
    let golden = |name: &str| repository("src/report/golden").join(name);
    look(&[&golden("finished.report.html"), &golden("failed.report.html")]);
}

#[test]
fn of_133_classes_nothing_is_cut() {
    let _cores = cores();
    let env = Env::new();
    for split in ["train", "valid", "test"] {
        for class in 0..133u8 {
            let folder = env.path("many").join(split).join(format!("breed_{class:03}_of_many"));
            std::fs::create_dir_all(&folder).unwrap();
            let light = |x: u32, y: u32| Rgb([class, (x * 16) as u8, (y * 16) as u8 ^ split.len() as u8]);
            RgbImage::from_fn(16, 16, light).save(folder.join("0.png")).unwrap();
        }
    }
    env.write("many.md", include_str!("page/many.md"));
    env.opsml(["run", "many.md"]).code(0);
    let output = |step: &str| -> Value {
        let shown = env.opsml(["show", "many.md", step, "--format", "json"]).code(0).stdout;
        serde_json::from_str::<Value>(&shown).unwrap()["step"]["outputs"].clone()
    };
    let (vector, classes) = (output("predict")["vector"].clone(), output("train")["classes"].clone());
    let answer = output("event")["body"][0].clone();
    assert_eq!(vector.as_array().unwrap().len(), 133);
    assert_eq!(answer, vector, "the function says what the endpoint says");
    let names: Vec<&str> = classes.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert_eq!(names.len(), 133);
    // As the filter `vector` writes them.
    let numbers: Vec<String> = {
        let line = env.read("reports/many/report.md");
        let line = line.lines().find(|line| line.starts_with("\\[") && line.len() > 600).unwrap();
        line.trim_matches(['\\', '[', ']']).split(", ").map(str::to_owned).collect()
    };
    assert_eq!(numbers.len(), 133, "{numbers:?}");
    for (written, value) in numbers.iter().zip(vector.as_array().unwrap()) {
        let written: f64 = written.replace('\u{2212}', "-").parse().unwrap();
        assert!((written - value.as_f64().unwrap()).abs() < 1e-3, "{written} {value}");
    }
    let html = env.read("reports/many/report.html");
    assert!(html.contains(&numbers.join(", ")), "the vector in the page");
    for format in [&html, &env.read("reports/many/report.md").replace("\\_", "_")] {
        assert_eq!(names.iter().find(|name| !format.contains(**name)), None);
    }
    look(&[&env.path("reports/many/report.html")]);
    env.opsml(["down", "many.md"]).code(0);
}
