//! SageMaker through boto3, with a worker that is a script.

use crate::{Server, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{code}", include_str!("sagemaker.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

#[test]
fn from_bucket_to_prediction() {
    let server = Server::start();
    run(&server, include_str!("sagemaker/from_bucket_to_prediction.py"));
    let server = server.restart();
    run(&server, include_str!("sagemaker/after_restart.py"));
    assert_eq!(children(&server), "");
}

#[test]
fn jobs_fail_with_their_reason() {
    let server = Server::start();
    run(&server, include_str!("sagemaker/failures.py"));
    assert_eq!(children(&server), "");
}

#[test]
fn several_instances_train_together() {
    let server = Server::start();
    run(&server, include_str!("sagemaker/several_instances.py"));
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    local_cloud::sagemaker::set_quota(&cloud.store, "ml.t3.medium for training job usage", 2).unwrap();
    run(&server, include_str!("sagemaker/quota.py"));
    assert_eq!(children(&server), "");
}

#[test]
fn a_spot_training_is_interrupted_and_starts_again() {
    let server = Server::start();
    run(&server, include_str!("sagemaker/spot.py"));
    local_cloud::sagemaker::interrupt(server.dir.path(), "spot").unwrap();
    run(&server, include_str!("sagemaker/after_spot.py"));
    assert!(local_cloud::sagemaker::interrupt(server.dir.path(), "spot").is_err());
    assert_eq!(children(&server), "");
}

#[test]
fn variants_share_the_requests_by_their_weights() {
    let server = Server::start();
    run(&server, include_str!("sagemaker/variants.py"));
}

#[test]
fn the_role_decides_what_a_job_reads_and_writes() {
    let server = Server::start();
    run(&server, include_str!("sagemaker/role.py"));
}

#[test]
fn a_job_that_the_cloud_lost_fails() {
    let server = Server::start();
    run(&server, r#"job("lost", setup(), "hang"); training("lost")"#);
    let server = server.restart();
    run(&server, include_str!("sagemaker/lost.py"));
    assert_eq!(children(&server), "");
}

/// Returns the processes whose environment names a folder of this server.
pub fn children(server: &Server) -> String {
    let dir = server.dir.path().to_str().unwrap();
    let mut found = String::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let environ = String::from_utf8_lossy(&environ);
        if ["SAGEMAKER_BASE_DIR", "OPSML_INSTANCE_DIR"]
            .iter()
            .any(|name| environ.contains(&format!("{name}={dir}")))
        {
            found +=
                &String::from_utf8_lossy(&std::fs::read(entry.path().join("cmdline")).unwrap_or_default());
        }
    }
    found
}
