//! The server's entrance: reads a request's body and verifies its signature.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use jiff::Timestamp;

use crate::authority::Authority;
use crate::call::{AwsError, Caller};
use crate::protocol::Protocol;
use crate::sigv4::{Authorization, SignatureError};
use crate::support::connection::OverTls;
use crate::support::id;

/// Verifies requests: it has the keys, and the region for which requests must be signed.
#[derive(Debug)]
pub struct Door {
    pub authority: Arc<dyn Authority>,
    pub region: String,
}

/// A request whose signature is valid.
pub struct Admitted {
    pub request: Parts,
    pub body: Bytes,
    pub caller: Caller,
    pub request_id: String,
}

impl Door {
    /// Reads a request's body, of at most `limit` bytes, and verifies its signature.
    ///
    /// # Errors
    /// The whole answer, in the form of `protocol`.
    pub async fn admit(
        &self,
        request: Request<Body>,
        limit: usize,
        protocol: Protocol,
    ) -> Result<Admitted, Response<Body>> {
        let (request, body) = request.into_parts();
        let request_id = request_id(&request);
        let refused = |error: AwsError| protocol.error(&error, &request_id).map(Body::from);
        let found = Authorization::find(&request);
        // With an unknown key no signature can be valid, so the body isn't read.
        let known = |found: &Authorization| self.authority.credential(&found.access_key_id).is_some();
        let body = match &found {
            Ok(Some(found)) if known(found) => to_bytes(body, limit).await,
            _ => Ok(Bytes::new()),
        };
        let body = body.map_err(|_| {
            refused(AwsError::new(413, "RequestEntityTooLarge", "The request's body is too large."))
        })?;
        let caller = self.verify(found, &request, &body).map_err(|error| refused(error.worded(protocol)))?;
        Ok(Admitted { request, body, caller, request_id })
    }

    /// Verifies the signature of a request to a URL of a service's own. None: it isn't signed.
    ///
    /// # Errors
    /// The signature isn't valid, or is for another service.
    pub fn signer(&self, request: &Parts, body: &Bytes, service: &str) -> Result<Option<Signer>, AwsError> {
        let words = |error: SignatureError| AwsError { status: 403, ..error.worded(Protocol::RestJson) };
        let Some(found) = Authorization::find(request).map_err(words)? else { return Ok(None) };
        if found.service != service {
            let message = format!("Credential should be scoped to correct service: '{service}'.");
            return Err(words(SignatureError::Mismatch(message)));
        }
        let access_key_id = found.access_key_id.clone();
        let caller = self.verify(Ok(Some(found)), request, body).map_err(words)?;
        Ok(Some(Signer { caller, access_key_id }))
    }

    fn verify(
        &self,
        found: Result<Option<Authorization>, SignatureError>,
        request: &Parts,
        body: &Bytes,
    ) -> Result<Caller, SignatureError> {
        let authorization = found?.ok_or(SignatureError::Missing)?;
        let region = &authorization.region;
        // IAM is global, and STS is in every region. A client that is given an endpoint signs for its own region.
        let global = ["iam", "sts"].contains(&&*authorization.service);
        if *region != self.region && !global {
            return Err(SignatureError::Mismatch(format!(
                "Credential should be scoped to a valid region, not '{region}': this local cloud is {}.",
                self.region
            )));
        }
        let credential = self.authority.credential(&authorization.access_key_id);
        let credential = credential.ok_or(SignatureError::UnknownKey)?;
        authorization.verify(request, body, &credential, Timestamp::now())?;
        self.authority.used(&credential, &authorization.service, region);
        let agent = request.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let over_tls = request.extensions.get::<OverTls>().is_some();
        Ok(credential.caller.clone().calling(agent, over_tls))
    }
}

/// Who has signed a request, and by which key.
#[derive(Clone, Debug)]
pub struct Signer {
    pub caller: Caller,
    pub access_key_id: String,
}

/// Returns the id that the server gave to a request.
pub fn request_id(request: &Parts) -> String {
    request.extensions.get::<RequestId>().map_or_else(id::uuid, |id| id.0.clone())
}

/// The id of a request, among its extensions.
#[derive(Clone)]
pub struct RequestId(pub String);
