//! Lambda through boto3: functions, and the outcomes of their invocations.

use std::os::unix::fs::PermissionsExt as _;

use super::{PYTHONPATH, Server, python};

/// Starts a server whose Python functions have boto3.
pub fn start() -> Server {
    start_in(tempfile::tempdir().unwrap())
}

pub fn start_in(dir: tempfile::TempDir) -> Server {
    // The server refuses a folder that has other files, so boto3 is put elsewhere.
    let interpreter = std::env::temp_dir().join(format!("opsml-python-{}", std::process::id()));
    let script = format!("#!/bin/sh\nPYTHONPATH='{}' exec python3 \"$@\"\n", &*PYTHONPATH);
    if std::fs::read_to_string(&interpreter).ok().as_deref() != Some(&script) {
        let aside = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(aside.path(), &script).unwrap();
        std::fs::set_permissions(aside.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(aside.into_temp_path().keep().unwrap(), &interpreter).unwrap();
    }
    Server::start_with(dir, |settings| settings.python = Some(interpreter))
}

pub fn run(server: &Server, code: &str) {
    let code = format!("{}\n{code}", include_str!("lambda/prelude.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

/// Waits until no process of any function runs.
pub fn assert_nothing_runs(server: &Server) {
    let dir = format!("OPSML_INSTANCE_DIR={}", server.dir.path().display());
    super::wait_for(|| {
        let runs = std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
            let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environ).contains(&dir)
        });
        (!runs).then_some(())
    });
}

#[test]
fn a_python_function_lives() {
    let server = start();
    run(&server, include_str!("lambda/python_function.py"));
    assert_nothing_runs(&server);
    let left =
        |folder: &str| std::fs::read_dir(server.dir.path().join("lambda").join(folder)).unwrap().count();
    super::wait_for(|| (left("code") == 0 && left("environments") == 0).then_some(()));
}

#[test]
fn a_function_may_bring_its_own_runtime() {
    let server = start();
    run(&server, include_str!("lambda/own_runtime.py"));
}

#[test]
fn errors_are_worded_as_on_aws() {
    let server = start();
    run(&server, include_str!("lambda/errors.py"));
    assert_nothing_runs_after(server);
}

/// Asserts that no process of any function outlives the server.
fn assert_nothing_runs_after(server: Server) {
    let dir = server.dir.path().to_owned();
    drop(server);
    let wanted = format!("OPSML_INSTANCE_DIR={}", dir.display());
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environ).contains(&wanted), "{}", entry.path().display());
    }
}

#[test]
fn an_environment_sees_only_its_own() {
    let server = start();
    run(&server, include_str!("lambda/isolated.py"));
    assert_nothing_runs(&server);
}

#[test]
fn values_are_returned_as_by_awss_runtime() {
    let server = start();
    run(&server, include_str!("lambda/returned.py"));
}

#[test]
fn a_handler_has_awss_context() {
    let server = start();
    run(&server, include_str!("lambda/context.py"));
}

#[test]
fn invocations_are_measured() {
    let server = start();
    run(&server, include_str!("lambda/metrics.py"));
}
