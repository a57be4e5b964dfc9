//! A runbook with nearly every kind of step, whose worker's model is a digest of its inputs: what is stale, what was changed
//! behind our back, and what a lost journal leaves.

use serde_json::Value;

use crate::env::mutating;
use crate::everything::{nothing_is_stale, whole};
use crate::project::copy;
use crate::small::started;

#[test]
fn each_change_redoes_what_rests_on_it_and_nothing_else() {
    let env = whole();
    let all = env.opsml(["run", "whole.md"]).code(0);
    assert_eq!(started(&all.stdout).len(), 20);
    nothing_is_stale(&env, &[], "nothing");
    let edit = |old: &str, new: &str| {
        let text = env.read("whole.md");
        assert!(text.contains(old), "{old}");
        env.write("whole.md", text.replacen(old, new, 1));
    };
    let behind_the_endpoint =
        ["deploy", "predict", "scale", "load", "denied", "allow", "event", "concurrency"];
    let with = |more: &[&'static str]| [&behind_the_endpoint, more].concat();
    type Change<'a> = (&'a str, Box<dyn Fn() + 'a>, Vec<&'static str>);
    let table: Vec<Change<'_>> = vec![
        ("nothing", Box::new(|| ()), vec![]),
        (
            "an image more",
            Box::new(|| {
                std::fs::copy(env.path("one.png"), env.path("images/train/b/more.png")).unwrap();
            }),
            with(&["data", "images", "tune", "train", "ec2", "note"]),
        ),
        (
            "an image less",
            Box::new(|| std::fs::remove_file(env.path("images/train/b/more.png")).unwrap()),
            with(&["data", "images", "tune", "train", "ec2", "note"]),
        ),
        (
            "a hyperparameter",
            Box::new(|| edit("seed: {default: 1}", "seed: {default: 2}")),
            with(&["train", "ec2", "note"]),
        ),
        (
            "the function's code",
            Box::new(|| drop(env.write("hook/hook.py", format!("{}\n", include_str!("whole/hook.py"))))),
            vec!["function", "denied", "allow", "event", "version", "concurrency"],
        ),
        (
            "the caller's role",
            Box::new(|| {
                edit(
                    "role: {service: lambda.amazonaws.com}",
                    "role: {service: lambda.amazonaws.com, allow: [{actions: [s3:ListAllMyBuckets], resources: ['*']}]}",
                );
            }),
            vec!["invoker", "denied", "allow", "event", "concurrency"],
        ),
        (
            "the picture",
            Box::new(|| {
                std::fs::copy(env.path("images/train/b/0.png"), env.path("one.png")).unwrap();
            }),
            vec!["predict"],
        ),
        ("a file of a command", Box::new(|| drop(env.write("note.txt", "another"))), vec!["note"]),
        (
            "the most instances",
            Box::new(|| edit("max: {default: 2}", "max: {default: 3}")),
            vec!["scale", "load", "denied", "allow", "event", "concurrency", "note"],
        ),
    ];
    for (change, make, mut expected) in table {
        make();
        let plan: Value =
            serde_json::from_str(&env.opsml(["plan", "whole.md", "--format", "json"]).code(0).stdout)
                .unwrap();
        let planned = |action: &str| -> Vec<&str> {
            let steps = plan["steps"].as_array().unwrap().iter().filter(|step| step["action"] == action);
            steps.map(|step| step["id"].as_str().unwrap()).collect()
        };
        let ran = env.opsml(["run", "whole.md"]).code(0);
        let mut ran_steps = started(&ran.stdout);
        for step in planned("run") {
            assert!(ran_steps.contains(&step), "{change}: `{step}` was planned\n{plan}\n{}", ran.stdout);
        }
        for step in planned("cached") {
            assert!(!ran_steps.contains(&step), "{change}: `{step}` was to be kept\n{plan}\n{}", ran.stdout);
        }
        ran_steps.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ran_steps, expected, "{change}\n{}", ran.stdout);
        nothing_is_stale(&env, &[], change);
    }
    println!("9 changes: false keeps 0, false redos 0");
}

