//! The process of an instance of a fleet. If it dies, it is started again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opsml_contract::{BIND_ADDRESS_ENV, BIND_PORT_ENV};
use rustix::process::Signal;
use tokio::process::Child;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::instance::Instance;
use super::program::Served;
use super::record::Variant;
use crate::authority::Session;
use crate::child::{child_env, pip_env};
use crate::sagemaker::container;
use crate::sagemaker::image::start_failure;
use crate::sagemaker::isolation::{self, ML, Own};
use crate::sagemaker::log::{Pump, Seen};
use crate::sagemaker::platform::Platform;
use crate::support::instance_type::Instance as Hardware;
use crate::support::lock::locked;
use crate::support::process;

/// The time between SIGTERM and SIGKILL, as on AWS.
const GRACE: Duration = Duration::from_secs(30);
/// AWS's limit for an answer to `/ping`.
const PING: Duration = Duration::from_secs(2);
const PING_EVERY: Duration = Duration::from_millis(50);
/// The default of ContainerStartupHealthCheckTimeoutInSeconds.
const START: u64 = 480;
/// How many restarts in a row are tried before an instance is given up. After it has served for some time, the count
/// starts again.
const RESTARTS: u32 = 5;
const STEADY: Duration = Duration::from_secs(60);

/// The settings from which an instance is started.
pub struct Worker {
    pub platform: Arc<Platform>,
    pub session: Session,
    /// What runs in place of the model's image.
    pub served: Served,
    pub settings: Variant,
    /// The folder that the fleet's instances share, with the model, which they only read, and their home.
    pub folder: PathBuf,
    /// The folder that only this instance uses.
    pub own: PathBuf,
    pub log_group: String,
    pub log_stream: String,
    pub instance: Arc<Instance>,
    pub stop: watch::Receiver<bool>,
}

/// A started process.
struct Started {
    child: Child,
    leader: u32,
    port: u16,
    pump: tokio::task::JoinHandle<std::io::Result<()>>,
    seen: Arc<Mutex<Seen>>,
}

