//! Runs a server until it is stopped. Clients find, start, replace and stop it.

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
use crate::dispatch::Served;
use crate::folder::{self, Record};
use crate::iam::AccessKey;
use crate::registry::Services;
use crate::server::Server;
use crate::store::OpenError;
use crate::support::listen;

/// The log file of a server in the background.
pub const LOG_FILE: &str = "cloud.log";

/// How long a stopping server waits for requests that have begun.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client waits until a server has stopped. The server first ends its requests and its children.
const STOP: Duration = Duration::from_secs(45);

/// Why a server can't run, or couldn't be found, started or stopped.
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

/// A running server, and the keys with which its clients sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub record: Record,
    /// The keys of the user `opsml`.
    pub keys: AccessKey,
}

/// Serves until SIGTERM or SIGINT, or until the cloud has had no resources and no requests for `settings.idle_stop`.
/// Once it listens, it writes its record to the folder, and its endpoint as a line to standard output.
///
/// # Errors
/// [`Error::Held`] if another process serves this folder; [`Error::Open`] if the state cannot be opened.
pub fn serve(settings: Settings) -> Result<(), Error> {
    let dir = settings.dir.clone();
    if settings.detached {
        // This fails only for the leader of a process group, which a new child isn't.
        let _ = rustix::process::setsid();
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().map_err(io(&dir))?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(io(&dir))?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(io(&dir))?;
        let stopped = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        serve_until(settings, stopped, announce).await
    })
}

/// Serves like [`serve`], but inside another program, until `stopped` ends or the cloud has had no resources and no
/// requests for `settings.idle_stop`. Calls `listening` once it listens.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    settings: Settings,
    stopped: impl Future<Output = ()>,
    listening: impl FnOnce(&Record),
) -> Result<(), Error> {
    let dir = settings.dir.clone();
    folder::ensure_dir(&dir).map_err(io(&dir))?;
    let Some(lock) = folder::try_lock(&dir).map_err(io(&dir))? else { return Err(Error::Held(dir)) };
    // A server that was killed has left its record.
    Record::remove(&dir);
    let served = serve_held(settings, &lock, stopped, listening).await;
    Record::remove(&dir);
    drop(lock);
    served
}

async fn serve_held(
    settings: Settings,
    lock: &File,
    stopped: impl Future<Output = ()>,
    listening: impl FnOnce(&Record),
) -> Result<(), Error> {
    let dir = settings.dir.clone();
    let idle_stop = settings.idle_stop;
    let keys = AccessKey::ensure(&dir).map_err(io(&dir))?;
    let cloud = Cloud::open(settings)?;
    let Services { authority, list: services } = Services::open(&cloud, &keys).map_err(Error::Aws)?;

    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(io(&dir))?;
    let port = listener.local_addr().map_err(io(&dir))?.port();
    cloud.set_endpoint(format!("http://127.0.0.1:{port}"));
    for service in &*services {
        service.start().await;
    }

    let activity = Activity::new();
    let server = Arc::new(Server::new(&cloud, authority, Arc::clone(&services)));
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
    let build = folder::build_id().map_err(io(&dir))?;
    let record =
        Record { pid, pid_start: folder::start_time(pid), port, region: cloud.region.clone(), build };
    record.write(&dir).map_err(io(&dir))?;
    listening(&record);

    tokio::select! {
        () = stopped => {}
        () = activity.idle(&services, idle_stop) => {}
        () = deleted(&dir, lock) => {}
        _ = &mut serving => {}
    }
    // From now on, clients don't find this server.
    Record::remove(&dir);
    let _ = stop.send(true);
    // Requests that take longer end with the process.
    let _ = tokio::time::timeout(DRAIN, &mut serving).await;
    for service in services.iter().rev() {
        service.stop().await;
    }
    Ok(())
}

