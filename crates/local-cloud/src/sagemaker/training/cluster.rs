//! The processes of a job, one for each host, from their start to the end of the last one. If one fails, the others are
//! ended.

use std::net::Ipv4Addr;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::sagemaker::log::{Metric, Pump, Seen};
use crate::sagemaker::meter::JobMeter;
use crate::support::lock::locked;
use crate::support::process::{self, Usage};

/// The time between SIGTERM and SIGKILL if a job is stopped, as on AWS.
const GRACE: Duration = Duration::from_secs(120);
/// The same if another host failed. Then there is nothing left to save.
const PEER_GRACE: Duration = Duration::from_secs(10);
/// The time between two measurements of the processes.
const LOOK: Duration = Duration::from_millis(250);

/// How a job's processes ended. `host` counts from 0.
#[derive(Debug)]
pub enum Exit {
    Completed,
    Failed {
        host: usize,
        status: ExitStatus,
    },
    Stopped,
    MaxRuntime,
    MaxWait,
    /// Its spot instances were interrupted.
    Interrupted,
    OutOfMemory {
        host: usize,
        used: u64,
    },
}

/// The limits of a job.
#[derive(Clone, Copy, Debug)]
pub struct Limits<'a> {
    pub runtime: Duration,
    /// How long the job may still take, whether or not it runs.
    pub wait: Option<Duration>,
    /// The memory of each host, in bytes.
    pub memory: Option<u64>,
    /// A file that is there once the instances are interrupted.
    pub interrupt: &'a Path,
}

/// One host's container.
#[derive(Debug)]
struct Container {
    leader: u32,
    pump: JoinHandle<std::io::Result<()>>,
    seen: Arc<Mutex<Seen>>,
}

/// The processes of a job. If this is dropped, their leaders are killed.
#[derive(Debug, Default)]
pub struct Cluster {
    containers: Vec<Container>,
    ends: JoinSet<std::io::Result<(usize, ExitStatus)>>,
}

impl Cluster {
    /// Starts the next host's process, whose output `pump` reads.
    ///
    /// # Errors
    /// The process couldn't be started.
    pub fn start(&mut self, mut command: Command, pump: Pump) -> std::io::Result<()> {
        let (reader, writer) = std::io::pipe()?;
        command
            .stdin(Stdio::null())
            .stderr(writer.try_clone()?)
            .stdout(writer)
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        // The command holds the pipe's writing end.
        drop(command);
        let host = self.containers.len();
        self.containers.push(Container {
            leader: child.id().unwrap_or_default(),
            seen: Arc::clone(&pump.seen),
            pump: tokio::task::spawn_blocking(move || pump.run(reader)),
        });
        self.ends.spawn(async move { Ok((host, child.wait().await?)) });
        Ok(())
    }

    /// Waits until every process has ended. If one fails or exceeds a limit, or if the job is stopped, it ends the
    /// others. Calls `report` with the metrics whenever there are new ones, and `meter` with what the hosts use.
    ///
    /// # Errors
    /// Waiting for a process failed.
    pub async fn watch(
        &mut self,
        limits: Limits<'_>,
        stop: &watch::Receiver<bool>,
        meter: &mut JobMeter,
        mut report: impl FnMut(&[Metric]),
    ) -> std::io::Result<Exit> {
        // A limit that the clock can't represent is no limit.
        let began = Instant::now();
        let mut deadline = began.checked_add(limits.runtime);
        let mut tick = interval(LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut exit, mut ending, mut reported) = (Exit::Completed, false, 0);
        loop {
            tokio::select! {
                ended = self.ends.join_next() => {
                    let Some(ended) = ended else { return Ok(exit) };
                    let (host, status) = ended.map_err(std::io::Error::other)??;
                    if !ending && blames(&exit, status) {
                        exit = Exit::Failed { host, status };
                    }
                    continue;
                }
                _ = tick.tick() => {}
            }
            let usages: Vec<Usage> =
                self.containers.iter().map(|container| process::usage(container.leader)).collect();
            meter.measure(&usages);
            for (host, usage) in usages.iter().enumerate() {
                let used = usage.memory_bytes;
                if limits.memory.is_some_and(|limit| used > limit) {
                    return Ok(Exit::OutOfMemory { host, used });
                }
            }
            let metrics = self.metrics();
            let newest = metrics.iter().map(|metric| metric.time_ms).max().unwrap_or_default();
            if newest > reported {
                reported = newest;
                report(&metrics);
            }
            let now = Instant::now();
            let late = deadline.is_some_and(|at| now >= at);
            if ending {
                if late {
                    // They didn't end in time after SIGTERM.
                    self.signal(Signal::KILL);
                }
                continue;
            }
            let grace = if matches!(exit, Exit::Failed { .. }) {
                PEER_GRACE
            } else if *stop.borrow() {
                exit = Exit::Stopped;
                GRACE
            } else if limits.interrupt.exists() {
                exit = Exit::Interrupted;
                GRACE
            } else if limits.wait.is_some_and(|wait| began.elapsed() >= wait) {
                exit = Exit::MaxWait;
                GRACE
            } else if late {
                exit = Exit::MaxRuntime;
                GRACE
            } else {
                continue;
            };
            ending = true;
            self.signal(Signal::TERM);
            deadline = now.checked_add(grace);
        }
    }

