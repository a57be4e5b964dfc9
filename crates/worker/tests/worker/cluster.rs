//! A job of several instances. Each has a folder tree and a process, and all connect to one port.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Output};

use serde_json::json;
use socket2::{Domain, Socket, Type};

use crate::job::{Job, until};

/// A port that is reserved until this is dropped. It is bound, so the system gives it to no other program. It doesn't
/// listen, so the worker, which sets SO_REUSEADDR, can listen on it.
pub struct Port(Socket);

impl Port {
    pub fn reserve() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        Self(socket)
    }

    pub fn number(&self) -> u16 {
        self.0.local_addr().unwrap().as_socket().unwrap().port()
    }
}

/// Writes into the folder tree `base` that it belongs to instance `rank` of `size`.
pub fn configure_rank(base: &Path, rank: usize, size: usize) {
    let hosts: Vec<String> = (1..=size).map(|number| format!("algo-{number}")).collect();
    let config =
        json!({"current_host": hosts[rank], "hosts": hosts, "network_interface_name": "lo"}).to_string();
    fs::create_dir_all(base.join("input/config")).unwrap();
    fs::write(base.join("input/config/resourceconfig.json"), config).unwrap();
}

/// Sets the address and port at which the instances connect, as environment variables.
pub fn meet_at(command: &mut Command, port: &Port) {
    command.env("MASTER_ADDR", "127.0.0.1").env("MASTER_PORT", port.number().to_string());
}

pub struct Cluster {
    pub jobs: Vec<Job>,
    port: Port,
}

impl Cluster {
    /// Makes `jobs` the instances of one job.
    pub fn of(jobs: Vec<Job>) -> Self {
        for (rank, job) in jobs.iter().enumerate() {
            configure_rank(&job.path(""), rank, jobs.len());
        }
        Self { jobs, port: Port::reserve() }
    }

    pub fn new(size: usize, hyperparameters: &serde_json::Value) -> Self {
        Self::of((0..size).map(|_| Job::new(hyperparameters.clone())).collect())
    }

    pub fn spawn(&self, rank: usize) -> Child {
        let mut command = self.jobs[rank].command("train");
        meet_at(&mut command, &self.port);
        command.spawn().unwrap()
    }

    pub fn spawn_all(&self) -> Processes {
        Processes((0..self.jobs.len()).map(|rank| self.spawn(rank)).collect())
    }

    /// Trains, and returns each instance's log. Fails the test if training fails.
    pub fn train(&self) -> Vec<String> {
        self.train_by(self.jobs.iter().map(|job| job.command("train")).collect())
    }

    /// Trains by these commands, one for each instance.
    pub fn train_by(&self, commands: Vec<Command>) -> Vec<String> {
        let text = |output: Output| {
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let start = |mut command: Command| {
            meet_at(&mut command, &self.port);
            command.spawn().unwrap()
        };
        Processes(commands.into_iter().map(start).collect()).end().into_iter().map(text).collect()
    }

    pub fn failure(&self, rank: usize) -> Option<String> {
        fs::read_to_string(self.jobs[rank].path("output/failure")).ok()
    }
}

/// Processes that are killed when this is dropped.
pub struct Processes(pub Vec<Child>);

impl Processes {
    /// Waits for all, as long as [`until`] does: a process that hangs fails the test.
    pub fn end(mut self) -> Vec<Output> {
        until("the end of all processes", || {
            self.0.iter_mut().all(|child| child.try_wait().unwrap().is_some()).then_some(())
        });
        std::mem::take(&mut self.0).into_iter().map(|child| child.wait_with_output().unwrap()).collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
