//! What a service is: its names, its model, its table of operations, its start and its stop.
//!
//! An operation is a row: its name, the access that it needs, its handler. The dispatcher decodes a request, checks it
//! against the model, authorises that access, and only then calls the handler. What else a handler must be allowed
//! (`iam:PassRole`, an action that the request implies) it asks by itself.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Response;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::authority::Access;
use crate::call::{AwsError, Call, Reply};
use crate::model::Model;
use crate::policy::Context;

/// A service of AWS's, as the dispatcher and the server's start and stop see it.
pub trait Service: Send + Sync + Sized + 'static {
    /// The name that requests are signed for: `sagemaker`, `monitoring`.
    const NAME: &'static str;
    /// The name in messages: `SageMaker`, `CloudWatch`.
    const TITLE: &'static str;
    /// What its actions begin with in policies. AWS has another one than the name for a few: `cloudwatch`.
    const PREFIX: &'static str = Self::NAME;
    /// Bytes of a request's body; more is refused unread.
    const BODY_LIMIT: usize = 32 << 20;

    /// The shapes of its operations and how they look on the wire.
    fn model() -> &'static Model;

    /// All that it answers.
    fn operations() -> &'static [Operation<Self>];

    /// An access error in the service's own words.
    fn denied(error: AwsError) -> AwsError {
        error
    }

    /// Takes up, at the server's start, what outlived the last one.
    fn start(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Ends, at the server's stop, what runs.
    fn stop(self: &Arc<Self>) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }

    /// Whether nothing is left that an idle server must stay up for. In doubt there is something.
    fn is_empty(&self) -> bool {
        true
    }
}

/// One operation under way: the service, and what was asked of it.
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
    /// The input in the shape of AWS's model.
    pub fn input(&self) -> &'a Value {
        &self.call.input
    }

    /// A text member; empty where it is absent.
    pub fn text(&self, member: &str) -> &'a str {
        self.optional(member).unwrap_or_default()
    }

    /// A text member; None where it is absent.
    pub fn optional(&self, member: &str) -> Option<&'a str> {
        self.call.input[member].as_str()
    }

    /// A boolean member; false where it is absent.
    pub fn flag(&self, member: &str) -> bool {
        self.call.input[member].as_bool().unwrap_or(false)
    }

    /// A list; empty where it is absent.
    pub fn items(&self, member: &str) -> &'a [Value] {
        self.call.input[member].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// A list of texts; empty where it is absent.
    pub fn texts(&self, member: &str) -> Vec<&'a str> {
        self.items(member).iter().filter_map(Value::as_str).collect()
    }

    /// The whole input as the operation's type.
    ///
    /// # Errors
    /// `ValidationException`: it doesn't fit.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, AwsError> {
        self.call.read()
    }
}

impl<S: Service> Request<'_, S> {
    /// The operation's own action on a resource, an ARN or `*`.
    pub fn on(&self, resource: impl Into<String>) -> Access {
        Access::new(format!("{}:{}", S::PREFIX, self.call.operation), resource)
    }

    /// The operation's own action on a resource, with condition keys.
    pub fn on_with(&self, resource: impl Into<String>, context: Context) -> Access {
        self.on(resource).with(context)
    }

    /// The answer to what an operation lacks here: `what` is a member, a value or a combination of them.
    pub fn unsupported(&self, what: &str) -> AwsError {
        AwsError::unsupported(S::TITLE, what)
    }
}

/// What an operation needs to be allowed. It reads what it must to name the resources, and changes nothing.
pub type Needs<S> = fn(&Request<'_, S>) -> Result<Vec<Access>, AwsError>;

/// What answers with an HTTP response of its own.
pub type Raw<S> = for<'a> fn(Request<'a, S>) -> BoxFuture<'a, Result<Response<Bytes>, AwsError>>;

/// What answers an operation.
pub enum Handler<S: 'static> {
    /// At once.
    Now(fn(&Request<'_, S>) -> Reply),
    /// After a wait.
    Later(for<'a> fn(Request<'a, S>) -> BoxFuture<'a, Reply>),
    /// With an HTTP response of its own, as the operations do whose output is a stream of bytes.
    Raw(Raw<S>),
}

/// A row of a service's table.
pub struct Operation<S: 'static> {
    /// As in AWS's model: `CreateTrainingJob`.
    pub name: &'static str,
    /// None: no policy can deny it, or the handler asks for a decision in which a trust policy has its say.
    pub needs: Option<Needs<S>>,
    pub handler: Handler<S>,
}

impl<S> Operation<S> {
    /// An operation that is answered at once.
    pub const fn new(name: &'static str, needs: Needs<S>, handler: fn(&Request<'_, S>) -> Reply) -> Self {
        Self { name, needs: Some(needs), handler: Handler::Now(handler) }
    }

    /// An operation that is answered after a wait.
    pub const fn later(
        name: &'static str,
        needs: Needs<S>,
        handler: for<'a> fn(Request<'a, S>) -> BoxFuture<'a, Reply>,
    ) -> Self {
        Self { name, needs: Some(needs), handler: Handler::Later(handler) }
    }

    /// An operation that answers with an HTTP response of its own.
    pub const fn raw(name: &'static str, needs: Needs<S>, handler: Raw<S>) -> Self {
        Self { name, needs: Some(needs), handler: Handler::Raw(handler) }
    }

    /// An operation that the trust policy of a role decides together with the caller's own: the handler asks
    /// [`Authority::assume_role_as`](crate::authority::Authority::assume_role_as). AWS has one that we answer: STS's AssumeRole.
    pub const fn by_trust(name: &'static str, handler: fn(&Request<'_, S>) -> Reply) -> Self {
        Self { name, needs: None, handler: Handler::Now(handler) }
    }

    /// An operation that no policy can deny. AWS has one: STS's GetCallerIdentity.
    pub const fn undeniable(name: &'static str, handler: fn(&Request<'_, S>) -> Reply) -> Self {
        Self { name, needs: None, handler: Handler::Now(handler) }
    }
}

/// What an operation on no particular resource needs: its action on `*`.
///
/// # Errors
/// None.
pub fn on_everything<S: Service>(request: &Request<'_, S>) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on("*")])
}
