//! `opsml help` and `opsml explain`: verbs as clap tells them; kinds of step and their fields for people, with examples that pass `check`.

use crate::env::Env;

/// Returns an environment with the files that the examples name.
fn with_files() -> Env {
    let env = Env::new();
    for name in ["data/images.zip", "shoe.png", "notes.txt"] {
        env.write(name, "x");
    }
    env
}

#[test]
fn each_kind_is_told_with_an_example_that_passes_check() {
    let env = with_files();
    for kind in opsml::step::kinds() {
        let told = env.opsml(["help", kind.name]).code(0).stdout;
        assert!(told.starts_with(&format!("{}: {}\n", kind.name, kind.about)), "{told}");
        let schema = (kind.fields)();
        for name in schema["properties"].as_object().unwrap().keys() {
            assert!(told.contains(&format!("\n  {name}: ")), "{name} is not in\n{told}");
        }
        assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
        let (_, example) =
            told.split_once("\nExample\n\n").unwrap_or_else(|| panic!("no example in\n{told}"));
        let example: Vec<&str> =
            example.lines().map(|line| line.strip_prefix("  ").unwrap_or(line)).collect();
        assert!(example.contains(&format!("{}:", kind.name).as_str()) || kind.name == "bucket", "{told}");
        env.write("example.md", example.join("\n") + "\n");
        env.opsml(["check", "example.md"]).code(0).says("no problems");
    }
}

#[test]
fn fields_types_defaults_and_units_are_explained() {
    let env = Env::new();
    for (path, words) in [
        ("train.role", &["train.role: text", "required", "ARN of the role"][..]),
        ("train.instance_count", &["whole number, 1 to 20", "default: 1"]),
        ("train.max_run", &["Seconds after which", "default: 3600"]),
        ("train.inputs", &["mapping of names to text", "weights", "resnet18-f37072fd.pth"]),
        ("train.instance_type", &["an instance type for training", "ml.m5.xlarge"]),
        ("train.model_uri", &["an output", "S3 URI of `model.tar.gz`"]),
        (
            "train.hyperparameters",
            &["opsml explain hyperparameters", "epochs: whole number, 1 or more", "default: 224"],
        ),
        ("train.hyperparameters.fine_tune", &["full", "head", "default: full"]),
        ("tune.estimator.role", &["tune.estimator.role: text", "required"]),
        ("tune.hyperparameter_ranges", &["mapping of names to mapping"]),
        ("tune.hyperparameter_ranges.learning_rate.scaling", &["Logarithmic"]),
        ("role.allow.actions", &["list of text"]),
        ("load.stages.rate", &["above 0, 10000 at most", "Requests a second"]),
        ("timeout", &["block.timeout: text", "20m"]),
        ("train.timeout", &["The longest time"]),
        ("params", &["front_matter.params", "default: any value", "secret: true or false"]),
        ("params.type", &["string | integer"]),
        ("front_matter", &["budget: text", "summary"]),
        ("hyperparameters", &["arch:", "resnet50", "weights_sha256"]),
        ("train", &["Fields", "Outputs", "Example"]),
    ] {
        let mut ran = env.opsml(["explain", path]).code(0);
        for word in words {
            ran = ran.says(word);
        }
    }
    for (path, hint) in [
        ("trian", "did you mean `train`?"),
        ("train.instance_tpye", "did you mean `instance_type`?"),
        ("tune.estimator.rol", "did you mean `role`?"),
        ("train.hyperparameters.epoch", "did you mean `epochs`?"),
        ("train.role.x", "there is nothing below `train.role`"),
        ("buget", "did you mean `budget`?"),
    ] {
        env.opsml(["explain", path]).code(2).complains(hint);
    }
}

#[test]
fn verbs_are_told_as_by_their_own_help() {
    let env = Env::new();
    for verb in [&["run"][..], &["cloud"], &["cloud", "start"], &["explain"]] {
        let by_help = env.opsml(["help"].iter().chain(verb)).code(0).stdout;
        let by_flag = env.opsml(verb.iter().chain(&["--help"])).code(0).stdout;
        assert_eq!(by_help, by_flag, "{verb:?}");
        assert!(by_help.contains("Usage: opsml "), "{by_help}");
    }
    env.opsml(["help"]).code(0).says("Usage: opsml ").says("Exit codes").says("choose_instance");
    env.opsml(["help", "rnu"]).code(2).complains("did you mean `run`?");
    env.opsml(["help", "trian"]).code(2).complains("did you mean `train`?");
    env.opsml(["help", "cloud", "strat"]).code(2).complains("did you mean `start`?");
    env.opsml(["cloud", "help", "start"]).code(0).says("--port");
}
