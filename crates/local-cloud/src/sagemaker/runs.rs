//! The jobs that run now, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::support::lock::locked;

/// Jobs of one kind. None runs after a restart of the server.
#[derive(Debug, Default)]
pub struct Runs(Mutex<HashMap<String, Run>>);

#[derive(Debug)]
struct Run {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Runs {
    /// Starts a job. `run` makes its future from a receiver, which becomes true when the job has to stop. The returned
    /// receiver is closed, without a message, once the job has ended.
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
        // Locked until the job is entered, so that its end finds it here.
        let mut all = locked(&self.0);
        let task = tokio::spawn(async move {
            run.await;
            locked(&runs.0).remove(&own_name);
            drop(ends);
        });
        all.insert(name.to_owned(), Run { stop, task });
        ended
    }

    /// Asks a job to stop. One that has ended needs no stop.
    pub fn stop(&self, name: &str) {
        if let Some(run) = locked(&self.0).get(name) {
            let _ = run.stop.send(true);
        }
    }

    /// Returns whether no job runs.
    pub fn is_empty(&self) -> bool {
        locked(&self.0).is_empty()
    }

    /// Aborts all jobs, waits until their tasks are gone, and with them the handles of their processes, and returns the
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
