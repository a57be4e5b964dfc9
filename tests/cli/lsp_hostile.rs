//! What an editor, or a document in it, may send to `opsml lsp` that it should not.

use serde_json::{Value, json};

use crate::editor::Editor;
use crate::env::Env;
use crate::lsp::SAYS;
use crate::small::RUNBOOK;

#[test]
fn what_is_wrong_gets_an_error_and_the_next_request_an_answer() {
    let env = Env::new();
    env.write("says.md", SAYS);
    let mut editor = Editor::started(&env, &[]);
    let code = |answer: &Value| answer["error"]["code"].as_i64().unwrap_or_default();
    assert_eq!(code(&editor.asked_raw("textDocument/hover", json!({}))), -32002, "before `initialize`");
    editor.initialize(json!({}));
    assert_eq!(code(&editor.asked_raw("initialize", json!({}))), -32600);
    assert_eq!(code(&editor.asked_raw("no/method", json!({}))), -32601);
    assert_eq!(code(&editor.asked_raw("textDocument/hover", json!([1]))), -32602);
    assert_eq!(
        code(&editor.asked_raw("textDocument/hover", json!({"textDocument": {"uri": "::"}, "position": 1}))),
        -32602
    );
    let unknown =
        json!({"textDocument": {"uri": "file:///no/such.md"}, "position": {"line": 0, "character": 0}});
    let answer = editor.asked_raw("textDocument/hover", unknown);
    assert_eq!(answer["error"]["message"], "`file:///no/such.md` is not open");
    // What is no message at all has no id to answer to.
    for (body, code) in [
        ("{", -32700),
        ("\u{0}\u{1}", -32700),
        ("[]", -32600),
        ("{\"id\": {}, \"method\": 1}", -32600),
        ("\"text\"", -32600),
    ] {
        editor.send(body);
        assert_eq!(editor.refused()["error"]["code"], code, "{body}");
    }
    // Notifications about nothing are passed over.
    editor.note("textDocument/didChange", json!({"textDocument": {"uri": "file:///no/such.md", "version": 1}, "contentChanges": [{"text": "x"}]}));
    editor.note("textDocument/didOpen", json!(7));
    editor.note("$/cancelRequest", json!({"id": 1}));
    editor.note("textDocument/didClose", json!({"textDocument": {"uri": "file:///no/such.md"}}));
    // Names without a file, and places that are nowhere.
    for uri in ["untitled:Untitled-1", "http://example.com/a.md", "file:///", "file://host/a.md", "urn:x"] {
        editor.open_at(uri, SAYS);
        let far =
            json!({"textDocument": {"uri": uri}, "position": {"line": u32::MAX, "character": u32::MAX}});
        for method in ["hover", "completion", "definition", "prepareRename"] {
            let answer = editor.ask(&format!("textDocument/{method}"), far.clone());
            assert_eq!(answer, Value::Null, "{uri} {method}");
        }
        assert!(!editor.ask("textDocument/foldingRange", json!({"textDocument": {"uri": uri}})).is_null());
    }
    let back = json!({"start": {"line": 9, "character": 9}, "end": {"line": 0, "character": 0}});
    editor.open("says.md", SAYS);
    editor.change("says.md", 2, json!([{"range": back, "text": "!"}]));
    assert_eq!(editor.ask_of("documentSymbol", "says.md").as_array().unwrap().len(), 4);
    assert_eq!(editor.ask("shutdown", Value::Null), Value::Null);
    assert_eq!(code(&editor.asked_raw("textDocument/hover", json!({}))), -32600, "after `shutdown`");
    assert_eq!(code(&editor.asked_raw("shutdown", json!({}))), -32600);
    editor.note("exit", Value::Null);
    assert_eq!(editor.wait(), 0);
    // An editor that only goes away: its stream ends, or says `exit` alone.
    let mut editor = Editor::new(&env, &[]);
    editor.note("exit", Value::Null);
    assert_eq!(editor.wait(), 1);
    let mut editor = Editor::new(&env, &[]);
    editor.hang_up();
    assert_eq!(editor.wait(), 1);
    let mut editor = Editor::new(&env, &[]);
    editor.send_bytes(b"Content-Length: many\r\n\r\n{}");
    assert_eq!(editor.wait(), 1);
}

#[test]
fn an_enormous_document_is_answered() {
    let env = Env::new();
    let mut editor = Editor::new(&env, &[]);
    let step = "```opsml a\nbucket: {}\n```\n";
    for (name, text, problems) in [
        // One line with 400,000 mistakes, of which an editor is sent some.
        ("line.md", format!("{step}{}\n", "𝄞{{ x }} ".repeat(400_000)), 500),
        ("names.md", format!("{step}{}", "{{ a.name }}\n".repeat(100_000)), 0),
        ("long.md", format!("{step}{}", "x".repeat(9 << 20)), 1),
    ] {
        editor.open(name, &text);
        assert_eq!(editor.diagnostics(name, 1).len(), problems, "{name}");
        let last = json!({"line": 3, "character": 4});
        for method in ["hover", "completion", "definition"] {
            editor.ask_at(method, name, last.clone());
        }
        for method in ["codeLens", "foldingRange", "documentSymbol", "formatting"] {
            editor.ask_of(method, name);
        }
    }
    let all = editor.at("names.md", json!({"line": 0, "character": 9}));
    let mut asked = all.clone();
    asked["context"] = json!({"includeDeclaration": true});
    assert_eq!(editor.ask("textDocument/references", asked).as_array().unwrap().len(), 100_001);
    assert_eq!(editor.end(), 0);
}

/// Asks everything at many places of texts that are hardly runbooks. No answer may be that of a bug.
#[test]
fn no_text_makes_a_request_fail() {
    let env = Env::new();
    let mut editor = Editor::new(&env, &[]);
    editor.open("fuzz.md", "");
    let pieces = [
        "```opsml x\n",
        "```\n",
        "---\n",
        "{{ ",
        " }}",
        "{%",
        "\"",
        "'",
        "\r\n",
        "\r",
        "𝄞",
        "\u{feff}",
        "|\n",
        "- ",
        "[",
        "{",
        "}",
        ": ",
        "\t",
        "#",
    ];
    let mut seed = 7u32;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % below.max(1)
    };
    for round in 0..60 {
        let mut text = [SAYS, RUNBOOK, include_str!("golden/wrong.md")][round % 3].to_owned();
        for _ in 0..1 << next(5) {
            let at = text.floor_char_boundary(next(text.len()));
            match next(3) {
                0 => text.insert_str(at, pieces[next(pieces.len())]),
                1 => text.truncate(text.floor_char_boundary(at.max(40))),
                _ => {
                    let end = text.floor_char_boundary((at + next(40)).min(text.len()));
                    text.replace_range(at..end.max(at), pieces[next(pieces.len())]);
                }
            }
        }
        editor.change_all("fuzz.md", &text);
        for method in ["codeLens", "foldingRange", "documentSymbol", "formatting"] {
            editor.ask_of(method, "fuzz.md");
        }
        for _ in 0..20 {
            let at = json!({"line": next(60), "character": next(60)});
            for method in ["hover", "completion", "definition", "prepareRename"] {
                editor.ask_at(method, "fuzz.md", at.clone());
            }
            // It may be refused.
            let _ = editor.rename("fuzz.md", at, "other");
        }
    }
}
