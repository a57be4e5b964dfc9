//! `opsml lsp` as an editor uses it: over standard input and output, by the protocol.

use std::path::Path;

use serde_json::{Value, json};

use crate::cloud::repository;
use crate::editor::{Editor, place};
use crate::env::Env;

/// A runbook whose lines have characters of one, two and four bytes before what is asked about.
pub const SAYS: &str = r#"---
title: Größe 𝄞
params:
  word: {default: hello, help: what is said}
  type: {default: ml.m5.xlarge}
summary:
  - label: é𝄞
    value: "é𝄞 {{ say.stdout }}"
---
# Prosa 𝄞

```opsml say
command:
  run: [echo, "𝄞 {{ params.word }}"]
expect:
  - stdout | length > 1 and "𝄞" in stdout
caption: What is said
```

## Und dann

Sie sagt 𝄞é {{ say.stdout }} {% if say.exit_code == 0 %}gut{% endif %}.

```opsml again
command:
  run:
    - echo
    - "{{ say.stdout | upper }}"
    - '𝄞 {{ say.exit_code }}'
needs: [say]
when: say.exit_code == 0
```

𝄞 {{ ref("say") }} und {{ say.stdout | upper }} sagt say.
"#;

/// An editor that has opened this text as `says.md`.
fn says(env: &Env, text: &str) -> Editor {
    env.write("says.md", text);
    let mut editor = Editor::new(env, &[]);
    editor.open("says.md", text);
    editor
}

#[test]
fn problems_are_shown_where_they_are_and_follow_the_text() {
    let env = Env::new();
    let text = SAYS.replace("𝄞é {{ say.stdout }}", "𝄞é {{ sai.stdout }}");
    let mut editor = says(&env, &text);
    let problem = json!({
        "range": {"start": place(&text, "𝄞é {{ ^sai.stdout"), "end": place(&text, "𝄞é {{ sai.stdout^ }}")},
        "severity": 1, "source": "opsml", "message": "there is no step `sai`\nhint: did you mean `say`?",
    });
    assert_eq!(editor.diagnostics("says.md", 1), std::slice::from_ref(&problem));
    // 𝄞 has two units of UTF-16, and é one.
    assert_eq!(problem["range"]["start"]["character"], 16);
    // An edit of two letters in the middle of a line, by its range.
    let edit = json!({
        "range": {"start": place(&text, "{{ s^ai.stdout"), "end": place(&text, "{{ sai^.stdout")}, "text": "ay"
    });
    editor.change("says.md", 2, json!([edit]));
    assert_eq!(editor.diagnostics("says.md", 2), [] as [Value; 0]);
    // Two in one message, the second in the text that the first has made, and then all of the text.
    editor.change(
        "says.md",
        3,
        json!([
            {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 0}}, "text": "𝄞\r\n"},
            {"range": {"start": {"line": 0, "character": 0}, "end": {"line": 1, "character": 0}}, "text": ""},
        ]),
    );
    assert_eq!(editor.diagnostics("says.md", 3), [] as [Value; 0]);
    editor.change("says.md", 4, json!([{"text": format!("\u{feff}{}", text.replace('\n', "\r\n"))}]));
    assert_eq!(editor.diagnostics("says.md", 4), [problem]);
    editor.note("textDocument/didClose", json!({"textDocument": {"uri": editor.uri("says.md")}}));
    assert_eq!(editor.published("says.md")["diagnostics"], json!([]));
    assert_eq!(editor.end(), 0);
}

/// What `check` says of a runbook with every kind of mistake is what the editor shows.
#[test]
fn the_editor_shows_what_check_says() {
    let env = Env::new();
    let text = include_str!("golden/wrong.md");
    env.write("wrong.md", text);
    let checked: Value =
        serde_json::from_str(&env.opsml(["check", "wrong.md", "--format", "json"]).code(2).stdout).unwrap();
    let mut editor = Editor::new(&env, &[]);
    editor.open("wrong.md", text);
    let shown = editor.diagnostics("wrong.md", 1);
    let expected = checked["diagnostics"].as_array().unwrap();
    assert!(expected.len() > 15);
    assert_eq!(shown.len(), expected.len());
    for (shown, expected) in shown.iter().zip(expected) {
        let message = shown["message"].as_str().unwrap();
        // An editor names a file by its whole path.
        let said = message.replace(&format!("{}/", env.work().display()), "./");
        assert!(said.starts_with(expected["message"].as_str().unwrap()), "{shown}\n{expected}");
        assert_eq!(shown["range"]["start"]["line"].as_u64().unwrap() + 1, expected["line"], "{shown}");
        assert_eq!(shown["severity"], if expected["severity"] == "error" { 1 } else { 2 });
    }
}

