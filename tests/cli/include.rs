//! `include` blocks: the steps and parameters of another file.

use serde_json::{Value, json};

use crate::editor::{Editor, place};
use crate::env::Env;
use crate::small::started;

const BOOK: &str = "---\ntitle: Mine\nparams:\n  own: {default: 1}\n---\n# Mine\n\n```opsml first\ncommand:\n  run: [echo, one]\n```\n\nBefore.\n\n\
                    ```opsml include\nfile: shared/common.md\nparams: {team: vision}\n```\n\nAfter: {{ hello.stdout }}, {{ params.team }}.\n\n\
                    ```opsml last\ncommand:\n  run: [echo, \"{{ hello.stdout }}\"]\n```\n";
const COMMON: &str = "---\ntitle: Common\nparams:\n  team: {default: none, help: who}\n  times: {default: 2}\n---\n# Prose of the other file\n\n\
                      ```opsml hello\ncommand:\n  run: [echo, \"{{ params.team }} {{ params.times }} {{ first.stdout }}\"]\n```\n\n\
                      ```opsml file\ncommand:\n  run: [cat, data.txt]\n  reads: [data.txt]\n```\n";

fn env() -> Env {
    let env = Env::new();
    env.write("b.md", BOOK);
    env.write("shared/common.md", COMMON);
    env.write("data.txt", "content");
    env
}

#[test]
fn an_included_file_gives_its_steps_in_the_place_of_the_block() {
    let env = env();
    env.opsml(["check", "b.md"]).code(0).says("b.md: 4 steps, no problems");
    let run = env.opsml(["run", "b.md"]).code(0);
    assert_eq!(started(&run.stdout), ["first", "hello", "file", "last"]);
    assert!(run.stdout.contains("✓ last: vision 2 one"), "{}", run.stdout);
    // Its steps are shown where the block stands, and its prose isn't.
    let report = env.read("reports/b/report.md");
    let place = |text: &str| report.find(text).unwrap_or_else(|| panic!("no {text} in {report}"));
    assert!(place("Before.") < place("After: vision 2 one, vision."), "{report}");
    assert!(!report.contains("Prose of the other file") && !report.contains("Common"), "{report}");
    // A parameter of the file is one of the runbook.
    let run = env.opsml(["run", "b.md", "-p", "times=3"]).code(0);
    assert_eq!(started(&run.stdout), ["hello", "last"]);
    env.opsml(["run", "b.md", "-p", "times=three"])
        .code(2)
        .complains("parameter `times`: must be an integer");
    // Prose of the included file changes nothing, and its fields do.
    env.opsml(["run", "b.md"]).code(0);
    env.write("shared/common.md", COMMON.replace("# Prose of", "Much more prose of"));
    env.opsml(["run", "b.md"]).code(0).says("nothing to do");
    env.write("shared/common.md", COMMON.replace("[cat, data.txt]", "[cat, data.txt, data.txt]"));
    assert_eq!(started(&env.opsml(["run", "b.md"]).code(0).stdout), ["file"]);
    // The file is a runbook of its own, but for the step that it needs.
    env.opsml(["check", "shared/common.md"]).code(2).says("there is no step `first`");
    env.opsml(["report", "b.md"]).code(0);
    env.opsml(["export", "b.md"]).code(0);
    assert!(env.read("b.ipynb").contains("# opsml hello"));
}

#[test]
fn problems_point_into_the_included_file() {
    let env = env();
    env.write(
        "shared/common.md",
        COMMON.replace("cat, data.txt", "cat, \"{{ params.tem }}\"").replace("  reads:", "  raeds:"),
    );
    let check = env.opsml(["check", "b.md"]).code(2);
    let check = check.says("--> shared/common.md:17:3").says("did you mean `reads`?");
    assert!(check.stdout.contains("raeds") && !check.stdout.contains("b.md:16"), "{}", check.stdout);
    let json = env.opsml(["check", "b.md", "--format", "json"]).code(2);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["diagnostics"][0]["file"], "shared/common.md");
    env.write("shared/common.md", COMMON.replace("opsml hello", "opsml first"));
    let check = env.opsml(["check", "b.md"]).code(2);
    check.says("--> shared/common.md:9:10").says("the id `first` is taken by the step in line 8");
    // A step that fails says where it is declared.
    env.write("shared/common.md", COMMON.replace("cat, data.txt", "cat, none.txt"));
    env.opsml(["run", "b.md"]).code(1).complains("step `file` (shared/common.md:14): Command");
    assert!(env.read("reports/b/report.md").contains("line 14 of shared/common.md"));
}

