//! SageMaker: training jobs that train, endpoints that serve, and the records around them.
//!
//! [`catalog`] keeps models and endpoint configs, [`notebook`] notebook instances; [`tuning`] runs
//! training jobs as its trials; [`training`] and [`endpoint`] run processes, which [`process`] measures and ends, and whose output [`log`] carries off.

mod archive;
mod catalog;
pub(crate) mod endpoint;
mod image;
mod instance;
mod log;
pub(crate) mod meter;
mod notebook;
pub(crate) mod process;
mod resource;
pub mod runtime;
mod training;
mod transfer;
mod tuning;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::call::{AwsError, Call, Reply};
use crate::cloud::Cloud;
use crate::shapes::Shapes;
use catalog::{CONFIG, MODEL};
pub(crate) use instance::Instance;
pub use resource::set_quota;

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::read(include_str!("shapes.json")));

/// What runs now, by name. Empty after a restart until [`start`].
#[derive(Debug, Default)]
pub struct Running {
    jobs: Mutex<HashMap<String, training::Running>>,
    tunings: Mutex<HashMap<String, tuning::Running>>,
    endpoints: Mutex<HashMap<String, Arc<endpoint::Live>>>,
    looks: meter::Looks,
}

/// Answers one operation.
pub async fn call(cloud: &Arc<Cloud>, call: Call) -> Reply {
    SHAPES.validate(&call.operation, &call.input)?;
    match call.operation.as_str() {
        "CreateTrainingJob"
        | "DescribeTrainingJob"
        | "ListTrainingJobs"
        | "StopTrainingJob"
        | "DeleteTrainingJob" => training::call(cloud, &call).await,
        "CreateHyperParameterTuningJob"
        | "DescribeHyperParameterTuningJob"
        | "ListHyperParameterTuningJobs"
        | "ListTrainingJobsForHyperParameterTuningJob"
        | "StopHyperParameterTuningJob"
        | "DeleteHyperParameterTuningJob" => tuning::call(cloud, &call),
        "CreateNotebookInstance"
        | "DescribeNotebookInstance"
        | "ListNotebookInstances"
        | "StartNotebookInstance"
        | "StopNotebookInstance"
        | "UpdateNotebookInstance"
        | "DeleteNotebookInstance"
        | "CreatePresignedNotebookInstanceUrl" => notebook::call(cloud, &call),
        "CreateModel" | "DescribeModel" | "ListModels" | "DeleteModel" => MODEL.call(cloud, &call),
        "CreateEndpointConfig"
        | "DescribeEndpointConfig"
        | "ListEndpointConfigs"
        | "DeleteEndpointConfig" => CONFIG.call(cloud, &call),
        "CreateEndpoint"
        | "DescribeEndpoint"
        | "ListEndpoints"
        | "UpdateEndpoint"
        | "UpdateEndpointWeightsAndCapacities"
        | "DeleteEndpoint" => endpoint::call(cloud, &call),
        "AddTags" | "ListTags" | "DeleteTags" => resource::tags(cloud, &call),
        _ => Err(call.unsupported("SageMaker")),
    }
}

/// Takes up, at the server's start, what outlived the last one: endpoints come back, lost jobs fail.
pub async fn start(cloud: &Arc<Cloud>) {
    // What cannot be read now answers its error to those who ask for it.
    let _ = tuning::recover(cloud);
    let _ = training::recover(cloud).await;
    let _ = notebook::recover(cloud);
    let _ = endpoint::recover(cloud).await;
}

/// Ends the children, at the server's stop.
pub async fn stop(cloud: &Arc<Cloud>) {
    tuning::end_all(cloud).await;
    training::end_all(cloud).await;
    endpoint::end_all(cloud).await;
}

/// Whether nothing is left that an idle server must stay up for.
pub fn is_empty(cloud: &Cloud) -> bool {
    !training::any_running(cloud)
        && !tuning::any_running(cloud)
        && cloud.store.list::<Value>(endpoint::ENDPOINT).is_ok_and(|all| all.is_empty())
}

/// Whether an ARN names something that is there.
fn exists(cloud: &Cloud, arn: &str) -> Result<bool, AwsError> {
    let prefix = cloud.arn("sagemaker", "");
    let Some((kind, name)) = arn.strip_prefix(&prefix).and_then(|rest| rest.split_once('/')) else {
        return Ok(false);
    };
    let kinds = [
        ("training-job", training::STORE),
        (tuning::PATH, tuning::STORE),
        (notebook::PATH, notebook::NOTEBOOK),
        (MODEL.path, MODEL.store),
        (CONFIG.path, CONFIG.store),
        ("endpoint", endpoint::ENDPOINT),
    ];
    let Some((_, store)) = kinds.iter().find(|(path, _)| *path == kind) else { return Ok(false) };
    // ARNs are in lower case, names are not.
    Ok(cloud.store.list::<Value>(store)?.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)))
}

/// A panic elsewhere leaves these maps whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
