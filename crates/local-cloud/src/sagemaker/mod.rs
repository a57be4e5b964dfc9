//! SageMaker: training jobs, tuning jobs, notebook instances, models and endpoints.
//!
//! [`catalog`] stores models and endpoint configs, and [`notebook`] notebook instances. [`tuning`] runs training jobs
//! as its trials. [`training`] and [`endpoint`] run containers on the [`platform`], whose output [`log`] copies.

mod access;
mod catalog;
mod container;
mod endpoint;
mod image;
mod isolation;
mod listing;
mod log;
mod meter;
mod notebook;
mod platform;
mod quota;
mod resource;
mod runs;
mod service;
mod tagging;
mod tags;
mod training;
mod transfer;
mod tuning;

use std::sync::{Arc, LazyLock};

use crate::model::Model;
use crate::service::{Operation, Service, on_everything};
use catalog::{CONFIGS, MODELS};

pub use endpoint::Endpoints;
pub use isolation::missing;
pub use quota::set_quota;
pub use service::SageMaker;
pub use training::interrupt;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<SageMaker>] = &[
    Operation::new("CreateTrainingJob", training::on_job, training::create),
    Operation::new("DescribeTrainingJob", training::on_job, training::describe),
    Operation::new("ListTrainingJobs", on_everything, training::list),
    Operation::new("StopTrainingJob", training::on_job, training::stop),
    Operation::new("DeleteTrainingJob", training::on_job, training::delete),
    Operation::new("CreateHyperParameterTuningJob", tuning::on_job, tuning::create),
    Operation::new("DescribeHyperParameterTuningJob", tuning::on_job, tuning::describe),
    Operation::new("ListHyperParameterTuningJobs", on_everything, tuning::list),
    Operation::new("ListTrainingJobsForHyperParameterTuningJob", tuning::on_job, tuning::list_trials),
    Operation::new("StopHyperParameterTuningJob", tuning::on_job, tuning::stop),
    Operation::new("DeleteHyperParameterTuningJob", tuning::on_job, tuning::delete),
    Operation::new("CreateNotebookInstance", notebook::on_notebook, notebook::create),
    Operation::new("DescribeNotebookInstance", notebook::on_notebook, notebook::describe),
    Operation::new("ListNotebookInstances", on_everything, notebook::list),
    Operation::new("StartNotebookInstance", notebook::on_notebook, notebook::start),
    Operation::new("StopNotebookInstance", notebook::on_notebook, notebook::stop),
    Operation::new("UpdateNotebookInstance", notebook::on_notebook, notebook::update),
    Operation::new("DeleteNotebookInstance", notebook::on_notebook, notebook::delete),
    Operation::new("CreateModel", |request| MODELS.on_item(request), catalog::create_model),
    Operation::new("DescribeModel", |request| MODELS.on_item(request), |request| MODELS.describe(request)),
    Operation::new("ListModels", on_everything, |request| MODELS.list(request)),
    Operation::new("DeleteModel", |request| MODELS.on_item(request), |request| MODELS.delete(request)),
    Operation::new("CreateEndpointConfig", |request| CONFIGS.on_item(request), catalog::create_config),
    Operation::new(
        "DescribeEndpointConfig",
        |request| CONFIGS.on_item(request),
        |request| CONFIGS.describe(request),
    ),
    Operation::new("ListEndpointConfigs", on_everything, |request| CONFIGS.list(request)),
    Operation::new(
        "DeleteEndpointConfig",
        |request| CONFIGS.on_item(request),
        |request| CONFIGS.delete(request),
    ),
    Operation::new("CreateEndpoint", endpoint::on_endpoint, endpoint::create),
    Operation::new("DescribeEndpoint", endpoint::on_endpoint, endpoint::describe),
    Operation::new("ListEndpoints", on_everything, endpoint::list),
    Operation::new("UpdateEndpoint", endpoint::on_endpoint, endpoint::update),
    Operation::new("UpdateEndpointWeightsAndCapacities", endpoint::on_endpoint, endpoint::update_capacities),
    Operation::new("DeleteEndpoint", endpoint::on_endpoint, endpoint::delete),
    Operation::new("AddTags", tagging::on_resource, tagging::add),
    Operation::new("ListTags", tagging::on_resource, tagging::list),
    Operation::new("DeleteTags", tagging::on_resource, tagging::delete),
];

impl Service for SageMaker {
    const NAME: &'static str = "sagemaker";
    const TITLE: &'static str = "SageMaker";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }

    /// Starts the endpoints again, and fails the jobs that ran when the last server stopped.
    async fn start(self: &Arc<Self>) {
        // If a record can't be read now, a later request for it gets the error.
        let _ = tuning::jobs::recover(self);
        let _ = training::jobs::recover(self).await;
        let _ = notebook::recover(self);
        let _ = endpoint::recover(self).await;
        Arc::clone(&self.targets).scale(self.clone());
    }

    /// Ends all processes.
    async fn stop(self: &Arc<Self>) {
        self.targets.stop();
        tuning::jobs::end_all(self).await;
        training::jobs::end_all(self).await;
        endpoint::end_all(self).await;
    }

    fn is_empty(&self) -> bool {
        self.training_jobs.is_empty()
            && self.tuning_jobs.is_empty()
            && endpoint::none(self.store()).is_ok_and(|none| none)
    }
}
