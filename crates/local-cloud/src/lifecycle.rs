//! Runs a server until it is stopped. Clients find, start, replace and stop it.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
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
use crate::folder::{self, Holder, Record, Unsafe};
use crate::iam::AccessKey;
use crate::registry::Services;
use crate::server::Server;
use crate::store::OpenError;
use crate::support::certificates::Certificates;
use crate::support::listen;

/// The log file of a server in the background.
pub const LOG_FILE: &str = "cloud.log";

/// The key of the authority that vouches for this server where it is one of AWS's hosts, and its certificate.
const AUTHORITY_KEY: &str = "authority.key";
const AUTHORITY: &str = "authority.pem";
/// What the clients of the cloud trust: its authority, and those that they trusted before.
const TRUSTED: &str = "trusted.pem";

/// How long a stopping server waits for requests that have begun.
const DRAIN: Duration = Duration::from_secs(10);
/// How long a client waits until a server has stopped. The server first ends its requests and its children.
const STOP: Duration = Duration::from_secs(45);
/// How long a server waits for the port of a server that was killed: the kernel closes it moments after the lock.
const PORT: Duration = Duration::from_millis(500);

/// Why a server can't run, or couldn't be found, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} already serves the local cloud in {}", named(holder.as_ref()), dir.display())]
    Held { dir: PathBuf, holder: Option<Holder> },
    #[error("the local cloud in {} is served by {holder}, which can't be reached from here", dir.display())]
    Elsewhere { dir: PathBuf, holder: Holder },
    #[error(transparent)]
    Unsafe(#[from] Unsafe),
    #[error("another program has port {0}")]
    PortTaken(u16),
    #[error("the local cloud in {} listens at port {port} already", dir.display())]
    OtherPort { dir: PathBuf, port: u16 },
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

impl Error {
    /// Returns what the user can do, where that isn't obvious.
    pub fn way_out(&self) -> Option<String> {
        match self {
            Self::Elsewhere { .. } => {
                Some("stop it there, or name another folder in OPSML_CLOUD_DIR".to_owned())
            }
            Self::Unsafe(found) => Some(found.way_out()),
            Self::OtherPort { .. } => Some("stop it first: opsml cloud stop".to_owned()),
            _ => None,
        }
    }
}

fn named(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), Holder::to_string)
}

fn held(dir: &Path) -> Error {
    Error::Held { dir: dir.to_owned(), holder: Holder::read(dir) }
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
    /// The port that the folder's servers keep. It isn't the server's if another program had that when it started.
    pub kept_port: Option<u16>,
}

/// Serves until SIGTERM or SIGINT, or until the cloud has had no resources and no requests for `settings.idle_stop`.
/// Once it listens, it writes its record to the folder, and its endpoint as a line to standard output.
///
/// # Errors
/// [`Error::Held`] if another process serves this folder; [`Error::Unsafe`]; [`Error::Open`] if the state cannot be
/// opened; [`Error::PortTaken`] if the settings' port is.
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
    ready(&dir)?;
    let Some(lock) = folder::try_lock(&dir).map_err(io(&dir))? else { return Err(held(&dir)) };
    // A server that was killed has left its record.
    Record::remove(&dir);
    let served = serve_held(settings, &lock, stopped, listening).await;
    Record::withdraw(&dir);
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
    let (idle_stop, port) = (settings.idle_stop, settings.port);
    let keys = AccessKey::ensure(&dir).map_err(io(&dir))?;
    let certificates = Arc::new(certificates(&dir).map_err(io(&dir))?);
    let cloud = Cloud::open(settings)?;
    let Services { authority, list: services } = Services::open(&cloud, &keys).map_err(Error::Aws)?;

    let listener = listen_at(&dir, port).await?;
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
    let mut serving = tokio::spawn(listen::serve(listener, answer, Some(certificates), stopping));

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
    Record::withdraw(&dir);
    let _ = stop.send(true);
    // Requests that take longer end with the process.
    let _ = tokio::time::timeout(DRAIN, &mut serving).await;
    for service in services.iter().rev() {
        service.stop().await;
    }
    Ok(())
}

/// Returns the certificates of a folder's authority, whose key is made if it is missing.
fn certificates(dir: &Path) -> std::io::Result<Certificates> {
    let path = dir.join(AUTHORITY_KEY);
    if !path.exists() {
        folder::write(&path, Certificates::new_key()?.as_bytes())?;
    }
    let key = String::from_utf8(folder::read(&path)?).map_err(std::io::Error::other)?;
    let certificates = Certificates::of_key(&key)?;
    folder::write(&dir.join(AUTHORITY), certificates.pem().as_bytes())?;
    Ok(certificates)
}

/// Writes what a client of a folder's server is to trust: the server's authority, and those in the file `before`. Returns
/// the file's path. A server has run.
///
/// # Errors
/// A file can't be read or written.
pub fn trusted(dir: &Path, before: Option<&Path>) -> Result<PathBuf, Error> {
    let write = || {
        let mut all = before.map(std::fs::read).transpose()?.unwrap_or_default();
        all.extend(folder::read(&dir.join(AUTHORITY))?);
        let path = dir.join(TRUSTED);
        folder::write(&path, &all)?;
        Ok(path)
    };
    write().map_err(io(dir))
}

