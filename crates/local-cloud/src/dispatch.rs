//! The steps of every request to a service: decode, check, authorise, call the handler, encode. There is no other way
//! to a handler.

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request as HttpRequest, Response};

use crate::authority::Authority;
use crate::call::{AwsError, Call, Caller, Reply};
use crate::door::{Admitted, Door};
use crate::service::{Handler, Operation, Request, Service, refuse_members};

/// A service as the server keeps it in its list.
#[async_trait]
pub trait Served: Send + Sync {
    /// Returns the name that its requests are signed for.
    fn name(&self) -> &'static str;

    /// Returns whether a request that is signed for this name is for this service. Two services may share a name.
    fn takes(&self, request: &Parts) -> bool;

    /// Returns whether a request is for something of this service that has a URL of its own, whatever its signature says.
    fn has_url(&self, _request: &Parts) -> bool {
        false
    }

    /// Answers a request for such a URL.
    async fn answer_url(&self, request: HttpRequest<Body>, door: &Door) -> Response<Body> {
        self.answer(request, door).await
    }

    /// Answers a request, whose signature has not been verified yet.
    async fn answer(&self, request: HttpRequest<Body>, door: &Door) -> Response<Body>;

    /// Starts the service, and continues what the last server left unfinished.
    async fn start(&self);

    /// Stops the service, and ends its processes.
    async fn stop(&self);

    /// Returns whether the service has no resources, so that an idle server may stop.
    fn is_empty(&self) -> bool;

    /// Returns the operations that aren't exactly once in the table and once in the model.
    #[cfg(test)]
    fn unmatched(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

#[async_trait]
impl<S: Service> Served for Arc<S> {
    fn name(&self) -> &'static str {
        S::NAME
    }

    #[cfg(test)]
    fn unmatched(&self) -> Vec<&'static str> {
        let mut names: Vec<&str> = S::operations().iter().map(|operation| operation.name).collect();
        names.extend(S::model().operations());
        names.sort_unstable();
        names
            .chunk_by(|left, right| left == right)
            .filter(|same| same.len() != 2)
            .map(|same| same[0])
            .collect()
    }

    fn takes(&self, request: &Parts) -> bool {
        S::model().speaks(request)
    }

    fn has_url(&self, request: &Parts) -> bool {
        S::has_url(request)
    }

    async fn answer_url(&self, request: HttpRequest<Body>, door: &Door) -> Response<Body> {
        Service::answer_url(self, request, door).await
    }

    async fn answer(&self, request: HttpRequest<Body>, door: &Door) -> Response<Body> {
        let model = S::model();
        let admitted = match door.admit(request, S::BODY_LIMIT, model.protocol()).await {
            Ok(admitted) => admitted,
            Err(refused) => return refused,
        };
        dispatch(self, admitted, &*door.authority).await.map(Body::from)
    }

    async fn start(&self) {
        Service::start(self).await;
    }

    async fn stop(&self) {
        Service::stop(self).await;
    }

    fn is_empty(&self) -> bool {
        Service::is_empty(&**self)
    }
}

async fn dispatch<S: Service>(
    service: &Arc<S>,
    admitted: Admitted,
    authority: &dyn Authority,
) -> Response<Bytes> {
    let Admitted { request, body, caller, request_id } = admitted;
    let (operation, call) = match decode(&request, body, caller, &request_id) {
        Ok(decoded) => decoded,
        Err(error) => return S::model().encode_error(&request, &error, &request_id),
    };
    let request_of = Request { service, call: &call };
    let reply = match authorise(operation, &request_of, authority) {
        Ok(()) => match operation.handler {
            Handler::Now(handler) => handler(&request_of),
            Handler::Later(handler) => handler(request_of).await,
            Handler::Raw(handler) => match handler(request_of).await {
                Ok(response) => return identified(response, &request_id),
                Err(error) => Err(error),
            },
        },
        Err(error) => Err(error),
    };
    encode::<S>(&request, &call.operation, &reply, &request_id)
}

/// Finds the row of the table, and checks the input against the model.
fn decode<S: Service>(
    request: &Parts,
    body: Bytes,
    caller: Caller,
    request_id: &str,
) -> Result<(&'static Operation<S>, Call), AwsError> {
    let model = S::model();
    let name = model.operation(request, &body)?;
    let operation = S::operations().iter().find(|operation| operation.name == name);
    let operation = operation.ok_or_else(|| AwsError::unsupported(S::TITLE, &name))?;
    let (input, payload) = model.decode(&name, request, body)?;
    let (headers, request_id) = (request.headers.clone(), request_id.to_owned());
    let call = Call { caller, operation: name, input, payload, headers, request_id };
    refuse_members::<S>(&call)?;
    Ok((operation, call))
}

fn authorise<S: Service>(
    operation: &Operation<S>,
    request: &Request<'_, S>,
    authority: &dyn Authority,
) -> Result<(), AwsError> {
    let Some(needs) = operation.needs else { return Ok(()) };
    let named = needs(request);
    let accesses = match &named {
        Ok(accesses) if accesses.is_empty() => {
            let message = format!("{} names nothing that its caller must be allowed", operation.name);
            return Err(AwsError::internal(message));
        }
        Ok(accesses) => &**accesses,
        // What it names isn't there, or isn't one. A caller without the right doesn't learn that.
        Err(_) => &[request.on("*")],
    };
    let mut accesses = accesses.iter();
    accesses.try_for_each(|access| authority.authorize(&request.call.caller, access)).map_err(S::denied)?;
    named.map(drop)
}

fn encode<S: Service>(request: &Parts, operation: &str, reply: &Reply, request_id: &str) -> Response<Bytes> {
    match reply {
        Ok(output) => S::model().encode(request, operation, output, request_id),
        Err(error) => S::model().encode_error(request, error, request_id),
    }
}

fn identified(mut response: Response<Bytes>, request_id: &str) -> Response<Bytes> {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}
