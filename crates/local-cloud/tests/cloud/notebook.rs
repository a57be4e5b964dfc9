//! Notebook instances through boto3.

use crate::{Server, python};

fn run(server: &Server, code: &str) {
    let code = format!("{}\n{code}", include_str!("sagemaker.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

#[test]
fn notebook_instances_go_through_their_states() {
    let server = Server::start();
    run(&server, include_str!("notebook/states.py"));
    // A deletion that had begun continues after a restart.
    let server = server.restart();
    let cloud = local_cloud::Cloud::open(local_cloud::Settings::new(server.dir.path())).unwrap();
    local_cloud::sagemaker::set_quota(&cloud.store, "ml.t3.medium for notebook instance usage", 1).unwrap();
    run(&server, include_str!("notebook/after_restart.py"));
}
