//! The run of one training job, from its download to its upload.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use regex::Regex;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::layout::{Layout, channels, of_job};
use super::record::{End, Job, MODEL_FILE, change, keep_metrics};
use crate::call::AwsError;
use crate::child::child_env;
use crate::cloud::Cloud;
use crate::iam::Session;
use crate::s3::Objects;
use crate::sagemaker::image::{Image, start_failure};
use crate::sagemaker::instance::Instance;
use crate::sagemaker::log::{Pump, Seen};
use crate::sagemaker::resource::{now_ms, text};
use crate::sagemaker::transfer::{S3Uri, Sync, disk, download};
use crate::sagemaker::{archive, process};

pub const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";
/// Between SIGTERM and SIGKILL, as on AWS.
const GRACE: Duration = Duration::from_secs(120);
const SAMPLE: Duration = Duration::from_millis(250);
const SYNC: Duration = Duration::from_millis(500);
/// CPU and memory, a JSON line a second, beside the container's own output.
const RESOURCES: &str = "resources.jsonl";
/// AWS's default for MaxRuntimeInSeconds.
const DEFAULT_RUNTIME: u64 = 86_400;

/// What the run needs that outlives no step of it.
struct Run {
    cloud: Arc<Cloud>,
    objects: Objects,
    name: String,
    job: Job,
    session: Session,
    layout: Layout,
    stop: watch::Receiver<bool>,
}

/// What the container's process came to.
enum Exit {
    Ended(ExitStatus),
    Stopped,
    MaxRuntime,
    OutOfMemory(u64),
}

/// Runs the job and keeps how it ended. Whatever happens, no process and no folder is left.
pub async fn run(cloud: Arc<Cloud>, name: String, job: Job, session: Session, stop: watch::Receiver<bool>) {
    let layout = of_job(&cloud.settings.dir, &name);
    let objects = Objects::new(&cloud);
    let mut run = Run { cloud: Arc::clone(&cloud), objects, name, job, session, layout, stop };
    let end = run.steps().await.unwrap_or_else(End::Failed);
    process::end(None, &run.layout.base).await;
    // Only room is lost if the folder stays.
    let _ = std::fs::remove_dir_all(&run.layout.base);
    // A state file that cannot be written keeps the job as it was: the next start finds it lost.
    let _ = change(&cloud, &run.name, |job| job.end(&end));
}

impl Run {
    /// # Errors
    /// The FailureReason.
    async fn steps(&mut self) -> Result<End, String> {
        let input = self.job.input.clone();
        let image = text(&input["AlgorithmSpecification"], "TrainingImage");
        let image = Image::resolve(&self.cloud, image).map_err(|why| format!("ClientError: {why}"))?;
        self.layout.create(&input).map_err(|error| internal(&disk(&error)))?;
        if *self.stop.borrow() {
            return Ok(End::Stopped);
        }
        self.enter("Downloading", "Downloading input data", true)?;
        self.download(&input).await?;
        if *self.stop.borrow() {
            return Ok(End::Stopped);
        }
        self.enter("Training", "Training image download completed. Training in progress.", false)?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (exit, checkpoints) = self.train(&image, &input, &seen).await?;
        let last = {
            let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            keep_metrics(&self.cloud, &self.name, &seen.metrics).map_err(|error| internal(&error))?;
            seen.last_line.clone()
        };
        let (end, with_model) = match self.judge(&exit, &last) {
            Err(reason) => (End::Failed(reason), false),
            Ok(end) => (end, true),
        };
        if with_model {
            self.enter("Uploading", "Uploading generated training model", false)?;
        }
        let uploaded = self.upload(with_model).await;
        if let End::Failed(_) = end {
            return Ok(end);
        }
        uploaded
            .and(checkpoints)
            .map_err(|error| format!("ClientError: Artifact upload failed: {}", error.message))?;
        Ok(end)
    }

    fn enter(&self, status: &str, message: &str, starts: bool) -> Result<(), String> {
        change(&self.cloud, &self.name, |job| {
            if starts {
                job.started_ms = Some(now_ms());
            }
            job.enter(status, message);
        })
        .map_err(|error| internal(&error))
    }

