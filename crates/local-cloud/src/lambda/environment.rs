//! An execution environment: a process with a folder, a home and a Runtime API of its own. It runs one invocation at a
//! time.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Child;
use tokio::time::{Instant, sleep, sleep_until};

use super::api::{Api, Event, Message};
use super::errors::{NOT_ASSUMABLE, service_failed};
use super::fault::{
    EXITED, FATAL, Fault, INVALID_ENTRYPOINT, NO_REQUEST, TIMED_OUT, TOO_LARGE, error_payload, error_type,
    too_large,
};
use super::host::Host;
use super::log::Log;
use super::record::Version;
use super::{code, isolation, runtime, vpc};
use crate::authority::Session;
use crate::call::AwsError;
use crate::child::child_env;
use crate::cloud::Cloud;
use crate::folder::private_dir;
use crate::support::clock::now_ms;
use crate::support::{id, process};

/// How long a first initialisation may take. If it fails, it is repeated during the invocation, within its time-out.
const INIT: Duration = Duration::from_secs(10);
/// The error type of a failed initialisation if the process names none.
const INIT_ERROR: &str = "Runtime.InitError";
/// How long an environment is used. Its credentials expire after 12 hours.
const LIFE: Duration = Duration::from_secs(11 * 3600);

/// What an environment runs.
#[derive(Clone, Debug)]
pub struct Spec {
    pub function: String,
    pub version: Version,
    /// Whether it is started before its first request.
    pub provisioned: bool,
}

/// How an invocation ended.
#[derive(Debug)]
pub struct Outcome {
    pub payload: Bytes,
    /// Whether the payload is an error.
    pub is_error: bool,
    /// The last 4 KB of the log.
    pub tail: Vec<u8>,
    /// How long it ran, without an on-demand initialisation.
    pub took: Duration,
}

pub struct Environment {
    host: Arc<Host>,
    pub spec: Spec,
    session: Session,
    folder: PathBuf,
    api: Api,
    log: Arc<Log>,
    process: Option<Process>,
    /// The highest memory use of the processes that have ended, in bytes.
    peak: u64,
    /// Whether the process has asked for an event.
    ready: bool,
    created: Instant,
}

struct Process {
    child: Child,
    leader: u32,
    peak: Arc<AtomicU64>,
}

impl Environment {
    /// Creates the folder, the API and the log. The process is started by [`Self::provision`] or [`Self::invoke`].
    ///
    /// # Errors
    /// The role can no longer be assumed; a full disk.
    pub async fn open(host: &Arc<Host>, spec: Spec) -> Result<Self, AwsError> {
        let session = host.assume_role(&spec.version.settings.role, &spec.function).map_err(|error| {
            match error.code.as_str() {
                "AccessDenied" => AwsError::new(403, "AccessDeniedException", NOT_ASSUMABLE),
                _ => error,
            }
        })?;
        let failed = |error: std::io::Error| {
            service_failed(format!("The local cloud could not create an execution environment: {error}"))
        };
        let id = id::uuid();
        let folder = folder(&host.cloud).join(&id);
        private_dir(&folder.join("tmp")).map_err(failed)?;
        let api = Api::start().await.map_err(failed)?;
        let day = jiff::Timestamp::now().strftime("%Y/%m/%d");
        let stream = format!("{day}/[{}]{}", spec.version.name(), id.replace('-', ""));
        let log = Log::new(host, &session.caller, &spec.version.settings.log_group, stream);
        log.line(&format!("INIT_START Runtime Version: {}", runtime::version(host, &spec.version).await));
        Ok(Self {
            host: Arc::clone(host),
            spec,
            session,
            folder,
            api,
            log,
            process: None,
            peak: 0,
            ready: false,
            created: Instant::now(),
        })
    }

    /// Starts the process, waits until it asks for an event, and returns how long that took.
    async fn init(&mut self, limit: Duration, phase: &str) -> Result<Duration, Fault> {
        self.stop_process().await;
        let since = Instant::now();
        let initialised = self.start(since + limit).await;
        let took = since.elapsed();
        match initialised {
            Ok(()) => {
                self.ready = true;
                Ok(took)
            }
            Err(fault) => {
                self.stop_process().await;
                let status = match fault.kind.as_str() {
                    TIMED_OUT => "timeout".to_owned(),
                    kind => format!("error\tError Type: {kind}"),
                };
                let took = milliseconds(took);
                self.log
                    .line(&format!("INIT_REPORT Init Duration: {took} ms\tPhase: {phase}\tStatus: {status}"));
                self.log.flush();
                Err(fault)
            }
        }
    }

