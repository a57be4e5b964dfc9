//! Script mode through boto3: with PyTorch itself, held against AWS's own training toolkit, and the ways it fails.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{Server, made, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("script.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

/// Code of an argument's value.
fn literal(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

#[test]
fn a_script_trains_with_pytorch_and_is_told_what_the_toolkit_tells() {
    let pytorch = made("OPSML_PYTORCH", "scripts/pytorch.sh");
    let toolkit = made("OPSML_TEST_TOOLKIT", "scripts/python-env.sh toolkit");
    let boto3 = made("OPSML_TEST_PYTHONPATH", "scripts/python-env.sh");
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(pytorch.into());
    });
    let code = include_str!("script/oracle.py");
    let script = literal(include_str!("oracle.py"));
    run(&server, &format!("SCRIPT = {script}\nTOOLKIT = {}\n{code}", literal(&format!("{toolkit}:{boto3}"))));
}

/// A Python that has a module `torch`, and nothing behind it.
fn hollow(dir: &Path) -> std::path::PathBuf {
    let command = dir.join("python");
    std::fs::create_dir(dir.join("torch")).unwrap();
    std::fs::write(dir.join("torch/__init__.py"), "").unwrap();
    let script = format!("#!/bin/sh\nPYTHONPATH={}:$PYTHONPATH exec python3 \"$@\"\n", dir.display());
    std::fs::write(&command, script).unwrap();
    std::fs::set_permissions(&command, std::fs::Permissions::from_mode(0o755)).unwrap();
    command
}

#[test]
fn scripts_run_as_they_are_named_and_fail_with_their_reason() {
    let dir = tempfile::tempdir().unwrap();
    let command = hollow(dir.path());
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(command);
    });
    let code = include_str!("script/failures.py");
    run(&server, code);
}

#[test]
fn what_is_missing_is_said() {
    for (python, words) in
        [("/nowhere/python", "could not be run"), ("python3", "PyTorch, which python3 does not have")]
    {
        let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
            settings.pytorch = Some(python.into());
        });
        run(
            &server,
            &format!(
                r#"
script("job", setup(), source("code", train_py="print(1)"))
reason = ended("job")["FailureReason"]
assert reason.startswith("ClientError: script mode needs P") and {words:?} in reason, reason
assert "set OPSML_PYTORCH" in reason
"#
            ),
        );
    }
}
