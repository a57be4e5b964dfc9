//! Script mode through boto3: a training with PyTorch, compared with AWS's own training toolkit, and failures.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::{Server, made};

fn run(server: &Server, code: &str, arguments: &[&str]) -> String {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("script.py"));
    server.python_with(&code, arguments)
}

#[test]
fn a_script_trains_with_pytorch_in_the_environment_that_the_toolkit_sets() {
    let pytorch = made("OPSML_PYTORCH", "scripts/pytorch.sh");
    let toolkit = made("OPSML_TEST_TOOLKIT", "scripts/python-env.sh toolkit");
    let boto3 = made("OPSML_TEST_PYTHONPATH", "scripts/python-env.sh");
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(pytorch.into());
    });
    // A job doesn't see the user's home, in which these packages are.
    let visible = tempfile::tempdir_in("/var/tmp").unwrap();
    let shown =
        [(std::path::PathBuf::from(toolkit), "toolkit"), (boto3.into(), "boto3")].map(|(from, name)| {
            let to = visible.path().join(name);
            assert!(
                std::process::Command::new("cp").arg("-r").args([&from, &to]).status().unwrap().success()
            );
            to.display().to_string()
        });
    let path = shown.join(":");
    run(&server, include_str!("script/oracle.py"), &[include_str!("oracle.py"), &path]);
}

#[test]
fn a_container_sees_its_own_folders_alone() {
    let home = std::env::var("HOME").unwrap();
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(made("OPSML_PYTORCH", "scripts/pytorch.sh").into());
    });
    let cloud = server.dir.path().to_str().unwrap();
    run(&server, include_str!("script/container.py"), &[&home, cloud]);
}

#[test]
fn awss_pytorch_image_serves() {
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(made("OPSML_PYTORCH", "scripts/pytorch.sh").into());
    });
    let cloud = server.dir.path().to_str().unwrap();
    run(&server, include_str!("script/serves.py"), &[cloud]);
}

/// Writes a Python command that has an empty module `torch`, and returns its path.
fn python_with_empty_torch(dir: &Path) -> std::path::PathBuf {
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
    let command = python_with_empty_torch(dir.path());
    let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
        settings.pytorch = Some(command);
    });
    run(&server, include_str!("script/failures.py"), &[]);
}

#[test]
fn the_reason_names_what_is_missing() {
    for (python, words) in
        [("/nowhere/python", "could not be run"), ("python3", "PyTorch, which python3 does not have")]
    {
        let server = Server::start_with(tempfile::tempdir().unwrap(), |settings| {
            settings.pytorch = Some(python.into());
        });
        run(&server, include_str!("script/missing.py"), &[words]);
    }
}
