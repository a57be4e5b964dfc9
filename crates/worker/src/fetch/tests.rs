//! Fetching against servers on this machine, and names that resolve as the test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;

/// Answers each connection with what the function gives for its path; counts them.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                lines.find(String::is_empty);
                answer(first.split(' ').nth(1).unwrap_or_default(), &mut stream);
            }
        });
        Self { address, asked }
    }

    fn text(answer: &'static str) -> Self {
        Self::start(move |_, stream| {
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher::new(&format!("https://images.example.com,http://{}", self.address), None).unwrap()
    }
}

/// A name server that gives these addresses, the next one each time it is asked.
#[derive(Debug)]
struct Names(Vec<SocketAddr>, AtomicUsize);

impl Names {
    fn new(addresses: &[SocketAddr]) -> Arc<Self> {
        Arc::new(Self(addresses.to_vec(), AtomicUsize::new(0)))
    }
}

impl Resolver for Names {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        found.push(self.0[self.1.fetch_add(1, Ordering::SeqCst).min(self.0.len() - 1)]);
        Ok(found)
    }
}

const IMAGE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nimage";

#[test]
fn an_allowed_origin_is_fetched_from() {
    let server = Server::text(IMAGE);
    assert_eq!(server.fetcher().get(&format!("{}a/b.png?c=d#e", server.url())).unwrap(), b"image");
}

#[test]
fn all_else_is_refused_before_a_call() {
    let server = Server::text(IMAGE);
    let port = server.address.port();
    for (url, why) in [
        (format!("http://user@127.0.0.1:{port}/"), "credentials"),
        (format!("http://:password@127.0.0.1:{port}/"), "credentials"),
        (format!("https://127.0.0.1:{port}/"), "may not fetch from https://"),
        (format!("http://localhost:{port}/"), "may not fetch from http://localhost"),
        (format!("http://127.0.0.1.:{port}x/"), "isn't a URL"),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "may not fetch"),
        ("http://127.0.0.1/".into(), "may not fetch from http://127.0.0.1"),
        ("http://169.254.169.254/latest/meta-data/".into(), "may not fetch"),
        ("https://images.example.com.evil.test/".into(), "may not fetch"),
        ("https://images.example.com:8443/".into(), "may not fetch"),
        ("file:///etc/passwd".into(), "may not fetch from file"),
        ("ftp://127.0.0.1/".into(), "may not fetch"),
        ("gopher://127.0.0.1/".into(), "may not fetch from gopher"),
        ("data:image/png;base64,AAAA".into(), "may not fetch from data"),
        ("/etc/passwd".into(), "isn't a URL"),
        (String::new(), "isn't a URL"),
    ] {
        let said = server.fetcher().get(&url).unwrap_err();
        assert!(said.contains(why), "{url}: {said}");
    }
    assert_eq!(server.asked(), 0);
    let off = Fetcher::new(" , ", None).unwrap().get(&server.url()).unwrap_err();
    assert!(off.starts_with("URLs are off"), "{off}");
}

#[test]
fn what_is_no_origin_is_told() {
    for wrong in
        ["images.example.com", "https://a/b", "https://u@a", "ftp://a", "https://a?b", "*", "https://*.a/b"]
    {
        let said = Fetcher::new(wrong, None).unwrap_err();
        assert!(said.contains("isn't an origin") && said.contains(wrong), "{said}");
    }
    let origins = Fetcher::new("https://a.test:8443, http://[::1]:80/,HTTPS://B.test", None).unwrap().origins;
    assert_eq!(
        origins.iter().map(Origin::ascii_serialization).collect::<Vec<_>>(),
        ["https://a.test:8443", "http://[::1]", "https://b.test"]
    );
}

#[test]
fn a_bucket_is_where_s3_is_now() {
    let server = Server::text(IMAGE);
    let s3 = server.url();
    let fetcher = Fetcher::new("https://images.example.com, s3://pictures", Some(&s3)).unwrap();
    assert_eq!(fetcher.get(&format!("{s3}pictures/dog.png")).unwrap(), b"image");
    let said = Fetcher::new("s3://pictures", None).unwrap_err();
    assert!(said.contains("s3://pictures has no address here"), "{said}");
}

