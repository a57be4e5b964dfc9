//! The run of one tuning job: it starts trials, as many at a time as it may, and learns from those that ended.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::check::{Plan, trial_input};
use super::record::{Outcome, Status, TUNING, Trial, Tuning, change};
use super::search::Search;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::sagemaker::resource::{assume, text};
use crate::sagemaker::training;

/// Failures in a row from the start on that AWS takes for all.
const ATTEMPTS: usize = 5;
/// Between two looks for room in a quota that others fill.
const ROOM: Duration = Duration::from_millis(500);

struct Run {
    cloud: Arc<Cloud>,
    name: String,
    plan: Plan,
    search: Search,
    /// Of each trial begun, by its number.
    points: Vec<Vec<f64>>,
    /// Tells the numbers of trials that have ended.
    running: JoinSet<usize>,
    stop: watch::Receiver<bool>,
}

/// Runs the tuning job and keeps how it ended.
pub async fn run(cloud: Arc<Cloud>, name: String, plan: Plan, stop: watch::Receiver<bool>) {
    let (status, failure) = match Search::new(&plan.strategy, &plan.ranges) {
        Err(reason) => (Status::Failed, Some(format!("InternalServerError: {reason}"))),
        Ok(search) => {
            let (cloud, name) = (Arc::clone(&cloud), name.clone());
            let mut run =
                Run { cloud, name, plan, search, points: Vec::new(), running: JoinSet::new(), stop };
            let ended = run.steps().await;
            // None is left running, however it ended.
            let waited = run.end_trials().await;
            match ended.and_then(|status| waited.map(|()| status)) {
                Ok(status) => (status, None),
                Err(reason) => (Status::Failed, Some(reason)),
            }
        }
    };
    // A state file that cannot be written keeps the job as it was: the next start finds it lost.
    let _ = change(&cloud, &name, |tuning| tuning.end(status, failure));
}

impl Run {
    /// # Errors
    /// The FailureReason.
    async fn steps(&mut self) -> Result<Status, String> {
        loop {
            let room = self.plan.parallel.saturating_sub(self.running.len());
            let left = self.plan.jobs - self.points.len();
            let mut full = false;
            for _ in 0..room.min(left) {
                full = !self.begin().await?;
                if full {
                    break;
                }
            }
            if self.running.is_empty() && !full {
                return Ok(Status::Completed);
            }
            let ended = tokio::select! {
                ended = self.running.join_next(), if !self.running.is_empty() => ended,
                _ = self.stop.wait_for(|stop| *stop) => return Ok(Status::Stopped),
                () = sleep(ROOM), if full => None,
            };
            if let Some(ended) = ended {
                self.take_in(ended.map_err(|error| format!("InternalServerError: {error}"))?)?;
                self.judge()?;
            }
        }
    }

    /// Starts the next trial; answers false where other jobs fill the quota.
    async fn begin(&mut self) -> Result<bool, String> {
        let number = self.points.len();
        let point = self.search.next(&self.plan.ranges, self.plan.seed, number);
        let point = point.map_err(|error| format!("InternalServerError: {error}"))?;
        let tuned = self.plan.tuned(&point);
        let tuning = self.tuning()?;
        let name = trial_name(&self.name, &tuning, number);
        let input = trial_input(&tuning.input, &name, &tuned);
        let role = text(&tuning.input["TrainingJobDefinition"], "RoleArn");
        let session = assume(&self.cloud, role, "SageMaker")
            .map_err(|error| format!("ClientError: {}", error.message))?;
        let trial = training::TrialOf { tuning: tuning.arn, parallel: self.plan.parallel };
        let ended = match training::start(&self.cloud, &input, session, Some(trial)) {
            Ok(ended) => ended,
            Err(error) if error.code == "ResourceLimitExceeded" && training::any_running(&self.cloud) => {
                return Ok(false);
            }
            Err(error) => return Err(format!("ClientError: {}", error.message)),
        };
        change(&self.cloud, &self.name, |tuning| {
            tuning.trials.push(Trial { name, tuned, outcome: None });
        })
        .map_err(|error| internal(&error))?;
        self.points.push(point);
        self.running.spawn(async move {
            // It is dropped where the training job has ended.
            let _ = ended.await;
            number
        });
        Ok(true)
    }

    fn tuning(&self) -> Result<Tuning, String> {
        let found = self.cloud.store.get(TUNING, &self.name).map_err(|error| internal(&error))?;
        found.ok_or_else(|| "InternalServerError: the record of the tuning job is gone".to_owned())
    }

    /// Keeps what a trial came to, and lets the search learn from it.
    fn take_in(&mut self, number: usize) -> Result<(), String> {
        let tuning = self.tuning()?;
        let objective = tuning.objective();
        let Some(trial) = tuning.trials.get(number) else { return Ok(()) };
        let job: Option<training::Job> =
            self.cloud.store.get(training::STORE, &trial.name).map_err(|error| internal(&error))?;
        let Some(outcome) = job.map(|job| Outcome::of(&job, &objective.metric)) else { return Ok(()) };
        if let Some(value) = outcome.result() {
            let told = self.search.tell(&self.points[number], objective.loss(value));
            told.map_err(|error| format!("InternalServerError: {error}"))?;
        }
        change(&self.cloud, &self.name, |tuning| {
            if let Some(trial) = tuning.trials.get_mut(number) {
                trial.outcome = Some(outcome);
            }
        })
        .map_err(|error| internal(&error))
    }

    /// A failed trial is one less to choose from; where all failed, or the first five, so has the tuning job.
    fn judge(&self) -> Result<(), String> {
        let tuning = self.tuning()?;
        let ended: Vec<&Outcome> = tuning.trials.iter().filter_map(|trial| trial.outcome.as_ref()).collect();
        let count = ended.len();
        if count < self.plan.jobs.min(ATTEMPTS) || ended.iter().any(|outcome| outcome.result().is_some()) {
            return Ok(());
        }
        if ended.iter().any(|outcome| outcome.status == training::Status::Completed) {
            return Err(format!(
                "No objective metrics found after running {count} training jobs. Please ensure that the custom \
                 algorithm is emitting the objective metric as defined by the regular expression provided."
            ));
        }
        Err(format!(
            "No training job succeeded after {count} attempts. Please take a look at the training job failures to get \
             more details."
        ))
    }

    /// Stops the trials that run, and waits for their end.
    async fn end_trials(&mut self) -> Result<(), String> {
        for trial in self.tuning()?.trials.iter().filter(|trial| trial.outcome.is_none()) {
            // One that has just ended is as good.
            let _ = training::stop(&self.cloud, &trial.name);
        }
        while let Some(ended) = self.running.join_next().await {
            self.take_in(ended.map_err(|error| format!("InternalServerError: {error}"))?)?;
        }
        Ok(())
    }
}

/// `JOB-001-1a2b3c4d`.
fn trial_name(name: &str, tuning: &Tuning, number: usize) -> String {
    let hash = Sha256::digest(format!("{} {} {number}", tuning.arn, tuning.created_ms));
    format!("{name}-{:03}-{}", number + 1, &hex::encode(hash)[..8])
}

fn internal(error: &AwsError) -> String {
    format!("InternalServerError: {}", error.message)
}
