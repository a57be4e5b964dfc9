//! The cloud itself: what every service shares.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::cloudwatch::Metrics;
use crate::iam::Iam;
use crate::logs::Logs;
use crate::store::{OpenError, Store};

/// The one account there is.
pub const ACCOUNT: &str = "123456789012";

/// Above this [`Settings::speedup`] a period of a minute would be shorter than a tenth of a second, and the loop's own work
/// would show.
pub const FASTEST: u32 = 600;

/// How a server is to run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of all its state.
    pub dir: PathBuf,
    /// `us-east-1`, …
    pub region: String,
    /// The `opsml-worker` binary that the image name `opsml-worker` stands for. None: none is installed.
    pub worker: Option<PathBuf>,
    /// A command that runs a Python with PyTorch, for script mode. None: `python3` of the PATH.
    pub pytorch: Option<PathBuf>,
    /// A command that runs a Python with boto3, for Lambda's Python runtimes. None: `python3` of the PATH.
    pub python: Option<PathBuf>,
    /// The program that is the AWS CLI of EC2's AMIs: `PROGRAM cloud aws s3 cp …`. None: instances have the machine's
    /// own `aws`, if there is one.
    pub tools: Option<PathBuf>,
    /// How long an emptied server waits for a request before it stops. None: for ever.
    pub idle_stop: Option<Duration>,
    /// How many times faster than life the control loops run: metric periods of alarms, and the cooldowns of scaling.
    /// Between 1 and [`FASTEST`].
    pub speedup: u32,
    /// Leave the terminal's session, so that neither Ctrl-C nor a closed terminal ends the server.
    pub detached: bool,
}

impl Settings {
    /// us-east-1, five idle minutes, in the foreground, no worker, no tools, the Pythons that `OPSML_PYTORCH` and
    /// `OPSML_PYTHON` name.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let named = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            dir: dir.into(),
            region: "us-east-1".to_owned(),
            worker: None,
            pytorch: named("OPSML_PYTORCH"),
            python: named("OPSML_PYTHON"),
            tools: None,
            idle_stop: Some(Duration::from_secs(300)),
            speedup: 60,
            detached: false,
        }
    }

    /// How long what takes so many milliseconds on AWS takes a control loop here; one at least.
    pub fn faster_ms(&self, ms: i64) -> i64 {
        if ms == 0 { 0 } else { (ms / i64::from(self.speedup.clamp(1, FASTEST))).max(1) }
    }
}

/// Shared by all services as `Arc<Cloud>`.
#[derive(Debug)]
pub struct Cloud {
    pub settings: Settings,
    /// [`ACCOUNT`].
    pub account: String,
    pub region: String,
    pub store: Store,
    pub iam: Iam,
    pub logs: Logs,
    /// What the services tell CloudWatch.
    pub metrics: Metrics,
    /// What SageMaker has running.
    pub(crate) sagemaker: crate::sagemaker::Running,
    /// The EC2 instances that run.
    pub(crate) ec2: crate::ec2::Running,
    pub(crate) control: crate::autoscaling::Control,
    /// The functions' execution environments.
    pub(crate) lambda: crate::lambda::Running,
    endpoint: OnceLock<String>,
}

impl Cloud {
    /// Opens the state in `settings.dir`, which must exist. The server must hold the folder's lock.
    pub fn open(settings: Settings) -> Result<Arc<Self>, OpenError> {
        let store = Store::open(&settings.dir.join("state.db"))?;
        crate::s3::prepare(&settings.dir, &store).map_err(OpenError::Content)?;
        let iam = Iam::open(store.clone()).map_err(OpenError::Content)?;
        let logs = Logs::new(store.clone());
        let metrics = Metrics::open(store.clone(), settings.faster_ms(60_000)).map_err(OpenError::Content)?;
        let control = crate::autoscaling::Control::default();
        let region = settings.region.clone();
        let endpoint = OnceLock::new();
        let sagemaker = crate::sagemaker::Running::default();
        let ec2 = crate::ec2::Running::default();
        let lambda = crate::lambda::Running::default();
        let account = ACCOUNT.to_owned();
        Ok(Arc::new(Self {
            settings,
            account,
            region,
            store,
            iam,
            logs,
            metrics,
            sagemaker,
            ec2,
            control,
            lambda,
            endpoint,
        }))
    }

    /// `http://127.0.0.1:PORT`; empty before the server listens.
    pub fn endpoint(&self) -> &str {
        self.endpoint.get().map_or("", String::as_str)
    }

    pub(crate) fn set_endpoint(&self, endpoint: String) {
        // Only the first call counts: a cloud listens on one port for its whole life.
        let _ = self.endpoint.set(endpoint);
    }

    /// `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}