    /// Starts the process before the first request.
    ///
    /// # Errors
    /// The error type.
    pub async fn provision(&mut self, limit: Duration) -> Result<(), String> {
        let initialised = self.init(limit, "init").await;
        self.log.flush();
        initialised.map(drop).map_err(|fault| fault.kind)
    }

    async fn start(&mut self, deadline: Instant) -> Result<(), Fault> {
        self.api.discard_messages();
        let mut process = self.spawn().await?;
        let outcome = loop {
            tokio::select! {
                message = self.api.message() => match message {
                    Message::Next => break Ok(()),
                    Message::InitError(body) => break Err(Fault::reported(body, INIT_ERROR)),
                    // The process has no event, so these are ignored.
                    Message::Response(_) | Message::Error(_) | Message::TooLarge(_) => {}
                },
                status = process.child.wait() => {
                    // It may have reported the reason just before it ended.
                    break Err(match self.api.arrived_message() {
                        Some(Message::InitError(body)) => Fault::reported(body, INIT_ERROR),
                        _ => Fault::exited(status.ok(), ""),
                    });
                }
                () = sleep_until(deadline) => break Err(Fault::timed_out()),
            }
        };
        self.process = Some(process);
        outcome
    }

    /// Runs one invocation, within the function's time-out.
    pub async fn invoke(&mut self, mut event: Event) -> Outcome {
        let settings = &self.spec.version.settings;
        let (timeout, id) = (Duration::from_secs(settings.timeout), event.request_id.clone());
        let mut init = None;
        if !self.ready {
            let host = Arc::clone(&self.host);
            let _turn = host.starts.acquire().await;
            init = self.init(INIT, "init").await.ok();
        }
        self.log.begin();
        self.log.line(&format!("START RequestId: {id} Version: {}", self.spec.version.name()));
        let started = Instant::now();
        let deadline = started + timeout;
        event.deadline_ms = now_ms() + i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        let initialised = match self.ready {
            true => Ok(()),
            // As on AWS, an initialisation that failed or took too long is repeated in the invocation's own time.
            false => self.init(timeout, "invoke").await.map(drop),
        };
        let answer = match initialised {
            Ok(()) => self.exchange(event, deadline).await,
            Err(fault) => Err(fault),
        };
        let took = started.elapsed().min(timeout);
        let (payload, fault) = match answer {
            Ok(answer) => answer,
            Err(fault) => (self.answer_to(&fault, &id), Some(fault.kind)),
        };
        let is_alive = fault.as_deref().is_none_or(|kind| !FATAL.contains(&kind));
        let peak = self.peak();
        if !is_alive || !self.is_alive() {
            self.stop_process().await;
        }
        self.log.line(&format!("END RequestId: {id}"));
        self.log.line(&self.report(&id, took, init, peak, fault.as_deref()));
        self.log.flush();
        Outcome { payload, is_error: fault.is_some(), tail: self.log.tail(), took }
    }

    /// Sends an event, and returns the answer, with its type if it is an error.
    async fn exchange(&mut self, event: Event, deadline: Instant) -> Result<(Bytes, Option<String>), Fault> {
        let Some(process) = &mut self.process else { return Err(Fault::exited(None, &event.request_id)) };
        self.api.discard_messages();
        let id = event.request_id.clone();
        self.api.send(event);
        let mut answer = None;
        loop {
            tokio::select! {
                // Checked in this order, so that messages that arrived before the end or the time-out count.
                biased;
                message = self.api.message() => match message {
                    Message::Response(body) => answer = Some((body, None)),
                    Message::Error(body) => {
                        let kind = error_type(&body).unwrap_or_else(|| "Runtime.UnknownReason".to_owned());
                        answer = Some((body, Some(kind)));
                    }
                    Message::TooLarge(length) => answer = Some((too_large(length), Some(TOO_LARGE.to_owned()))),
                    // The invocation is over once the process asks for the next one.
                    Message::Next => if let Some(answer) = answer.take() { return Ok(answer) },
                    Message::InitError(_) => {}
                },
                status = process.child.wait() => {
                    self.ready = false;
                    return answer.ok_or_else(|| Fault::exited(status.ok(), &id));
                }
                () = sleep_until(deadline) => {
                    self.ready = false;
                    return answer.ok_or_else(Fault::timed_out);
                }
            }
        }
    }

