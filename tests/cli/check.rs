//! `opsml check` reports every problem at its place, all in one run, and no input makes it crash.

use std::path::Path;
use std::time::{Duration, Instant};

use opsml::diagnostic::Source;
use opsml::runbook::{self, Runbook};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Map, Value};

use crate::cloud::repository;
use crate::env::Env;
use crate::small::{RUNBOOK, small};

/// A runbook with one mistake of each kind.
const WRONG: &str = include_str!("golden/wrong.md");

fn golden(name: &str, found: &str) {
    golden_at(&repository("tests/cli/golden").join(name), found);
}

/// Compares `found` with a golden file. `OPSML_GOLDEN=write` writes the file again; review the change like code.
pub fn golden_at(path: &Path, found: &str) {
    if std::env::var("OPSML_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(path, found).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert!(found == expected, "{} is another:\n{found}", path.display());
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    let env = Env::new();
    env.write("wrong.md", WRONG);
    env.write("data/a.txt", "");
    golden("wrong.txt", &env.opsml(["check", "wrong.md"]).code(2).stdout);
    let json: Value =
        serde_json::from_str(&env.opsml(["check", "wrong.md", "--format", "json"]).code(2).stdout).unwrap();
    golden("wrong.json", &format!("{json:#}\n"));
    // A run of it starts nothing.
    env.opsml(["run", "wrong.md"]).code(2).complains("nothing was run");
    assert!(!env.cloud().exists());
}

#[test]
fn a_wrong_front_matter_and_an_open_fence() {
    let env = Env::new();
    for (name, text) in [
        (
            "front",
            "---\ntitel: x\nbudget: 5 EUR\nparams:\n  a-b: {default: 1}\n  n: {type: integer, default: x}\n---\ntext\n",
        ),
        ("open", "text\n\n```opsml a\nbucket: {}\n"),
        ("yaml", "---\ntitle: [\n---\n"),
    ] {
        env.write(&format!("{name}.md"), text);
        golden(&format!("{name}.txt"), &env.opsml(["check", &format!("{name}.md")]).code(2).stdout);
    }
}

/// With CRLF, with a byte order mark and with both, problems are reported in the same lines and columns.
#[test]
fn line_ends_and_a_byte_order_mark_change_no_place() {
    let env = Env::new();
    let places = |text: &str| {
        env.write("wrong.md", text);
        let json: Value =
            serde_json::from_str(&env.opsml(["check", "wrong.md", "--format", "json"]).code(2).stdout)
                .unwrap();
        let problems = json["diagnostics"].as_array().unwrap().clone();
        problems.iter().map(|p| format!("{}:{} {}", p["line"], p["column"], p["message"])).collect::<Vec<_>>()
    };
    let plain = places(WRONG);
    assert!(plain.len() > 15, "{plain:#?}");
    assert_eq!(places(&WRONG.replace('\n', "\r\n")), plain);
    assert_eq!(places(&format!("\u{feff}{WRONG}")), plain);
    let env = small();
    env.write("small.md", format!("\u{feff}{}", RUNBOOK.replace('\n', "\r\n")));
    env.opsml(["check", "small.md"]).code(0).says("9 steps, no problems");
}

#[test]
fn our_own_runbooks_pass() {
    let env = Env::new();
    let mut runbooks: Vec<_> =
        std::fs::read_dir(repository("runbooks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    runbooks.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    assert!(runbooks.iter().any(|path| path.ends_with("runbooks/project.md")));
    for path in &runbooks {
        env.opsml([Path::new("check"), path]).code(0).says("no problems");
    }
}

/// Escapes, folded lines and indentation move what is behind them.
#[test]
fn a_reference_is_shown_where_it_stands_in_any_text() {
    let env = Env::new();
    for (text, place) in [
        (r#""\u00e9 \"a\" {{ no.x }}""#, (5, 25)),
        ("'it''s {{ no.x }}'", (5, 18)),
        ("|\n        é𝄞\n        {{ no.x }}", (7, 12)),
        (">-\n        one\n        two {{ no.x }}", (7, 16)),
        ("one\n        two {{ no.x }}", (6, 16)),
    ] {
        env.write("a.md", format!("```opsml a\ncommand:\n  run: [x]\n  env:\n    A: {text}\n```\n"));
        let json: Value =
            serde_json::from_str(&env.opsml(["check", "a.md", "--format", "json"]).code(2).stdout).unwrap();
        let problem = &json["diagnostics"][0];
        assert_eq!(problem["message"], "there is no step `no`", "{text}");
        let (line, column) = (problem["line"].as_u64().unwrap(), problem["column"].as_u64().unwrap());
        assert_eq!((line, column), place, "{text}");
    }
}

/// Checks text as the program does. The test is that this returns.
fn survives(text: &str) {
    let (runbook, problems) = Runbook::parse(Source::new("fuzz.md", text));
    let params = runbook.params(&Default::default()).unwrap_or_else(|_| Map::new());
    let more = runbook::check(&runbook, &params, &|_| None);
    for problem in problems.iter().chain(&more) {
        assert!(!runbook.source.render(problem).is_empty());
        assert!(runbook.source.to_json(problem)["line"].as_u64() >= Some(1));
    }
}

#[test]
fn no_text_makes_it_crash() {
    const PIECES: &[&str] = &[
        "```opsml x\n",
        "```\n",
        "~~~\n",
        "---\n",
        "{{",
        "}}",
        "{%",
        "%}",
        "{#",
        "{{ data.",
        ": ",
        "- ",
        "> ",
        "\t",
        "\r\n",
        "\u{feff}",
        "é",
        "𝄞",
        "\0",
        "&a ",
        "*a",
        "!!x ",
        "|",
        ">-",
        "\"",
        "'",
        "{",
        "[",
        "]",
        "}",
        "params:",
        "expect:\n  - ",
        "when: ",
        "99999999999999999999",
        "{{ range(99999999) }}",
        "{% for a in range(9999) %}",
        "\u{202e}",
        "# ",
        "1. ",
        "    ",
        "<!--",
        "[^1]: ",
    ];
    let mut random = StdRng::seed_from_u64(7);
    let seeds = [WRONG, RUNBOOK, include_str!("../../runbooks/project.md")];
    for round in 0..400 {
        let mut text = seeds[round % seeds.len()].to_owned();
        // From one change, after which most of the parser still runs, to so many that hardly any YAML is left.
        for _ in 0..1 << random.random_range(0..6) {
            let mut at = random.random_range(0..=text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            match random.random_range(0..3) {
                0 => text.insert_str(at, PIECES[random.random_range(0..PIECES.len())]),
                1 => drop(text.pop()),
                _ => {
                    let mut end = (at + random.random_range(0..40)).min(text.len());
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.replace_range(at..end.max(at), "");
                }
            }
        }
        survives(&text);
    }
    for _ in 0..100 {
        let bytes: Vec<u8> = (0..random.random_range(0..400)).map(|_| random.random()).collect();
        survives(&String::from_utf8_lossy(&bytes));
        let pieces: String = (0..40).map(|_| PIECES[random.random_range(0..PIECES.len())]).collect();
        survives(&pieces);
    }
}

/// Each of these texts would use up the stack, the memory or minutes of a checker that trusts its input.
#[test]
fn no_text_exhausts_it() {
    let env = Env::new();
    let step = |fields: &str| format!("```opsml a\ncommand:\n  run: [echo]\n{fields}\n```\n");
    let sums = "1+".repeat(200_000) + "1";
    let keys: String = (0..60_000).map(|n| format!("    k{n}: x\n")).collect();
    let mut cases = vec![
        ("keys", step(&format!("  env:\n{keys}")), 0),
        ("line", "{{ x }}".repeat(3000), 2),
        ("far", format!("{}\n", "{{ x }} ".repeat(400_000)), 2),
        ("names", (0..100_000).map(|n| format!("{{{{ x{n} }}}}\n")).collect(), 2),
        ("elif", format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(200_000)), 2),
        ("field", step(&format!("  env: {{A: \"{{{{ {sums} }}}}\"}}")), 2),
        ("when", step(&format!("when: {sums}")), 2),
        ("prose", format!("{{{{ {sums} }}}}"), 2),
    ];
    for unit in [".a", "|string"] {
        cases.push(("behind", format!("{{{{ params{} }}}}", unit.repeat(200_000)), 2));
    }
    for unit in ["not ", "-"] {
        cases.push(("before", format!("{{{{ {}1 }}}}", unit.repeat(200_000)), 2));
    }
    for growing in [
        "[1]|tojson(indent=3000000000)",
        "'a b'|indent(100000000000)",
        "[1]|batch(10**10,1)",
        "[1]|slice(10**10)",
        "params.text|replace('a',params.text)",
        "'%0999999999d'|format(1)",
    ] {
        let front = format!("---\nparams:\n  text: {{default: {}}}\n---\n", "a".repeat(1_000_000));
        let step = step(&format!("  env: {{A: \"{{{{ {growing} }}}}\"}}"));
        cases.push(("growing", front + &step, 2));
    }
    // `check` doesn't evaluate these templates. A run does, since a runbook's author is trusted then.
    for growing in ["{{ 'a'*100000000 }}", "{% set a = 'aaaaaaaa' %}{% set b = a ~ a %}{{ b ~ b }}"] {
        cases.push(("modest", step(&format!("  env: {{A: \"{growing}\"}}")), 0));
    }
    for (name, text, code) in cases {
        env.write("hard.md", text);
        let start = Instant::now();
        let ran = env.opsml(["check", "hard.md"]);
        assert_eq!(ran.code, code, "{name}: {}", &ran.stderr[..ran.stderr.len().min(2000)]);
        assert!(ran.stdout.len() < 200_000, "{name} says {} bytes", ran.stdout.len());
        assert!(start.elapsed() < Duration::from_secs(20), "{name}: {:?}", start.elapsed());
    }
}

/// One mistake gives one message. What depends on the mistake gives no second one.
#[test]
fn a_mistake_does_not_cascade() {
    let env = Env::new();
    let block = |id: &str, body: &str| format!("```opsml {id}\n{body}\n```\n");
    let echo = |text: &str| format!("command:\n  run: [echo, \"{text}\"]");
    let uses = block("b", &echo("{{ params.rate }} {{ params.rat }}"));
    for (text, message) in [
        (format!("---\ntitle: x\nparms:\n  rate: {{default: 1}}\n---\n{uses}"), "has no key `parms`"),
        (format!("---\ntitle: [\n---\n{uses}"), "not YAML: this `[` is never closed"),
        (
            block("a", "comand:\n  run: [x]") + &block("b", &echo("{{ a.stdout }}")),
            "no kind of step `comand`",
        ),
        (block("a", "command: [") + &block("b", &echo("{{ a.stdout }}")) + "{{ a.stdout }}", "not YAML"),
        (block("b", &echo("x")) + "{{ b.stdout }} {{ figure('c') }}", "there is no step `c`"),
        (block("b", &echo("x")) + "{{ b.stdout | uper }}", "did you mean `upper`?"),
        (block("b", &echo("x")) + "{{ b.stdout is defned }}", "did you mean `defined`?"),
        (block("b", &echo("x")) + "{{ tabel(b) }}", "did you mean `table`?"),
    ] {
        env.write("one.md", text);
        env.opsml(["check", "one.md"]).code(2).says(message).says(", 1 error\n");
    }
    env.write("lacks.md", block("b", "command:\n  env: {}"));
    env.opsml(["check", "lacks.md"]).code(2).says("lacks `run`").says("lacks.md:2:1\n");
}
