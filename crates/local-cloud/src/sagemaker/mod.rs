//! SageMaker's control plane: training jobs, models, endpoint configs, endpoints.

pub mod runtime;

use std::sync::Arc;

use crate::call::{Call, Reply};
use crate::cloud::Cloud;

/// Answers one operation.
pub async fn call(_cloud: &Arc<Cloud>, call: Call) -> Reply {
    Err(call.unsupported("SageMaker"))
}

/// Takes up, at the server's start, what outlived the last one: endpoints come back, lost jobs fail.
pub async fn start(_cloud: &Arc<Cloud>) {}

/// Ends the children, at the server's stop.
pub async fn stop(_cloud: &Arc<Cloud>) {}

/// Whether nothing is left that an idle server must stay up for.
pub fn is_empty(_cloud: &Cloud) -> bool {
    true
}
