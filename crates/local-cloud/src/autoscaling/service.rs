//! The service, and the services whose variants and functions it scales.

use std::sync::{Arc, Mutex, OnceLock, Weak};

use tokio::task::JoinHandle;

use super::scalable::{Functions, Scalable};
use crate::authority::Authority;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::cloudwatch::Alarms;
use crate::support::lock::locked;

/// Application Auto Scaling.
#[derive(Debug)]
pub struct Scaling {
    pub(super) cloud: Arc<Cloud>,
    pub(super) iam: Arc<dyn Authority>,
    pub(super) alarms: Arc<dyn Alarms>,
    scaled: OnceLock<Weak<dyn Scalable>>,
    functions: OnceLock<Weak<dyn Functions>>,
    control: Mutex<Option<JoinHandle<()>>>,
}

pub type Request<'a> = crate::service::Request<'a, Scaling>;

impl Scaling {
    /// Makes the service. It scales nothing before [`Targets::scale`](super::targets::Targets::scale) is called.
    pub fn new(cloud: &Arc<Cloud>, iam: Arc<dyn Authority>, alarms: Arc<dyn Alarms>) -> Self {
        let (scaled, functions, control) = (OnceLock::new(), OnceLock::new(), Mutex::default());
        Self { cloud: Arc::clone(cloud), iam, alarms, scaled, functions, control }
    }

    /// Sets the service whose variants are scaled.
    pub(super) fn set_scaled(&self, scaled: &Arc<dyn Scalable>) {
        // Only the first call counts: one service has all variants.
        let _ = self.scaled.set(Arc::downgrade(scaled));
    }

    /// Returns the service whose variants are scaled.
    ///
    /// # Errors
    /// `InternalFailure`: it was never set, or has ended because the server stops.
    pub(super) fn scaled(&self) -> Result<Arc<dyn Scalable>, AwsError> {
        let scaled = self.scaled.get().and_then(Weak::upgrade);
        scaled.ok_or_else(|| AwsError::internal("the service that has the variants is not running"))
    }

    /// Sets the service whose functions are scaled.
    pub(super) fn set_functions(&self, functions: &Arc<dyn Functions>) {
        // Only the first call counts: one service has all functions.
        let _ = self.functions.set(Arc::downgrade(functions));
    }

    /// Returns the service whose functions are scaled.
    ///
    /// # Errors
    /// `InternalFailure`: it was never set, or has ended because the server stops.
    pub(super) fn functions(&self) -> Result<Arc<dyn Functions>, AwsError> {
        let functions = self.functions.get().and_then(Weak::upgrade);
        functions.ok_or_else(|| AwsError::internal("the service that has the functions is not running"))
    }

    /// Keeps the task of the control loop.
    pub(super) fn keep_control(&self, task: JoinHandle<()>) {
        *locked(&self.control) = Some(task);
    }

    /// Ends the control loop.
    pub(super) fn stop_control(&self) {
        if let Some(task) = locked(&self.control).take() {
            task.abort();
        }
    }
}
