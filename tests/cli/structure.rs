//! Enforces ARCHITECTURE.md's rules by reading the code. Which module may use which is read from the tables of that
//! file.

use crate::source::{Imports, Source, root, services, sources, table};

/// The crates' source folders.
const CRATES: &[&str] = &[
    "src",
    "crates/contract/src",
    "crates/handler/src",
    "crates/local-cloud/src",
    "crates/pictures/src",
    "crates/typeset/src",
    "crates/worker/src",
];

/// The items of `step` that `runbook`, `plan` and `decide` may use: descriptions, and nothing that runs.
const TYPES_OF_STEP: &[&str] = &[
    "Common",
    "Step::read",
    "KindInfo",
    "Price",
    "common_keys",
    "common_schema",
    "duration",
    "kind",
    "kind_names",
    "kinds",
    "instance_problem",
    "rests_on",
    "unfit",
];

#[track_caller]
fn none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn every_file_says_its_subject_and_has_only_one() {
    let all: Vec<Source> = ["src", "crates", "tests"].iter().flat_map(|folder| sources(folder)).collect();
    let silent = all.iter().filter(|source| !source.text.starts_with("//! "));
    none("these files don't open with //!", silent.map(|source| source.path.clone()).collect());
    let long =
        all.iter().map(|source| (source, source.text.lines().count())).filter(|(_, lines)| *lines > 600);
    none(
        "these files have more than 600 lines",
        long.map(|(source, n)| format!("{}: {n}", source.path)).collect(),
    );
}

#[test]
fn neither_files_nor_modules_import_each_other_in_a_circle() {
    for folder in CRATES {
        let files = sources(folder);
        let files: Vec<Source> = files.into_iter().filter(|source| !source.is_test()).collect();
        none(folder, Imports::of(&files).circles());
        none(folder, Imports::of_modules(&files).circles());
    }
}

#[test]
fn each_module_uses_what_architecture_md_lets_it() {
    for folder in ["src", "crates/local-cloud/src"] {
        let rows = table(folder);
        let services = if folder == "src" { Vec::new() } else { services() };
        let mut wrong = Vec::new();
        for source in sources(folder).iter().filter(|source| !source.module.is_empty()) {
            // A service may also use the services above it in `lib.rs`'s list.
            let above = services.iter().position(|service| service == source.top());
            let named = if above.is_some() { "SERVICE" } else { source.top() };
            let row = rows.iter().find(|row| row.modules.iter().any(|module| module == named));
            let Some(row) = row else {
                panic!(
                    "{}: ARCHITECTURE.md's table of {folder} lacks the module `{}`",
                    source.path,
                    source.top()
                );
            };
            let Some(may_use) = &row.may_use else { continue };
            for (line, path) in source.paths() {
                let Some(used) = path.first() else { continue };
                let is_above = services[..above.unwrap_or_default()].contains(used);
                if used != source.top() && !is_above && !may_use.contains(used) {
                    wrong.push(format!("{}: `{}` may not use `{used}`", source.place(line), source.top()));
                }
            }
        }
        none("a module uses what it may not", wrong);
    }
}

#[test]
fn nobody_imports_the_inside_of_a_service() {
    let files = sources("crates/local-cloud/src");
    let services = services();
    assert!(services.len() > 9, "{services:?}");
    let is_module = |path: &[String]| files.iter().any(|file| file.module == path);
    let mut wrong = Vec::new();
    for source in &files {
        for (line, path) in source.paths() {
            let [service, inside, ..] = &*path else { continue };
            let foreign = service != source.top() && services.contains(service);
            if foreign && is_module(&[service.clone(), inside.clone()]) {
                wrong.push(format!("{}: crate::{service}::{inside}", source.place(line)));
            }
        }
    }
    none("these import the inside of a service; its mod.rs exports what others may use", wrong);
}

