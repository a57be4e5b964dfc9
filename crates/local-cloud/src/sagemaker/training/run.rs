//! Runs a training job, from its download to its upload.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use regex::Regex;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use super::cluster::{Cluster, Exit, Limits, Rendezvous};
use super::environment::Container;
use super::layout::{Layout, channels, distribution, folder, instance_count, of_hosts};
use super::program::Main;
use super::record::{DEFAULT_RUNTIME, End, Job, MODEL_FILE, all, change, keep_metrics};
use super::script::FRAMEWORK;
use crate::authority::Session;
use crate::call::AwsError;
use crate::child::child_env;
use crate::s3::Objects;
use crate::sagemaker::image::{Image, start_failure};
use crate::sagemaker::isolation::{self, ML, Own};
use crate::sagemaker::log::Pump;
use crate::sagemaker::meter::{JobMeter, JobMetrics};
use crate::sagemaker::platform::Platform;
use crate::sagemaker::resource::text;
use crate::sagemaker::transfer::{S3Uri, Shard, Sync, copy_files, disk, download};
use crate::store::Store;
use crate::support::clock::now_ms;
use crate::support::instance_type::Instance;
use crate::support::{archive, process};

const LOG_GROUP: &str = "/aws/sagemaker/TrainingJobs";
/// The time between two uploads of checkpoints.
const SYNC: Duration = Duration::from_millis(500);
/// A file in a job's folder. If it is there, the job's spot instances are interrupted.
const INTERRUPT: &str = "interrupt";

/// A running job.
struct Run {
    platform: Arc<Platform>,
    name: String,
    job: Job,
    session: Session,
    /// One for each host, algo-1's first.
    layouts: Vec<Layout>,
    stop: watch::Receiver<bool>,
    /// Whether the containers see only their own folders.
    isolated: bool,
}

/// Runs the job, and stores how it ended. In any case, no process and no folder is left.
pub async fn run(
    platform: Arc<Platform>,
    name: String,
    job: Job,
    session: Session,
    stop: watch::Receiver<bool>,
) {
    let folder = folder(&platform.cloud.settings.dir, &name);
    let layouts = of_hosts(&folder, &job.input);
    let isolated = isolation::available().await.is_ok();
    let mut run = Run { platform, name, job, session, layouts, stop, isolated };
    let end = run.steps(&folder).await.unwrap_or_else(End::Failed);
    sweep(&folder).await;
    // If this can't be written, the next start of the server fails the job as lost.
    let _ = change(run.store(), &run.name, |job| job.end(&end));
}

/// Kills the processes of a job's folders, and removes the folders.
pub async fn sweep(folder: &Path) {
    for host in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        process::end(None, &host.path()).await;
    }
    // An error is ignored: a folder that stays only uses space on the disk.
    let _ = std::fs::remove_dir_all(folder);
}

impl Run {
    fn store(&self) -> &Store {
        &self.platform.cloud.store
    }

    /// Runs the job until it ends. After an interruption, it is run again, with its checkpoints.
    ///
    /// # Errors
    /// The FailureReason.
    async fn steps(&mut self, folder: &Path) -> Result<End, String> {
        let input = self.job.input.clone();
        let image = text(&input["AlgorithmSpecification"], "TrainingImage");
        let image = Image::to_train(&self.platform.cloud.settings, image)
            .map_err(|why| format!("ClientError: {why}"))?;
        let mut ran = Duration::ZERO;
        loop {
            if let Some(end) = self.attempt(folder, &image, &input, &mut ran).await? {
                return Ok(end);
            }
            let why = "The job stopped because the managed spot training instances were interrupted";
            self.enter("Interrupted", why)?;
            sweep(folder).await;
            self.enter("Starting", "Preparing the instances for training")?;
        }
    }