#[test]
fn a_document_without_a_step_is_no_runbook() {
    let env = Env::new();
    let text = "# {{ no.step }}\n\n````\n```opsml a\n```\n````\n";
    let mut editor = Editor::new(&env, &[]);
    editor.open("README.md", text);
    assert_eq!(editor.diagnostics("README.md", 1), [] as [Value; 0]);
    for method in ["hover", "completion", "definition", "references"] {
        assert_eq!(editor.ask_at(method, "README.md", place(text, "no.^step")), Value::Null, "{method}");
    }
    for method in ["codeLens", "foldingRange", "documentSymbol", "formatting"] {
        assert_eq!(editor.ask_of(method, "README.md"), Value::Null, "{method}");
    }
}

/// Returns the labels that are offered at the `^` of a text, which has more than `from`, the text before.
fn labels(editor: &mut Editor, marked: &str) -> Vec<String> {
    let items = offered(editor, marked);
    items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
}

fn offered(editor: &mut Editor, marked: &str) -> Vec<Value> {
    let text = marked.replace('^', "");
    editor.change_all("says.md", &text);
    let list = editor.ask_at("completion", "says.md", place(&text, marked));
    if list.is_null() {
        return Vec::new();
    }
    assert_eq!(list["isIncomplete"], false);
    let mut items = list["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["sortText"].as_str().unwrap().to_owned());
    items
}

#[test]
fn what_may_stand_here_is_offered_while_one_types() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let with = |end: &str| format!("{SAYS}\n{end}");
    // The first key of a block: kinds, and then what every step may have. The block is not closed yet.
    let first = labels(&mut editor, &with("```opsml next\n^"));
    assert_eq!(first.len(), 21 + 11, "{first:?}");
    assert!(
        first[..21].contains(&"train".to_owned()) && first[21..].contains(&"needs".to_owned()),
        "{first:?}"
    );
    // Beside a kind, there is no second one.
    assert_eq!(
        labels(&mut editor, &with("```opsml next\nbucket: {}\nneeds: [say]\n^\n```\n")),
        ["caption", "expect", "expect_error", "keep", "labels", "retry", "show", "tags", "timeout", "when"]
    );
    // Fields: those that must be there first, and none that is there.
    let fields = labels(&mut editor, &with("```opsml next\ntrain:\n  role: x\n  in^\n```\n"));
    assert_eq!(fields[..3], ["inputs", "instance_type", "output_path"], "{fields:?}");
    assert!(fields.contains(&"max_run".to_owned()) && !fields.contains(&"role".to_owned()), "{fields:?}");
    assert_eq!(
        labels(
            &mut editor,
            &with("```opsml next\nrole:\n  allow:\n    - actions: [s3:GetObject]\n      ^\n```\n")
        )[0],
        "resources"
    );
    // Values: instance types with their prices, and those with a price first.
    let types = offered(&mut editor, &with("```opsml next\ntrain:\n  instance_type: ml.m5.^\n```\n"));
    let known = types.iter().position(|item| item["label"] == "ml.m5.xlarge").unwrap();
    assert_eq!(types[known]["detail"], "4 vCPUs, 16 GiB, 0.23 USD an hour");
    assert_eq!(types[known]["textEdit"]["newText"], "ml.m5.xlarge");
    let unknown = types.iter().position(|item| item["label"] == "ml.p4d.24xlarge").unwrap();
    assert!(known < unknown);
    let start = types[known]["textEdit"]["range"]["start"]["character"].as_u64().unwrap();
    assert_eq!(start, "  instance_type: ".len() as u64, "the whole type is replaced");
    let ec2 = labels(&mut editor, &with("```opsml next\nec2_train:\n  instance_type: ^\n```\n"));
    assert!(ec2.contains(&"m5.xlarge".to_owned()) && !ec2.contains(&"ml.m5.xlarge".to_owned()), "{ec2:?}");
    let any =
        labels(&mut editor, &with("```opsml next\nchoose_instance:\n  candidates: [t3.micro, ^]\n```\n"));
    assert!(any.contains(&"m5.xlarge".to_owned()) && any.contains(&"ml.m5.xlarge".to_owned()), "{any:?}");
    assert_eq!(
        labels(&mut editor, &with("```opsml next\nbucket: {}\nneeds:\n  - ^\n```\n")),
        ["again", "say"]
    );
    // The front matter.
    assert_eq!(
        labels(&mut editor, &SAYS.replace("help: what", "^ help: what")),
        ["help", "secret", "type"],
        "beside `default`"
    );
    assert_eq!(labels(&mut editor, &SAYS.replace("title:", "^title:")).len(), 5);
}

