//! A course's notebook in both versions of SageMaker's SDK, as they are shipped. The notebooks know nothing of the local
//! cloud: `eval "$(opsml cloud env)"` is all that differs from AWS. `make test-long` runs them.

#[path = "../cli/env.rs"]
#[allow(dead_code)]
mod env;

use std::path::Path;
use std::process::{Command, Stdio};

use env::{Env, ran};

/// Runs a notebook, with its SDK from the folder that a variable names.
fn run(notebook: &str, sdk: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk");
    let of = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("`make test-long` sets {name}"));
    let env = Env::new().with("OPSML_PYTORCH", of("OPSML_PYTORCH")).with("NOTEBOOK", folder.join(notebook));
    let env = env.with("SDK", of(sdk)).with("CODE", folder.join("code")).with("PYTHONDONTWRITEBYTECODE", "1");
    let program = r#"eval "$("$OPSML" cloud env)" && PYTHONPATH=$SDK python3 "$NOTEBOOK" "$CODE"; code=$?; "$OPSML" cloud stop; exit $code"#;
    let mut command = Command::new("bash");
    command.args(["-c", program]).current_dir(env.work()).stdin(Stdio::null());
    env.environment(&mut command);
    ran(command.env("OPSML", env!("CARGO_BIN_EXE_opsml"))).code(0).says("\ndone\n");
}

#[test]
fn a_notebook_in_sdk_2() {
    run("sdk2.py", "OPSML_TEST_SDK2");
}

#[test]
fn a_notebook_in_sdk_3() {
    run("sdk3.py", "OPSML_TEST_SDK3");
}
