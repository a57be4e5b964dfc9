//! The certificates with which this server is one of AWS's hosts, or itself, for the clients that trust its authority.
//!
//! The authority's key is a file of the state folder that only its owner can read. A certificate is made when its host is
//! first asked for.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The most hosts whose certificates are kept. A client may ask for any name below AWS's domains.
const KEPT: usize = 200;

/// An authority and the certificates that it has issued.
pub struct Certificates {
    authority: Issuer<'static, KeyPair>,
    pem: String,
    /// The key of all hosts: to make one takes longer than to sign.
    key: KeyPair,
    hosts: Mutex<HashMap<String, Arc<ServerConfig>>>,
    own: Mutex<Option<Arc<ServerConfig>>>,
}

/// This server's own names.
const OWN: [&str; 4] = ["localhost", "*.localhost", "127.0.0.1", "::1"];

impl Certificates {
    /// Returns a new key for an authority, as PEM.
    ///
    /// # Errors
    /// There are no random numbers.
    pub fn new_key() -> io::Result<String> {
        Ok(KeyPair::generate().map_err(io::Error::other)?.serialize_pem())
    }

    /// Returns the authority that has a key. Its certificate is another each time, and any of them vouches for its hosts.
    ///
    /// # Errors
    /// The key can't be read.
    pub fn of_key(pem: &str) -> io::Result<Self> {
        let key = KeyPair::from_pem(pem).map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = named("opsml local cloud");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).map_err(io::Error::other)?.pem();
        let host_key = KeyPair::generate().map_err(io::Error::other)?;
        Ok(Self {
            authority: Issuer::new(params, key),
            pem,
            key: host_key,
            hosts: Mutex::default(),
            own: Mutex::default(),
        })
    }

    /// Returns the authority's certificate, as PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Returns the TLS settings of a host.
    ///
    /// # Errors
    /// The name is none of a host.
    pub fn of(&self, host: &str) -> io::Result<Arc<ServerConfig>> {
        let host = host.to_ascii_lowercase();
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = hosts.get(&host) {
            return Ok(known.clone());
        }
        let settings = self.certify(&[&host])?;
        if hosts.len() >= KEPT {
            hosts.clear();
        }
        Ok(hosts.entry(host).or_insert(settings).clone())
    }

    /// Returns the TLS settings of this server under its own names, on the loopback interface.
    ///
    /// # Errors
    /// No certificate can be made.
    pub fn own(&self) -> io::Result<Arc<ServerConfig>> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = &*own {
            return Ok(known.clone());
        }
        Ok(own.insert(self.certify(&OWN)?).clone())
    }

    fn certify(&self, names: &[&str]) -> io::Result<Arc<ServerConfig>> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name = named("opsml local cloud, in place of a host of AWS");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        // Without it, Python 3.13 refuses a certificate.
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.key, &self.authority).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(self.key.serialize_der()).map_err(io::Error::other)?;
        let settings = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(io::Error::other)?;
        Ok(Arc::new(settings))
    }
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}