/// Each row of a service's table names the action that its caller must be allowed. There are two exceptions, both in
/// STS: AWS lets everybody call one operation, and another is decided by a role's trust policy.
#[test]
fn every_operation_names_what_its_caller_must_be_allowed() {
    let mut rows = 0;
    let mut open = Vec::new();
    for source in sources("crates/local-cloud/src").iter().filter(|source| source.top() != "service") {
        for (line, text) in source.code() {
            rows += text.matches("Operation::").count();
            for constructor in ["Operation::undeniable(", "Operation::by_trust(", "needs: None"] {
                if text.contains(constructor) {
                    open.push((source.place(line), source.top().to_owned(), constructor));
                }
            }
        }
    }
    assert!(rows > 150, "only {rows} operations were found");
    open.retain(|(_, service, constructor)| service != "sts" || *constructor == "needs: None");
    none(
        "these operations can be called without a right",
        open.into_iter().map(|(place, _, constructor)| format!("{place}: {constructor}")).collect(),
    );
}

#[test]
fn what_decides_does_no_io() {
    const PURE: &[&str] = &["runbook", "plan", "decide", "attachment", "diagnostic"];
    const IO: &[&str] =
        &["std::fs", "std::net", "std::process", "std::env", "tokio", "ureq", "rusqlite", "File::"];
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| PURE.contains(&source.top())) {
        for (line, text) in source.code() {
            wrong.extend(
                IO.iter().filter(|io| text.contains(**io)).map(|io| format!("{}: {io}", source.place(line))),
            );
        }
        for (line, path) in
            source.paths().into_iter().filter(|(_, path)| path.first().is_some_and(|it| it == "step"))
        {
            let named = path[1..].join("::");
            if !TYPES_OF_STEP.iter().any(|known| named == *known || named.starts_with(&format!("{known}::")))
                && named != "Step"
            {
                wrong.push(format!("{}: step::{named}", source.place(line)));
            }
        }
    }
    none("what must be pure is not", wrong);
}

#[test]
fn only_resources_and_actions_call_aws() {
    let may = |source: &Source| ["aws", "resource", "action"].contains(&source.top());
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| !may(source)) {
        for (line, text) in source.code() {
            // The SDK's types are allowed: they are AWS's lists of values, and make no calls.
            let sdk = text.contains("aws_sdk_") && !text.contains("::types::");
            if sdk || text.contains("aws_config") || text.contains("aws_smithy") {
                wrong.push(format!("{}: {}", source.place(line), text.trim()));
            }
        }
    }
    none("these call AWS on their own", wrong);
}

/// What verbs print passes one module, which masks secrets, and to which a closed pipe is no error.
#[test]
fn only_one_module_of_the_verbs_prints() {
    const MAY: &[&str] = &["src/cmd/output.rs", "src/console.rs"];
    let mut wrong = Vec::new();
    for source in sources("src").iter().filter(|source| !MAY.contains(&source.path.as_str())) {
        for (line, text) in source.code() {
            let prints = ["println!", "print!(", "stdout()", "stderr()"].iter().any(|it| text.contains(it));
            // Whether it is a terminal is no output, and clap writes the completions of a shell.
            if prints && !text.contains("is_terminal") && !text.contains("clap_complete") {
                wrong.push(format!("{}: {}", source.place(line), text.trim()));
            }
        }
    }
    none("these print on their own", wrong);
}

/// The engine treats the local cloud and the worker as AWS. So neither may use the engine's code.
#[test]
fn the_other_crates_do_not_know_the_engine() {
    for name in ["contract", "handler", "local-cloud", "pictures", "worker"] {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let engine = manifest.lines().find(|line| {
            line.starts_with("opsml ") || line.starts_with("opsml=") || line.starts_with("opsml.")
        });
        assert_eq!(engine, None, "{name} depends on the engine");
        for other in ["local-cloud", "opsml-worker", "opsml-handler"] {
            // A package's own name is in quotes, so it isn't found.
            assert!(!manifest.contains(&format!("\n{other}")), "{name} depends on {other}");
        }
    }
    let mut wrong = Vec::new();
    for source in CRATES[1..].iter().flat_map(|folder| sources(folder)) {
        let named = source.code().filter(|(_, text)| text.contains("opsml::") && !text.contains("_opsml::"));
        wrong.extend(named.map(|(line, _)| source.place(line)));
    }
    none("these name the engine", wrong);
    // `opsml cloud` starts and stops the local cloud. Everything else uses its HTTP interface.
    let inside = sources("src");
    let knows = inside.iter().filter(|source| source.code().any(|(_, text)| text.contains("local_cloud::")));
    assert_eq!(knows.map(|source| source.path.as_str()).collect::<Vec<_>>(), ["src/cmd/cloud.rs"]);
}
