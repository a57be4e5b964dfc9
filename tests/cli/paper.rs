//! The report as PDF, read by a program that knows nothing of ours.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::env::Env;

/// Prints what a reader of the PDF gets: the text without white space, page by page, and what guides through it.
const READ: &str = r#"
import json, pypdf, sys
pdf = pypdf.PdfReader(sys.argv[1])
root = pdf.trailer["/Root"]
def titles(outline):
    return [titles(one) if isinstance(one, list) else one.title for one in outline]
links = [note.get_object() for page in pdf.pages for note in page.get("/Annots", [])]
fonts = [font.get_object() for page in pdf.pages for font in page["/Resources"].get("/Font", {}).values()]
def embedded(font):
    below = font["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
    return "/FontFile2" in below or "/FontFile3" in below
print(json.dumps({
    "text": ["".join(page.extract_text().split()) for page in pdf.pages],
    "title": pdf.metadata.title,
    "author": pdf.metadata.author,
    "language": root["/Lang"],
    "tagged": bool(root["/MarkInfo"]["/Marked"].value),
    "accessible": "<pdfuaid:part>1</pdfuaid:part>" in root["/Metadata"].get_data().decode(),
    "outline": titles(pdf.outline),
    "urls": sorted({link["/A"]["/URI"] for link in links if "/A" in link and "/URI" in link["/A"]}),
    "inner": sum(1 for link in links if "/Dest" in link or "/D" in link.get("/A", {})),
    "fonts": len(fonts),
    "embedded": all(embedded(font) for font in fonts),
}))
"#;

fn read(pdf: &Path) -> Value {
    let mut python = Command::new("python3");
    python.args(["-c", READ]).arg(pdf);
    if let Some(path) = std::env::var_os("OPSML_TEST_PYTHONPATH") {
        python.env("PYTHONPATH", path);
    }
    let output = python.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The text of a PDF without white space, since a long word may stand on several lines.
pub fn text(pdf: &Path) -> String {
    let pages = read(pdf)["text"].take();
    pages.as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

fn dense(text: &str) -> String {
    text.split_whitespace().collect()
}

#[test]
fn every_word_of_a_report_is_in_its_pdf() {
    let env = Env::new();
    let vector: Vec<String> = (0..133).map(|class| format!("{:.6}", f64::from(class).sin())).collect();
    env.write("runbooks/vector", vector.join(", "));
    let hostile = "#panic() $x$ ] *b* \\ <script> @label `c` 😀 \u{202e}x";
    env.write("runbooks/said", hostile);
    let paragraphs = [
        "The first paragraph is long enough for more than one line of the page, and it has to be whole, from its first \
         word to its last, whatever is done to the lines.",
        "A name without any place to break, arn:aws:iam::123456789012:role/a-role-with-a-long-name_and_more.of-it, stays \
         whole, too.",
    ];
    let book = format!(
        "---\ntitle: Words\nauthor: A. Author\n---\n## 1. First\n\n{}\n\n### 1.1 Below\n\n- {}\n\n\
         ```opsml v\ncommand:\n  run: [cat, vector]\n```\n\nThe vector is {{{{ v.stdout }}}}.\n\n\
         ## 2. Second\n\nIt said {{{{ s.stdout }}}}, as [they](https://example.com/they) do, [or](javascript:x) not.\n\n\
         ```opsml s\ncommand:\n  run: [cat, said]\ncaption: What it said\n```\n",
        paragraphs[0], paragraphs[1],
    );
    env.write("runbooks/k.md", book);
    env.opsml(["run", "runbooks/k.md"]).code(0).says("report.pdf");
    let pdf = read(&env.path("reports/k/report.pdf"));
    let text = text(&env.path("reports/k/report.pdf"));
    for paragraph in paragraphs {
        assert!(text.contains(&dense(paragraph)), "{paragraph}\nin\n{text}");
    }
    assert!(text.contains(&dense(&format!("The vector is {}.", vector.join(", ")))), "{text}");
    // Once in the prose, and once among the outputs of its step.
    for number in &vector {
        assert!(text.matches(number.as_str()).count() >= 2, "{number} in\n{text}");
    }
    let shown =
        "It said #panic() $x$ ] *b* \\ <script> @label `c` \\u{1f600} \\u{202e}x, as they do, or not.";
    assert!(text.contains(&dense(shown)), "{text}");
    let guides = ["title", "author", "language", "tagged", "accessible", "embedded", "urls"];
    let found: Vec<&Value> = guides.iter().map(|guide| &pdf[guide]).collect();
    let expected = json!(["Words", "A. Author", "en", true, true, true, ["https://example.com/they"]]);
    assert_eq!(json!(found), expected);
    let closing = ["Run", "What is alive", "Appendix: resources and whole texts"];
    let outline = pdf["outline"].as_array().unwrap();
    assert_eq!(outline[..3], [json!("1. First"), json!(["1.1 Below"]), json!("2. Second")]);
    assert!(closing.iter().all(|title| outline.contains(&json!(title))), "{outline:?}");
    assert!(pdf["inner"].as_u64() > Some(5) && pdf["fonts"].as_u64() > Some(2), "{pdf}");

    // From the same journal comes the same file, on another day, too.
    let first = std::fs::read(env.path("reports/k/report.pdf")).unwrap();
    std::fs::remove_dir_all(env.path("reports")).unwrap();
    env.opsml(["report", "runbooks/k.md"]).code(0).says("report.pdf");
    assert!(std::fs::read(env.path("reports/k/report.pdf")).unwrap() == first);
}
