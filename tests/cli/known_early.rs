//! What `check` knows before a call: files, AWS's names, instance types, the keys of outputs; and how it says so, without the words of the
//! libraries below it.

use crate::env::Env;

/// Returns a block of a step.
fn block(id: &str, body: &str) -> String {
    format!("```opsml {id}\n{body}\n```\n")
}

fn echo(id: &str, text: &str) -> String {
    block(id, &format!("command:\n  run: [echo, \"{text}\"]"))
}

/// A role and where a job reads and writes, for the blocks of jobs.
const JOB: &str = "role: arn:aws:iam::123456789012:role/r\n  inputs: {training: s3://bucket/data}\n  output_path: s3://bucket/models";

fn train(instance_type: &str) -> String {
    block("train", &format!("train:\n  {JOB}\n  instance_type: {instance_type}"))
}

/// Checks that a runbook has one problem, at this line, with these words.
#[track_caller]
fn told(env: &Env, text: &str, severity: &str, line: usize, words: &[&str]) {
    env.write("one.md", text);
    let code = if severity == "error" { 2 } else { 0 };
    let mut ran = env.opsml(["check", "one.md"]).code(code).says(&format!(", 1 {severity}\n"));
    ran = ran.says(&format!("--> one.md:{line}:"));
    for word in words {
        ran = ran.says(word);
    }
    plain(&ran.stdout);
}

/// Whether text has no word of Rust and of the libraries.
#[track_caller]
fn plain(text: &str) {
    for foreign in [
        "u32",
        "i32",
        "f64",
        "usize",
        "struct ",
        "enum ",
        "variant",
        "invalid type",
        "expected",
        "error: error",
        "os error",
        "sequence",
        "a boolean",
        "untagged",
        "Some(",
        "Err(",
        "serde",
        "regex parse",
    ] {
        assert!(!text.contains(foreign), "`{foreign}` in\n{text}");
    }
}

#[test]
fn a_file_that_a_run_would_refuse_is_told_at_its_place() {
    let env = Env::new();
    env.write("there/a.png", "x");
    env.write("there/train.py", "x");
    std::fs::create_dir_all(env.path("../elsewhere")).unwrap();
    let missing = "there is no such file or folder";
    let script = |folder: &str, entry: &str| {
        let fields = format!(
            "source_dir: {folder}\n  entry_point: {entry}\n  framework_version: 2.5\n  py_version: py311"
        );
        block("a", &format!("train:\n  {JOB}\n  instance_type: ml.m5.large\n  {fields}"))
    };
    for (text, line, words) in [
        (block("a", "dataset:\n  source: data/images.zip"), 3, &["data/images.zip", missing][..]),
        (block("a", "upload:\n  source: nowhere\n  to: s3://bucket/x"), 3, &["nowhere", missing]),
        (block("a", "upload:\n  source: there/a.png\n  to: s3://bucket/x"), 3, &["must be a folder"]),
        (block("a", "predict:\n  endpoint: e\n  image: there"), 4, &["must be a file"]),
        (block("a", "predict:\n  endpoint: e\n  image: ../a.png"), 4, &["leads out of the runbook's folder"]),
        (block("a", "load:\n  endpoint_name: e\n  rate: 1\n  seconds: 1\n  image: no.png"), 6, &["no.png"]),
        (block("a", "invoke:\n  function_name: f\n  image: no.png"), 4, &["no.png"]),
        (block("a", "command:\n  run: [ls]\n  reads:\n    - there\n    - gone"), 6, &["gone", missing]),
        (
            block("a", "function:\n  role: arn:aws:iam::123456789012:role/r\n  code: lost"),
            4,
            &["lost", missing],
        ),
        (script("there", "main.py"), 8, &["there/main.py", missing]),
        (block("a", "dataset:\n  source: ../elsewhere"), 3, &["leads out"]),
        (block("a", "dataset:\n  source: /etc/passwd"), 3, &["leads out"]),
    ] {
        told(&env, &text, "error", line, words);
    }
    // A folder that isn't there has no script in it either.
    env.write("one.md", script("scripts", "train.py"));
    env.opsml(["check", "one.md"]).code(2).says("one.md:7:").says("scripts: there is no such");
    env.write("one.md", script("there", "train.py"));
    env.opsml(["check", "one.md"]).code(0).says("no problems");
}