#[test]
fn names_are_offered_in_templates() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let with = |end: &str| format!("{SAYS}\n{end}");
    // In a block, the steps before it; in prose, all.
    let names = ["again", "dict", "params", "range", "run", "say"];
    assert_eq!(labels(&mut editor, &with("```opsml next\ncommand:\n  run: [\"𝄞 {{ ^\n```\n")), names);
    assert_eq!(
        labels(&mut editor, &SAYS.replace("\"𝄞 {{ params.word", "\"𝄞 {{ ^params.word")),
        ["dict", "params", "range", "run"]
    );
    assert_eq!(
        labels(&mut editor, &SAYS.replace("𝄞é {{ say", "𝄞é {{ ^say")),
        ["again", "dict", "figure", "params", "range", "ref", "run", "say", "table"]
    );
    assert_eq!(labels(&mut editor, &with("𝄞 {{ again.^ }}\n")), ["exit_code", "stderr", "stdout"]);
    assert_eq!(labels(&mut editor, &with("{{ params.^")), ["type", "word"]);
    assert_eq!(labels(&mut editor, &with("{{ run.^")), ["account", "id", "region", "stack", "target"]);
    assert_eq!(labels(&mut editor, &with("{{ figure(\"^")), ["again", "say"]);
    let filters = labels(&mut editor, &with("{{ say.stdout | ^"));
    assert!(filters.contains(&"upper".to_owned()) && filters.contains(&"table".to_owned()), "{filters:?}");
    assert!(labels(&mut editor, &with("{% if say.stdout is ^")).contains(&"defined".to_owned()));
    // What a tuning has found, and what is deeper.
    let rows = labels(
        &mut editor,
        &with("```opsml next\nchoose_instance:\n  candidates: [t3.micro]\n```\n{{ next.candidates[0].^"),
    );
    assert!(rows.contains(&"memory_gib".to_owned()), "{rows:?}");
    // In an expectation, the step's own outputs come first, and have no prefix.
    let own = labels(&mut editor, &SAYS.replace("- stdout | length", "- ^stdout | length"));
    assert_eq!(own[..3], ["exit_code", "stderr", "stdout"], "{own:?}");
    assert_eq!(labels(&mut editor, &SAYS.replace("when: say.exit_code", "when: say.^exit_code")).len(), 3);
    // In plain prose, comments and code of others, nothing is.
    assert!(labels(&mut editor, &with("train.^")).is_empty());
    assert!(labels(&mut editor, &with("```text\n{{ say.^ }}\n```\n")).is_empty());
    assert!(labels(&mut editor, &with("```opsml next\n# ^\nbucket: {}\n```\n")).is_empty());
}

#[test]
fn an_editor_that_knows_snippets_gets_the_fields_that_a_kind_must_have() {
    let env = Env::new();
    env.write("says.md", SAYS);
    let snippets = json!({"textDocument": {"completion": {"completionItem": {"snippetSupport": true}}}});
    let mut editor = Editor::with(&env, &[], snippets);
    editor.open("says.md", SAYS);
    let items = offered(&mut editor, &format!("{SAYS}\n```opsml next\ndep^\n```\n"));
    let deploy = items.iter().find(|item| item["label"] == "deploy").unwrap();
    assert_eq!(deploy["insertTextFormat"], 2);
    let text = deploy["textEdit"]["newText"].as_str().unwrap();
    assert!(text.starts_with("deploy:\n  ") && text.contains("model_data: $"), "{text}");
    let items = offered(&mut editor, &format!("{SAYS}\n```opsml next\nbuck^\n```\n"));
    let bucket = items.iter().find(|item| item["label"] == "bucket").unwrap();
    assert_eq!(bucket["textEdit"]["newText"], "bucket:\n  $0");
}

