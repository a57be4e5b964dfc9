//! stub
pub mod runtime;
use std::sync::Arc;
use crate::call::{Call, Reply};
use crate::cloud::Cloud;
pub async fn call(_cloud: &Arc<Cloud>, call: Call) -> Reply { Err(call.unsupported("SageMaker")) }
pub async fn start(_cloud: &Arc<Cloud>) {}
pub async fn stop(_cloud: &Arc<Cloud>) {}
pub fn is_empty(_cloud: &Cloud) -> bool { true }
#[derive(Debug, Default)]
pub struct Running;
