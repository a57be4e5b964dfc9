//! SageMaker Runtime, which invokes endpoints. It is a separate service, but has SageMaker's name in signatures.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::Response;

use crate::authority::Access;
use crate::call::AwsError;
use crate::model::Model;
use crate::policy::Context;
use crate::sagemaker::Endpoints;
use crate::service::{Operation, Service};

/// The members for features that no endpoint here has.
const UNSUPPORTED: [&str; 5] =
    ["TargetModel", "TargetContainerHostname", "EnableExplanations", "InferenceComponentName", "SessionId"];

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<Runtime>] =
    &[Operation::raw("InvokeEndpoint", on_endpoint, |request| Box::pin(invoke(request)))];

/// SageMaker Runtime. SageMaker starts and stops the endpoints that it invokes.
#[derive(Debug)]
pub struct Runtime(Arc<dyn Endpoints>);

type Request<'a> = crate::service::Request<'a, Runtime>;

impl Runtime {
    /// Returns the service that invokes these endpoints.
    pub fn new(endpoints: Arc<dyn Endpoints>) -> Self {
        Self(endpoints)
    }
}

impl Service for Runtime {
    const NAME: &'static str = "sagemaker";
    const TITLE: &'static str = "SageMaker Runtime";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }
}

fn on_endpoint(request: &Request<'_>) -> Result<Vec<Access>, AwsError> {
    let mut context = Context::new();
    if let Some(variant) = request.optional("TargetVariant") {
        context = context.with("sagemaker:TargetVariant", variant);
    }
    Ok(vec![request.on_with(request.service.0.arn(request.text("EndpointName")), context)])
}

async fn invoke(request: Request<'_>) -> Result<Response<Bytes>, AwsError> {
    if let Some(member) = UNSUPPORTED.iter().find(|member| !request.input()[**member].is_null()) {
        return Err(request.unsupported(&format!("{member} in InvokeEndpoint")));
    }
    let (name, variant) = (request.text("EndpointName"), request.optional("TargetVariant"));
    request.service.0.invoke(name, variant, request.call).await
}