/// Creates the folder, or looks whether it can be used.
fn ready(dir: &Path) -> Result<(), Error> {
    folder::check(dir)?;
    folder::ensure_dir(dir).map_err(io(dir))
}

/// Listens at the port that was asked for, which is kept from then on; or else at the kept one; or, if another program
/// has that, at any other.
async fn listen_at(dir: &Path, asked: Option<u16>) -> Result<TcpListener, Error> {
    let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = match asked.or_else(|| folder::kept_port(dir)) {
        None => any().await,
        Some(port) => match bind(port).await {
            Err(error) if error.kind() == ErrorKind::AddrInUse => match asked {
                Some(port) => return Err(Error::PortTaken(port)),
                // It stays the kept one: the next server asks for it again.
                None => return any().await.map_err(io(dir)),
            },
            bound => bound,
        },
    };
    let listener = listener.map_err(io(dir))?;
    let port = listener.local_addr().map_err(io(dir))?.port();
    folder::keep_port(dir, port).map_err(io(dir))?;
    Ok(listener)
}

/// Listens at a port, for which it waits a moment.
async fn bind(port: u16) -> std::io::Result<TcpListener> {
    let deadline = Instant::now() + PORT;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            // Polled, since there is no event for a port.
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            bound => return bound,
        }
    }
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
/// The folder cannot be read; [`Error::Unsafe`].
pub fn find(dir: &Path) -> Result<Option<Running>, Error> {
    folder::check(dir)?;
    if !folder::is_held(dir).map_err(io(dir))? {
        return Ok(None);
    }
    // A server that holds the folder and has no record is starting or ending.
    let Some(record) = Record::read(dir) else { return Ok(None) };
    let keys = AccessKey::read(dir).map_err(io(dir))?;
    Ok(Some(Running { record, keys, kept_port: folder::kept_port(dir) }))
}

/// Returns the port that a folder's servers keep. None: no server has listened yet.
///
/// # Errors
/// [`Error::Unsafe`].
pub fn kept_port(dir: &Path) -> Result<Option<u16>, Error> {
    folder::check(dir)?;
    Ok(folder::kept_port(dir))
}

/// Returns what the local cloud's functions, jobs and endpoints lack on this machine, a sentence for each. Empty: they lack
/// nothing.
pub fn missing() -> Vec<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    runtime.block_on(async {
        [crate::lambda::missing().await, crate::sagemaker::missing().await].into_iter().flatten().collect()
    })
}

/// Creates the folder, or looks whether it can be used.
///
/// # Errors
/// [`Error::Unsafe`]; the folder can't be created, or holds other files.
pub fn prepare(dir: &Path) -> Result<(), Error> {
    ready(dir)
}

/// Returns the server of a folder. If none runs, it is started; one of another build is replaced.
///
/// `command` runs a program that calls [`serve`] for this folder and this port (`opsml cloud serve …`). This function
/// sets its standard streams.
///
/// # Errors
/// [`Error::NotStarted`] with the end of the server's log; [`Error::NotStopped`] if the server of another build doesn't
/// stop; [`Error::Elsewhere`] if it can't be reached; [`Error::OtherPort`] if a server runs at another port than
/// `port`; [`Error::Unsafe`].
pub fn start(dir: &Path, port: Option<u16>, mut command: Command) -> Result<Running, Error> {
    prepare(dir)?;
    let _one_at_a_time = folder::lock_start(dir).map_err(io(dir))?;
    if folder::is_held(dir).map_err(io(dir))? {
        if let Some(running) = find(dir)?
            && running.record.build == folder::build_id().map_err(io(dir))?
            && answers(running.record.port)
        {
            return at_port(dir, port, running);
        }
        stop_held(dir)?;
    }
    Record::remove(dir);
    let log = folder::append(&dir.join(LOG_FILE)).map_err(io(dir))?;
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

/// Returns a running server, if it listens at the port that was asked for, which is kept from then on.
fn at_port(dir: &Path, asked: Option<u16>, running: Running) -> Result<Running, Error> {
    let Some(asked) = asked else { return Ok(running) };
    if running.record.port != asked {
        return Err(Error::OtherPort { dir: dir.to_owned(), port: running.record.port });
    }
    folder::keep_port(dir, asked).map_err(io(dir))?;
    Ok(Running { kept_port: Some(asked), ..running })
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
/// [`Error::NotStopped`]; [`Error::Elsewhere`] if it can't be reached; [`Error::Unsafe`].
pub fn stop(dir: &Path) -> Result<bool, Error> {
    folder::check(dir)?;
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
        return if folder::is_held(dir).map_err(io(dir))? { Err(held(dir)) } else { Ok(true) };
    };
    // The record's process id means another process here, or none.
    if let Some(holder) = Holder::read(dir).filter(|holder| !holder.is_near()) {
        return Err(Error::Elsewhere { dir: dir.to_owned(), holder });
    }
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
    match folder::read(&dir.join(LOG_FILE)) {
        Ok(bytes) => {
            let from = bytes.len().saturating_sub(2000).max(usize::try_from(start).unwrap_or_default());
            String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).trim().to_owned()
        }
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}