    async fn download(&self, input: &Value) -> Result<(), String> {
        let failed = |error: AwsError| format!("ClientError: Data download failed: {}", error.message);
        let role = &self.session.caller;
        for (name, channel) in channels(input) {
            let uri = text(&channel["DataSource"]["S3DataSource"], "S3Uri");
            let from = S3Uri::parse(uri).map_err(failed)?;
            let folder = self.layout.channel(name);
            let count = download(&self.objects, role, &from, &folder).await.map_err(failed)?;
            if count == 0 {
                return Err(format!(
                    "ClientError: Data download failed: No S3 objects found under S3 URL \"{uri}\" given in input data \
                     source. Please ensure that the bucket exists in the selected region, that objects exist under \
                     that S3 prefix, and that the role has s3:ListBucket permissions on the bucket."
                ));
            }
        }
        if let Some(uri) = input["CheckpointConfig"]["S3Uri"].as_str() {
            let from = S3Uri::parse(uri).map_err(failed)?.join("");
            download(&self.objects, role, &from, &self.layout.checkpoints()).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Runs the container; answers its exit and whether the checkpoints reached S3.
    async fn train(
        &mut self,
        image: &Image,
        input: &Value,
        seen: &Arc<Mutex<Seen>>,
    ) -> Result<(Exit, Result<(), AwsError>), String> {
        let (reader, writer) = std::io::pipe().map_err(|error| internal(&disk(&error)))?;
        let errors = writer.try_clone().map_err(|error| internal(&disk(&error)))?;
        let mut command = Command::new(image.program());
        command
            .arg("train")
            .env_clear()
            .envs(child_env(&self.cloud, &self.layout.home(), &self.session))
            .envs(self.layout.environment(input))
            .current_dir(&self.layout.base)
            .stdin(Stdio::null())
            .stdout(writer)
            .stderr(errors)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| {
            format!(
                "ClientError: the worker {} could not be started: {error} (build it with `make`)",
                image.program().display()
            )
        })?;
        // The command holds the pipe's writing end.
        drop(command);
        let leader = child.id().unwrap_or_default();
        let pump = Pump {
            cloud: Arc::clone(&self.cloud),
            group: LOG_GROUP.to_owned(),
            stream: format!("{}/algo-1-{}", self.name, now_ms() / 1000),
            metrics: metric_regexes(input),
            seen: Arc::clone(seen),
        };
        let pump = tokio::task::spawn_blocking(move || pump.run(reader));
        let (done, ended) = watch::channel(false);
        let checkpoints = tokio::spawn(keep_checkpoints(
            self.objects.clone(),
            self.session.clone(),
            self.layout.checkpoints(),
            input["CheckpointConfig"]["S3Uri"].as_str().map(S3Uri::parse).transpose(),
            ended,
        ));
        let exit = self.watch(&mut child, leader, input, seen).await;
        process::end(Some(leader), &self.layout.base).await;
        // Reaps a child that was killed above.
        let _ = timeout(Duration::from_secs(5), child.wait()).await;
        // All writers are dead, so the pump ends; a process that the kernel holds must not hold the job.
        let _ = timeout(Duration::from_secs(5), pump).await;
        let _ = done.send(true);
        let synced = checkpoints.await.unwrap_or_else(|error| Err(AwsError::internal(error.to_string())));
        Ok((exit.map_err(|error| internal(&disk(&error)))?, synced))
    }

    /// Waits for the process, and ends it where it must.
    async fn watch(
        &mut self,
        child: &mut tokio::process::Child,
        leader: u32,
        input: &Value,
        seen: &Mutex<Seen>,
    ) -> std::io::Result<Exit> {
        let limit = input["StoppingCondition"]["MaxRuntimeInSeconds"].as_u64().unwrap_or(DEFAULT_RUNTIME);
        // A limit beyond the clock's reach is none.
        let mut deadline = Instant::now().checked_add(Duration::from_secs(limit));
        let memory = Instance::of(text(&input["ResourceConfig"], "InstanceType")).map(|i| i.memory_bytes);
        let mut samples = Samples::new(&self.layout.output_data());
        let mut tick = interval(SAMPLE);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut ending: Option<Exit> = None;
        let mut metrics = 0;
        loop {
            tokio::select! {
                status = child.wait() => return Ok(ending.map_or(Exit::Ended(status?), |why| why)),
                _ = tick.tick() => {}
            }
            let usage = process::usage(leader);
            samples.add(usage);
            if memory.is_some_and(|limit| usage.memory_bytes > limit) {
                return Ok(Exit::OutOfMemory(usage.memory_bytes));
            }
            let found: Vec<_> = seen.lock().unwrap_or_else(PoisonError::into_inner).metrics.clone();
            let newest = found.iter().map(|metric| metric.time_ms).max().unwrap_or_default();
            if newest > metrics {
                metrics = newest;
                // Told while it runs, as a courtesy: the end keeps them again, and there it counts.
                let _ = keep_metrics(&self.cloud, &self.name, &found);
            }
            let now = Instant::now();
            let late = deadline.is_some_and(|at| now >= at);
            let why = match &ending {
                None if *self.stop.borrow() => Exit::Stopped,
                None if late => Exit::MaxRuntime,
                None => continue,
                // SIGTERM did not help in time.
                Some(_) if late => {
                    process::signal_group(leader, Signal::KILL);
                    continue;
                }
                Some(_) => continue,
            };
            ending = Some(why);
            process::signal_group(leader, Signal::TERM);
            deadline = now.checked_add(GRACE);
        }
    }

    /// # Errors
    /// Why it failed, as AWS words it: `AlgorithmError: …, exit code: N`.
    fn judge(&self, exit: &Exit, last_line: &str) -> Result<End, String> {
        match exit {
            Exit::Stopped => Ok(End::Stopped),
            Exit::MaxRuntime => Ok(End::MaxRuntime),
            Exit::OutOfMemory(used) => {
                let kind = text(&self.job.input["ResourceConfig"], "InstanceType");
                let has = Instance::of(kind).map_or(0, |instance| instance.memory_bytes);
                Err(format!(
                    "AlgorithmError: OutOfMemory: the container used {} MiB of the {} MiB of {kind} and was killed; \
                     take a smaller batch or a larger instance, exit code: 137",
                    used >> 20,
                    has >> 20
                ))
            }
            Exit::Ended(status) if status.success() => Ok(End::Completed),
            Exit::Ended(status) => {
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
                if let Some(why) = start_failure(code, last_line) {
                    return Err(format!("AlgorithmError: {why}, exit code: {code}"));
                }
                let told = std::fs::read_to_string(self.layout.failure()).unwrap_or_default();
                let why = match status.signal() {
                    Some(signal) => {
                        let hint = if signal == 9 { " (the machine may have run out of memory)" } else { "" };
                        format!("the container was killed by {}{hint}", process::signal_name(signal))
                    }
                    None if !told.trim().is_empty() => told.trim().chars().take(900).collect(),
                    None if !last_line.is_empty() => last_line.to_owned(),
                    None => "See job logs for more information".to_owned(),
                };
                Err(format!("AlgorithmError: {why}, exit code: {code}"))
            }
        }
    }

    async fn upload(&self, with_model: bool) -> Result<(), AwsError> {
        let mut archives = vec![(self.layout.output_data(), "output.tar.gz")];
        if with_model {
            archives.push((self.layout.model(), MODEL_FILE));
        }
        for (folder, name) in archives {
            let file = self.layout.base.join(name);
            let to = file.clone();
            let packed = tokio::task::spawn_blocking(move || archive::pack(&folder, &to)).await;
            packed.map_err(|error| AwsError::internal(error.to_string()))?.map_err(|error| disk(&error))?;
            let to = self.job.output(name)?;
            self.objects.put_file(&self.session.caller, &to.bucket, &to.key, &file).await?;
        }
        Ok(())
    }
}

/// Sends checkpoints as they come, until told that the container ended, and then once more.
async fn keep_checkpoints(
    objects: Objects,
    session: Session,
    folder: std::path::PathBuf,
    to: Result<Option<S3Uri>, AwsError>,
    mut ended: watch::Receiver<bool>,
) -> Result<(), AwsError> {
    let Some(to) = to? else { return Ok(()) };
    let mut sync = Sync::starting_with(&folder).map_err(|error| disk(&error))?;
    loop {
        let last = timeout(SYNC, ended.wait_for(|ended| *ended)).await.is_ok();
        let sent = sync.send(&objects, &session.caller, &folder, &to, last).await;
        // What failed once is tried again, and counts at the end.
        if last {
            return sent;
        }
    }
}

/// CPU and memory over time.
struct Samples {
    file: Option<std::fs::File>,
    start: Instant,
    last: Option<(Instant, process::Usage)>,
}

impl Samples {
    fn new(folder: &Path) -> Self {
        Self { file: std::fs::File::create(folder.join(RESOURCES)).ok(), start: Instant::now(), last: None }
    }

