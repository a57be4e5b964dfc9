//! What comes from outside is text in every place of both formats, and secrets reach none.

use pulldown_cmark::{Event as Md, Parser};

use super::super::prose::options;
use super::*;

/// Texts that would do something where a value was taken for markup.
pub const HOSTILE: &[&str] = &[
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

/// Every place that a value may land in.
pub fn everywhere(value: &str) -> (Runbook, State) {
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

/// What a reader of Markdown makes of it but for its text: the tags, and where links lead. What is folded away holds code
/// alone, and is left out, since a value folds by its length and lines.
fn structure(markdown: &str) -> Vec<String> {
    let mut folded = false;
    Parser::new_ext(markdown, options())
        .filter_map(|event| match event {
            // A card of its own, whose name is escaped.
            Md::Html(html) if html.starts_with("<details class=\"card\"><summary>") => {
                assert_eq!(html.matches('<').count(), 3, "{html}");
                Some("card".into())
            }
            Md::Html(html) if html.starts_with("<details class=\"more\"><summary>") => Some("more".into()),
            Md::Html(html) if html.starts_with("<details>") => {
                let name = html.trim_end().strip_prefix("<details><summary>");
                let name = name.and_then(|rest| rest.strip_suffix("</summary>"));
                assert!(!folded && name.is_some_and(|name| !name.contains('<')), "{html}");
                folded = true;
                None
            }
            Md::Html(html) if html.trim_end() == "</details>" => match std::mem::take(&mut folded) {
                true => None,
                false => Some("end of card".into()),
            },
            Md::Start(pulldown_cmark::Tag::HtmlBlock) | Md::End(pulldown_cmark::TagEnd::HtmlBlock) => None,
            Md::Start(pulldown_cmark::Tag::CodeBlock(_)) | Md::End(pulldown_cmark::TagEnd::CodeBlock)
                if folded =>
            {
                None
            }
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
    let tags = tag.captures_iter(body).map(|found| format!("{} {}", &found[1], names(&found[2])));
    // A value folds by its length and lines.
    let tags = tags.collect::<Vec<_>>().join("\n");
    let fold = ["details ", "summary ", "/summary ", "pre ", "/pre ", "/details "].join("\n") + "\n";
    tags.replace(&fold, "").split('\n').map(str::to_owned).collect()
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
            &link::encoded(&token::Token::Value { value: (*value).into(), from: None }),
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
    render_into(&book, &Journaled::new("local").end(RunOutcome::Done), &out).unwrap();
    let html = std::fs::read_to_string(out.join("report.html")).unwrap();
    assert_eq!(html.matches("<img ").count(), 1, "{html}");
    assert!(html.contains("src=\"data:image/png;base64,iVBORw0KGgpyZXN0\""));
    assert!(
        std::fs::read_to_string(out.join("report.md")).unwrap().contains("![in](<figures/picture-1.png>)")
    );
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