#[test]
fn what_was_changed_behind_our_back_is_shown_and_restored() {
    let env = whole();
    env.opsml(["run", "whole.md"]).code(0);
    for (step, change, shown) in [
        ("images", "s3.delete_object(Bucket=bucket, Key=key)", "files 12 → 11"),
        ("images", "s3.put_object(Bucket=bucket, Key=key, Body=b'other')", "revision "),
        ("bucket", "s3.delete_public_access_block(Bucket=bucket)", "public_access blocked → not blocked"),
        (
            "role",
            "iam.put_role_policy(RoleName=role, PolicyName='more', PolicyDocument=policy)",
            "inline_policies ",
        ),
        (
            "function",
            "functions.update_function_configuration(FunctionName=function, MemorySize=512)",
            "memory_size 128 → 512",
        ),
    ] {
        env.python(&format!("{}\n{change}", include_str!("whole/names.py")));
        let kept = env.opsml(["run", "whole.md"]).code(0).says(shown).says("was changed outside of opsml");
        assert!(!started(&kept.stdout).contains(&step), "{}", kept.stdout);
        let restored = env.opsml(["run", "whole.md", "--yes"]).code(0).says("restores ");
        assert!(started(&restored.stdout).contains(&step), "{change}: {}", restored.stdout);
        env.opsml(["run", "whole.md"]).code(0).says("nothing to do");
    }
    // What cannot be restored is made again.
    env.python(&format!("{}\ns3.delete_object(Bucket=bucket, Key=model)", include_str!("whole/names.py")));
    let again = env.opsml(["run", "whole.md"]).code(0).says("model.tar.gz is gone");
    assert!(
        started(&again.stdout).contains(&"train") && !started(&again.stdout).contains(&"tune"),
        "{}",
        again.stdout
    );
    nothing_is_stale(&env, &[], "the model was gone");
}

#[test]
fn a_bucket_whose_name_was_taken_is_left_alone() {
    let env = whole();
    env.opsml(["run", "whole.md", "--until", "images"]).code(0);
    env.python(&format!("{}\n{}", include_str!("whole/names.py"), include_str!("whole/taken.py")));
    let ran = env.opsml(["run", "whole.md", "--until", "images"]).code(1).complains("may be somebody else's");
    assert!(!ran.stdout.contains("uploading"), "{}", ran.stdout);
    let objects = env.python(&format!(
        "{}\nprint(s3.list_objects_v2(Bucket=bucket)['KeyCount'])",
        include_str!("whole/names.py")
    ));
    assert_eq!(objects.trim(), "0");
    env.opsml(["down", "whole.md"]);
    let left = env.python(&format!("{}\nprint(bucket)", include_str!("whole/names.py")));
    assert!(left.contains("whole-bucket-"), "the stranger's bucket was deleted: {left}");
}