#[test]
fn what_is_under_the_cursor_is_explained() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let mut hover = |marked: &str| {
        let answer = editor.ask_at("hover", "says.md", place(SAYS, marked));
        answer["contents"]["value"].as_str().unwrap_or_default().to_owned()
    };
    assert!(hover("com^mand:\n  run: [").starts_with(
        "**command**: runs a local command, in the runbook's folder\n\nFields:\n\n- `run` (required): "
    ));
    assert_eq!(
        hover("  ru^n: [echo"),
        "**run**: a list of text\n\nThe program and its arguments. They do not pass through a shell."
    );
    assert!(hover("cap^tion:").starts_with("**caption**: text\n\n"));
    assert_eq!(
        hover("𝄞é {{ say.std^out }}"),
        "**say.stdout**: text\n\nWhat it wrote, without the last line break."
    );
    assert_eq!(
        hover("𝄞é {{ s^ay.stdout }}"),
        "**say**, a step: `command` runs a local command, in the runbook's folder"
    );
    assert_eq!(hover("needs: [s^ay]"), hover("```opsml s^ay"));
    assert_eq!(hover("ref(\"s^ay\")"), hover("```opsml s^ay"));
    assert_eq!(hover("params.wo^rd"), "**params.word**, a parameter, by default `hello`\n\nwhat is said");
    assert_eq!(
        hover("  - std^out | length"),
        "**say.stdout**: text\n\nWhat it wrote, without the last line break."
    );
    assert!(
        hover("ml.m5.xl^arge")
            .starts_with("**ml.m5.xlarge**: 4 vCPUs, 16 GiB, 0.23 USD an hour\n\nThe price is of ")
    );
    assert!(hover("ti^tle:").starts_with("**title**: text"));
    assert!(hover("de^fault: hello").contains("A parameter without a default must be given"));
    assert_eq!(hover("sagt s^ay."), "", "prose is none of a template");
    let answer = editor.ask_at("hover", "says.md", place(SAYS, "𝄞é {{ say.std^out }}"));
    let range =
        json!({"start": place(SAYS, "𝄞é {{ ^say.stdout }}"), "end": place(SAYS, "𝄞é {{ say.stdout^ }}")});
    assert_eq!(answer["range"], range);
}

/// Each place where the step `say` is named, in order.
const NAMED: &[&str] = &[
    "\"é𝄞 {{ ^say.stdout",
    "```opsml ^say",
    "𝄞é {{ ^say.stdout",
    "{% if ^say.exit_code",
    "- \"{{ ^say.stdout",
    "'𝄞 {{ ^say.exit_code",
    "needs: [^say]",
    "when: ^say.exit",
    "ref(\"^say\")",
    "und {{ ^say.stdout",
];

#[test]
fn a_step_is_found_wherever_it_is_named() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let uri = editor.uri("says.md");
    let range = |marked: &str| {
        let start = place(SAYS, marked);
        let end = start["character"].as_u64().unwrap() + 3;
        json!({"start": start, "end": {"line": start["line"], "character": end}})
    };
    let all: Vec<Value> = NAMED.iter().map(|marked| json!({"uri": uri, "range": range(marked)})).collect();
    for marked in NAMED {
        let at = place(SAYS, marked);
        assert_eq!(
            editor.ask_at("definition", "says.md", at.clone()),
            json!({"uri": uri, "range": range("```opsml ^say")}),
            "{marked}"
        );
        let mut asked = editor.at("says.md", at);
        asked["context"] = json!({"includeDeclaration": true});
        assert_eq!(editor.ask("textDocument/references", asked.clone()), json!(all), "{marked}");
        asked["context"] = json!({"includeDeclaration": false});
        assert_eq!(editor.ask("textDocument/references", asked).as_array().unwrap().len(), all.len() - 1);
    }
    assert_eq!(
        editor.ask_at("definition", "says.md", place(SAYS, "params.w^ord")),
        json!({"uri": uri, "range": {"start": place(SAYS, "  ^word: {"), "end": place(SAYS, "  word^: {")}})
    );
    assert_eq!(editor.ask_at("definition", "says.md", place(SAYS, "Sie s^agt")), Value::Null);
}