    /// Returns the answer to the caller for a fault, and writes the fault to the log.
    fn answer_to(&self, fault: &Fault, id: &str) -> Bytes {
        if fault.kind == TIMED_OUT {
            let reason = format!("Task timed out after {}.00 seconds", self.spec.version.settings.timeout);
            let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
            self.log.line(&format!("{now} {id} {reason}"));
            return error_payload(TIMED_OUT, &format!("RequestId: {id} Error: {reason}"));
        }
        let Ok(mut answer) = serde_json::from_slice::<Value>(&fault.payload) else {
            return fault.payload.clone();
        };
        // A fault during the initialisation doesn't have the request's id.
        if let Some(message) = answer["errorMessage"].as_str().and_then(|text| text.strip_prefix(NO_REQUEST))
        {
            answer["errorMessage"] = json!(format!("RequestId: {id}{message}"));
        }
        if let Some(request) = answer.get_mut("requestId").filter(|request| **request == "") {
            *request = json!(id);
        }
        if [EXITED, INVALID_ENTRYPOINT].contains(&fault.kind.as_str()) {
            let message = answer["errorMessage"].as_str().unwrap_or_default();
            self.log.line(&format!("{message}\n{}", fault.kind));
        }
        Bytes::from(answer.to_string())
    }

    fn report(
        &self,
        id: &str,
        took: Duration,
        init: Option<Duration>,
        peak: u64,
        fault: Option<&str>,
    ) -> String {
        let memory = self.spec.version.settings.memory;
        // AWS bills every started millisecond, including an on-demand initialisation.
        let billed = (took + init.unwrap_or_default()).as_micros().div_ceil(1000);
        let used = peak.div_ceil(1 << 20).min(memory);
        let mut report = format!(
            "REPORT RequestId: {id}\tDuration: {} ms\tBilled Duration: {billed} ms\tMemory Size: {memory} MB\tMax \
             Memory Used: {used} MB\t",
            milliseconds(took)
        );
        if let Some(init) = init {
            report += &format!("Init Duration: {} ms\t", milliseconds(init));
        }
        match fault {
            None => {}
            Some(TIMED_OUT) => report += "Status: timeout",
            Some(kind) => report += &format!("Status: error\tError Type: {kind}"),
        }
        report
    }

    /// Returns the highest memory use so far, in bytes.
    fn peak(&self) -> u64 {
        let of = |process: &Process| {
            process::peak_memory(process.leader).max(process.peak.load(Ordering::Relaxed))
        };
        self.process.as_ref().map_or(0, of).max(self.peak)
    }

    /// Returns whether the process runs, and so can get another event.
    pub fn is_alive(&mut self) -> bool {
        let runs = |process: &mut Process| matches!(process.child.try_wait(), Ok(None));
        self.ready && self.created.elapsed() < LIFE && self.process.as_mut().is_some_and(runs)
    }

    async fn spawn(&self) -> Result<Process, Fault> {
        let version = &self.spec.version;
        let root = code::folder(&self.host.cloud, &version.code.folder);
        let program = runtime::program(&self.host, version, &root).await;
        let failed = |error: &std::io::Error| Fault {
            kind: INVALID_ENTRYPOINT.to_owned(),
            payload: error_payload(
                INVALID_ENTRYPOINT,
                &format!("{NO_REQUEST} Error: {}", runtime::not_started(version, &program.path, error)),
            ),
        };
        let (reader, writer) = std::io::pipe().map_err(|error| failed(&error))?;
        let isolated = isolation::available().await;
        if let Err(why) = &isolated {
            self.log.line(&format!("[local cloud] {}", isolation::warning(why)));
        }
        let tmp = if isolated.is_ok() { PathBuf::from("/tmp") } else { self.folder.join("tmp") };
        let env = self.variables(&root, &tmp, &program.env).await;
        let command = isolation::command(&self.host.cloud, version, &self.folder, &program, env);
        let mut command = command.await.map_err(|error| failed(&error))?;
        command
            .stdin(Stdio::null())
            .stderr(writer.try_clone().map_err(|error| failed(&error))?)
            .stdout(writer)
            .process_group(0)
            .kill_on_drop(true);
        // A program that was just written may still be open in a process that another thread is starting, which
        // inherited it.
        let mut retries = 100;
        let child = loop {
            match command.spawn() {
                Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && retries > 0 => {
                    retries -= 1;
                    sleep(Duration::from_millis(10)).await;
                }
                spawned => break spawned.map_err(|error| failed(&error))?,
            }
        };
        // The command holds the pipe's writing end.
        drop(command);
        self.log.follow(reader.into()).map_err(|error| failed(&error))?;
        let leader = child.id().unwrap_or_default();
        let peak = self.host.watched.add(leader, &self.spec.function, version.settings.memory << 20);
        Ok(Process { child, leader, peak })
    }

