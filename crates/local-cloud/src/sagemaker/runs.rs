//! The running jobs, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::support::lock::locked;

/// The running jobs of one kind. After a restart of the server there are none.
#[derive(Debug, Default)]
pub struct Runs(Mutex<HashMap<String, Run>>);

#[derive(Debug)]
struct Run {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Runs {
    /// Starts a job. `run` returns its future; it gets a receiver that becomes true when the job must stop. The
    /// returned receiver is closed, without a message, once the job has ended.
    pub fn start<F>(
        self: &Arc<Self>,
        name: &str,
        run: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> oneshot::Receiver<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let (ends, ended) = oneshot::channel();
        let (run, runs, own_name) = (run(stopped), Arc::clone(self), name.to_owned());
        // Locked until the job is added, so that its end finds it here.
        let mut all = locked(&self.0);
        let task = tokio::spawn(async move {
            run.await;
            locked(&runs.0).remove(&own_name);
            drop(ends);
        });
        all.insert(name.to_owned(), Run { stop, task });
        ended
    }

    /// Asks a job to stop. If it has ended, nothing happens.
    pub fn stop(&self, name: &str) {
        if let Some(run) = locked(&self.0).get(name) {
            let _ = run.stop.send(true);
        }
    }

    /// Returns whether no job runs.
    pub fn is_empty(&self) -> bool {
        locked(&self.0).is_empty()
    }

    /// Aborts all jobs, and waits until their tasks have ended, which drops the handles of their processes. Returns the
    /// jobs' names.
    pub async fn abort_all(&self) -> Vec<String> {
        let all: Vec<(String, Run)> = locked(&self.0).drain().collect();
        for (_, run) in &all {
            run.task.abort();
        }
        let mut names = Vec::new();
        for (name, run) in all {
            let _ = run.task.await;
            names.push(name);
        }
        names
    }
}