    /// Runs the job once, on new instances. `ran` is how long its containers ran before. None: it was interrupted.
    ///
    /// # Errors
    /// The FailureReason.
    async fn attempt(
        &mut self,
        folder: &Path,
        image: &Image,
        input: &Value,
        ran: &mut Duration,
    ) -> Result<Option<End>, String> {
        for layout in &self.layouts {
            layout.create(input).map_err(|error| internal(&disk(&error)))?;
        }
        if *self.stop.borrow() {
            return Ok(Some(End::Stopped));
        }
        self.enter("Downloading", "Downloading input data")?;
        self.download(input).await?;
        let image = image.clone();
        let program = Main::prepare(image, &self.platform, &self.session, input, &self.layouts).await?;
        if *self.stop.borrow() {
            return Ok(Some(End::Stopped));
        }
        self.enter("Training", "Training image download completed. Training in progress.")?;
        let (mut cluster, began) = (Cluster::default(), SystemTime::now());
        let trained = self.train(&mut cluster, &program, input, folder, *ran).await;
        cluster.end(self.layouts.iter().map(|layout| layout.base.as_path())).await;
        *ran += began.elapsed().unwrap_or_default();
        let (exit, synced) = trained?;
        keep_metrics(self.store(), &self.name, &cluster.metrics()).map_err(|error| internal(&error))?;
        if matches!(exit, Exit::Interrupted) {
            return Ok(None);
        }
        let judged = self.judge(&exit, &cluster, &program);
        let judged =
            judged.and_then(|end| if self.isolated { Ok(end) } else { at_home(began).map(|()| end) });
        let (end, with_model) = match judged {
            Err(reason) => (End::Failed(reason), false),
            Ok(end) => (end, true),
        };
        if with_model {
            self.enter("Uploading", "Uploading generated training model")?;
        }
        let uploaded = self.upload(folder, with_model).await;
        if let End::Failed(_) = end {
            return Ok(Some(end));
        }
        uploaded
            .and(synced)
            .map_err(|error| format!("ClientError: Artifact upload failed: {}", error.message))?;
        Ok(Some(end))
    }

