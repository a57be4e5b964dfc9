//! What Lambda serves at URLs: functions, and their code.

use local_cloud::lifecycle;

use super::Server;
use super::lambda::{start, start_in};

/// Runs a program that can send requests to functions' URLs.
fn run(server: &Server, code: &str) {
    let trusted = lifecycle::trusted(server.dir.path(), None).unwrap();
    let (prelude, url) = (include_str!("lambda/prelude.py"), include_str!("lambda/url.py"));
    server.python_with(&format!("{prelude}\n{url}\n{code}"), &[trusted.to_str().unwrap()]);
}

#[test]
fn a_public_url_invokes_its_function() {
    let server = start();
    run(&server, include_str!("lambda/public_url.py"));
    let server = server.restart_with(start_in);
    run(&server, include_str!("lambda/public_url_later.py"));
}

#[test]
fn a_url_may_ask_for_a_signature() {
    run(&start(), include_str!("lambda/signed_url.py"));
}

#[test]
fn browsers_ask_the_url_and_not_the_function() {
    run(&start(), include_str!("lambda/cors_url.py"));
}

#[test]
fn code_can_be_downloaded_again() {
    let server = start();
    run(&server, include_str!("lambda/location.py"));
}
