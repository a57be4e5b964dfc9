//! A run as JUnit's XML: one suite, and in it a test case for each step.
//!
//! The form is the one that CI servers have in common: <https://github.com/testmoapp/junitxml>.

use std::fmt::Write as _;

use super::gathered::{Account, Mark, StepResult, Trouble};
use crate::diagnostic::printable;
use crate::secret::shown;

/// Returns the XML document.
pub fn junit(account: &Account) -> String {
    let mut cases = String::new();
    account.steps.iter().for_each(|step| case(&mut cases, account, step));
    if let Some(trouble) = &account.trouble {
        trouble_case(&mut cases, account, trouble);
    }
    let troubles = usize::from(account.trouble.is_some());
    let counts = format!(
        r#"tests="{}" failures="{}" errors="{}" skipped="{}" time="{}""#,
        account.steps.len() + troubles,
        account.count(&[Mark::Failed]),
        account.steps.iter().filter(|step| step.mark == Mark::Interrupted).count() + troubles,
        account.count(&[Mark::Skipped, Mark::NotReached]),
        seconds(account.milliseconds),
    );
    let started = account.started.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let started = started.map(|at| format!(r#" timestamp="{}""#, at.strftime("%Y-%m-%dT%H:%M:%S")));
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(xml, r#"<testsuites name="opsml" {counts}>"#);
    let _ = writeln!(
        xml,
        r#"<testsuite name="{}" {counts}{}>"#,
        attribute(&account.title),
        started.unwrap_or_default()
    );
    if !account.at.is_empty() {
        let at = attribute(&account.at);
        let _ = writeln!(xml, r#"<properties><property name="target" value="{at}"/></properties>"#);
    }
    xml.push_str(&cases);
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}

fn case(xml: &mut String, account: &Account, step: &StepResult) {
    let planned = &step.planned;
    let _ = writeln!(
        xml,
        r#"<testcase name="{}" classname="{}" file="{}" line="{}" time="{}">"#,
        attribute(&planned.id),
        attribute(&account.name),
        attribute(&planned.file),
        planned.line,
        seconds(step.milliseconds),
    );
    let element = |name: &str, kind: &str, message: &str, body: &str| {
        let (kind, message) = (attribute(kind), attribute(message));
        format!("<{name} type=\"{kind}\" message=\"{message}\">{}</{name}>\n", text(body))
    };
    match (&step.failure, step.mark) {
        (Some(failure), mark) => {
            let place = format!("{}:{}", planned.file, planned.line);
            let mut body = format!("step `{}` ({place}): {failure}", planned.id);
            failure.hints.iter().for_each(|hint| body.push_str(&format!("\nhint: {hint}")));
            // An error is what keeps a test from ending; a failure is how it ends.
            let name = if mark == Mark::Failed { "failure" } else { "error" };
            xml.push_str(&element(name, &failure.code, &failure.message, &body));
        }
        (None, Mark::Interrupted) => {
            let message = "interrupted; the next run goes on with it";
            xml.push_str(&element("error", "Interrupted", message, message));
        }
        (None, Mark::Skipped) => skipped(xml, &step.said),
        (None, Mark::NotReached) => skipped(xml, "the run ended before this step"),
        (None, Mark::Kept) => out(xml, &format!("kept: {}", step.said)),
        (None, Mark::Done | Mark::Failed) => out(xml, &step.said),
    }
    xml.push_str("</testcase>\n");
}

fn skipped(xml: &mut String, why: &str) {
    let _ = writeln!(xml, r#"<skipped message="{}"/>"#, attribute(why));
}

fn out(xml: &mut String, said: &str) {
    let _ = writeln!(xml, "<system-out>{}</system-out>", text(said));
}

/// No step has the name `run`.
fn trouble_case(xml: &mut String, account: &Account, trouble: &Trouble) {
    let name = attribute(&account.name);
    let _ = writeln!(xml, r#"<testcase name="run" classname="{name}" time="0.000">"#);
    let mut body = trouble.details.join("\n");
    body.push_str(&trouble.message);
    trouble.hints.iter().for_each(|hint| body.push_str(&format!("\nhint: {hint}")));
    let message = attribute(&trouble.message);
    let _ = writeln!(xml, r#"<error type="run" message="{message}">{}</error>"#, text(&body));
    xml.push_str("</testcase>\n");
}

fn seconds(milliseconds: i64) -> String {
    format!("{:.3}", milliseconds.max(0) as f64 / 1000.0)
}

/// Text between tags: without secrets, and without the characters that XML 1.0 can't hold even if they are escaped.
/// Control characters become `\u{1b}`. No `]]>` is left, since each `>` is escaped.
fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in printable(&shown(value)).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push(char::REPLACEMENT_CHARACTER),
            other => escaped.push(other),
        }
    }
    escaped
}

/// As [`text`]. A reader would take a line break within an attribute for a space.
fn attribute(value: &str) -> String {
    text(value).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup_or_breaks_the_document() {
        let table = [
            ("a]]>b", "a]]&gt;b"),
            ("<a href=\"x\">&amp;", "&lt;a href=&quot;x&quot;&gt;&amp;amp;"),
            ("\u{0}\u{8}\u{1b}[1m\u{7f}\u{85}", "\\u{0}\\u{8}\\u{1b}[1m\\u{7f}\\u{85}"),
            ("\u{fffe}\u{ffff}\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}"),
            ("é 😀 \u{10ffff}", "é 😀 \u{10ffff}"),
            ("a\r\nb", "a\\r\nb"),
        ];
        for (given, expected) in table {
            assert_eq!(text(given), expected, "{given:?}");
        }
        assert_eq!(attribute("a\n\tb"), "a&#10;&#9;b");
    }
}
