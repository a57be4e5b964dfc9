//! IAM, STS and CloudWatch Logs through boto3.

use super::Server;

#[test]
fn identity_and_signatures() {
    Server::start().python(include_str!("boto3/identity.py"));
}

#[test]
fn clocks_may_be_off_by_fifteen_minutes() {
    Server::start().python(include_str!("boto3/clocks.py"));
}

#[test]
fn roles_live_as_on_aws() {
    Server::start().python(include_str!("boto3/roles.py"));
}

#[test]
fn managed_policies_have_versions() {
    Server::start().python(include_str!("boto3/managed_policies.py"));
}

#[test]
fn sessions_may_do_what_their_role_may_and_outlive_a_restart() {
    let server = Server::start();
    let keys = server.python(include_str!("boto3/sessions.py"));
    let before = server.keys.clone();
    let server = server.restart();
    assert_eq!(server.keys, before);
    let keys: Vec<_> = keys.split_whitespace().collect();
    server.python_with(include_str!("boto3/session_after_restart.py"), &keys);
}

#[test]
fn logs_are_kept_and_paged() {
    Server::start().python(include_str!("boto3/logs.py"));
}

#[test]
fn a_group_keeps_its_events_for_some_days() {
    Server::start().python(include_str!("boto3/retention.py"));
}
