//! The server as a client's proxy: it is AWS's hosts, for those that trust its authority, and passes others through.

use local_cloud::lifecycle;

use crate::{Server, lambda};

#[test]
fn urls_of_aws_that_a_client_builds_itself_reach_the_server() {
    let server = Server::start();
    let trusted = lifecycle::trusted(server.dir.path(), None).unwrap();
    server.python_with(include_str!("proxy/aws.py"), &[trusted.to_str().unwrap()]);
}

#[test]
fn requests_say_whether_they_came_over_tls() {
    let server = lambda::start();
    let trusted = lifecycle::trusted(server.dir.path(), None).unwrap();
    server.python_with(
        &format!("{}\n{}", include_str!("lambda/prelude.py"), include_str!("proxy/transport.py")),
        &[trusted.to_str().unwrap()],
    );
}

#[test]
fn connections_to_other_hosts_pass_through() {
    Server::start().python(include_str!("proxy/others.py"));
}

#[test]
fn an_open_tunnel_does_not_keep_the_server_from_stopping() {
    let server = Server::start();
    let trusted = lifecycle::trusted(server.dir.path(), None).unwrap();
    let client = std::net::TcpStream::connect(server.endpoint.trim_start_matches("http://")).unwrap();
    use std::io::{Read as _, Write as _};
    (&client).write_all(b"CONNECT sts.us-east-1.amazonaws.com:443 HTTP/1.1\r\nHost: sts\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    (&client).read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert!(trusted.is_file());
    drop(server);
}
