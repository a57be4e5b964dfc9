//! The trait of services: names, model, table of operations, start and stop.
//!
//! An operation is a row of the table: its name, the access that it needs, its handler. The dispatcher decodes a
//! request, checks it against the model, checks that access, and only then calls the handler. Handlers check further
//! access (`iam:PassRole`, an action that the request implies) themselves.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::request::Parts;
use http::{Request as HttpRequest, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::authority::Access;
use crate::call::{AwsError, Call, Reply};
use crate::door::Door;
use crate::model::Model;
use crate::policy::Context;

/// An AWS service, as the dispatcher and the server use it.
pub trait Service: Send + Sync + Sized + 'static {
    /// The name that requests are signed for: `sagemaker`, `monitoring`.
    const NAME: &'static str;
    /// The name in messages: `SageMaker`, `CloudWatch`.
    const TITLE: &'static str;
    /// The prefix of its actions in policies. For a few services it differs from the name: `cloudwatch`.
    const PREFIX: &'static str = Self::NAME;
    /// The greatest size of a request's body, in bytes. A longer body is refused without reading it.
    const BODY_LIMIT: usize = 32 << 20;

    /// Returns its model: the shapes of its operations, and their form on the wire.
    fn model() -> &'static Model;

    /// Returns the table of its operations.
    fn operations() -> &'static [Operation<Self>];

    /// Returns an access error in the service's own words.
    fn denied(error: AwsError) -> AwsError {
        error
    }

    /// Returns whether a request is for something of this service that has a URL of its own, such as a function. It is
    /// then no call of an operation, whatever its signature says.
    fn has_url(_request: &Parts) -> bool {
        false
    }

    /// Answers a request for such a URL. Who may send it is for the service to decide.
    fn answer_url(
        self: &Arc<Self>,
        _request: HttpRequest<Body>,
        _door: &Door,
    ) -> impl Future<Output = Response<Body>> + Send {
        std::future::ready(Response::new(Body::empty()))
    }

    /// Continues, when the server starts, what the last one left unfinished.
    fn start(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Ends everything that runs when the server stops.
    fn stop(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Returns whether the service has no resources, so that an idle server may stop. If that can't be read, it returns
    /// false.
    fn is_empty(&self) -> bool {
        true
    }
}

/// Refuses a call with a member that the service's `members.txt` refuses: it could only be ignored.
///
/// # Errors
/// An error that names the member and the operation.
pub fn refuse_members<S: Service>(call: &Call) -> Result<(), AwsError> {
    match S::model().refused(&call.operation, &call.input) {
        Some(member) => Err(AwsError::unsupported(S::TITLE, &format!("{member} in {}", call.operation))),
        None => Ok(()),
    }
}

/// A request to a service.
pub struct Request<'a, S> {
    pub service: &'a Arc<S>,
    pub call: &'a Call,
}

impl<S> Clone for Request<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Request<'_, S> {}

impl<'a, S> Request<'a, S> {
    /// Returns the input, in the shape of AWS's model.
    pub fn input(&self) -> &'a Value {
        &self.call.input
    }

    /// Returns a text member. It is empty if the member is absent.
    pub fn text(&self, member: &str) -> &'a str {
        self.optional(member).unwrap_or_default()
    }

    /// Returns a text member. None: it is absent.
    pub fn optional(&self, member: &str) -> Option<&'a str> {
        self.call.input[member].as_str()
    }

    /// Returns a boolean member. It is false if the member is absent.
    pub fn flag(&self, member: &str) -> bool {
        self.call.input[member].as_bool().unwrap_or(false)
    }

    /// Returns a list. It is empty if the member is absent.
    pub fn items(&self, member: &str) -> &'a [Value] {
        self.call.input[member].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns a list of texts. It is empty if the member is absent.
    pub fn texts(&self, member: &str) -> Vec<&'a str> {
        self.items(member).iter().filter_map(Value::as_str).collect()
    }

    /// Returns the whole input as the operation's type.
    ///
    /// # Errors
    /// `ValidationException`: it doesn't fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        self.call.read()
    }
}

impl<S: Service> Request<'_, S> {
    /// Returns the access of the operation's own action on a resource, an ARN or `*`.
    pub fn on(&self, resource: impl Into<String>) -> Access {
        Access::new(format!("{}:{}", S::PREFIX, self.call.operation), resource)
    }

    /// Returns the access of the operation's own action on a resource, with condition keys.
    pub fn on_with(&self, resource: impl Into<String>, context: Context) -> Access {
        self.on(resource).with(context)
    }

    /// Returns the error for a part of an operation that isn't supported. `what` is a member, a value or a combination
    /// of them.
    pub fn unsupported(&self, what: &str) -> AwsError {
        AwsError::unsupported(S::TITLE, what)
    }
}

/// Returns the access that an operation needs. It may read the state to name the resources, and changes nothing.
pub type Needs<S> = fn(&Request<'_, S>) -> Result<Vec<Access>, AwsError>;

/// A handler that returns an HTTP response.
pub type Raw<S> = for<'a> fn(Request<'a, S>) -> BoxFuture<'a, Result<Response<Bytes>, AwsError>>;

/// The handler of an operation.
pub enum Handler<S: 'static> {
    /// It answers at once.
    Now(fn(&Request<'_, S>) -> Reply),
    /// It is asynchronous.
    Later(for<'a> fn(Request<'a, S>) -> BoxFuture<'a, Reply>),
    /// It returns an HTTP response, for operations whose output is a stream of bytes.
    Raw(Raw<S>),
}

/// A row of a service's table.
pub struct Operation<S: 'static> {
    /// As in AWS's model: `CreateTrainingJob`.
    pub name: &'static str,
    /// None: no policy can deny the operation, or the handler itself asks for a decision, which depends on a trust
    /// policy.
    pub needs: Option<Needs<S>>,
    pub handler: Handler<S>,
}

impl<S> Operation<S> {
    /// Returns a row with a handler that answers at once.
    pub const fn new(name: &'static str, needs: Needs<S>, handler: fn(&Request<'_, S>) -> Reply) -> Self {
        Self { name, needs: Some(needs), handler: Handler::Now(handler) }
    }

    /// Returns a row with an asynchronous handler.
    pub const fn later(
        name: &'static str,
        needs: Needs<S>,
        handler: for<'a> fn(Request<'a, S>) -> BoxFuture<'a, Reply>,
    ) -> Self {
        Self { name, needs: Some(needs), handler: Handler::Later(handler) }
    }

    /// Returns a row with a handler that returns an HTTP response.
    pub const fn raw(name: &'static str, needs: Needs<S>, handler: Raw<S>) -> Self {
        Self { name, needs: Some(needs), handler: Handler::Raw(handler) }
    }

    /// Returns a row of an operation that is decided by a role's trust policy together with the caller's own policies:
    /// its handler calls [`Authority::assume_role_as`](crate::authority::Authority::assume_role_as). The only one here
    /// is STS's AssumeRole.
    pub const fn by_trust(name: &'static str, handler: fn(&Request<'_, S>) -> Reply) -> Self {
        Self { name, needs: None, handler: Handler::Now(handler) }
    }

    /// Returns a row of an operation that no policy can deny. AWS has one: STS's GetCallerIdentity.
    pub const fn undeniable(name: &'static str, handler: fn(&Request<'_, S>) -> Reply) -> Self {
        Self { name, needs: None, handler: Handler::Now(handler) }
    }
}

/// Returns the access that an operation without a particular resource needs: its action on `*`.
///
/// # Errors
/// None.
pub fn on_everything<S: Service>(request: &Request<'_, S>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on("*")])
}
