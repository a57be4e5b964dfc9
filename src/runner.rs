//! Runs a runbook. For each step: resolve its templates, decide, run or keep it, retry, check its expectations, and
//! record the outcome in the journal.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use futures::stream;
use serde_json::{Map, Value, json};

use crate::attachment;
use crate::aws::Aws;
use crate::costs;
use crate::decide::{Decision, Drift, Facts, Inputs, Live, Seen, decide, drift};
use crate::diagnostic::counted;
use crate::failure::{Failure, FailureKind, Outcome};
use crate::journal::{Cause, Event, Journal, JournalError, Lifetime, ResourceId, RunOutcome, StepStatus};
use crate::plan::{self, Ready, Resolution, Walk};
use crate::resource::ensure::StepSession;
use crate::resource::{AnyResource, Status};
use crate::runbook::template::Context;
use crate::runbook::{Declared, Runbook, template};
use crate::step::{self, Done, Paths, Step};

/// How many Describe calls run at the same time when a run refreshes its resources.
const PARALLEL: usize = 8;

/// The options of a run.
pub struct Options {
    pub params: Map<String, Value>,
    pub paths: Paths,
    /// Steps to redo even if nothing has changed.
    pub force: Vec<String>,
    /// The most that the stack may cost, in US dollars.
    pub budget: Option<f64>,
    /// The last step to run.
    pub until: Option<String>,
    /// Delete the resources of steps that are no longer in the runbook, and restore what was changed outside of opsml.
    pub yes: bool,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    /// `deleted` counts the resources that the run has deleted.
    Done {
        ran: usize,
        cached: usize,
        deleted: usize,
    },
    Failed {
        step: String,
        failure: Failure,
    },
    Interrupted,
}

impl Ended {
    fn by(step: String, failure: Failure) -> Self {
        match failure.is_interrupted() {
            true => Self::Interrupted,
            false => Self::Failed { step, failure },
        }
    }
}

/// Runs the runbook. Returns an error only if the journal fails: all other failures are recorded in it.
pub async fn run(
    runbook: &Runbook,
    journal: &mut Journal,
    aws: &Aws,
    options: &Options,
) -> Result<Ended, JournalError> {
    let number = journal.state().runs.last().map_or(1, |last| last.run + 1);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let mut closing = Vec::new();
    if let Some(killed) = journal.state().runs.last().filter(|last| last.outcome.is_none()) {
        closing.push(Event::RunEnded { run: killed.run, outcome: RunOutcome::Interrupted, cause: None });
    }
    closing.push(Event::RunStarted { run: number, params: options.params.clone(), version });
    journal.append(closing)?;
    let mut runner = Runner {
        runbook,
        journal,
        aws,
        options,
        ran: 0,
        cached: 0,
        deleted: 0,
        live: Live::new(),
        detached: Vec::new(),
    };
    let mut ended = runner.steps().await?;
    let missing = runner.still_detached();
    if !missing.is_empty() {
        let message = format!(
            "detached, and not attached again yet: {}; the next run attaches it again",
            missing.join(", ")
        );
        match &mut ended {
            Ended::Failed { failure, .. } => failure.hints.push(message),
            Ended::Done { .. } | Ended::Interrupted => runner.journal.note("run", &message),
        }
    }
    let outcome = match &ended {
        Ended::Done { .. } => RunOutcome::Done,
        Ended::Failed { failure, .. } if failure.kind == FailureKind::Expectation => RunOutcome::Unexpected,
        Ended::Failed { failure, .. } if failure.kind.pauses() => RunOutcome::Interrupted,
        Ended::Failed { .. } => RunOutcome::Failed,
        Ended::Interrupted => RunOutcome::Interrupted,
    };
    let cause = match &ended {
        Ended::Failed { step, failure } => Some(Cause { step: step.clone(), failure: failure.clone() }),
        _ => None,
    };
    journal.append([Event::RunEnded { run: number, outcome, cause }])?;
    Ok(ended)
}

