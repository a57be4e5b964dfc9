//! Runs a tuning job: it starts trials, as many at a time as allowed, and learns from those that have ended.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::check::{Plan, trial_input};
use super::record::{Outcome, STORE, Status, Trial, Tuning, change};
use super::search::Search;
use crate::call::AwsError;
use crate::sagemaker::resource::text;
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::training;
use crate::store::Store;

/// AWS gives up if the first trials, as many as this, have all failed.
const ATTEMPTS: usize = 5;
/// The time between two attempts to start a trial while other jobs use up the quota.
const RETRY: Duration = Duration::from_millis(500);

struct Run {
    service: Arc<SageMaker>,
    name: String,
    plan: Plan,
    search: Search,
    /// The point of each started trial, by the trial's number.
    points: Vec<Vec<f64>>,
    /// The tasks that wait for running trials. Each returns its trial's number at the end.
    running: JoinSet<usize>,
    stop: watch::Receiver<bool>,
}

/// Runs the tuning job, and stores how it ended.
pub async fn run(service: Arc<SageMaker>, name: String, plan: Plan, stop: watch::Receiver<bool>) {
    let (status, failure) = match Search::new(&plan.strategy, &plan.ranges) {
        Err(reason) => (Status::Failed, Some(format!("InternalServerError: {reason}"))),
        Ok(search) => {
            let (service, name) = (Arc::clone(&service), name.clone());
            let mut run =
                Run { service, name, plan, search, points: Vec::new(), running: JoinSet::new(), stop };
            let ended = run.steps().await;
            // In any case, no trial is left running.
            let waited = run.end_trials().await;
            match ended.and_then(|status| waited.map(|()| status)) {
                Ok(status) => (status, None),
                Err(reason) => (Status::Failed, Some(reason)),
            }
        }
    };
    // If this can't be written, the next start of the server fails the job as lost.
    let _ = change(service.store(), &name, |tuning| tuning.end(status, failure));
}

impl Run {
    fn store(&self) -> &Store {
        self.service.store()
    }

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
                () = sleep(RETRY), if full => None,
            };
            if let Some(ended) = ended {
                self.record(ended.map_err(|error| format!("InternalServerError: {error}"))?)?;
                self.judge()?;
            }
        }
    }

    /// Starts the next trial. Returns false if other jobs use up the quota.
    async fn begin(&mut self) -> Result<bool, String> {
        let number = self.points.len();
        let point = self.search.next(&self.plan.ranges, self.plan.seed, number);
        let point = point.map_err(|error| format!("InternalServerError: {error}"))?;
        let tuned = self.plan.tuned(&point);
        let tuning = self.tuning()?;
        let name = trial_name(&self.name, &tuning, number);
        let input = trial_input(&tuning.input, &name, &tuned);
        let role = text(&tuning.input["TrainingJobDefinition"], "RoleArn");
        let session = self.service.platform.assume(role);
        let session = session.map_err(|error| format!("ClientError: {}", error.message))?;
        let trial = training::TrialOf { tuning: tuning.arn, parallel: self.plan.parallel };
        // Looked at before, since other jobs may end while this one is refused.
        let others_ran = !self.service.training_jobs.is_empty();
        let others_run = || others_ran || !self.service.training_jobs.is_empty();
        let ended = match training::jobs::start(&self.service, &input, session, Some(trial)) {
            Ok(ended) => ended,
            Err(error) if error.code == "ResourceLimitExceeded" && others_run() => return Ok(false),
            Err(error) => return Err(format!("ClientError: {}", error.message)),
        };
        change(self.store(), &self.name, |tuning| {
            tuning.trials.push(Trial { name, tuned, outcome: None });
        })
        .map_err(|error| internal(&error))?;
        self.points.push(point);
        self.running.spawn(async move {
            // The receiver is closed once the training job has ended.
            let _ = ended.await;
            number
        });
        Ok(true)
    }

    fn tuning(&self) -> Result<Tuning, String> {
        let found = self.store().get(STORE, &self.name).map_err(|error| internal(&error))?;
        found.ok_or_else(|| "InternalServerError: the record of the tuning job is gone".to_owned())
    }

    /// Stores the outcome of a trial, and adds it to the search.
    fn record(&mut self, number: usize) -> Result<(), String> {
        let tuning = self.tuning()?;
        let objective = tuning.objective();
        let Some(trial) = tuning.trials.get(number) else { return Ok(()) };
        let job: Option<training::Job> =
            self.store().get(training::STORE, &trial.name).map_err(|error| internal(&error))?;
        let Some(outcome) = job.map(|job| Outcome::of(&job, &objective.metric)) else { return Ok(()) };
        if let Some(value) = outcome.result() {
            let learnt = self.search.learn(&self.points[number], objective.loss(value));
            learnt.map_err(|error| format!("InternalServerError: {error}"))?;
        }
        change(self.store(), &self.name, |tuning| {
            if let Some(trial) = tuning.trials.get_mut(number) {
                trial.outcome = Some(outcome);
            }
        })
        .map_err(|error| internal(&error))
    }

    /// Returns an error if all trials have failed, or the first five.
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

    /// Stops the running trials, and waits for their end.
    async fn end_trials(&mut self) -> Result<(), String> {
        for trial in self.tuning()?.trials.iter().filter(|trial| trial.outcome.is_none()) {
            // An error is ignored: the trial may have just ended.
            let _ = training::jobs::stop(&self.service, &trial.name);
        }
        while let Some(ended) = self.running.join_next().await {
            self.record(ended.map_err(|error| format!("InternalServerError: {error}"))?)?;
        }
        Ok(())
    }
}

/// Returns a name such as `JOB-001-1a2b3c4d`.
fn trial_name(name: &str, tuning: &Tuning, number: usize) -> String {
    let hash = Sha256::digest(format!("{} {} {number}", tuning.arn, tuning.created_ms));
    format!("{name}-{:03}-{}", number + 1, &hex::encode(hash)[..8])
}

fn internal(error: &AwsError) -> String {
    format!("InternalServerError: {}", error.message)
}