    fn enter(&self, status: &str, message: &str) -> Result<(), String> {
        change(self.store(), &self.name, |job| {
            // AWS bills from the first download on.
            if status == "Downloading" {
                job.started_ms.get_or_insert_with(now_ms);
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
            let sharded = distribution(channel) == "ShardedByS3Key";
            for (index, layout) in self.layouts.iter().enumerate() {
                let shard = if sharded { Shard { index, of: self.layouts.len() } } else { Shard::ALL };
                let to = layout.channel(name);
                if index > 0 && !sharded {
                    // The objects were already downloaded for the first host, whose folder is on the same machine.
                    let first = self.layouts[0].channel(name);
                    let copied = tokio::task::spawn_blocking(move || copy_files(&first, &to)).await;
                    let copied = copied.map_err(std::io::Error::other).flatten();
                    copied.map_err(|error| failed(disk(&error)))?;
                    continue;
                }
                if download(&*self.platform.objects, role, &from, &to, shard).await.map_err(failed)? == 0 {
                    return Err(format!(
                        "ClientError: Data download failed: No S3 objects found under S3 URL \"{uri}\" given in input \
                         data source. Please ensure that the bucket exists in the selected region, that objects exist \
                         under that S3 prefix, and that the role has s3:ListBucket permissions on the bucket."
                    ));
                }
            }
        }
        if let Some(uri) = input["CheckpointConfig"]["S3Uri"].as_str() {
            let from = S3Uri::parse(uri).map_err(failed)?.join("");
            for layout in &self.layouts {
                download(&*self.platform.objects, role, &from, &layout.checkpoints(), Shard::ALL)
                    .await
                    .map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Runs the containers. Returns their exit, and whether what they wrote meanwhile was uploaded to S3.
    async fn train(
        &self,
        cluster: &mut Cluster,
        program: &Main,
        input: &Value,
        job: &Path,
        ran: Duration,
    ) -> Result<(Exit, Result<(), AwsError>), String> {
        let script = program.script();
        let several = self.layouts.len() > 1 || script.is_some();
        let meeting = several.then(Rendezvous::new).transpose().map_err(|error| internal(&disk(&error)))?;
        let kind = text(&input["ResourceConfig"], "InstanceType");
        let threads = Instance::threads(kind, self.processes().map_err(|error| internal(&error))?);
        let metrics = metric_regexes(input);
        let is_offline = input["EnableNetworkIsolation"] == true;
        if is_offline && !self.isolated {
            return Err(
                "ClientError: EnableNetworkIsolation needs namespaces, which the kernel doesn't allow here"
                    .to_owned(),
            );
        }
        let values = JobMetrics { sink: Arc::clone(&self.platform.metrics), job: self.name.clone() };
        for layout in &self.layouts {
            let seen = layout.seen(self.isolated);
            let container = Container {
                input,
                arn: &self.job.arn,
                layout: &seen,
                threads,
                port: meeting.as_ref().map(|meeting| meeting.port),
                script: script.map(|script| (script.program.as_str(), FRAMEWORK)),
            };
            let (main, cwd) = program.command(layout, &seen);
            let mut env: BTreeMap<OsString, OsString> =
                child_env(&self.platform.cloud, &layout.home, &self.session).into_iter().collect();
            if is_offline {
                // As on AWS, it gets no credentials either.
                env.retain(|name, _| !name.as_encoded_bytes().starts_with(b"AWS_"));
            }
            env.extend(main.env.iter().cloned());
            env.insert(process::INSTANCE_DIR.into(), layout.base.as_os_str().to_owned());
            if self.isolated {
                env.insert("TMPDIR".into(), "/tmp".into());
            }
            if let Some(commands) = program.commands(layout) {
                let machine = env.get(OsStr::new("PATH")).cloned().unwrap_or_default();
                let all = std::iter::once(commands).chain(std::env::split_paths(&machine));
                env.insert("PATH".into(), std::env::join_paths(all).unwrap_or(machine));
            }
            let texts = script.map(|script| script.environment(layout, &seen)).unwrap_or_default();
            let texts = texts.into_iter().chain(container.environment());
            env.extend(texts.map(|(name, value)| (name.into(), value.into())));
            let own = Own {
                home: layout.home.clone(),
                scratch: layout.home.clone(),
                is_offline,
                shown: vec![(layout.base.clone(), ML.into())],
            };
            let pump = Pump {
                logs: Arc::clone(&self.platform.logs),
                group: LOG_GROUP.to_owned(),
                stream: format!("{}/{}-{}", self.name, layout.host, now_ms() / 1000),
                metrics: metrics.clone(),
                values: Some(values.clone()),
                seen: Arc::default(),
            };
            let command = isolation::command(&self.platform.cloud, self.isolated, &own, &main, &cwd, env);
            command
                .and_then(|command| cluster.start(command, pump))
                .map_err(|error| format!("ClientError: {error}: could not start {}", program.missing()))?;
        }
        let (done, ended) = watch::channel(false);
        // Only the first host's files are uploaded. Those of several hosts would overwrite each other.
        let syncs = self.synced(input).into_iter().map(|(folder, to)| {
            let objects = Arc::clone(&self.platform.objects);
            tokio::spawn(keep(objects, self.session.clone(), folder, to, ended.clone()))
        });
        let syncs: Vec<_> = syncs.collect();
        let condition = &input["StoppingCondition"];
        let seconds = |name: &str| condition[name].as_u64().map(Duration::from_secs);
        let since = now_ms() - self.job.created_ms;
        let since = Duration::from_millis(u64::try_from(since).unwrap_or_default());
        let limits = Limits {
            runtime: seconds("MaxRuntimeInSeconds")
                .unwrap_or(Duration::from_secs(DEFAULT_RUNTIME))
                .saturating_sub(ran),
            wait: seconds("MaxWaitTimeInSeconds").map(|wait| wait.saturating_sub(since)),
            memory: Instance::of(kind).map(|instance| instance.memory_bytes),
            interrupt: &job.join(INTERRUPT),
        };
        let exit = cluster
            .watch(limits, &self.stop, &mut JobMeter::new(values, kind), |metrics| {
                // So that they can be seen while the job runs. They are written again at its end, and then an error
                // counts.
                let _ = keep_metrics(self.store(), &self.name, metrics);
            })
            .await;
        let _ = done.send(true);
        let mut synced = Ok(());
        for sync in syncs {
            let sent = sync.await.unwrap_or_else(|error| Err(AwsError::internal(error.to_string())));
            synced = synced.and(sent);
        }
        Ok((exit.map_err(|error| internal(&disk(&error)))?, synced))
    }

    /// Returns the folders that are uploaded while the containers run, and to where.
    fn synced(&self, input: &Value) -> Vec<(PathBuf, Result<S3Uri, AwsError>)> {
        let Some(first) = self.layouts.first() else { return Vec::new() };
        let checkpoints = input["CheckpointConfig"]["S3Uri"].as_str().map(S3Uri::parse);
        let board = input["TensorBoardOutputConfig"]["S3OutputPath"]
            .as_str()
            .map(|uri| Ok(S3Uri::parse(uri)?.join(&format!("{}/tensorboard-output", self.name))));
        let pairs = [(first.checkpoints(), checkpoints), (first.tensorboard(), board)];
        pairs.into_iter().filter_map(|(folder, to)| Some((folder, to?))).collect()
    }

    /// Returns how many processes share the machine's cores, including this job's. For a trial, it is the number of
    /// trials that may run at once, even before they do, so that all trials compute the same way.
    fn processes(&self) -> Result<usize, AwsError> {
        let jobs = all(self.store())?;
        let running = jobs.iter().filter(|(name, job)| *name == self.name || job.is_training());
        let count: u64 = running.map(|(_, job)| instance_count(&job.input)).sum();
        let planned = self.job.trial.as_ref().map_or(1, |trial| trial.parallel) * self.layouts.len();
        Ok(usize::try_from(count).unwrap_or(usize::MAX).max(planned))
    }

    /// Returns how the job ends by the containers' exit.
    ///
    /// # Errors
    /// Why it failed, in AWS's words: `AlgorithmError: …, exit code: N`. If there are several hosts, it names the host.
    fn judge(&self, exit: &Exit, cluster: &Cluster, program: &Main) -> Result<End, String> {
        let named = |host: usize| match self.layouts.get(host) {
            Some(layout) if self.layouts.len() > 1 => format!("{}: ", layout.host),
            _ => String::new(),
        };
        match *exit {
            Exit::Completed => Ok(End::Completed),
            Exit::Stopped => Ok(End::Stopped),
            Exit::MaxRuntime => Ok(End::MaxRuntime),
            Exit::MaxWait => Ok(End::MaxWait),
            // It is run again, so it isn't judged.
            Exit::Interrupted => Ok(End::Stopped),
            Exit::OutOfMemory { host, used } => {
                let kind = text(&self.job.input["ResourceConfig"], "InstanceType");
                let has = Instance::of(kind).map_or(0, |instance| instance.memory_bytes);
                Err(format!(
                    "AlgorithmError: {}OutOfMemory: the container used {} MiB of the {} MiB of {kind} and was killed; \
                     take a smaller batch or a larger instance, exit code: 137",
                    named(host),
                    used >> 20,
                    has >> 20
                ))
            }
            Exit::Failed { host, status } => {
                let Some(layout) = self.layouts.get(host) else {
                    return Err("InternalServerError".to_owned());
                };
                let seen = cluster.seen(host);
                let last_line = seen.last_line();
                let signal = status.signal();
                let mut code = status.code().unwrap_or_else(|| 128 + signal.unwrap_or_default());
                let written = std::fs::read_to_string(layout.failure()).unwrap_or_default();
                let why = match signal {
                    None if !written.trim().is_empty() => written.trim().chars().take(900).collect(),
                    _ if let Some(script) = program.script() => {
                        // For a signal, the toolkit writes Python's negative number, and exits with a code of its own.
                        let inner = signal.map_or(code, |signal| -signal);
                        code = 1;
                        script.failure(layout, inner, &seen)
                    }
                    _ if let Some(why) = start_failure(code, last_line) => why,
                    Some(signal) => {
                        let hint = if signal == 9 { " (the machine may have run out of memory)" } else { "" };
                        format!("the container was killed by {}{hint}", process::signal_name(signal))
                    }
                    None if !last_line.is_empty() => last_line.to_owned(),
                    None => "See job logs for more information".to_owned(),
                };
                Err(format!("AlgorithmError: {}{why}, exit code: {code}", named(host)))
            }
        }
    }

    /// Says in the job's log what an archive does not have.
    fn tell(&self, archive: &str, left_out: &[PathBuf]) {
        let Some(host) = self.layouts.first().map(|layout| &layout.host).filter(|_| !left_out.is_empty())
        else {
            return;
        };
        let now = now_ms();
        let event = |path: &PathBuf| {
            let name = path.display();
            (
                now,
                format!(
                    "{archive} leaves out {name}: it is neither a file, a folder nor a link to a file below it"
                ),
            )
        };
        let events: Vec<_> = left_out.iter().map(event).collect();
        // As with the container's lines, a log that cannot be written does not fail the job.
        let _ = self.platform.logs.append(
            LOG_GROUP,
            &format!("{}/{host}-{}-upload", self.name, now / 1000),
            &events,
        );
    }

    /// Packs and uploads the hosts' output. If two hosts have a file of the same name, it is the first host's.
    async fn upload(&self, folder: &Path, with_model: bool) -> Result<(), AwsError> {
        let of_all = |each: fn(&Layout) -> PathBuf| self.layouts.iter().map(each).collect::<Vec<_>>();
        let mut archives = vec![(of_all(Layout::output_data), "output/data", "output.tar.gz")];
        if with_model {
            archives.push((of_all(Layout::model), "model", MODEL_FILE));
        }
        for (folders, seen_as, name) in archives {
            let file = folder.join(name);
            let (seen_as, to) = (Path::new(ML).join(seen_as), file.clone());
            let packed = tokio::task::spawn_blocking(move || archive::pack(&folders, &seen_as, &to)).await;
            let packed = packed.map_err(|error| AwsError::internal(error.to_string()))?;
            self.tell(name, &packed.map_err(|error| disk(&error))?);
            let to = self.job.output(name)?;
            self.platform.objects.put_file(&self.session.caller, &to.bucket, &to.key, &file).await?;
        }
        Ok(())
    }
}

/// Interrupts the spot instances of a running job, which then starts again on others. `dir` is the cloud's folder.
///
/// # Errors
/// No such job runs.
pub fn interrupt(dir: &Path, name: &str) -> std::io::Result<()> {
    std::fs::write(folder(dir, name).join(INTERRUPT), "")
}

/// Fails a job whose containers aren't isolated and wrote into the machine's `/opt/ml`: what they wrote isn't its own.
fn at_home(began: SystemTime) -> Result<(), String> {
    let Some(written) = isolation::changed_since(Path::new(ML), began) else { return Ok(()) };
    Err(format!(
        "AlgorithmError: the script wrote {}, but the kernel lets the local cloud give it no {ML} of its own here: write into \
         the folders that SM_MODEL_DIR, SM_OUTPUT_DATA_DIR and their like name, exit code: 0",
        written.display()
    ))
}

/// Uploads what a folder gets while the container runs, and once more after its end.
async fn keep(
    objects: Arc<dyn Objects>,
    session: Session,
    folder: PathBuf,
    to: Result<S3Uri, AwsError>,
    mut ended: watch::Receiver<bool>,
) -> Result<(), AwsError> {
    let to = to?;
    let mut sync = Sync::starting_with(&folder).map_err(|error| disk(&error))?;
    loop {
        let last = timeout(SYNC, ended.wait_for(|ended| *ended)).await.is_ok();
        let sent = sync.send(&*objects, &session.caller, &folder, &to, last).await;
        // A failed upload is tried again, so only the last error counts.
        if last {
            return sent;
        }
    }
}

/// Returns the names and regexes of the job's metrics. CreateTrainingJob has refused invalid ones.
fn metric_regexes(input: &Value) -> Vec<(String, Regex)> {
    let definitions = input["AlgorithmSpecification"]["MetricDefinitions"].as_array();
    let read = |definition: &Value| {
        Some((text(definition, "Name").to_owned(), Regex::new(text(definition, "Regex")).ok()?))
    };
    definitions.into_iter().flatten().filter_map(read).collect()
}

fn internal(error: &AwsError) -> String {
    format!("InternalServerError: {}", error.message)
}
