//! EC2 through boto3: requests that are refused, permissions, and the resources around instances.

use crate::Server;
use crate::ec2::run;

#[test]
fn what_is_wrong_with_a_launch_is_said_in_ec2s_words() {
    let server = Server::start();
    run(&server, include_str!("ec2/bad_launches.py"));
}

#[test]
fn policies_decide_who_launches_what() {
    let server = Server::start();
    run(&server, include_str!("ec2/policies.py"));
}

#[test]
fn keys_and_groups_are_kept_as_aws_keeps_them() {
    let server = Server::start();
    run(&server, include_str!("ec2/keys_and_groups.py"));
}

#[test]
fn templates_say_what_is_launched() {
    let server = Server::start();
    run(&server, include_str!("ec2/templates.py"));
}

#[test]
fn images_types_and_subnets_are_found() {
    let server = Server::start();
    run(&server, include_str!("ec2/images_types_subnets.py"));
}

#[test]
fn spot_instances_have_a_market() {
    let server = Server::start();
    run(&server, include_str!("ec2/market.py"));
}

#[test]
fn prices_are_listed_as_aws_lists_them() {
    let server = Server::start();
    run(&server, include_str!("ec2/prices.py"));
}