#[test]
fn a_step_is_renamed_everywhere_or_not_at_all() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let at = place(SAYS, "'𝄞 {{ sa^y.exit_code");
    let prepared = editor.ask_at("prepareRename", "says.md", at.clone());
    assert_eq!(prepared["placeholder"], "say");
    assert_eq!(prepared["range"]["start"], place(SAYS, "'𝄞 {{ ^say.exit_code"));
    assert_eq!(editor.ask_at("prepareRename", "says.md", place(SAYS, "Sie s^agt")), Value::Null);
    let renamed = editor.rename("says.md", at.clone(), "speak").unwrap();
    let edits = renamed["changes"][editor.uri("says.md")].as_array().unwrap().clone();
    let starts: Vec<Value> = NAMED.iter().map(|marked| place(SAYS, marked)).collect();
    assert_eq!(edits.iter().map(|edit| edit["range"]["start"].clone()).collect::<Vec<_>>(), starts);
    let mut text = SAYS.to_owned();
    for marked in NAMED.iter().rev() {
        let at = SAYS.find(&marked.replace('^', "")).unwrap() + marked.find('^').unwrap();
        text.replace_range(at..at + 3, "speak");
    }
    env.write("renamed.md", &text);
    env.opsml(["check", "renamed.md"]).code(0).says("2 steps, no problems");
    // What the front matter says of steps that have moved names one, too.
    let moved = SAYS.replace("summary:", "moved: {said: say}\nsummary:");
    editor.change_all("says.md", &moved);
    let edits = editor.rename("says.md", place(&moved, "'𝄞 {{ sa^y.exit_code"), "speak").unwrap();
    assert_eq!(edits["changes"][editor.uri("says.md")].as_array().unwrap().len(), NAMED.len() + 1);
    editor.change_all("says.md", SAYS);
    // A parameter, too.
    let edits = editor.rename("says.md", place(SAYS, "params.w^ord"), "text").unwrap();
    assert_eq!(edits["changes"][editor.uri("says.md")].as_array().unwrap().len(), 2);
    // What can't be a name, is one already, or would be hidden by another name.
    for (name, why) in [
        ("a-b", "`a-b` can't be a name"),
        ("1a", "`1a` can't be a name"),
        ("", "`` can't be a name"),
        ("params", "`params` means something in templates"),
        ("again", "`again` is a name already, in line 24"),
    ] {
        assert!(editor.rename("says.md", at.clone(), name).unwrap_err().contains(why), "{name}");
    }
    for (old, new, name, why) in [
        // Here the new name is an output of the step without a prefix.
        ("- stdout | length > 1", "- stdout | length > 1 and say2.stdout != stderr", "stderr", "would"),
        (
            "## Und dann",
            "{% set other = 1 %}{{ other }} {% for one in [1] %}{{ one }}{% endfor %}",
            "one",
            "would mean something else in line 20",
        ),
        ("## Und dann", "{% set other = 1 %}{{ other }}", "one", "OK"),
        (
            "## Und dann",
            "{% for one in [1] %}{{ one }} {{ say.stdout }}{% endfor %}",
            "one",
            "would mean something else in line 20",
        ),
        ("## Und dann", "{{ say.stdout", "speak", "line 20 has a template that can't be read"),
        ("caption: What", "caption: [", "speak", "line 12 has a block that can't be read"),
        ("title: Größe", "titel: Größe", "speak", "line 1 has a front matter that can't be read"),
    ] {
        let text = SAYS.replace(old, new).replace("say2.", "say.");
        editor.change_all("says.md", &text);
        let answer = editor.rename("says.md", place(&text, "\nneeds: [s^ay"), name);
        match why {
            "OK" => assert!(answer.is_ok(), "{new}: {answer:?}"),
            why => assert!(answer.as_ref().is_err_and(|said| said.contains(why)), "{new}: {answer:?}"),
        }
    }
    // A name in a text with escapes, one in a folded text, and a filter of the same name, which is none.
    let text = SAYS
        .replace("- echo\n", "- \"\\u00e9 {{ ref(\\\"say\\\") is defined }} \\t{{ say.stdout }}\"\n    - >-\n      a\n      {{ say.stdout\n      | round }}\n");
    editor.change_all("says.md", &text);
    let edits = editor.rename("says.md", place(&text, "\nneeds: [s^ay"), "speak");
    // `ref` is not for steps, so that the text is wrong, but its names are found.
    let edits = edits.unwrap()["changes"][editor.uri("says.md")].as_array().unwrap().len();
    assert_eq!(edits, NAMED.len() + 3);
}

