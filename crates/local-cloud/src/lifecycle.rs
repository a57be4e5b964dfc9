//! How a server comes and goes: serving until told to stop, and, for the clients, finding, starting, replacing
//! and stopping it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::Request;
use rustix::process::Signal;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::call::AwsError;
use crate::cloud::{Cloud, Settings};
use crate::iam::AccessKey;
use crate::listen;
use crate::process::{self, Record};
use crate::server::Server;
use crate::store::OpenError;
use crate::{autoscaling, cloudwatch, ec2, lambda, s3, sagemaker};

/// What the server writes to, where it was started in the background.
pub const LOG_FILE: &str = "cloud.log";

/// How long requests under way may take when the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client waits for a server to stop by itself: its drain, and that of its children.
const STOP: Duration = Duration::from_secs(45);

/// Why a server could not be served, found, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("another process already serves the local cloud in {}", .0.display())]
    Held(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the local cloud in {}: {source}", dir.display())]
    Io { dir: PathBuf, source: std::io::Error },
    #[error("the local cloud: {}", .0.message)]
    Aws(AwsError),
    #[error("the local cloud in {} did not start; its log {} ends with:\n{tail}", dir.display(), dir.join(LOG_FILE).display())]
    NotStarted { dir: PathBuf, tail: String },
    #[error("the local cloud in {} (pid {pid}) does not stop", dir.display())]
    NotStopped { dir: PathBuf, pid: i32 },
}

fn io(dir: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let dir = dir.to_owned();
    move |source| Error::Io { dir, source }
}

/// A server that runs, and how to talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub record: Record,
    /// Those of the user `opsml`.
    pub keys: AccessKey,
}

/// Serves until SIGTERM or SIGINT, or until it was empty and idle for `settings.idle_stop`. Once it listens it
/// leaves its record in the folder and writes its endpoint as a line to standard output.
///
/// # Errors
/// [`Error::Held`] if another process serves this folder; a state that cannot be opened.
pub fn serve(settings: Settings) -> Result<(), Error> {
    let dir = settings.dir.clone();
    if settings.detached {
        // Fails only for the leader of a process group, which a freshly started child is not.
        let _ = rustix::process::setsid();
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().map_err(io(&dir))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(io(&dir))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(io(&dir))?;
        let told = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve_until(settings, told, announce).await
    })
}

/// [`serve`] inside another program: until `told` ends, or the cloud was empty and idle. `listening` is called once it
/// listens.
pub async fn serve_until(
    settings: Settings,
    told: impl Future<Output = ()>,
    listening: impl FnOnce(&Record),
) -> Result<(), Error> {
    let dir = settings.dir.clone();
    process::ensure_dir(&dir).map_err(io(&dir))?;
    let Some(lock) = process::try_lock(&dir).map_err(io(&dir))? else { return Err(Error::Held(dir)) };
    // What a killed server left behind.
    Record::remove(&dir);
    let served = serve_held(settings, &lock, told, listening).await;
    Record::remove(&dir);
    drop(lock);
    served
}

async fn serve_held(
    settings: Settings,
    lock: &File,
    told: impl Future<Output = ()>,
    listening: impl FnOnce(&Record),
) -> Result<(), Error> {
    let dir = settings.dir.clone();
    let idle_stop = settings.idle_stop;
    let keys = AccessKey::ensure(&dir).map_err(io(&dir))?;
    let cloud = Cloud::open(settings)?;
    cloud.iam.first_user().and_then(|user| cloud.iam.add_key(&keys, user)).map_err(Error::Aws)?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io(&dir))?;
    let port = listener.local_addr().map_err(io(&dir))?.port();
    cloud.set_endpoint(format!("http://127.0.0.1:{port}"));
    sagemaker::start(&cloud).await;
    ec2::start(&cloud).await;
    autoscaling::start(&cloud);
    lambda::start(&cloud).await;

    let activity = Activity::new();
    let server = Arc::new(Server::new(cloud.clone()));
    let counted = activity.clone();
    let answer = move |request: Request<Body>| {
        let (server, activity) = (server.clone(), counted.clone());
        async move {
            activity.touch();
            let response = server.answer(request).await;
            activity.touch();
            response
        }
    };
    let (stop, stopping) = watch::channel(false);
    let mut serving = tokio::spawn(listen::serve(listener, answer, stopping));

    let pid = std::process::id().cast_signed();
    let build = process::build_id().map_err(io(&dir))?;
    let record =
        Record { pid, pid_start: process::start_time(pid), port, region: cloud.region.clone(), build };
    record.write(&dir).map_err(io(&dir))?;
    listening(&record);

    tokio::select! {
        () = told => {}
        () = activity.idle(&cloud, idle_stop) => {}
        () = deleted(&dir, lock) => {}
        _ = &mut serving => {}
    }
    // Whoever looks for a server from now on is to wait for the next one.
    Record::remove(&dir);
    let _ = stop.send(true);
    // Then the requests that are still under way end with the process.
    let _ = tokio::time::timeout(DRAIN, &mut serving).await;
    autoscaling::stop(&cloud);
    sagemaker::stop(&cloud).await;
    ec2::stop(&cloud).await;
    lambda::stop(&cloud).await;
    Ok(())
}