    /// Returns the variables of a process that finds its code in `root` and may write into `tmp`. `of_program` are those
    /// that its program needs.
    async fn variables(
        &self,
        root: &Path,
        tmp: &Path,
        of_program: &[(OsString, OsString)],
    ) -> BTreeMap<OsString, OsString> {
        let settings = &self.spec.version.settings;
        let mut env: BTreeMap<OsString, OsString> = BTreeMap::from([
            ("LD_LIBRARY_PATH".into(), format!("{0}:{0}/lib", root.display()).into()),
            ("PYTHONDONTWRITEBYTECODE".into(), "1".into()),
        ]);
        let (ours, theirs): (Vec<_>, Vec<_>) = child_env(&self.host.cloud, tmp, &self.session)
            .into_iter()
            // A function can't set another endpoint or other credentials, so that it never reaches real AWS.
            .partition(|(name, _)| name.to_string_lossy().starts_with("AWS_") || name == "NO_PROXY");
        env.extend(theirs);
        env.extend(of_program.iter().cloned());
        env.insert("TZ".into(), ":UTC".into());
        let own = settings.environment.iter().filter(|(name, _)| !name.starts_with("AWS_ENDPOINT_URL"));
        env.extend(own.map(|(name, value)| (name.into(), value.into())));
        env.extend(ours);
        let text = [
            ("_HANDLER", settings.handler.clone()),
            ("AWS_LAMBDA_RUNTIME_API", format!("127.0.0.1:{}", self.api.port)),
            ("AWS_LAMBDA_FUNCTION_NAME", self.spec.function.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", self.spec.version.name()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", settings.memory.to_string()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", self.log.group.clone()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", self.log.stream.clone()),
            (
                "AWS_LAMBDA_INITIALIZATION_TYPE",
                if self.spec.provisioned { "provisioned-concurrency" } else { "on-demand" }.to_owned(),
            ),
        ];
        env.extend(text.map(|(name, value)| (name.into(), value.into())));
        if settings.runtime.starts_with("python") {
            env.insert("AWS_EXECUTION_ENV".into(), format!("AWS_Lambda_{}", settings.runtime).into());
        }
        if settings.vpc.is_some() {
            let unreachable = vpc::unreachable(&self.host).await;
            for name in ["AWS_ENDPOINT_URL", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"] {
                env.insert(name.into(), (&unreachable).into());
            }
        }
        env.insert("LAMBDA_TASK_ROOT".into(), root.into());
        env.insert("LAMBDA_RUNTIME_DIR".into(), runtime::folder(&self.host.cloud).into());
        env.insert(process::INSTANCE_DIR.into(), self.folder.as_os_str().to_owned());
        env
    }

    async fn stop_process(&mut self) {
        self.ready = false;
        self.peak = self.peak();
        let Some(mut process) = self.process.take() else { return };
        process::end(Some(process.leader), &self.folder).await;
        let _ = process.child.wait().await;
        self.host.watched.remove(process.leader);
    }

    /// Ends the processes, and removes the folder.
    pub async fn end(mut self) {
        self.stop_process().await;
        self.log.flush();
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if let Some(process) = &self.process {
            process::signal_group(process.leader, Signal::KILL);
            self.host.watched.remove(process.leader);
        }
        // A folder that can't be removed now is removed at the server's next start.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Returns a time in milliseconds with two decimals, as in REPORT lines.
fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1000.0)
}

/// Returns the folder of all environments.
fn folder(cloud: &Cloud) -> PathBuf {
    cloud.settings.dir.join("lambda/environments")
}

/// Ends the processes and removes the folders that a killed server left behind.
pub async fn end_leftovers(cloud: &Cloud) {
    for left in std::fs::read_dir(folder(cloud)).into_iter().flatten().flatten() {
        process::end(None, &left.path()).await;
        let _ = std::fs::remove_dir_all(left.path());
    }
}
