//! This machine's public address.

use std::net::Ipv4Addr;

use crate::aws::{Aws, Target};
use crate::failure::{Failure, Outcome};

/// AWS's service that returns the caller's address and a line feed.
const SERVICE: &str = "https://checkip.amazonaws.com";

pub async fn my_address(aws: &Aws) -> Outcome<Ipv4Addr> {
    // The local cloud listens on loopback.
    if !matches!(aws.target, Target::Aws) {
        return Ok(Ipv4Addr::LOCALHOST);
    }
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new("NoAddress", format!("{SERVICE}: {error}"))
            .hint("give `ssh_from`, the address that you connect from")
    };
    let response = tokio::task::spawn_blocking(|| ureq::get(SERVICE).call()?.body_mut().read_to_string());
    let text = response.await.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    text.trim().parse().map_err(|error| failed(&error))
}