/// Ends once the folder is not there any more, or is another: nobody can find this server then, and what it does would
/// be lost.
async fn deleted(dir: &Path, lock: &File) {
    while process::is_same(dir, lock) {
        // Polled, since the kernel tells nobody that asks so little.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whoever started the server may be gone already, so that nobody reads the line.
fn announce(record: &Record) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{}", record.endpoint()).and_then(|()| out.flush());
}

/// When the last request came or was answered.
#[derive(Clone)]
struct Activity {
    start: Instant,
    last_ms: Arc<AtomicU64>,
}

impl Activity {
    fn new() -> Self {
        Self { start: Instant::now(), last_ms: Arc::default() }
    }

    fn touch(&self) {
        self.last_ms.store(self.elapsed_ms(), Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Ends once the cloud is empty and no request has come for `limit`.
    async fn idle(&self, cloud: &Cloud, limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let since = Duration::from_millis(self.elapsed_ms() - self.last_ms.load(Ordering::Relaxed));
            match limit.checked_sub(since) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ if is_empty(cloud) => return,
                // Resources go only by requests, but a job's end is none.
                _ => tokio::time::sleep(limit.max(Duration::from_secs(1))).await,
            }
        }
    }
}

/// Whether nothing is left that anybody could ask for. In doubt there is.
fn is_empty(cloud: &Cloud) -> bool {
    cloud.iam.is_empty().unwrap_or(false)
        && cloud.logs.is_empty().unwrap_or(false)
        && s3::is_empty(cloud)
        && sagemaker::is_empty(cloud)
        && ec2::is_empty(cloud)
        && cloudwatch::is_empty(cloud)
        && lambda::is_empty(cloud)
}

/// The server of a folder, whatever its build. None: none runs.
pub fn find(dir: &Path) -> Result<Option<Running>, Error> {
    if !process::is_held(dir).map_err(io(dir))? {
        return Ok(None);
    }
    // Held without a record: it starts, or it ends.
    let Some(record) = Record::read(dir) else { return Ok(None) };
    let keys = AccessKey::read(dir).map_err(io(dir))?;
    Ok(Some(Running { record, keys }))
}

/// The server of a folder, started if none runs, and replaced if another build runs.
///
/// `command` is the program that calls [`serve`] for this folder (`opsml cloud serve --detached …`); its standard
/// streams are set here.
pub fn start(dir: &Path, mut command: Command) -> Result<Running, Error> {
    process::ensure_dir(dir).map_err(io(dir))?;
    let _one_at_a_time = process::lock_start(dir).map_err(io(dir))?;
    if process::is_held(dir).map_err(io(dir))? {
        if let Some(running) = find(dir)?
            && running.record.build == process::build_id().map_err(io(dir))?
            && answers(running.record.port)
        {
            return Ok(running);
        }
        stop_held(dir)?;
    }
    Record::remove(dir);
    let mut log = OpenOptions::new();
    let log = log.append(true).create(true).mode(0o600).open(dir.join(LOG_FILE)).map_err(io(dir))?;
    let log_start = log.metadata().map_err(io(dir))?.len();
    command.current_dir(dir).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().map_err(io(dir))?;
    // The line comes once it listens; its end without one means that it failed.
    let mut lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    let listens = lines.any(|line| line.is_ok_and(|line| line.contains("http://127.0.0.1:")));
    match find(dir)? {
        Some(running) if listens => Ok(running),
        _ => {
            // It has closed its output without a word, so it is ending or does not do its part.
            let _ = child.kill();
            let _ = child.wait();
            Err(Error::NotStarted { dir: dir.to_owned(), tail: log_tail(dir, log_start) })
        }
    }
}

/// Whether a server takes requests. One that was killed a moment ago still holds its lock, and even its port, until
/// the kernel has ended all of its threads; it closes what it is asked on. One that is only slow is none of these.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        Ok(stream.read(&mut [0])? > 0)
    };
    ask().unwrap_or_else(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Stops the server of a folder; false: none ran. Its state stays.
pub fn stop(dir: &Path) -> Result<bool, Error> {
    if !dir.exists() {
        return Ok(false);
    }
    let _one_at_a_time = process::lock_start(dir).map_err(io(dir))?;
    stop_held(dir)
}

fn stop_held(dir: &Path) -> Result<bool, Error> {
    if !process::is_held(dir).map_err(io(dir))? {
        return Ok(false);
    }
    // One that is just starting writes its record within moments.
    wait_until(STOP, || Ok(!process::is_held(dir)? || Record::read(dir).is_some())).map_err(io(dir))?;
    let Some(record) = Record::read(dir) else {
        return if process::is_held(dir).map_err(io(dir))? {
            Err(Error::Held(dir.to_owned()))
        } else {
            Ok(true)
        };
    };
    for (signal, patience) in [(Signal::TERM, STOP), (Signal::KILL, Duration::from_secs(5))] {
        record.signal(signal);
        if wait_until(patience, || Ok(!process::is_held(dir)?)).map_err(io(dir))? {
            return Ok(true);
        }
    }
    Err(Error::NotStopped { dir: dir.to_owned(), pid: record.pid })
}

/// Polls, since no event tells that another's lock is released and the wait must end. False: it took too long.
fn wait_until(patience: Duration, mut done: impl FnMut() -> std::io::Result<bool>) -> std::io::Result<bool> {
    let deadline = Instant::now() + patience;
    while !done()? {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(true)
}

/// What the log says from `start` on, its last two thousand bytes.
fn log_tail(dir: &Path, start: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(dir.join(LOG_FILE))?;
        let from = start.max(file.metadata()?.len().saturating_sub(2000));
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    };
    read().unwrap_or_else(|error| format!("(the log cannot be read: {error})"))
}
