//! One step that runs: its attempts, and what each leaves.

use super::expect::expectations;
use super::work::{Due, Runner};
use serde_json::{Value, json};

use crate::decide::drift;
use crate::failure::Failure;
use crate::journal::{Event, Figure, JournalError, ResourceId};
use crate::resource::ensure::StepSession;
use crate::runbook::Declared;
use crate::runbook::template::Context;
use crate::step::{self, Done, Step};

impl Runner<'_> {
    /// Runs a step, and runs it again as often as its `retry` says. Returns why it failed.
    pub async fn perform(&self, context: &Context, due: &Due) -> Result<Option<Failure>, JournalError> {
        let step = &self.runbook.steps[due.index];
        self.ran.update(|ran| ran + 1);
        if let Err(failure) = self.detach(step, due.to_detach.clone()).await {
            return Ok(Some(failure));
        }
        for attempt in 0..=step.common.retry {
            let reason = if attempt == 0 { due.reason.clone() } else { format!("retry {attempt}") };
            self.journal.append([Event::StepStarted {
                step: step.id.clone(),
                kind: step.kind.name.clone(),
                inputs: due.inputs.clone(),
                files: due.files.clone(),
                reason,
            }])?;
            let Failed { failure, figures } = match self.attempt(context, step, &due.read).await {
                Ok(done) => {
                    let Done { outputs, summary, figures } = done;
                    self.journal.append([Event::StepDone {
                        step: step.id.clone(),
                        outputs,
                        summary,
                        figures,
                    }])?;
                    return Ok(match self.delete_ephemeral_of(&step.id).await {
                        Ok(()) => self.clean(&step.id).await,
                        Err(left) => Some(left),
                    });
                }
                Err(failed) => failed,
            };
            if failure.kind.pauses() {
                // The step stays as it is: the next run continues it.
                return Ok(Some(failure));
            }
            let (id, why) = (step.id.clone(), failure.clone());
            self.journal.append([Event::StepFailed { step: id, failure: why, figures }])?;
            if let Err(left) = self.delete_ephemeral_of(&step.id).await {
                self.journal.note(&step.id, &left.to_string());
            }
            if attempt == step.common.retry || !failure.kind.is_retryable() {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    /// Runs a step once, and checks its expectations.
    async fn attempt(&self, context: &Context, step: &Declared, read: &Step) -> Result<Done<Value>, Failed> {
        let restore = match self.options.yes {
            true => {
                drift(&self.live, &step.id, &self.journal.state()).into_iter().map(|drift| drift.id).collect()
            }
            false => Vec::new(),
        };
        let session = StepSession {
            aws: self.aws,
            journal: self.journal,
            step: step.id.clone(),
            base: format!("{}-{}", self.runbook.stem(), step.id),
            tags: step.common.tags.clone(),
            force: self.options.force.contains(&step.id),
            restore,
            ensured: Vec::new(),
        };
        let mut own = step::Context { session, paths: &self.options.paths, partial: Vec::new() };
        let timeout = step.common.timeout.as_deref().and_then(|text| step::duration(text).ok());
        let result = match timeout {
            None => read.run(&mut own).await,
            Some(limit) => match tokio::time::timeout(limit, read.run(&mut own)).await {
                Ok(result) => result,
                Err(_) => Err(Failure::timeout(format!("the step was not done after {} s", limit.as_secs()))),
            },
        };
        let ensured = std::mem::take(&mut own.session.ensured);
        let done = match (&step.common.expect_error, result) {
            (None, Ok(done)) => done,
            (None, Err(failure)) => return Err(Failed { failure, figures: own.partial }),
            (Some(code), Err(failure)) if failure.matches(code) => {
                let why = failure.hints.join("; ");
                let outputs =
                    json!({"error": {"code": failure.code, "message": failure.message, "explanation": why}});
                Done::new(outputs, format!("failed as expected: {failure}"))
            }
            (Some(_), Err(failure)) if failure.kind.pauses() => return Err(failure.into()),
            (Some(code), Err(failure)) => {
                let message = format!("the step must fail with {code}, and failed with {failure}");
                return Err(Failed { failure: Failure::expectation(message), figures: own.partial });
            }
            (Some(code), Ok(Done { figures, .. })) => {
                let message = format!("the step must fail with {code}, and it succeeded");
                return Err(Failed { failure: Failure::expectation(message), figures });
            }
        };
        // Of a step that is kept, the next run sees the outputs as the journal holds them.
        let outputs = self.journal.masked(&done.outputs).map_err(Failure::from)?;
        if let Err(failure) = expectations(step, &context.with(&outputs)) {
            return Err(Failed { failure, figures: done.figures });
        }
        // The step is done, so the resources that only an earlier form of it needed are no longer needed.
        let left: Vec<ResourceId> = self
            .journal
            .state()
            .resources
            .live_of(&step.id)
            .filter(|(id, row)| !row.superseded && !ensured.contains(id))
            .map(|(id, _)| id.clone())
            .collect();
        // If the step must fail, a resource that failed is its result and stays.
        if step.common.expect_error.is_none() {
            let events = left.into_iter().map(|id| Event::Superseded { id });
            self.journal.append(events).map_err(Failure::from)?;
        }
        Ok(done)
    }
}

/// An attempt that failed, with the figures of what it measured all the same.
struct Failed {
    failure: Failure,
    figures: Vec<Figure>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, figures: Vec::new() }
    }
}