impl Worker {
    /// Runs the instance until `stop` is true, and restarts it if it dies. The outcome of the first start is sent to
    /// `started`.
    pub async fn run(mut self, started: oneshot::Sender<Result<(), String>>) {
        let mut started = Some(started);
        let mut failures = 0;
        loop {
            let since = Instant::now();
            match self.start().await {
                Err(reason) => {
                    if let Some(started) = started.take() {
                        // An error is ignored: if the deployment has failed meanwhile, nobody waits.
                        let _ = started.send(Err(reason));
                        return;
                    }
                }
                Ok(mut process) => {
                    self.instance.serves_at(process.port, process.leader);
                    if let Some(started) = started.take() {
                        let _ = started.send(Ok(()));
                    }
                    tokio::select! {
                        _ = process.child.wait() => {}
                        _ = self.stop.wait_for(|stop| *stop) => {}
                    }
                    self.instance.serves_at(0, 0);
                    self.end(process).await;
                }
            }
            if since.elapsed() > STEADY {
                failures = 0;
            }
            failures += 1;
            if failures > RESTARTS || *self.stop.borrow() {
                return;
            }
            let pause = Duration::from_millis(100) * 2_u32.pow(failures);
            if timeout(pause, self.stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    }

    /// Starts the process, and waits for its first successful `/ping`.
    async fn start(&mut self) -> Result<Started, String> {
        let isolated = isolation::available().await.is_ok();
        let mut process = self.spawn(isolated).map_err(|error| {
            format!("{} could not be started: {error} ({})", self.served.what, self.served.way_out)
        })?;
        let limit = self.settings.config["ContainerStartupHealthCheckTimeoutInSeconds"].as_u64();
        let limit = Duration::from_secs(limit.unwrap_or(START));
        let outcome = tokio::select! {
            status = process.child.wait() => Err(status.ok()),
            _ = self.stop.wait_for(|stop| *stop) => Err(None),
            healthy = timeout(limit, healthy(process.port)) => healthy.map_err(|_| None),
        };
        match outcome {
            Ok(()) => Ok(process),
            Err(status) => {
                let last = self.end(process).await;
                Err(self.why(status, &last))
            }
        }
    }

    /// Returns why it didn't start.
    fn why(&self, status: Option<ExitStatus>, last_line: &str) -> String {
        let variant = self.settings.name();
        let mut reason = format!(
            "The primary container for production variant {variant} did not pass the ping health check. Please check \
             CloudWatch logs for this endpoint."
        );
        if let Some(status) = status {
            let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
            let why = start_failure(code, last_line)
                .unwrap_or_else(|| format!("its process ended with exit code {code}: {last_line}"));
            reason = format!("{reason} ({why})");
        }
        reason
    }

    fn spawn(&self, isolated: bool) -> std::io::Result<Started> {
        // Another program may take the port meanwhile. Then the process ends, and is started with another port.
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let (reader, writer) = std::io::pipe()?;
        let (home, model) = (self.folder.join("home"), self.folder.join("model"));
        let base = if isolated { Path::new(ML) } else { &self.folder };
        let env = self.variables(&home, base, port);
        let own = Own {
            home: home.clone(),
            scratch: self.own.clone(),
            is_offline: false,
            shown: vec![(model, Path::new(ML).join("model"))],
        };
        let cloud = &self.platform.cloud;
        let mut command = isolation::command(cloud, isolated, &own, &self.served.program, &home, env)?;
        command
            .stdin(Stdio::null())
            .stderr(writer.try_clone()?)
            .stdout(writer)
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn()?;
        // The command holds the pipe's writing end.
        drop(command);
        let seen = Arc::new(Mutex::new(Seen::default()));
        let pump = Pump {
            logs: Arc::clone(&self.platform.logs),
            group: self.log_group.clone(),
            stream: self.log_stream.clone(),
            metrics: Vec::new(),
            values: None,
            seen: Arc::clone(&seen),
        };
        let pump = tokio::task::spawn_blocking(move || pump.run(reader));
        Ok(Started { leader: child.id().unwrap_or_default(), child, port, pump, seen })
    }

    /// Returns the variables of a process that sees its folders in `base`.
    fn variables(&self, home: &Path, base: &Path, port: u16) -> BTreeMap<OsString, OsString> {
        let threads = Hardware::threads(self.settings.instance_type(), 1).to_string();
        let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
        if self.served.installs {
            env.extend(pip_env().map(|(name, value)| (name.into(), value.into())));
        }
        env.extend(child_env(&self.platform.cloud, home, &self.session));
        env.extend(self.served.program.env.iter().cloned());
        env.insert("SM_MODEL_DIR".into(), base.join("model").into());
        for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"] {
            env.insert(name.into(), (&threads).into());
        }
        env.insert(process::WAIT_POLICY.0.into(), process::WAIT_POLICY.1.into());
        if base == Path::new(ML) {
            env.insert("TMPDIR".into(), "/tmp".into());
        }
        for (name, value) in self.settings.container["Environment"].as_object().into_iter().flatten() {
            env.insert(name.into(), value.as_str().unwrap_or_default().into());
        }
        env.insert(process::BASE_DIR.into(), base.into());
        env.insert(process::INSTANCE_DIR.into(), self.folder.as_os_str().to_owned());
        env.insert(BIND_PORT_ENV.into(), port.to_string().into());
        env.insert(BIND_ADDRESS_ENV.into(), "127.0.0.1".into());
        env
    }

    /// Ends the process, kills the rest of its group, and returns its last line of output.
    async fn end(&self, mut process: Started) -> String {
        process::signal_group(process.leader, Signal::TERM);
        let _ = timeout(GRACE, process.child.wait()).await;
        process::signal_group(process.leader, Signal::KILL);
        let _ = timeout(Duration::from_secs(5), process.child.wait()).await;
        let _ = timeout(Duration::from_secs(5), process.pump).await;
        locked(&process.seen).last_line().to_owned()
    }
}

/// Returns once a `/ping` is answered with 200.
async fn healthy(port: u16) {
    while !timeout(PING, container::ping(port)).await.is_ok_and(|good| good) {
        sleep(PING_EVERY).await;
    }
}
