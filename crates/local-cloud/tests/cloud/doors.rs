//! A web page in a browser may reach loopback under a host name of its own (DNS rebinding). Each of the cloud's servers
//! tells that by the Host header.

use crate::{Server, ec2, lambda};

const ASK: &str = include_str!("doors/ask.py");

#[test]
fn the_server_refuses_other_hosts() {
    Server::start().python(&format!("{ASK}\n{}", include_str!("doors/server.py")));
}

#[test]
fn the_metadata_of_an_instance_refuses_other_hosts() {
    let server = Server::start();
    ec2::run(&server, &format!("{ASK}\n{}", include_str!("doors/metadata.py")));
}

#[test]
fn the_runtime_api_of_a_function_refuses_other_hosts() {
    let server = lambda::start();
    lambda::run(&server, &format!("{ASK}\n{}", include_str!("doors/runtime_api.py")));
}
