//! Hyperparameter tuning through boto3. The trials' worker is a script, which prints the hyperparameter `x` as its
//! score.

use crate::{Server, python};

fn run(server: &Server, code: &str) {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("tuning.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

#[test]
fn trials_are_chosen_run_and_compared() {
    run(&Server::start(), include_str!("tuning/trials.py"));
}

#[test]
fn tuning_fails_stops_and_is_refused_as_on_aws() {
    let server = Server::start();
    run(&server, include_str!("tuning/refusals.py"));
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    local_cloud::sagemaker::set_quota(&cloud.store, "ml.m5.large for training job usage", 2).unwrap();
    run(&server, include_str!("tuning/quota.py"));
    let server = server.restart();
    run(&server, include_str!("tuning/stopped.py"));
    // The same if the server was killed before it could record the failure.
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    let died = |tuning: &mut serde_json::Value| {
        tuning["status"] = "InProgress".into();
        Ok(())
    };
    cloud.store.update("sagemaker.tuning-job", "lost", died).unwrap().unwrap();
    let server = server.restart();
    run(&server, include_str!("tuning/killed.py"));
    assert_eq!(crate::sagemaker::children(&server), "");
}