#[test]
fn lenses_run_a_step_and_say_what_came_of_it() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let file = env.path("says.md").canonicalize().unwrap().display().to_string();
    let lenses = |editor: &mut Editor| {
        let lenses = editor.ask_of("codeLens", "says.md");
        let shown = |lens: &Value| {
            let line = lens["range"]["start"]["line"].as_u64().unwrap() + 1;
            assert_eq!(lens["command"]["command"], "opsml.terminal");
            let words = lens["command"]["arguments"][0].as_array().unwrap().clone();
            (line, lens["command"]["title"].as_str().unwrap().to_owned(), words)
        };
        lenses.as_array().unwrap().iter().map(shown).collect::<Vec<_>>()
    };
    let found = lenses(&mut editor);
    let program = env!("CARGO_BIN_EXE_opsml");
    let run = |step: &str| json!([program, "run", file, "--only", step]).as_array().unwrap().clone();
    assert_eq!(found, [(12, "▶ run".into(), run("say")), (24, "▶ run".into(), run("again"))]);
    // After a run, which another process does, the editor is told to ask again.
    let failing = SAYS.replace("    - echo\n", "    - \"false\"\n");
    env.write("says.md", &failing);
    editor.change_all("says.md", &failing);
    env.opsml(["run", "says.md"]).code(1);
    // It may have been told in the middle of the run, too.
    let found = loop {
        editor.asked("workspace/codeLens/refresh");
        let found = lenses(&mut editor);
        if found.iter().any(|(_, title, _)| title.starts_with("failed after ")) {
            break found;
        }
    };
    let titles: Vec<(u64, &str)> = found.iter().map(|(line, title, _)| (*line, title.as_str())).collect();
    assert_eq!(titles.len(), 6, "{titles:?}");
    assert_eq!((titles[0].0, titles[0].1), (12, "▶ run"));
    assert!(titles[1].1.starts_with("done in ") && titles[1].1.ends_with(" UTC"), "{titles:?}");
    assert_eq!(titles[2].1, "𝄞 hello", "{titles:?}");
    assert!(titles[4].1.starts_with("failed after "), "{titles:?}");
    assert!(titles[5].1.contains("false"), "{titles:?}");
    assert_eq!(found[1].2, json!([program, "show", file, "say"]).as_array().unwrap().clone());
    // What a step has put out is shown where it is named.
    let hover = editor.ask_at("hover", "says.md", place(&failing, "𝄞é {{ say.std^out }}"));
    let text = hover["contents"]["value"].as_str().unwrap();
    assert!(text.ends_with("As it last ran:\n\n```json\n\"𝄞 hello\"\n```"), "{text}");
    assert_eq!(editor.end(), 0);
    // The target says whose journal it is, and goes on to the commands.
    let mut editor = Editor::new(&env, &["--target", "aws", "--profile", "p", "--region", "eu-west-1"]);
    editor.open("says.md", SAYS);
    let found = lenses(&mut editor);
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].2[5..], ["--target", "aws", "--profile", "p", "--region", "eu-west-1"]);
}

#[test]
fn secrets_are_not_shown() {
    let env = Env::new();
    let secret = "AKIAIOSFODNN7EXAMPLF";
    let text = SAYS.replace("default: hello", &format!("default: {secret}")).replace("params:", "parms:");
    let mut editor = says(&env, &text);
    let shown = json!(editor.diagnostics("says.md", 1)).to_string();
    let text = SAYS.replace("default: hello", &format!("default: {secret}"));
    editor.change_all("says.md", &text);
    let hover = editor.ask_at("hover", "says.md", place(&text, "params.wo^rd")).to_string();
    assert!(hover.contains("params.word") && !format!("{shown}{hover}").contains(secret), "{hover}");
}