/// Returns once the folder was deleted or replaced by another. Then no client can find this server, and its work would
/// be lost.
async fn deleted(dir: &Path, lock: &File) {
    while folder::is_same(dir, lock) {
        // Polled, to avoid a dependency on inotify.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Prints the endpoint. An error is ignored: the program that started the server may have ended.
fn announce(record: &Record) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{}", record.endpoint()).and_then(|()| out.flush());
}

/// The time at which the last request came or was answered.
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

    /// Returns once the cloud has no resources and no request has come for `limit`. Without a limit it never returns.
    async fn idle(&self, services: &[Box<dyn Served>], limit: Option<Duration>) {
        let Some(limit) = limit else { return std::future::pending().await };
        loop {
            let since = Duration::from_millis(self.elapsed_ms() - self.last_ms.load(Ordering::Relaxed));
            match limit.checked_sub(since) {
                Some(rest) if !rest.is_zero() => tokio::time::sleep(rest).await,
                _ if services.iter().all(|service| service.is_empty()) => return,
                // Looked at again after a while, since a job may end without a request.
                _ => tokio::time::sleep(limit.max(Duration::from_secs(1))).await,
            }
        }
    }
}

/// Returns the server of a folder, whatever its build is. None: no server runs.
///
/// # Errors
/// The folder cannot be read.
pub fn find(dir: &Path) -> Result<Option<Running>, Error> {
    if !folder::is_held(dir).map_err(io(dir))? {
        return Ok(None);
    }
    // A server that holds the folder and has no record is starting or ending.
    let Some(record) = Record::read(dir) else { return Ok(None) };
    let keys = AccessKey::read(dir).map_err(io(dir))?;
    Ok(Some(Running { record, keys }))
}

/// Returns the server of a folder. If none runs, it is started; one of another build is replaced.
///
/// `command` runs a program that calls [`serve`] for this folder (`opsml cloud serve --detached …`). This function sets
/// its standard streams.
///
/// # Errors
/// [`Error::NotStarted`] with the end of the server's log; [`Error::NotStopped`] if the server of another build doesn't
/// stop.
pub fn start(dir: &Path, mut command: Command) -> Result<Running, Error> {
    folder::ensure_dir(dir).map_err(io(dir))?;
    let _one_at_a_time = folder::lock_start(dir).map_err(io(dir))?;
    if folder::is_held(dir).map_err(io(dir))? {
        if let Some(running) = find(dir)?
            && running.record.build == folder::build_id().map_err(io(dir))?
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
    // The server prints a line once it listens. If its output ends without a line, it has failed.
    let mut lines = child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines());
    let listens = lines.any(|line| line.is_ok_and(|line| line.contains("http://127.0.0.1:")));
    match find(dir)? {
        Some(running) if listens => Ok(running),
        _ => {
            // A process that closed its output without that line is ending, or isn't a server.
            let _ = child.kill();
            let _ = child.wait();
            Err(Error::NotStarted { dir: dir.to_owned(), tail: log_tail(dir, log_start) })
        }
    }
}

/// Returns whether a server accepts requests. One that was just killed holds its lock, and even its port, until the
/// kernel has ended all its threads; but its connections are closed at once. A server that is only slow counts as
/// answering.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        write!(stream, "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
        Ok(stream.read(&mut [0])? > 0)
    };
    ask().unwrap_or_else(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// Stops the server of a folder, and returns whether there was one. Its state stays.
///
/// # Errors
/// [`Error::NotStopped`].
pub fn stop(dir: &Path) -> Result<bool, Error> {
    if !dir.exists() {
        return Ok(false);
    }
    let _one_at_a_time = folder::lock_start(dir).map_err(io(dir))?;
    stop_held(dir)
}

fn stop_held(dir: &Path) -> Result<bool, Error> {
    if !folder::is_held(dir).map_err(io(dir))? {
        return Ok(false);
    }
    // A server that is starting writes its record within moments.
    wait_until(STOP, || Ok(!folder::is_held(dir)? || Record::read(dir).is_some())).map_err(io(dir))?;
    let Some(record) = Record::read(dir) else {
        return if folder::is_held(dir).map_err(io(dir))? {
            Err(Error::Held(dir.to_owned()))
        } else {
            Ok(true)
        };
    };
    for (signal, patience) in [(Signal::TERM, STOP), (Signal::KILL, Duration::from_secs(5))] {
        record.signal(signal);
        if wait_until(patience, || Ok(!folder::is_held(dir)?)).map_err(io(dir))? {
            return Ok(true);
        }
    }
    Err(Error::NotStopped { dir: dir.to_owned(), pid: record.pid })
}

/// Polls until `done` returns true, since there is no event for another process's release of its lock. Returns false
/// after `patience`.
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

/// Returns the log from the byte `start` on, but at most its last two thousand bytes.
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
