//! Endpoints are scaled through boto3: by hand, and by Application Auto Scaling under a load and over a restart.

use crate::{Server, python};

fn run(server: &Server, code: &str) -> String {
    let code = format!("{}\n{}\n{code}", include_str!("sagemaker.py"), include_str!("scaling.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code)
}

fn started(speedup: u32) -> Server {
    again(tempfile::tempdir().unwrap(), speedup)
}

fn again(dir: tempfile::TempDir, speedup: u32) -> Server {
    Server::start_with(dir, |settings| settings.speedup = speedup)
}

fn restarted(mut server: Server, speedup: u32) -> Server {
    server.end();
    let dir = std::mem::replace(&mut server.dir, tempfile::tempdir().unwrap());
    again(dir, speedup)
}

#[test]
fn capacity_follows_by_hand_and_loses_no_request() {
    let server = started(60);
    run(&server, include_str!("scaling/by_hand.py"));
    // The instance count that was set outlives the server.
    let server = server.restart();
    run(&server, include_str!("scaling/after_restart.py"));
}

#[test]
fn an_endpoint_grows_to_its_maximum_under_load_and_shrinks_again() {
    // It grows after three periods above the target value, which take 1.5 s, and shrinks after fifteen below it, 7.5 s.
    let server = started(120);
    run(&server, include_str!("scaling/load.py"));
}

#[test]
fn targets_and_policies_are_as_on_aws() {
    let server = started(60);
    run(&server, include_str!("scaling/targets_and_policies.py"));
}

#[test]
fn targets_policies_and_alarms_outlive_a_restart() {
    let server = started(120);
    run(&server, include_str!("scaling/before_stop.py"));
    let server = restarted(server, 120);
    run(&server, include_str!("scaling/after_stop.py"));
}

#[test]
fn a_cooldown_is_kept() {
    // The scale-out cooldown of 960 s takes 8 s, and a period half a second.
    let server = started(120);
    run(&server, include_str!("scaling/cooldown.py"));
}

#[test]
fn metrics_agree_with_the_requests() {
    let server = started(60);
    run(&server, include_str!("scaling/metrics.py"));
}

#[test]
fn percentiles_are_of_every_value() {
    let server = started(60);
    run(&server, include_str!("scaling/percentiles.py"));
}

#[test]
fn a_policy_with_steps_acts_through_an_alarm() {
    let server = started(120);
    run(&server, include_str!("scaling/steps.py"));
}

#[test]
fn what_is_too_much_waits_and_then_is_refused() {
    let server = started(60);
    run(&server, include_str!("scaling/too_much.py"));
}