#[test]
fn what_belongs_together_folds_and_stands_in_the_outline() {
    let env = Env::new();
    let mut editor = says(&env, SAYS);
    let folds = editor.ask_of("foldingRange", "says.md");
    let folds: Vec<(u64, u64)> = folds
        .as_array()
        .unwrap()
        .iter()
        .map(|fold| (fold["startLine"].as_u64().unwrap() + 1, fold["endLine"].as_u64().unwrap() + 1))
        .collect();
    assert_eq!(
        folds,
        [
            // The front matter, its parameters and its summary.
            (1, 9),
            (3, 5),
            (6, 8),
            // The headings, the blocks and the keys within.
            (10, 34),
            (12, 18),
            (13, 14),
            (15, 16),
            (20, 34),
            (24, 32),
            (25, 29),
            (26, 29),
        ]
    );
    let symbols = editor.ask_of("documentSymbol", "says.md");
    let symbols: Vec<String> = symbols
        .as_array()
        .unwrap()
        .iter()
        .map(|symbol| format!("{} {} {}", symbol["name"], symbol["detail"], symbol["range"]["end"]["line"]))
        .collect();
    assert_eq!(
        symbols,
        [
            "\"word\" \"parameter\" 3",
            "\"type\" \"parameter\" 4",
            "\"say\" \"command\" 17",
            "\"again\" \"command\" 31"
        ]
    );
}

#[test]
fn blocks_are_formatted_and_prose_is_not() {
    let env = Env::new();
    let block = "```opsml say\n\ncommand:\n      # why 𝄞\n      run:   [echo,   \"a  b\"]  \n      env:\n         A: |\n           x  \n\n             y\n\n\nwhen:  1 == 1   # always\n\n```\n";
    let broken = "```opsml b\ncommand:\n      run: [\n```\n";
    let text = format!("---\ntitle:   x  \n---\nprose  \n\n{block}\n   other   prose\n\n{broken}");
    let mut editor = says(&env, &text);
    let edits = editor.ask_of("formatting", "says.md");
    let edits = edits.as_array().unwrap();
    assert_eq!(edits.len(), 2, "{edits:#?}");
    assert_eq!(edits[0]["newText"], "title: x\n");
    let new = edits[1]["newText"].as_str().unwrap();
    assert_eq!(
        new,
        "command:\n  # why 𝄞\n  run: [echo,   \"a  b\"]\n  env:\n    A: |\n      x  \n\n        y\n\nwhen: 1 == 1   # always\n"
    );
    assert_eq!(edits[1]["range"]["start"], place(&text, "```opsml say\n^"));
    assert_eq!(edits[1]["range"]["end"], place(&text, "always\n\n^```"));
    // Once more changes nothing, and only what is asked for is changed.
    let start = text.find("\ncommand").unwrap();
    let end = text.find("```\n\n   other").unwrap();
    let formatted = format!("{}{new}{}", &text[..start], &text[end..]);
    let lines = json!({"start": {"line": 5, "character": 0}, "end": {"line": 99, "character": 0}});
    editor.change_all("says.md", &formatted);
    let asked = json!({"textDocument": {"uri": editor.uri("says.md")}, "range": lines, "options": {"tabSize": 8, "insertSpaces": false}});
    assert_eq!(editor.ask("textDocument/rangeFormatting", asked), json!([]));
}

/// Our own runbooks are formatted: nothing is changed in them but what is no style of theirs.
#[test]
fn our_own_runbooks_are_formatted() {
    let env = Env::new();
    let mut editor = Editor::new(&env, &[]);
    let runbooks = std::fs::read_dir(repository("runbooks")).unwrap().map(|entry| entry.unwrap().path());
    let runbooks: Vec<_> = runbooks.filter(|path| path.extension().is_some_and(|it| it == "md")).collect();
    assert!(runbooks.len() > 4);
    for path in runbooks.iter().chain([&repository("templates/new.md")]) {
        let text = std::fs::read_to_string(path).unwrap();
        let name = Path::new("own").join(path.file_name().unwrap()).display().to_string();
        editor.open(&name, &text);
        assert_eq!(editor.ask_of("formatting", &name), json!([]), "{}", path.display());
    }
}