#[test]
fn a_path_of_the_command_line_may_be_anywhere_and_must_be_there() {
    let env = Env::new();
    let elsewhere = env.path("../elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    let given = format!("dataset={}", elsewhere.display());
    env.write(
        "one.md",
        format!(
            "---\nparams:\n  dataset: {{default: data}}\n---\n{}",
            block("a", "dataset:\n  source: \"{{ params.dataset }}\"")
        ),
    );
    env.opsml(["check", "one.md"]).code(2).says("one.md:7:").says("a parameter takes another: -p NAME=PATH");
    env.opsml(["check", "one.md", "-p", &given]).code(0).says("no problems");
    env.opsml(["check", "one.md", "-p", "dataset=/no/where"]).code(2).says("/no/where: there is no such");
}

/// What an earlier command may still write, and what a condition may leave out, is only a warning, or nothing.
#[test]
fn a_file_that_may_still_be_written_is_a_warning() {
    let env = Env::new();
    let upload = block("b", "upload:\n  source: made\n  to: s3://bucket/x");
    told(&env, &(block("a", "command:\n  run: [make]") + &upload), "warning", 5 + 2, &["made"]);
    let when = |expression: &str| {
        block("b", &format!("upload:\n  source: made\n  to: s3://bucket/x\nwhen: {expression}"))
    };
    env.write("one.md", when("false"));
    env.opsml(["check", "one.md"]).code(0).says("no problems");
    told(&env, &when("true"), "error", 3, &["made"]);
    told(&env, &(block("z", "bucket: {}") + &when("z.region == 'x'")), "warning", 6, &["made"]);
}

#[test]
fn the_keys_of_outputs_that_the_fields_say_are_known() {
    let env = Env::new();
    let tune = block(
        "tune",
        &format!(
            "tune:\n  estimator:\n    {}\n    instance_type: ml.m5.large\n    hyperparameters: {{epochs: 3}}\n  objective_metric_name: valid_accuracy\n  hyperparameter_ranges:\n    learning_rate: {{continuous: [0.001, 0.1]}}\n  max_jobs: 2",
            JOB.replace("\n  ", "\n    ")
        ),
    );
    let lines = tune.lines().count();
    let right = tune.clone() + &echo("a", "{{ tune.best.epochs }} {{ tune.best.learning_rate }}");
    env.write(
        "one.md",
        right + "{{ tune.best | length }} {% for name, value in tune.best | items %}{{ name }}{% endfor %}",
    );
    env.opsml(["check", "one.md"]).code(0).says("no problems");
    told(
        &env,
        &(tune.clone() + &echo("a", "{{ tune.best.learning_rat }}")),
        "error",
        lines + 3,
        &["did you mean `learning_rate`?"],
    );
    told(
        &env,
        &(tune.clone() + "{{ tune.best.batch_size }}"),
        "error",
        lines + 1,
        &["known names: epochs, learning_rate"],
    );
    told(
        &env,
        &(train("ml.m5.large") + "{{ train.metrics.test_acuracy }}"),
        "error",
        8,
        &["did you mean `test_accuracy`?"],
    );
    let expect = block(
        "train",
        &format!("train:\n  {JOB}\n  instance_type: ml.m5.large\nexpect:\n  - metrics.valid_acuracy > 0.5"),
    );
    told(&env, &expect, "error", 8, &["did you mean `valid_accuracy`?"]);
}

#[test]
fn names_of_aws_are_checked_by_its_lists() {
    let env = Env::new();
    let allow = |action: &str, resource: &str| {
        block("a", &format!("role:\n  allow:\n    - actions: [{action}]\n      resources: [\"{resource}\"]"))
    };
    let policies = |policy: &str| block("a", &format!("role:\n  managed_policies: [{policy}]"));
    for (text, line, words) in [
        (allow("s3:GetObjct", "*"), 4, &["s3 has no action `GetObjct`", "did you mean `s3:GetObject`?"][..]),
        (allow("s3:Gte*", "*"), 4, &["did you mean `s3:Get*`?"]),
        (allow("sagemkaer:InvokeEndpoint", "*"), 4, &["did you mean `sagemaker:InvokeEndpoint`?"]),
        (allow("iam:AssumeRole", "*"), 4, &["did you mean `sts:AssumeRole`?"]),
        (allow("s3:GetObject", "arn:aws:s4:::bucket"), 5, &["did you mean `arn:aws:s3:::bucket`?"]),
        (
            allow("lambda:InvokeFunction", "arn:aws:lambda:us-eest-1:123456789012:function:f"),
            5,
            &["no region `us-eest-1`", "us-east-1"],
        ),
        (policies("AmazonSagemakerFullAcess"), 3, &["did you mean `AmazonSageMakerFullAccess`?"]),
        (
            policies("AWSLambdaBasicExecutionRole"),
            3,
            &["did you mean `service-role/AWSLambdaBasicExecutionRole`?"],
        ),
        (
            policies("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAcess"),
            3,
            &["did you mean `arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess`?"],
        ),
        (
            block("a", "role:\n  service: sagemkaer.amazonaws.com"),
            3,
            &["did you mean `sagemaker.amazonaws.com`?"],
        ),
        (
            block("a", "policy:\n  role: r\n  attach: [AmazonSageMakerReadOnyl]"),
            4,
            &["did you mean `AmazonSageMakerReadOnly`?"],
        ),
        (
            block(
                "a",
                "function:\n  role: arn:aws:iam::123456789012:role/r\n  invokers:\n    - {principal: s4.amazonaws.com}",
            ),
            5,
            &["did you mean `s3.amazonaws.com`?"],
        ),
    ] {
        told(&env, &text, "error", line, words);
    }
    // What the lists may be too old for is no error.
    told(&env, &allow("s3:SomethingEntirelyNew", "*"), "warning", 4, &["s3 has no action"]);
    told(&env, &policies("MadeYesterdayByAws"), "warning", 3, &["no managed policy"]);
    for right in [
        allow("S3:getobject, s3:*, \"*\", s3:List*", "arn:aws:s3:::bucket/*"),
        policies("AmazonSageMakerFullAccess, arn:aws:iam::123456789012:policy/mine"),
        block("a", "role:\n  service: states.us-east-1.amazonaws.com"),
    ] {
        env.write("one.md", &right);
        env.opsml(["check", "one.md"]).code(0).says("no problems");
    }
    env.write("one.md", block("a", "bucket: {}"));
    env.opsml(["run", "one.md", "--target", "aws", "--region", "us-eest-1"])
        .code(2)
        .complains("AWS has no region `us-eest-1`")
        .complains("did you mean `us-east-1`?");
}

#[test]
fn an_instance_type_is_known_by_what_it_is_for() {
    let env = Env::new();
    for (given, words) in [
        ("m5.xlarge", &["did you mean `ml.m5.xlarge`?", "begin with `ml.`"][..]),
        ("ML.M5.XLARGE", &["did you mean `ml.m5.xlarge`?"]),
        ("ml.m5.xlagre", &["did you mean `ml.m5.xlarge`?"]),
        ("ml.m5.enormous", &["ml.m5 comes as"]),
        (
            "ml.t2.medium",
            &[
                "SageMaker trains on no `ml.t2.medium`: it is for endpoints and notebooks",
                "for example `ml.m5.large`",
            ],
        ),
    ] {
        told(&env, &train(given), "error", 6, words);
    }
    told(&env, &train("ml.t3.medium"), "warning", 6, &["burstable", "`ml.m5.large`"]);
    let deploy = |instance_type: &str| {
        block(
            "deploy",
            &format!(
                "deploy:\n  model_data: s3://bucket/model.tar.gz\n  role: arn:aws:iam::123456789012:role/r\n  instance_type: {instance_type}"
            ),
        )
    };
    told(
        &env,
        &deploy("ml.t3.medium"),
        "error",
        5,
        &["no endpoint runs on `ml.t3.medium`: it is for training and notebooks"],
    );
    told(&env, &deploy("c5.large"), "error", 5, &["did you mean `ml.c5.large`?"]);
    let scale = block(
        "scale",
        "autoscale:\n  endpoint_name: \"{{ deploy.endpoint_name }}\"\n  min_capacity: 1\n  max_capacity: 3\n  target_value: 10",
    );
    told(
        &env,
        &(deploy("ml.t2.medium") + &scale),
        "error",
        9,
        &["burstable type `ml.t2.medium` can't be scaled"],
    );
    env.write("one.md", deploy("ml.m5.large") + &scale);
    env.opsml(["check", "one.md"]).code(0).says("no problems");
    let machine = |name: &str| {
        block(
            "a",
            &format!(
                "ec2_train:\n  instance_type: {name}\n  instance_profile: p\n  image_id: ami-0123456789abcdef0\n  inputs: {{training: s3://bucket/data}}\n  output_path: s3://bucket/models"
            ),
        )
    };
    told(&env, &machine("ml.m5.large"), "error", 3, &["did you mean `m5.large`?", "no `ml.`"]);
    told(&env, &machine("M5.Large"), "error", 3, &["did you mean `m5.large`?"]);
    told(
        &env,
        &block("a", "choose_instance: {candidates: [ML.m5.large]}"),
        "error",
        2,
        &["did you mean `ml.m5.large`?"],
    );
    told(
        &env,
        &block("a", "notebook:\n  instance_type: t3.medium\n  role: arn:aws:iam::123456789012:role/r"),
        "error",
        3,
        &["did you mean `ml.t3.medium`?"],
    );
}

#[test]
fn what_is_not_closed_is_told_where_it_opens() {
    let env = Env::new();
    for (text, line, words) in [
        (String::new(), 1, &["this file is empty", "opsml new"][..]),
        (" \n\t\n".to_owned(), 1, &["this file is empty"]),
        (
            block("a", "command:\n  run: [echo, hi\nneeds: []"),
            3,
            &["this `[` is never closed", "close it by `]`"],
        ),
        (block("a", "command:\n  run: [echo]\n  env: {A: b\ncaption: x"), 4, &["this `{` is never closed"]),
        (block("a", "command:\n  run: [echo, \"hi]"), 3, &["this `\"` is never closed"]),
        (block("a", "command:\n  run: [echo]]"), 3, &["this bracket closes nothing"]),
        ("---\ntitle: x\n\n# Text\n".to_owned(), 1, &["this front matter is never closed"]),
        (block("a", "command:\n  run: [echo]\n\tcaption: x"), 4, &["tab"]),
    ] {
        told(&env, &text, "error", line, words);
    }
    env.write("one.md", "```opsml a\nbucket: {}\n");
    env.opsml(["check", "one.md"]).code(2).says("one.md: 1 step (unread), 1 error\n");
    env.write("one.md", block("a", "bucket: {}") + "```opsml b\nbuckte: {}\n```\n");
    env.opsml(["check", "one.md"]).code(2).says("one.md: 2 steps (1 unread), 1 error\n");
}

/// Numbers, true and false are text where text is meant, as they are spelt.
#[test]
fn scalars_are_text_where_text_is_meant() {
    let env = Env::new();
    let front = "---\ntitle: 2026\nauthor: 7\nparams:\n  version: {type: string, default: 1.50}\n  n: {default: 3}\n  on: {default: true}\n---\n";
    let step = block(
        "a",
        "command:\n  run: [echo, 3, 1.50, 007, true, yes, 1e3, +5, \"{{ params.n }}\", \"{{ params.on }}\", \"{{ params.version }}\"]\n  env: {A: 1.50, B: False}\ntags: {a: 1}\ncaption: 2026\nexpect: [true]",
    );
    let shown = block("b", "command:\n  run: [sh, -c, echo $A $B]\n  env: {A: 1.50, B: False}");
    env.write("one.md", format!("{front}{step}{shown}{{{{ a.stdout }}}}; {{{{ b.stdout }}}}\n"));
    env.opsml(["check", "one.md"]).code(0).says("no problems");
    env.opsml(["run", "one.md"]).code(0);
    let report = env.read("reports/one/report.md");
    assert!(report.contains("3 1.50 007 true yes 1e3 +5 3 true 1.50; 1.50 False"), "{report}");
    // The same from a file of parameters.
    env.write("values.yaml", "version: 2.10\n");
    env.opsml(["run", "one.md", "-f", "values.yaml"]).code(0);
    assert!(env.read("reports/one/report.md").contains("true 2.10; "));
    // An image's version is text, and 2.10 is no 2.1.
    env.write("src/train.py", "");
    let script = format!(
        "train:\n  {JOB}\n  instance_type: ml.m5.large\n  source_dir: src\n  entry_point: train.py\n  framework_version: 2.10\n  py_version: py311"
    );
    env.write("one.md", block("a", &script));
    env.opsml(["check", "one.md"]).code(0).says("no problems");
    let number = "---\nparams:\n  v: {default: 2.10}\n---\n".to_owned()
        + &block("a", "command:\n  run: [echo, \"{{ params.v }}\"]");
    told(&env, &number, "warning", 7, &["the number 2.10 is 2.1 as text", "`type: string`"]);
    // Nothing is no text.
    told(
        &env,
        &block("a", "command:\n  run: [echo, null]"),
        "error",
        3,
        &["must be text, and this is nothing", "\"null\""],
    );
}

#[test]
fn the_forms_that_people_try_are_answered_with_the_right_one() {
    let env = Env::new();
    let front = |lines: &str| format!("---\n{lines}\n---\ntext\n");
    let job = |more: &str| block("a", &format!("train:\n  {JOB}\n  instance_type: ml.m5.large\n  {more}"));
    for (text, line, words) in [
        (front("params:\n  e: 5"), 3, &["did you mean `e: {default: 5}`?"][..]),
        (front("params:\n  rate: 1.50"), 3, &["`rate: {default: 1.50}`"]),
        (front("params:\n  names: [a, b c]"), 3, &["`names: {default: [a, \"b c\"]}`"]),
        (front("params:\n  arch: resnet18"), 3, &["`arch: {default: resnet18}`"]),
        (front("params:\n  must:"), 3, &["`must: {}`"]),
        (front("budget: 5"), 2, &["an amount in US dollars, as `5 USD`"]),
        (front("params:\n  e: {type: int}"), 3, &["known names: string, integer"]),
        (block("a", "bucket: {}\ntimeout: 10"), 3, &["`10` has no unit: 10s, 10m or 10h"]),
        (block("a", "bucket: {}\ntimeout: 2d"), 3, &["48h"]),
        (block("a", "bucket: {}\nneeds: b"), 3, &["must be a list, and this is text", "did you mean `[b]`?"]),
        (block("a", "bucket: {}\nretry: \"2\""), 3, &["without quotes it is: 2"]),
        (block("a", "bucket:\n  versioning: yes"), 3, &["did you mean `true`?"]),
        (block("a", "command:\n  run: echo hi"), 3, &["a list: [echo, hello]"]),
        (block("a", "command:\n  run: [echo, a: b]"), 3, &["text that has `: ` in it goes into quotes"]),
        (block("a", "role:\n  service: lambda"), 3, &["did you mean `lambda.amazonaws.com`?"]),
        (job("max_run: 1h"), 7, &["it is a number of seconds: 3600"]),
        (job("instance_count: 1.0"), 7, &["did you mean `1`?"]),
        (job("volume_size: 99999999999"), 7, &["must be 16384 or less"]),
        (job("hyperparameters: {epochs: many}"), 7, &["must be a whole number", "`many` is not"]),
        (
            job("hyperparameters: {arch: resnet19}"),
            7,
            &["`resnet19` is none of resnet18, resnet34, resnet50"],
        ),
        (job("hyperparameters: {epochs: -1}"), 7, &["must be a whole number from 0"]),
        (job("metric_definitions: [{name: m, regex: \"(\"}]"), 7, &["unclosed group"]),
        (
            block("a", "role:\n  allow:\n    - {actions: s3:GetObject, resources: [\"*\"]}"),
            4,
            &["did you mean `[\"s3:GetObject\"]`?"],
        ),
    ] {
        told(&env, &text, "error", line, words);
    }
    let role = block("role", "role: {}");
    let by_name =
        block("a", "deploy:\n  model_data: s3://bucket/m.tar.gz\n  role: role\n  instance_type: ml.m5.large");
    told(
        &env,
        &(role + &by_name),
        "error",
        7,
        &["`role` is a step, whose outputs are", "\"{{ role.arn }}\""],
    );
    let tune = format!(
        "tune:\n  estimator:\n    {}\n    instance_type: ml.m5.large\n  objective_metric_name: valid_accuracy\n  hyperparameter_ranges:\n    learning_rate: [0.001, 0.1]\n  max_jobs: 2",
        JOB.replace("\n  ", "\n    ")
    );
    told(&env, &block("a", &tune), "error", 10, &["a range is {continuous: [MIN, MAX]}"]);
    let seed = tune.replace("[0.001, 0.1]", "{continuous: [0.001, 0.1]}") + "\n  random_seed: 99999999999";
    told(&env, &block("a", &seed), "error", 12, &["must be 2147483647 or less"]);
    let three = tune.replace("[0.001, 0.1]", "{continuous: [0.001, 0.1, 1]}");
    told(&env, &block("a", &three), "error", 10, &["must have 2 items, and this has 3"]);
}

/// Files of parameters, the command line and what a template makes are told in the same words.
#[test]
fn no_words_of_the_libraries_reach_the_user() {
    let env = Env::new();
    env.write(
        "one.md",
        format!(
            "---\nparams:\n  n: {{default: 1}}\n---\n{}",
            block("a", "bucket: {}\nretry: \"{{ params.n }}\"")
        ),
    );
    for (file, text) in [("a.yaml", "n: [1\n"), ("b.yaml", "- n\n"), ("c.yaml", "n: {a: 1}\n")] {
        env.write(file, text);
        let ran = env.opsml(["run", "one.md", "-f", file]).code(2);
        plain(&ran.stderr);
    }
    for arguments in [
        &["run", "one.md", "--budget", "much"][..],
        &["run", "one.md", "--budget=-1"],
        &["logs", "one.md", "a", "--lines", "many"],
        &["cloud", "start", "--port", "80000"],
        &["cloud", "start", "--port", "http"],
        &["check", "."],
        &["check", "missing.md"],
    ] {
        let ran = env.opsml(arguments).code(2);
        plain(&ran.stderr);
        for foreign in ["digit", "literal", "range"] {
            assert!(!ran.stderr.contains(foreign), "{}", ran.stderr);
        }
    }
    // A failure of a field that only the run can resolve has its place, once.
    env.write("two.md", echo("a", "x") + &block("b", "command:\n  run: [echo, \"{{ a.stdout | int }}\"]"));
    let ran = env.opsml(["run", "two.md"]).code(1);
    plain(&ran.stderr);
    let ran = env.opsml(["run", "two.md", "--target", "http://127.0.0.1:9", "--region", "us-east-1"]);
    assert!(ran.code != 0 && ran.stderr.contains("GetCallerIdentity"), "{ran:?}");
    plain(&ran.stderr);
}
