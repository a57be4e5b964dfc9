//! Lambda through boto3: versions, concurrency, permissions to invoke, networks, restarts, and requests that are refused.

use local_cloud::lambda::{Quota, set_quota};
use local_cloud::store::Store;

use super::Server;
use super::lambda::{assert_nothing_runs, run, start, start_in};

/// Runs a program that invokes functions which wait for a gate.
fn run_gated(server: &Server, code: &str) {
    run(server, &format!("{}\n{code}", include_str!("lambda/gate.py")));
}

#[test]
fn versions_stay_as_they_are() {
    run(&start(), include_str!("lambda/versions.py"));
}

#[test]
fn concurrency_is_limited() {
    let server = start();
    run_gated(&server, include_str!("lambda/reserved.py"));
    let store = Store::open(&server.dir.path().join("state.db")).unwrap();
    set_quota(&store, Quota::ConcurrentExecutions, 12).unwrap();
    set_quota(&store, Quota::UnreservedMinimum, 2).unwrap();
    run_gated(&server, include_str!("lambda/account.py"));
    assert_nothing_runs(&server);
}

#[test]
fn provisioned_concurrency_is_warm() {
    let server = start();
    run_gated(&server, include_str!("lambda/provisioned.py"));
    let server = server.restart_with(start_in);
    run_gated(&server, include_str!("lambda/restarted.py"));
    assert_nothing_runs(&server);
}

#[test]
fn provisioned_concurrency_is_scaled() {
    let server = start();
    run(&server, include_str!("lambda/scaled.py"));
}

#[test]
fn a_functions_policy_lets_others_invoke_it() {
    run(&start(), include_str!("lambda/permissions.py"));
}

#[test]
fn a_function_in_a_vpc_is_cut_off() {
    run(&start(), include_str!("lambda/vpc.py"));
}

#[test]
fn what_aws_refuses_is_refused() {
    run(&start(), include_str!("lambda/refused.py"));
}
