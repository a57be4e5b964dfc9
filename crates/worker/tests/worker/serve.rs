//! `serve`: answers, refuses, and drains.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Child;

use base64::Engine;
use serde_json::json;

use crate::job::{Job, terminate};

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(job: &Job) -> Self {
        Self::with_origins(job, "")
    }

    /// A server that may fetch images from these origins.
    fn with_origins(job: &Job, origins: &str) -> Self {
        let mut command = job.command("serve");
        command.env("OPSML_IMAGE_ORIGINS", origins);
        command.env("OPSML_BIND_ADDRESS", "127.0.0.1").env("SAGEMAKER_BIND_TO_PORT", "0");
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().parse().unwrap();
        Self { child, address }
    }

    /// Sends a request, and returns the status and body of its answer.
    fn ask(&self, path: &str, content_type: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(&self.head(path, content_type, body.len())).unwrap();
        // Writing may fail, since a server that refuses a body doesn't read it.
        let _ = stream.write_all(body);
        read_answer(&mut stream)
    }

    fn head(&self, path: &str, content_type: &str, length: usize) -> Vec<u8> {
        head(&format!("Host: {}", self.address), path, content_type, length)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn head(hosts: &str, path: &str, content_type: &str, length: usize) -> Vec<u8> {
    let method = if path == "/ping" { "GET" } else { "POST" };
    format!("{method} {path} HTTP/1.1\r\n{hosts}\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n").into_bytes()
}

fn read_answer(stream: &mut TcpStream) -> (u16, String) {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn answers_images_refuses_the_rest_and_drains() {
    let job = Job::new(json!({"epochs": 1})).trained();
    let mut server = Server::start(&job);
    let png = fs::read(job.data().join("test/dark/00.png")).unwrap();

    assert_eq!(server.ask("/ping", "", b"").0, 200);
    let (status, logits) = server.ask("/invocations", "image/png", &png);
    let numbers: Vec<Vec<f64>> = serde_json::from_str(&logits).unwrap();
    assert_eq!((status, numbers.len(), numbers[0].len()), (200, 1, 2));
    let encoded = json!({"image": base64::engine::general_purpose::STANDARD.encode(&png)}).to_string();
    assert_eq!(
        server.ask("/invocations", "application/json; charset=utf-8", encoded.as_bytes()),
        (200, logits.clone())
    );

    let refused = |content_type: &str, body: &[u8], status: u16, why: &str| {
        let answer = server.ask("/invocations", content_type, body);
        assert!(answer.0 == status && answer.1.contains(why), "{content_type}: {answer:?}");
    };
    refused("application/json", br#"{"url": "http://169.254.169.254/"}"#, 400, "URLs are off");
    refused("application/json", b"{", 400, "isn't JSON");
    refused("application/json", "[".repeat(1_000_000).as_bytes(), 400, "isn't JSON");
    refused("application/json", br#"{"image": "%"}"#, 400, "isn't base64");
    refused("application/json", br#"{"image": "", "url": ""}"#, 400, "one of");
    refused("application/json", br#"{"url": 3}"#, 400, "one of");
    refused("text/csv", b"1,2", 415, "isn't supported");
    refused("image/jpeg", b"", 400, "0 bytes");
    refused("image/png", &png[..60], 400, "can't be used");
    let mut bomb = png.clone();
    bomb[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    refused("image/png", &bomb, 400, "can't be used");
    let (status, _) = server.ask("/invocations", "image/png", &vec![0; (6 << 20) + 1]);
    assert_eq!(status, 413);

    // A second server reports that the port is taken.
    let mut second = job.command("serve");
    second
        .env("OPSML_BIND_ADDRESS", "127.0.0.1")
        .env("SAGEMAKER_BIND_TO_PORT", server.address.port().to_string());
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use"));

    // A request that has begun when SIGTERM comes is answered. Then the server ends.
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(&server.head("/invocations", "image/png", png.len())).unwrap();
    stream.write_all(&png[..10]).unwrap();
    // An answer on another connection shows that the server has accepted the first one.
    assert_eq!(server.ask("/ping", "", b"").0, 200);
    terminate(&server.child);
    crate::job::until("the port to close", || TcpStream::connect(server.address).is_err().then_some(()));
    stream.write_all(&png[10..]).unwrap();
    assert_eq!(read_answer(&mut stream), (200, logits));
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// Where it listens on loopback, a web page could reach it under a name of its own.
#[test]
fn a_request_for_another_host_is_refused_before_its_body_is_read() {
    let job = Job::new(json!({"epochs": 1})).trained();
    let server = Server::start(&job);
    let port = server.address.port();
    let ask = |hosts: &str, path: &str| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        // None of the body that this announces is sent.
        stream.write_all(&head(hosts, path, "image/png", 1000)).unwrap();
        read_answer(&mut stream)
    };
    for known in [format!("Host: localhost:{port}"), format!("Host: 127.0.0.1:{port}")] {
        assert_eq!(ask(&known, "/ping").0, 200, "{known}");
    }
    for strange in [
        "Host: evil.test".to_owned(),
        format!("Host: evil.test:{port}"),
        format!("Host: 127.0.0.1:{port}\r\nHost: evil.test"),
    ] {
        for path in ["/ping", "/invocations", &format!("http://127.0.0.1:{port}/ping")] {
            let (status, said) = ask(&strange, path);
            assert!(status == 403 && said.contains("loopback"), "{strange} {path}: {status} {said}");
        }
    }
    let known = format!("Host: 127.0.0.1:{port}");
    assert_eq!(ask(&known, "http://evil.test/ping").0, 403);
}

/// Serves these bytes to every client, on a port of 127.0.0.1, and returns their URL.
fn picture_server(bytes: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            lines.find(String::is_empty);
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len());
            let _ = stream.write_all(&bytes);
        }
    });
    url
}

#[test]
fn a_url_is_fetched_from_where_the_environment_allows() {
    let job = Job::new(json!({"epochs": 1})).trained();
    let png = fs::read(job.data().join("test/dark/00.png")).unwrap();
    let (picture, text, other) =
        (picture_server(png.clone()), picture_server(b"secret".to_vec()), picture_server(png.clone()));
    let server = Server::with_origins(&job, &format!("{picture}, {text}"));
    let ask = |url: &str| {
        server.ask("/invocations", "application/json", json!({ "url": url }).to_string().as_bytes())
    };
    assert_eq!(ask(&format!("{picture}/dog.png")), server.ask("/invocations", "image/png", &png));
    assert_eq!(ask(&picture).0, 200);
    for (url, why) in [(&text, "not JPEG, PNG"), (&other, "may not fetch from"), (&"x".into(), "isn't a URL")]
    {
        let (status, said) = ask(url);
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        let said = said["error"].as_str().unwrap();
        assert!(status == 400 && said.contains(why) && !said.contains("secret"), "{url}: {status} {said}");
    }

    let mut wrong = job.command("serve");
    let output = wrong.env("OPSML_IMAGE_ORIGINS", "https://a.test/path").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("https://a.test/path isn't an origin"));
}

#[test]
fn without_a_model_it_says_what_is_missing() {
    let output = Job::new(json!({})).command("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("classes.json"));
}