    /// Writes a line where a second has gone by. CPU is in percent of one core.
    fn add(&mut self, usage: process::Usage) {
        let now = Instant::now();
        let Some((then, before)) = self.last else {
            self.last = Some((now, usage));
            return;
        };
        let span = now.duration_since(then).as_secs_f64();
        if span < 1.0 {
            return;
        }
        let cpu = usage.cpu.saturating_sub(before.cpu).as_secs_f64() / span * 100.0;
        let line = json!({
            "seconds": (now.duration_since(self.start).as_secs_f64() * 10.0).round() / 10.0,
            "cpu_percent": (cpu * 10.0).round() / 10.0,
            "memory_bytes": usage.memory_bytes,
        });
        if let Some(file) = &mut self.file {
            // A sample lost on a full disk is no reason to fail a job.
            let _ = std::io::Write::write_all(file, format!("{line}\n").as_bytes());
        }
        self.last = Some((now, usage));
    }
}

/// Those that compile; CreateTrainingJob refused the others.
pub fn metric_regexes(input: &Value) -> Vec<(String, Regex)> {
    let list = input["AlgorithmSpecification"]["MetricDefinitions"].as_array();
    let list = list.map(Vec::as_slice).unwrap_or_default();
    let read = |d: &Value| Some((text(d, "Name").to_owned(), Regex::new(text(d, "Regex")).ok()?));
    list.iter().filter_map(read).collect()
}

fn internal(error: &AwsError) -> String {
    format!("InternalServerError: {}", error.message)
}