#[test]
fn a_redirect_is_checked_as_the_url_was() {
    let inside = Server::text(IMAGE);
    let target = inside.url();
    let server = Server::start(move |path, stream| {
        let to = match path {
            "/inside" => target.clone(),
            "/metadata" => "http://169.254.169.254/".into(),
            "/name" => "https://images.example.com/".into(),
            "/once" => "/image".into(),
            "/image" => return stream.write_all(IMAGE.as_bytes()).unwrap(),
            _ => "/for-ever".into(),
        };
        write!(stream, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").unwrap();
    });
    // An allowed name that means an address inside.
    let fetcher = Fetcher {
        resolver: Names::new(&[server.address, SocketAddr::from(([10, 0, 0, 1], 443))]),
        ..server.fetcher()
    };
    let get = |path: &str| fetcher.get(&format!("http://{}{path}", server.address));
    assert!(get("/name").unwrap_err().contains("an address that isn't public"));
    let get = |path: &str| server.fetcher().get(&format!("http://{}{path}", server.address));
    assert_eq!(get("/once").unwrap(), b"image");
    assert!(get("/inside").unwrap_err().contains("may not fetch"));
    assert!(get("/metadata").unwrap_err().contains("may not fetch from http://169.254.169.254"));
    assert!(get("/for-ever").unwrap_err().contains("more than 3 times"));
    assert_eq!(inside.asked(), 0);
}

#[test]
fn a_name_is_resolved_once_and_what_was_checked_is_connected_to() {
    let (server, other) = (Server::text(IMAGE), Server::text(IMAGE));
    let names = Names::new(&[server.address, other.address]);
    let guard = Guard { resolver: names.clone(), named: Some(server.address) };
    let agent = Agent::with_parts(Config::default(), DefaultConnector::default(), guard);
    assert_eq!(agent.get("http://images.test/").call().unwrap().status(), 200);
    assert_eq!((names.1.load(Ordering::SeqCst), server.asked(), other.asked()), (1, 1, 0));
    // Resolved for another request, it is checked again.
    let said = agent.get("http://images.test/").call().unwrap_err().to_string();
    assert!(said.contains("isn't public"), "{said}");
    assert_eq!(other.asked(), 0);
    // That an origin is allowed by its name doesn't make its address allowed.
    let fetcher = Fetcher { resolver: Names::new(&[server.address]), ..server.fetcher() };
    assert!(fetcher.get("https://images.example.com/").unwrap_err().contains("isn't public"));
    assert_eq!(server.asked(), 1);
}

#[test]
fn size_and_time_are_limited() {
    let huge = Server::start(|path, stream| {
        let head = match path {
            "/told" => format!("Content-Length: {}", MAX_BODY + 1),
            _ => "Connection: close".into(),
        };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n");
        while stream.write_all(&[0; 1 << 16]).is_ok() {}
    });
    for path in ["told", "untold"] {
        let said = huge.fetcher().get(&format!("{}{path}", huge.url())).unwrap_err();
        assert!(said.contains("over 6291456 bytes"), "{said}");
    }
    // A byte now and then keeps a connection alive, and still doesn't take for ever.
    let slow = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b".").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
    let silent = Server::start(|_, stream| {
        // Until the other side gives up.
        let _ = BufReader::new(stream).lines().next();
    });
    for server in [slow, silent] {
        let fetcher = Fetcher { time: Duration::from_millis(300), ..server.fetcher() };
        let begun = Instant::now();
        let said = fetcher.get(&server.url()).unwrap_err();
        assert!(said.contains("longer than 300ms"), "{said}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn what_a_server_answers_is_told_to_nobody() {
    for answer in [
        "HTTP/1.1 403 Forbidden\r\nContent-Length: 6\r\n\r\nsecret",
        "HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\nsecret",
        "HTTP/1.1 302 Found\r\nLocation: http://[secret\r\nContent-Length: 6\r\n\r\nsecret",
        "SSH-2.0-secret\r\n\r\n",
        "HTTP/1.1 200 OK\r\nsecret secret\r\n\r\n",
        "",
    ] {
        let server = Server::text(answer);
        let said = server.fetcher().get(&server.url()).unwrap_err();
        assert!(!said.contains("secret") && !said.is_empty(), "{said}");
        assert_eq!(server.asked(), 1, "{answer}");
    }
}

#[test]
fn addresses_inside_are_known_in_every_form() {
    for inside in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.1.2.3",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.9.9",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ] {
        assert!(!is_public(inside.parse().unwrap()), "{inside}");
    }
    for outside in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "2600:1f18::1",
        "2001:4860:4860::8888",
    ] {
        assert!(is_public(outside.parse().unwrap()), "{outside}");
    }
}
