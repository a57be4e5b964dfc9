//! Bad input: every operation of every service, with bodies that are no input, and for a caller without rights.

use std::path::Path;

use crate::{Server, python};

fn walk(case: &str) {
    let server = Server::start();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let code = format!("SOURCE = {:?}\n{}\n{case}()", source, include_str!("walk.py"));
    python(&server.endpoint, &server.keys, server.dir.path(), &code);
}

#[test]
fn a_body_that_is_no_input_is_refused_in_the_words_of_its_protocol() {
    walk("walk_bodies");
}

#[test]
fn an_operation_that_a_service_lacks_is_refused_in_the_words_of_its_protocol() {
    walk("walk_unknown_operations");
}

#[test]
fn a_caller_without_rights_is_denied_every_operation() {
    walk("walk_rights");
}