#[test]
fn a_lost_journal_is_recovered_from_the_account() {
    let env = whole();
    env.opsml(["run", "whole.md"]).code(0);
    let account = env.account();
    let journal = env.journal("whole");
    let lost = |tail: &str| std::path::PathBuf::from(format!("{}{tail}", journal.display()));
    let older = std::fs::read(&journal).unwrap();
    for (name, lose) in [
        ("the file", Box::new(|| std::fs::remove_file(&journal).unwrap()) as Box<dyn Fn()>),
        ("its head", Box::new(|| std::fs::remove_file(lost(".head")).unwrap())),
        ("nothing but its end", Box::new(|| std::fs::write(&journal, &older[..older.len() / 2]).unwrap())),
    ] {
        lose();
        for verb in ["run", "down", "status"] {
            env.opsml([verb, "whole.md"]).code(1).complains("opsml recover");
        }
        assert_eq!(env.account(), account, "{name}");
        let recovered = env.opsml(["recover", "whole.md"]).code(0).says("recovered ");
        assert!(recovered.stdout.lines().any(|line| line.contains(", ec2, ")), "{}", recovered.stdout);
        let (before, _) = env.calls(0);
        env.opsml(["run", "whole.md"]).code(0);
        let (_, calls) = env.calls(before);
        let paid = [
            "CreateTrainingJob ",
            "CreateHyperParameterTuningJob ",
            "CreateEndpoint ",
            "CreateModel ",
            "CreateBucket ",
            "PutObject ",
            "RunInstances ",
        ];
        let made = mutating(&calls).into_iter().filter(|call| paid.iter().any(|one| call.contains(one)));
        assert_eq!(made.collect::<Vec<_>>(), Vec::<&String>::new(), "{name}");
        nothing_is_stale(&env, &[], name);
    }
    std::fs::remove_file(&journal).unwrap();
    env.opsml(["recover", "whole.md"]).code(0);
    env.opsml(["down", "whole.md"]).code(0);
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, serde_json::json!([]), "{kind}");
    }
}

#[test]
fn a_journal_that_is_older_than_the_account_is_refused() {
    let env = whole();
    env.opsml(["run", "whole.md", "--until", "images"]).code(0);
    let (journal, kept) = (env.journal("whole"), env.path("kept"));
    copy(journal.parent().unwrap(), &kept);
    env.opsml(["run", "whole.md", "--until", "deploy"]).code(0);
    std::fs::remove_dir_all(journal.parent().unwrap()).unwrap();
    copy(&kept, journal.parent().unwrap());
    env.opsml(["run", "whole.md"])
        .code(1)
        .complains("an older copy of the journal")
        .complains("opsml recover");
    let stack = outputs_stack(&env);
    env.opsml(["down", "whole.md"]).code(5).complains(&format!("opsml down --tags {stack}"));
    env.opsml(["down", "--tags", &stack]).code(0);
    for (kind, left) in env.account().as_object().unwrap() {
        assert_eq!(*left, serde_json::json!([]), "{kind}");
    }
}

fn outputs_stack(env: &crate::env::Env) -> String {
    let state = env.opsml(["status", "whole.md", "--format", "json"]).code(0).stdout;
    serde_json::from_str::<Value>(&state).unwrap()["stack"].as_str().unwrap().to_owned()
}

/// What later steps and `down` change is in the closing section alone.
#[test]
fn a_report_shows_each_step_as_it_ended() {
    let env = whole();
    env.opsml(["run", "whole.md"]).code(0);
    let report = || {
        let text = env.read("reports/whole/report.md");
        let (steps, live) = text.split_once("## What is alive").unwrap();
        (steps.to_owned(), live.to_owned())
    };
    let (before, live) = report();
    assert!(live.contains("| Endpoint |") && live.contains("0.115 USD an hour on AWS"), "{live}");
    // The policy that `allow` adds to the role is not there when the role's step ends.
    let mut cards = before.split("<details class=\"card\">");
    let role = cards.find(|card| card.starts_with("<summary>Role whole-invoker-")).unwrap();
    assert!(role.contains("| inline policies | `none` |"), "{role}");
    // What AWS says is whole.
    let denial = "is not authorized to perform: sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:";
    assert!(before.contains(denial) && !before.contains(" characters)"), "{before}");
    env.opsml(["down", "whole.md"]).code(0);
    env.opsml(["report", "whole.md"]).code(0);
    let (after, live) = report();
    assert_eq!(after, before);
    assert!(live.contains("nothing of this runbook was alive"), "{live}");
    // A run that keeps everything is not the one that the report is of.
    env.opsml(["run", "whole.md", "--until", "data"]).code(0);
    let (again, _) = report();
    assert!(again.contains("| looked at again by | `run 2, done, "), "{again}");
}
