//! The state that all execution environments of a server share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OnceCell, Semaphore};

use super::memory::Watched;
use crate::authority::{Authority, Session};
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::logs::LogSink;
use crate::policy::Context;
use crate::support::python::{self, Python};

/// The service principal that a function's role must trust.
pub const PRINCIPAL: &str = "lambda.amazonaws.com";
/// The greatest number of simultaneous on-demand initialisations. More would only slow each other down.
const STARTS: usize = 8;

#[derive(Debug)]
pub struct Host {
    pub cloud: Arc<Cloud>,
    pub iam: Arc<dyn Authority>,
    pub logs: Arc<dyn LogSink>,
    /// The processes of all environments.
    pub watched: Watched,
    /// Limits the on-demand initialisations. It is never closed.
    pub starts: Semaphore,
    /// The machine's Python. None: there is none.
    python: OnceCell<Option<Python>>,
    /// The port that functions get as AWS's endpoint if they can't reach AWS.
    pub unreachable: OnceCell<u16>,
    stopping: AtomicBool,
}

impl Host {
    pub fn new(cloud: &Arc<Cloud>, iam: Arc<dyn Authority>, logs: Arc<dyn LogSink>) -> Self {
        Self {
            cloud: Arc::clone(cloud),
            iam,
            logs,
            watched: Watched::default(),
            starts: Semaphore::new(STARTS),
            python: OnceCell::new(),
            unreachable: OnceCell::new(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Returns credentials of a function's role.
    ///
    /// # Errors
    /// `AccessDenied`: the role doesn't trust Lambda, or doesn't exist.
    pub fn assume_role(&self, role: &str, function: &str) -> Result<Session, AwsError> {
        self.iam.assume_role(role, PRINCIPAL, function, &Context::new())
    }

    /// Returns the machine's Python. None: there is none.
    pub async fn python(&self) -> Option<&Python> {
        let find = async || python::find(&self.python_command()).await.ok();
        self.python.get_or_init(find).await.as_ref()
    }

    /// Returns the command that names the Python.
    pub fn python_command(&self) -> PathBuf {
        self.cloud.settings.python.clone().unwrap_or_else(|| "python3".into())
    }

    /// Starts no processes from now on.
    pub fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