#[test]
fn what_can_not_be_included_is_said_at_the_block() {
    let env = env();
    let book = |body: &str| {
        format!(
            "# B\n\n```opsml include\n{body}\n```\n\n```opsml a\ncommand:\n  run: [echo, \"{{{{ hello.stdout }}}}\"]\n```\n"
        )
    };
    env.write("outside.md", "");
    env.write("folder/nested.md", "```opsml include\nfile: shared/common.md\n```\n");
    env.write("folder/first.md", "```opsml first\ncommand:\n  run: [echo]\n```\n");
    for (body, said) in [
        ("file: none.md", "c.md:4:7"),
        ("file: ../outside.md", "leads out of the runbook's folder"),
        ("file: /etc/passwd", "leads out of the runbook's folder"),
        ("file: folder", "folder"),
        ("fiel: shared/common.md", "did you mean `file`?"),
        ("file: [a]", "`file`"),
        ("", "include"),
        ("file: \"{{ params.x }}\"", "it takes no template"),
        ("file: folder/nested.md", "an included file includes no other"),
        ("file: c.md", "an included file includes no other"),
        ("file: shared/common.md\nparams: {tema: x}", "shared/common.md has no parameter `tema`"),
        ("file: shared/common.md\nparams: {times: many}", "`times` must be an integer"),
        (
            "file: shared/common.md\n```\n\n```opsml include\nfile: shared/common.md",
            "is included already, in line 4",
        ),
    ] {
        env.write("c.md", book(body));
        let check = env.opsml(["check", "c.md"]).code(2);
        assert!(check.stdout.contains(said), "{body}: {}", check.stdout);
    }
    // Inside a condition of the prose, its steps would run whatever that says.
    env.write("c.md", "{% if false %}\n\n```opsml include\nfile: folder/first.md\n```\n\n{% endif %}\n");
    env.opsml(["check", "c.md"])
        .code(2)
        .says("the step `first` stands inside `{% if %}` of the prose in line 1");
}

/// An editor has the text of the runbook alone: what is in another file is shown where that is named.
#[test]
fn what_an_included_file_has_is_known_and_not_renamed() {
    let env = Env::new();
    env.write("who.md", "```opsml who\ncommand: {run: [echo, \"{{ params.nobody }}\"]}\n```\n");
    let text = "```opsml include\nfile: who.md\n```\n\n```opsml say\ncommand: {run: [echo, \"{{ who.stdout }}\"]}\n```\n\n{{ say.stdout }}\n";
    env.write("says.md", text);
    let mut editor = Editor::new(&env, &[]);
    editor.open("says.md", text);
    let problems = editor.diagnostics("says.md", 1);
    assert_eq!(problems.len(), 1, "{problems:?}");
    let message = problems[0]["message"].as_str().unwrap();
    assert!(message.starts_with("line 2 of who.md: the runbook has no parameter `nobody`"), "{message}");
    assert_eq!(problems[0]["range"]["start"], place(text, "file: ^who.md"));
    let mut asked = editor.at("says.md", place(text, "{{ s^ay.stdout"));
    asked["context"] = json!({"includeDeclaration": true});
    let references = editor.ask("textDocument/references", asked);
    assert_eq!(references.as_array().unwrap().len(), 2, "{references}");
    let refused = editor.rename("says.md", place(text, "{{ s^ay.stdout"), "speak").unwrap_err();
    assert!(refused.contains("who.md, which this runbook includes, may name `say`"), "{refused}");
    assert_eq!(editor.end(), 0);
}
