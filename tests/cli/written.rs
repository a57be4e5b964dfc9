//! Runbooks as people write them: what is meant otherwise than it is read is told with its place and a way out.

use crate::env::Env;

fn step(id: &str) -> String {
    format!("```opsml {id}\ncommand: {{run: [echo, hi]}}\n```\n")
}

/// A parameter's type holds with and without a default, on the command line and in a file.
#[test]
fn a_parameter_has_its_type() {
    let env = Env::new();
    let front = "---\nparams:\n  flag: {type: boolean}\n  n: {type: integer}\n  xs: {type: list}\n  \
                 m: {type: map}\n  x: {type: number, default: 1}\n---\n";
    let fields = "command: {run: [echo, \"{{ params | tojson }}\"]}";
    let when = "```opsml b\ncommand: {run: [echo, deployed]}\nwhen: params.flag\n```\n";
    env.write("typed.md", format!("{front}```opsml a\n{fields}\n```\n{when}"));
    let right = [("flag", "false"), ("n", "3"), ("xs", "[1, 2]"), ("m", r#"{"a": 1}"#), ("x", "0.5")];
    let given = |wrong: Option<(&str, &str)>| {
        let of = |(name, value): (&str, &str)| match wrong {
            Some((wrong, text)) if wrong == name => format!("{name}={text}"),
            _ => format!("{name}={value}"),
        };
        let params = right.into_iter().flat_map(|one| ["-p".to_owned(), of(one)]);
        ["check".to_owned(), "typed.md".to_owned()].into_iter().chain(params).collect::<Vec<_>>()
    };
    env.opsml(given(None)).code(0).says("no problems");
    for (name, text, words) in [
        ("flag", "no", "true or false"),
        ("n", "three", "an integer"),
        ("n", "1.5", "an integer"),
        ("xs", "1", "a list"),
        ("xs", "a, b", "a list"),
        ("m", "[1]", "a mapping"),
        ("x", "many", "a number"),
    ] {
        let message = format!("parameter `{name}`: must be {words}");
        env.opsml(given(Some((name, text)))).code(2).says(&message).says(", 1 error\n");
    }
    env.write("wrong.yaml", "flag: 0\nn: true\nxs: {}\nm: []\nx: [1]\n");
    let ran = env.opsml(["check", "typed.md", "-f", "wrong.yaml"]).code(2);
    for (name, _) in right {
        assert!(ran.stdout.contains(&format!("parameter `{name}`: must be")), "{}", ran.stdout);
    }
    env.write("right.yaml", "flag: false\nn: 3\nxs: [1, 2]\nm: {a: 1}\n");
    let ran = env.opsml(["plan", "typed.md", "-f", "right.yaml"]);
    assert!(ran.code != 2, "{}", ran.stderr);
}

/// No condition, loop or comment of the prose keeps a step from running.
#[test]
fn a_step_inside_a_block_of_the_prose_is_an_error() {
    let env = Env::new();
    for (open, close, hint) in [
        ("{% if false %}", "{% endif %}", "when: EXPRESSION"),
        ("{%- if true -%}{% if false %}\n\n{% endif %}", "{% else %}\n{% endif %}", "when: EXPRESSION"),
        ("{% for x in [1, 2] %}", "{% endfor %}", "a step runs once"),
        ("{% set text %}", "{% endset %}", "when"),
        ("{#", "#}", "four backticks"),
        ("{% raw %}", "{% endraw %}", "four backticks"),
    ] {
        env.write("inside.md", format!("# t\n\n{open}\n\n{}\n{close}\n{}", step("a"), step("b")));
        let ran = env.opsml(["check", "inside.md"]).code(2);
        ran.says("the step `a` stands inside").says(hint).says(", 1 error\n");
    }
    let around =
        "{% for x in [1, 2] %}\n## Part {{ x }}\n{% endfor %}\n{% set y = 1 %}\n{% if y %}yes{% endif %}\n\n";
    env.write("beside.md", format!("{around}{}", step("a")));
    env.opsml(["check", "beside.md"]).code(0).says("no problems");
}

/// A block that nearly is a step is shown with its place, and stays text.
#[test]
fn a_block_that_nearly_is_a_step_is_a_warning() {
    let env = Env::new();
    for info in [
        "{opsml} b",
        "{.opsml} b",
        "Opsml b",
        "OPSML",
        "opsml:b",
        "opsml-step b",
        "yaml opsml b",
        "ospml b",
        "opmsl",
    ] {
        for fence in ["```", "~~~"] {
            let text = format!("{}\n{fence}{info}\ncommand: {{run: [echo, b]}}\n{fence}\n", step("a"));
            env.write("near.md", text);
            let ran = env.opsml(["check", "near.md"]).code(0);
            ran.says("warning: this block nearly is a step").says("near.md:5:4\n").says(", 1 warning\n");
        }
    }
    for text in [
        format!("text\n\n    {}", step("b").replace('\n', "\n    ")),
        format!("<details>\n{}</details>\n", step("b")),
    ] {
        env.write("near.md", format!("{}\n{text}", step("a")));
        env.opsml(["check", "near.md"])
            .code(0)
            .says("warning: this block nearly is a step")
            .says(", 1 warning\n");
    }
    let others =
        "```yaml\na: 1\n```\n\n```sh title=\"opsml\"\nopsml run\n```\n\n<!--\n```opsml b\n```\n-->\n";
    env.write("other.md", format!("{}\n{others}\n````md\n{}````\n", step("a"), step("c")));
    env.opsml(["check", "other.md"]).code(0).says("no problems");
}

/// Braces of another program get their place, and `{% raw %}` as the way out, which works.
#[test]
fn braces_of_others_have_a_way_out() {
    let env = Env::new();
    let field = |text: &str| format!("```opsml a\ncommand: {{run: [echo, '{text}']}}\n```\n");
    for (text, place) in [
        ("Set `${{ secrets.KEY }}`.\n".to_owned(), "1:10"),
        ("Ask `{{.State.Pid}}`.\n".to_owned(), "1:8"),
        (field("{{.State.Pid}}"), "2:26"),
        ("# Title {#sec-one}\n\ntext\n\n## Next {#b}\n\n{# a comment #}\n".to_owned(), "1:9"),
        ("text\n\n{{ a\n\nmore text\n".to_owned(), "3:1"),
        ("text\n\n{% if true %}\n\nmore text\n".to_owned(), "3:1"),
        ("text {# never closed\n\nmore\n".to_owned(), "1:6"),
    ] {
        env.write("braces.md", &text);
        let ran = env.opsml(["check", "braces.md"]).code(2);
        ran.says(&format!("braces.md:{place}\n")).says("{% raw %}").says(", 1 error\n");
    }
    let raw = |text: &str| format!("{{% raw %}}{text}{{% endraw %}}");
    let text = format!(
        "# Title {}\n\n`{}`\n\n{}",
        raw("{#a}"),
        raw("${{ secrets.KEY }}"),
        field(&raw("{{.State.Pid}}"))
    );
    env.write("raw.md", text);
    env.opsml(["check", "raw.md"]).code(0).says("no problems");
}

/// `opsml-worker` serves what it has trained, and TorchScript. That another model can't be served is said before it is
/// trained.
#[test]
fn a_model_of_another_program_is_not_served_by_the_worker() {
    let env = Env::new();
    let role = "role: \"arn:aws:iam::000000000000:role/r\"";
    let job = |more: &str| {
        format!(
            "{{{role}, instance_type: ml.m5.xlarge, inputs: {{training: \"s3://bucket/data\"}}, output_path: \"s3://bucket/m\"{more}}}"
        )
    };
    let script =
        ", entry_point: train.py, source_dir: scripts, framework_version: \"2.5\", py_version: py311";
    let write = |trained: &str, image: &str| {
        let deploy = format!(
            "deploy: {{model_data: \"{{{{ a.model_uri }}}}\", {role}, instance_type: ml.m5.large{image}}}"
        );
        env.write("own.md", format!("```opsml a\ntrain: {trained}\n```\n\n```opsml d\n{deploy}\n```\n"));
        env.opsml(["check", "own.md"])
    };
    let other = ", image: \"123456789012.dkr.ecr.us-east-1.amazonaws.com/other:1\"";
    let says = "`opsml-worker` serves models of its own training and TorchScript, and ";
    // What the program does is not known, as its scripts are not here.
    write(&job(other), "").code(0).says(&format!("warning: {says}whether this is one")).says(", 1 warning\n");
    write(&job(other), other).code(0).says("no problems");
    write(&job(script), other).code(2).says("scripts: there is no such file or folder").says(", 1 error\n");
    env.write("scripts/train.py", "torch.save(model, path)");
    write(&job(script), "")
        .code(2)
        .says(&format!("{says}no script in scripts writes either"))
        .says("torch.jit.script");
    write(&job(script), other).code(0).says("no problems");
    env.write("scripts/saving/__init__.py", "torch.jit.script(model).save(path)");
    write(&job(script), "").code(0).says("no problems");
    write(&job(""), "").code(0).says("no problems");
    let metrics =
        |regex: &str| job(&format!("{script}, metric_definitions: [{{name: loss, regex: '{regex}'}}]"));
    write(&metrics("loss: ([0-9"), other).code(2).says("the regex of `loss`");
    write(&metrics("loss: [0-9]+"), other).code(2).says("it has no group in parentheses");
}