    fn signal(&self, signal: Signal) {
        for container in &self.containers {
            process::signal_group(container.leader, signal);
        }
    }

    /// Returns the last value of each metric, of any host.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut newest: Vec<Metric> = Vec::new();
        for container in &self.containers {
            for metric in &locked(&container.seen).metrics {
                match newest.iter_mut().find(|known| known.name == metric.name) {
                    Some(known) if known.time_ms >= metric.time_ms => {}
                    Some(known) => *known = metric.clone(),
                    None => newest.push(metric.clone()),
                }
            }
        }
        newest
    }

    /// Returns the end of a host's output.
    pub fn seen(&self, host: usize) -> Seen {
        let container = self.containers.get(host);
        container.map(|container| locked(&container.seen).clone()).unwrap_or_default()
    }

    /// Kills the remaining processes, which have these folders, and reads their output to its end.
    pub async fn end<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) {
        for (container, folder) in self.containers.iter().zip(folders) {
            process::end(Some(container.leader), folder).await;
        }
        let all = async {
            // Reaps the killed processes.
            while self.ends.join_next().await.is_some() {}
            // All writers have ended, so the pumps end too.
            for container in &mut self.containers {
                let _ = (&mut container.pump).await;
            }
        };
        // A process in an uninterruptible system call must not block the job.
        let _ = timeout(Duration::from_secs(5), all).await;
    }
}

/// Returns whether this exit is the cause of the failure, and not `before`. A process that was killed is the cause: the
/// others fail because they lose their connection to it.
fn blames(before: &Exit, status: ExitStatus) -> bool {
    match before {
        Exit::Completed => !status.success(),
        Exit::Failed { status: first, .. } => first.signal().is_none() && status.signal().is_some(),
        _ => false,
    }
}

/// A free port at which the hosts of a job connect.
///
/// It stays reserved: since a socket is bound to it, the system gives it to no other program. The socket doesn't
/// listen, so a program that sets `SO_REUSEADDR` can bind it, as libtorch's `TCPStore` does.
#[derive(Debug)]
pub struct Rendezvous {
    pub port: u16,
    _socket: TcpSocket,
}

impl Rendezvous {
    /// Reserves a port.
    ///
    /// # Errors
    /// No port is free.
    pub fn new() -> std::io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { port: socket.local_addr()?.port(), _socket: socket })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rendezvous_is_for_those_who_reuse_it() {
        let held = Rendezvous::new().unwrap();
        let address = (Ipv4Addr::LOCALHOST, held.port).into();
        let stranger = TcpSocket::new_v4().unwrap();
        assert_eq!(stranger.bind(address).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        for _ in 0..200 {
            let other = Rendezvous::new().unwrap();
            assert_ne!(other.port, held.port);
        }
        // As TCPStore does: on every interface.
        let store = TcpSocket::new_v6().unwrap();
        store.set_reuseaddr(true).unwrap();
        store.bind((std::net::Ipv6Addr::UNSPECIFIED, held.port).into()).unwrap();
        let store = store.listen(4).unwrap();
        let meet = tokio::net::TcpStream::connect(address);
        let (came, went) = tokio::join!(store.accept(), meet);
        assert!(came.is_ok() && went.is_ok());
    }
}
