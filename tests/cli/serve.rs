//! The local cloud and its surroundings: a folder with other files, a folder that is deleted, a client that stalls.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::Value;

use crate::env::{Env, wait_for};

fn status(env: &Env) -> Value {
    serde_json::from_str(&env.opsml(["cloud", "status", "--format", "json"]).code(0).stdout).unwrap()
}

#[test]
fn a_folder_with_other_files_is_left_as_it_is() {
    let env = Env::new();
    env.write("mine/thesis.txt", "my own");
    std::fs::set_permissions(env.path("mine"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = env.command(["cloud", "start"]);
    let output = command.env("OPSML_CLOUD_DIR", env.path("mine")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the folder holds other files"), "{output:?}");
    assert_eq!(std::fs::metadata(env.path("mine")).unwrap().permissions().mode() & 0o777, 0o755);
    assert_eq!(std::fs::read_dir(env.path("mine")).unwrap().count(), 1);
}

#[test]
fn a_relative_folder_is_the_same_for_the_server_and_for_us() {
    let env = Env::new();
    for verb in ["start", "status", "stop"] {
        let output = env.command(["cloud", verb]).env("OPSML_CLOUD_DIR", "near/cloud").output().unwrap();
        assert!(output.status.success(), "{verb}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("not running"), "{verb}: {output:?}");
    }
    assert!(env.path("near/cloud/state.db").exists());
}

#[test]
fn a_cloud_whose_folder_is_deleted_ends() {
    let env = Env::new();
    env.opsml(["cloud", "start"]).code(0);
    let pid = status(&env)["running"]["pid"].as_i64().unwrap();
    std::fs::remove_dir_all(env.cloud()).unwrap();
    let stat = format!("/proc/{pid}/stat");
    wait_for("the end of the cloud", || {
        let ended = std::fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        ended.then_some(())
    });
}

/// A request with an unknown key is refused before any of its body has been sent.
#[test]
fn a_request_with_an_unknown_key_is_refused_without_reading_its_body() {
    let env = Env::new();
    env.opsml(["cloud", "start"]).code(0);
    let status = status(&env);
    let host = status["running"]["endpoint"].as_str().unwrap().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: SageMaker.ListModels\r\n\
         X-Amz-Date: 20260101T000000Z\r\nContent-Length: 30000000\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=AKIAUNKNOWN/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=00\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    while !String::from_utf8_lossy(&answer).contains("UnrecognizedClientException") {
        let read = stream.read(&mut chunk).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..read]);
    }
}
