//! Calls every operation of every service: with bodies that are no valid input, and as a caller without permissions.

use std::path::Path;

use crate::{Server, python};

fn walk(case: &str) {
    let server = Server::start();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let code = format!("SOURCE = {:?}\n{}\n{case}()", source, include_str!("walk.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

#[test]
fn a_body_that_is_no_valid_input_is_refused_as_its_protocol_requires() {
    walk("walk_bodies");
}

#[test]
fn an_operation_that_a_service_lacks_is_refused_as_its_protocol_requires() {
    walk("walk_unknown_operations");
}

#[test]
fn a_caller_without_permissions_is_denied_every_operation() {
    walk("walk_rights");
}
