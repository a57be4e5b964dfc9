//! What all services share: the settings, the account, the region and the state file. It uses no service.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::store::{OpenError, Store};

/// The only account.
pub const ACCOUNT: &str = "123456789012";

/// The highest [`Settings::speedup`]. With more, a period of a minute would be shorter than a tenth of a second, and
/// the control loop's own work would take too large a part of it.
pub const FASTEST: u32 = 600;

/// How a server runs.
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
    /// The program that instances use as the AWS CLI, which EC2's AMIs have: `PROGRAM cloud aws s3 cp …`. None:
    /// instances use the machine's own `aws`, if there is one.
    pub tools: Option<PathBuf>,
    /// The port at which to listen, which is kept for later servers. None: the kept one, or any.
    pub port: Option<u16>,
    /// How long a server without resources waits for a request before it stops. None: for ever.
    pub idle_stop: Option<Duration>,
    /// How many times faster than on AWS the control loops run: metric periods of alarms, and the cooldowns of scaling.
    /// Between 1 and [`FASTEST`].
    pub speedup: u32,
    /// Leave the terminal's session, so that neither Ctrl-C nor a closed terminal ends the server.
    pub detached: bool,
}

impl Settings {
    /// Returns the defaults: us-east-1, a stop after five idle minutes, in the foreground, no worker, no tools, and the
    /// Pythons that `OPSML_PYTORCH` and `OPSML_PYTHON` name.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        let named = |name| std::env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            dir: dir.into(),
            region: "us-east-1".to_owned(),
            worker: None,
            pytorch: named("OPSML_PYTORCH"),
            python: named("OPSML_PYTHON"),
            tools: None,
            port: None,
            idle_stop: Some(Duration::from_secs(300)),
            speedup: 60,
            detached: false,
        }
    }

    /// Returns how many milliseconds a control loop takes here for what takes `ms` milliseconds on AWS; at least one.
    pub fn faster_ms(&self, ms: i64) -> i64 {
        if ms == 0 { 0 } else { (ms / i64::from(self.speedup.clamp(1, FASTEST))).max(1) }
    }
}

/// Held by each service as `Arc<Cloud>`.
#[derive(Debug)]
pub struct Cloud {
    pub settings: Settings,
    /// [`ACCOUNT`].
    pub account: String,
    pub region: String,
    pub store: Store,
    endpoint: OnceLock<String>,
}

impl Cloud {
    /// Opens the state in `settings.dir`, which must exist. The server must hold the folder's lock.
    ///
    /// # Errors
    /// The state cannot be read, or a newer opsml wrote it.
    pub fn open(settings: Settings) -> Result<Arc<Self>, OpenError> {
        let store = Store::open(&settings.dir.join("state.db"))?;
        let (account, region) = (ACCOUNT.to_owned(), settings.region.clone());
        Ok(Arc::new(Self { settings, account, region, store, endpoint: OnceLock::new() }))
    }

    /// Returns `http://127.0.0.1:PORT`; empty before the server listens.
    pub fn endpoint(&self) -> &str {
        self.endpoint.get().map_or("", String::as_str)
    }

    /// Sets the URL at which the server listens.
    pub fn set_endpoint(&self, endpoint: String) {
        // Only the first call counts: a server listens on one port for its whole life.
        let _ = self.endpoint.set(endpoint);
    }

    /// Returns `arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{}:{resource}", self.region, self.account)
    }
}
