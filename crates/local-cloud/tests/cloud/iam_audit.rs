//! What an audit reads, through boto3: users, keys, when they were last used, and the account. IAM's policy simulator,
//! and the log of decisions.

use super::Server;

#[test]
fn users_and_their_keys_live_as_on_aws() {
    Server::start().python(include_str!("iam_audit/users_and_keys.py"));
}

#[test]
fn keys_outlive_a_restart_and_stay_out_of_use() {
    let server = Server::start();
    let keys = server.python(include_str!("iam_audit/keys_before_restart.py"));
    server.restart().python_with(include_str!("iam_audit/keys_after_restart.py"), &[&keys]);
}

#[test]
fn the_account_is_reported_as_a_whole() {
    Server::start().python(include_str!("iam_audit/account.py"));
}

#[test]
fn awss_managed_policies_are_there() {
    Server::start().python(include_str!("iam_audit/managed_policies.py"));
}

#[test]
fn the_simulator_answers_and_names_the_statement() {
    Server::start().python(include_str!("iam_audit/simulator.py"));
}

#[test]
fn boundaries_limit_what_policies_allow() {
    Server::start().python(include_str!("iam_audit/boundaries.py"));
}

#[test]
fn session_policies_limit_a_session() {
    Server::start().python(include_str!("iam_audit/session_policies.py"));
}

#[test]
fn trust_policies_are_judged_with_their_conditions() {
    Server::start().python(include_str!("iam_audit/trust_policies.py"));
}

#[test]
fn policies_with_a_mistake_are_refused() {
    Server::start().python(include_str!("iam_audit/mistakes.py"));
}

#[test]
fn decisions_on_roles_can_be_read_from_the_logs() {
    Server::start().python(include_str!("iam_audit/decisions.py"));
}

#[test]
fn used_services_are_told_from_allowed_ones() {
    Server::start().python(include_str!("iam_audit/last_accessed.py"));
}