struct Runner<'a> {
    runbook: &'a Runbook,
    journal: &'a mut Journal,
    aws: &'a Aws,
    options: &'a Options,
    ran: usize,
    cached: usize,
    deleted: usize,
    /// What Describe returned of each resource when the run began.
    live: Live,
    /// The attachments that were detached because an earlier step was redone, each with the step that had attached it.
    detached: Vec<(String, ResourceId)>,
}

impl Runner<'_> {
    async fn steps(&mut self) -> Result<Ended, JournalError> {
        // What cannot be deleted now is tried again at the end. Without credentials, nothing else succeeds either.
        match self.delete_ephemeral().await {
            Some((step, failure)) if failure.kind.pauses() => return Ok(Ended::by(step, failure)),
            Some((step, failure)) => self.journal.note(&step, &failure.to_string()),
            None => {}
        }
        self.describe().await;
        self.remove_forgotten().await?;
        let run = plan::run_facts(self.journal.state());
        let mut walk = Walk::new(self.runbook, &self.options.params, &run);
        for (index, step) in self.runbook.steps.iter().enumerate() {
            if *self.aws.interrupted().borrow() {
                return Ok(Ended::Interrupted);
            }
            let failure = match walk.resolve(index, self.journal.state()) {
                Ok(Resolution::Skip(reason)) => {
                    let kind = step.kind.name.clone();
                    self.journal.append([Event::StepSkipped { step: step.id.clone(), kind, reason }])?;
                    None
                }
                Ok(Resolution::Ready(ready)) => self.step(&mut walk, index, &ready).await?,
                Err(problems) => {
                    let shown: Vec<String> = problems.iter().map(|p| self.runbook.source.render(p)).collect();
                    let failure = Failure::new("InvalidStep", shown.join("\n"));
                    self.record_unresolved(step, &failure)?;
                    Some(failure)
                }
            };
            walk.pass(step, self.journal.state());
            if let Some(failure) = failure {
                return Ok(Ended::by(step.id.clone(), failure));
            }
            if self.options.until.as_ref() == Some(&step.id) {
                break;
            }
        }
        if let Some((step, failure)) = self.delete_ephemeral().await {
            return Ok(Ended::by(step, failure));
        }
        Ok(Ended::Done { ran: self.ran, cached: self.cached, deleted: self.deleted })
    }

    /// Runs a step if necessary. Returns why it failed.
    async fn step(
        &mut self,
        walk: &mut Walk<'_>,
        index: usize,
        ready: &Ready,
    ) -> Result<Option<Failure>, JournalError> {
        let step = &self.runbook.steps[index];
        let read = match Step::read(&step.kind.name, &ready.fields) {
            Ok(read) => read,
            Err(failure) => {
                self.record_unresolved(step, &failure)?;
                return Ok(Some(failure));
            }
        };
        let digests = match self.digests(&read) {
            Ok(digests) => digests,
            Err(failure) => {
                self.record_unresolved(step, &failure)?;
                return Ok(Some(failure));
            }
        };
        let reason = match self.decide(step, ready, &digests) {
            Decision::Keep(drift) => {
                self.cached += 1;
                let summary = self.journal.state().steps.get(&step.id).map(|row| row.summary.clone());
                self.journal.note(&step.id, &format!("kept: {}", summary.unwrap_or_default()));
                return Ok(self.keep(walk, step, &drift).await);
            }
            Decision::Run(reason)
            | Decision::Open(reason)
            | Decision::Skip(reason)
            | Decision::Delete(reason) => reason,
        };
        if let Err(failure) = self.afford(&read) {
            return Ok(Some(failure));
        }
        self.ran += 1;
        let attachments = walk.to_detach(index, &self.journal.state().resources);
        if let Err(failure) = self.detach(step, attachments).await {
            return Ok(Some(failure));
        }
        for attempt in 0..=step.common.retry {
            let reason = if attempt == 0 { reason.clone() } else { format!("retry {attempt}") };
            self.journal.append([Event::StepStarted {
                step: step.id.clone(),
                kind: step.kind.name.clone(),
                inputs: ready.inputs.clone(),
                files: digests.clone(),
                reason,
            }])?;
            let failure = match self.attempt(walk, step, &read).await {
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
                Err(failure) => failure,
            };
            if failure.kind.pauses() {
                // The step stays as it is: the next run continues it.
                return Ok(Some(failure));
            }
            self.journal.append([Event::StepFailed { step: step.id.clone(), failure: failure.clone() }])?;
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
    async fn attempt(&mut self, walk: &Walk<'_>, step: &Declared, read: &Step) -> Outcome<Done<Value>> {
        let restore = match self.options.yes {
            true => {
                drift(&self.live, &step.id, self.journal.state()).into_iter().map(|drift| drift.id).collect()
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
        let mut context = step::Context { session, paths: &self.options.paths };
        let timeout = step.common.timeout.as_deref().and_then(|text| step::duration(text).ok());
        let result = match timeout {
            None => read.run(&mut context).await,
            Some(limit) => match tokio::time::timeout(limit, read.run(&mut context)).await {
                Ok(result) => result,
                Err(_) => Err(Failure::timeout(format!("the step was not done after {} s", limit.as_secs()))),
            },
        };
        let ensured = std::mem::take(&mut context.session.ensured);
        let done = match (&step.common.expect_error, result) {
            (None, result) => result?,
            (Some(code), Err(failure)) if failure.matches(code) => {
                let why = failure.hints.join("; ");
                let outputs =
                    json!({"error": {"code": failure.code, "message": failure.message, "explanation": why}});
                Done::new(outputs, format!("failed as expected: {failure}"))
            }
            (Some(_), Err(failure)) if failure.kind.pauses() => return Err(failure),
            (Some(code), Err(failure)) => {
                return Err(Failure::expectation(format!(
                    "the step must fail with {code}, and failed with {failure}"
                )));
            }
            (Some(code), Ok(_)) => {
                return Err(Failure::expectation(format!(
                    "the step must fail with {code}, and it succeeded"
                )));
            }
        };
        // Of a step that is kept, the next run sees the outputs as the journal holds them.
        expectations(step, &walk.context().with(&self.journal.masked(&done.outputs)?))?;
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
            self.journal.append(events)?;
        }
        Ok(done)
    }

    /// Refuses a step that may cost more than the budget has left.
    fn afford(&self, read: &Step) -> Outcome<()> {
        let (Some(budget), Some(price)) = (self.options.budget, read.price()) else { return Ok(()) };
        let now = jiff::Timestamp::now().as_millisecond();
        let (spent, _) = costs::sums(&costs::costs(self.journal.state(), now)?);
        match price.usd {
            Some(usd) if spent + usd <= budget => Ok(()),
            usd => {
                let adds = usd.map_or("an unknown amount".to_owned(), |usd| format!("{usd:.2} USD"));
                let message = format!(
                    "the step may cost {adds} ({}), {spent:.2} USD are spent, and the budget is {budget:.2} USD",
                    price.words
                );
                Err(Failure::budget(message).hint("raise `budget` in the front matter, or give --budget"))
            }
        }
    }

    fn decide(&self, step: &Declared, ready: &Ready, digests: &BTreeMap<String, String>) -> Decision {
        let state = self.journal.state();
        let outputs = state.steps.get(&step.id).and_then(|row| row.outputs.as_ref());
        let missing = step::kind(&step.kind.name).zip(outputs);
        let facts = Facts {
            inputs: Inputs::Resolved(&ready.inputs),
            files: digests.iter().map(|(path, digest)| (path.clone(), Ok(digest.clone()))).collect(),
            missing: missing.and_then(|(kind, outputs)| (kind.missing)(outputs, &self.options.paths)),
            forced: self.options.force.contains(&step.id),
            restore: self.options.yes,
        };
        decide(step, state, &facts, Some(&self.live))
    }

    /// Keeps a step that is done, and checks its expectations again.
    async fn keep(&mut self, walk: &Walk<'_>, step: &Declared, drift: &[Drift]) -> Option<Failure> {
        for Drift { id, changes } in drift {
            let changes = changes.join(", ");
            let message = format!(
                "{id} was changed outside of opsml: {changes}; --yes or --force {} restores it",
                step.id
            );
            self.journal.note(&step.id, &message);
        }
        let outputs = self.journal.state().steps.get(&step.id).and_then(|row| row.outputs.clone());
        let context = walk.context().with(&outputs.unwrap_or_default());
        if let Err(failure) = expectations(step, &context) {
            return Some(failure);
        }
        self.clean(&step.id).await
    }

    /// Detaches the attachments of later steps that this step must run without. Those steps then attach them again.
    async fn detach(&mut self, step: &Declared, attachments: Vec<ResourceId>) -> Outcome<()> {
        for id in &attachments {
            let by = self.journal.state().resources.get(id).map(|row| row.step.clone()).unwrap_or_default();
            self.detached.push((by.clone(), id.clone()));
            let message =
                format!("detaching {id}, which `{by}` attached: `{}` is redone without it", step.id);
            self.journal.note(&step.id, &message);
        }
        self.delete(&step.id, attachments).await
    }

    /// Returns the attachments that were detached and are not attached again, because their step was not reached or failed.
    fn still_detached(&self) -> Vec<String> {
        let ledger = &self.journal.state().resources;
        let detached = attachment::still_detached(&self.detached, ledger);
        detached.map(|(step, id)| format!("{id} of `{step}`")).collect()
    }

    async fn delete_ephemeral_of(&mut self, step: &str) -> Outcome<()> {
        let ephemeral = self.journal.state().resources.ephemeral(step);
        self.delete(step, ephemeral).await
    }

    /// Deletes the ephemeral resources that are left of steps that have ended. An interrupted step keeps its own, to continue
    /// with them. Returns the first step whose resources cannot be deleted, and why.
    async fn delete_ephemeral(&mut self) -> Option<(String, Failure)> {
        let state = self.journal.state();
        let ended = |step: &str| state.steps.get(step).is_none_or(|row| row.status != StepStatus::Running);
        let rows =
            state.resources.live().filter(|(_, row)| row.lifetime == Lifetime::Step && ended(&row.step));
        let steps: BTreeSet<String> = rows.map(|(_, row)| row.step.clone()).collect();
        let mut left = None;
        for step in steps {
            if let Err(failure) = self.delete_ephemeral_of(&step).await {
                left = left.or(Some((step, failure)));
            }
        }
        left
    }

    /// Deletes the step's superseded resources.
    async fn clean(&mut self, step: &str) -> Option<Failure> {
        let live = self.journal.state().resources.live_of(step).rev();
        let superseded = live.filter(|(_, row)| row.superseded).map(|(id, _)| id.clone()).collect();
        self.delete(step, superseded).await.err()
    }

    async fn delete(&mut self, step: &str, ids: Vec<ResourceId>) -> Outcome<()> {
        let mut session = StepSession {
            aws: self.aws,
            journal: self.journal,
            step: step.to_owned(),
            base: String::new(),
            tags: BTreeMap::new(),
            force: false,
            restore: Vec::new(),
            ensured: Vec::new(),
        };
        for id in ids {
            session.delete_and_wait(&id).await?;
            self.deleted += 1;
        }
        Ok(())
    }

    /// Deletes the resources of steps that are no longer in the runbook, if the user agreed.
    async fn remove_forgotten(&mut self) -> Result<(), JournalError> {
        let steps: Vec<String> = self.journal.state().steps.keys().cloned().collect();
        for step in steps.into_iter().filter(|id| self.runbook.step(id).is_none()) {
            let live = self.journal.state().resources.live_of(&step).rev();
            let live: Vec<ResourceId> = live.map(|(id, _)| id.clone()).collect();
            if !live.is_empty() && !self.options.yes {
                let message = format!(
                    "`{step}` is no longer in the runbook and still has {}: run with --yes to delete",
                    counted(live.len(), "live resource")
                );
                self.journal.note(&step, &message);
                continue;
            }
            match self.delete(&step, live).await {
                Ok(()) => self.journal.append([Event::StepForgotten { step }])?,
                Err(failure) => self.journal.note(&step, &failure.to_string()),
            }
        }
        Ok(())
    }

    /// Describes each live resource once, several at a time, and looks whose it is. If that fails, the resource counts as
    /// unchanged.
    async fn describe(&mut self) {
        let rows = self.journal.state().resources.live();
        let resources: Vec<(ResourceId, Value, Map<String, Value>)> =
            rows.map(|(id, row)| (id.clone(), row.spec.clone(), row.facts.clone())).collect();
        let (aws, state) = (self.aws, self.journal.state());
        let (stack, masker) = (state.stack.clone(), state.masker());
        let (stack, masker) = (&stack, &masker);
        let described = stream::iter(resources).map(|(id, spec, facts)| async move {
            let resource = AnyResource::read(&id.kind, &spec).ok()?;
            let seen = match resource.describe(aws, &id.name).await.ok()? {
                None => Seen::Gone { inverse: resource.inverse() },
                Some(mut live) => {
                    masker.map(&mut live.facts);
                    Seen::There {
                        ours: resource.is_ours(aws, &id.name, stack).await.unwrap_or(true),
                        failed: match live.status {
                            Status::Failed(ref reason) | Status::Ended(ref reason) => Some(reason.clone()),
                            Status::Ready | Status::Pending(_) => {
                                live.lost(&facts).map(|gone| format!("{gone} is gone"))
                            }
                        },
                        facts: live.facts,
                    }
                }
            };
            Some((id, seen))
        });
        self.live = described.buffer_unordered(PARALLEL).filter_map(std::future::ready).collect().await;
    }

    fn digests(&self, step: &Step) -> Outcome<BTreeMap<String, String>> {
        let digest = |path: String| {
            let digest = self.options.paths.digest(&path)?;
            Ok((path, digest))
        };
        tokio::task::block_in_place(|| step.files().into_iter().map(digest).collect())
    }

    /// Records that a step's fields cannot be read: the step has failed, unless it was done, and then only this run fails.
    fn record_unresolved(&mut self, step: &Declared, failure: &Failure) -> Result<(), JournalError> {
        if self.journal.state().steps.get(&step.id).is_some_and(|row| row.status == StepStatus::Done) {
            return Ok(());
        }
        let started = Event::StepStarted {
            step: step.id.clone(),
            kind: step.kind.name.clone(),
            inputs: Value::Null,
            files: BTreeMap::new(),
            reason: "new".into(),
        };
        self.journal.append([started, Event::StepFailed { step: step.id.clone(), failure: failure.clone() }])
    }
}

/// Checks a step's `expect`.
fn expectations(step: &Declared, context: &Context) -> Outcome<()> {
    for expression in &step.common.expect {
        match template::evaluate(expression, context) {
            Ok(value) if plan::truthy(&value) => {}
            Ok(_) => {
                let values = values_in(expression, context);
                return Err(Failure::expectation(format!("`{expression}` does not hold{values}")));
            }
            Err(error) => {
                return Err(Failure::expectation(format!("`{expression}`: {}", template::message(&error))));
            }
        }
    }
    Ok(())
}

/// Returns the values of the names in an expression, for the message: ` (metrics.test_accuracy is 0.31)`.
fn values_in(expression: &str, context: &Context) -> String {
    let references =
        template::references(expression, template::Form::Expression, &|at| at).unwrap_or_default();
    let values: Vec<String> = references
        .iter()
        .filter_map(|reference| {
            let path: Vec<&str> =
                std::iter::once(&reference.root).chain(&reference.path).map(String::as_str).collect();
            let name = path.join(".");
            let value = template::evaluate(&name, context).ok()?;
            Some(format!("{name} is {value}"))
        })
        .collect();
    if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) }
}
