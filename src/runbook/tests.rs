//! Generated templates, YAML and runbooks: whatever the text, there is an answer, and it points into the text.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::template::{self, Context, Form};
use super::yaml::{self, Node};
use super::{Runbook, check};
use crate::diagnostic::{Diagnostic, Source};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Text put together of parts that mean something, and of a few characters that don't.
fn text(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let part = prop_oneof![6 => prop::sample::select(parts).prop_map(str::to_owned), 1 => any::<String>()];
    vec(part, 0..24).prop_map(|parts| parts.concat())
}

fn template() -> impl Strategy<Value = String> {
    text(&[
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "#}",
        " ",
        "a",
        "a.b",
        "params.é",
        "if",
        "endif",
        "for",
        "in",
        "set",
        "raw",
        "endraw",
        "|",
        "upper",
        "default(",
        ")",
        "(",
        "[",
        "]",
        "~",
        "+",
        "-",
        "**",
        "not",
        "is",
        "defined",
        "==",
        "\"",
        "'",
        "\\",
        "1",
        "9e9",
        ".",
        ",",
        "é",
        "\u{f0000}",
        "\n",
    ])
}

fn runbook() -> impl Strategy<Value = String> {
    text(&[
        "---\n",
        "title: é\n",
        "params:\n",
        "  p: {type: text, default: é}\n",
        "  p: 1\n",
        "```opsml a\n",
        "```opsml é\n",
        "~~~opsml b\n",
        "~~~\n",
        "```\n",
        "\n",
        "command:\n",
        "  run: [\"{{ a.stdout }}\", \"\\xe9{{ é }}\"]\n",
        "  run: ['é{{ nobody }}']\n",
        "  run: {{ params.p }}\n",
        "when: a.é\n",
        "when: \"\\u00e9\\u00e9 == 'x\"\n",
        "needs: [a, é]\n",
        "timeout: é\n",
        "expect: ['exit_code == 1', é]\n",
        "bucket:\n",
        "- ",
        "> ",
        "    ",
        "\t",
        "é: ",
        "\"é",
        "'",
        "&a ",
        "*a",
        "!b ",
        "{{ a.stdout }}",
        "{{ é.x|nope }}",
        "{% for x in a %}",
        "{{ figure('é') }}",
        "|\n",
        "[^é]: ",
        "\u{feff}",
        "\r\n",
    ])
}

/// Numbers, texts, lists and mappings, as deep as a step's fields and deeper.
fn tree() -> impl Strategy<Value = Value> {
    let plain = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(
            &["", "~", "null", "yes", "0x1F", "007", "1e3", ".inf", "- a", "a: b", "a #b", "{{ a }}", "é"][..]
        )
        .prop_map(Value::from),
    ];
    plain.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((any::<String>(), inner), 0..5).prop_map(|members| Value::from(Map::from_iter(members))),
        ]
    })
}

/// As people write it: a line for each member, deeper ones indented. Texts are quoted as JSON's are.
fn block(value: &Value, indent: usize, out: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                out.push_str(&format!("\n{pad}-"));
                block(item, indent + 2, out);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (name, value) in members {
                out.push_str(&format!("\n{pad}{}:", Value::from(name.as_str())));
                block(value, indent + 2, out);
            }
        }
        plain => out.push_str(&format!(" {plain}")),
    }
}

fn points_into(text: &str, problem: &Diagnostic) {
    let span = &problem.span;
    assert!(span.start <= span.end && text.get(span.clone()).is_some(), "{problem:?} in {text:?}");
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn any_text_is_a_template_or_an_error_in_it(text in template()) {
        for form in [Form::Template, Form::Expression] {
            match template::references(&text, form, &|at| at) {
                Ok(found) => found.iter().for_each(|reference| assert!(text.get(reference.span.clone()).is_some())),
                Err(problem) => points_into(&text, &problem),
            }
        }
        let context = Context::default();
        context.set("a", serde_json::json!({"b": "é"}));
        for result in [template::resolve(&text, &context), template::evaluate(&text, &context)] {
            if let Err(error) = result {
                points_into(&text, &template::diagnostic(&text, Form::Template, &error, &|at| at));
            }
        }
    }

    #[test]
    fn any_text_is_yaml_or_an_error_in_it(before in "[é-]{0,3}", text in runbook()) {
        let document = format!("{before}{text}");
        let mut problems = Vec::new();
        let node = yaml::parse(&document, before.len()..document.len(), &mut problems);
        problems.iter().for_each(|problem| points_into(&document, problem));
        if let Some(node) = node {
            node.each_text(&mut |node: &Node, _| assert!(document.get(node.span.clone()).is_some()));
        }
    }

    #[test]
    fn any_text_is_a_runbook_with_what_is_wrong_in_it(text in runbook()) {
        let (runbook, mut problems) = Runbook::parse(Source::new("a.md", text));
        problems.extend(check(&runbook, &Map::new(), &|_| None));
        for problem in &problems {
            points_into(&runbook.source.text, problem);
            runbook.source.render(problem);
        }
    }

    #[test]
    fn what_is_written_out_is_read_back(tree in tree()) {
        let mut lines = String::new();
        block(&tree, 0, &mut lines);
        for text in [tree.to_string(), lines] {
            let mut problems = Vec::new();
            let read = yaml::parse(&text, 0..text.len(), &mut problems);
            prop_assert!(problems.is_empty(), "{problems:?} in {text}");
            prop_assert_eq!(read.map(|node| node.to_value()), Some(tree.clone()), "{}", text);
        }
    }
}
