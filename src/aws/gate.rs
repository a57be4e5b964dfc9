//! The gate: after Ctrl-C, no call leaves that could create or start something. It stands in every client, so that no loop
//! and no retry of the SDK can pass it.

use std::fmt;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::watch;

/// The operations that pass after Ctrl-C, by the verbs that their names begin with: those that only read, and those that
/// end something.
const PASS: &[&str] = &[
    "Get",
    "List",
    "Describe",
    "Head",
    "Simulate",
    "Filter",
    "Delete",
    "Terminate",
    "Stop",
    "Detach",
    "Deregister",
    "Remove",
    "Revoke",
    "Abort",
];

/// Becomes true when the user wants to stop.
#[derive(Clone, Debug)]
pub struct Gate(pub watch::Receiver<bool>);

/// The error of a call that was held back.
#[derive(Debug)]
pub struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped by Ctrl-C before this call")
    }
}

impl std::error::Error for Closed {}

impl Intercept for Gate {
    fn name(&self) -> &'static str {
        "Gate"
    }

    fn modify_before_transmit(
        &self,
        _context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config.load::<Metadata>().map_or("", |metadata| metadata.name());
        match *self.0.borrow() && !PASS.iter().any(|verb| operation.starts_with(verb)) {
            true => Err(Closed.into()),
            false => Ok(()),
        }
    }
}
