//! Which Host headers a server on loopback answers.

/// Returns whether a request's only Host header, and its URL's authority if it has one, name a server on the loopback
/// interface. A web page in a browser may reach such a server under a host name of its own (DNS rebinding), which this tells
/// apart. The port may be another: a proxy or a forwarded port on this machine passes on the header that its client signed.
pub fn names_loopback<'a>(hosts: impl IntoIterator<Item = &'a [u8]>, authority: Option<&str>) -> bool {
    let mut hosts = hosts.into_iter();
    let (host, second) = (hosts.next().and_then(|host| str::from_utf8(host).ok()), hosts.next());
    second.is_none() && host.is_some_and(is_loopback) && authority.is_none_or(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    // The port after an IPv6 address follows its bracket.
    let (name, has_port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse::<u16>().is_ok()),
        _ => (host, true),
    };
    let known = ["127.0.0.1", "localhost", "[::1]"];
    has_port && known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_nothing_else() {
        for host in ["127.0.0.1:4566", "localhost:4566", "LocalHost:80", "[::1]:4566", "localhost", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            ":4566",
            "127.0.0.1:",
            "127.0.0.1:04566x",
            "127.0.0.1:4566:4566",
            "127.0.0.2:4566",
            "localhost.:4566",
            "localhost.evil.test:4566",
            "evil.test:4566",
            "user@127.0.0.1:4566",
            "::1:4566",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn every_host_of_a_request_counts() {
        let (here, evil) = ("localhost:4566", "evil.test:4566");
        let names =
            |hosts: &[&str], authority| names_loopback(hosts.iter().map(|host| host.as_bytes()), authority);
        assert!(names(&[here], None) && names(&[here], Some(here)));
        assert!(!names(&[], None) && !names(&[], Some(here)) && !names(&[here, here], None));
        assert!(!names(&[evil], None) && !names(&[evil], Some(here)) && !names(&[here], Some(evil)));
    }
}
