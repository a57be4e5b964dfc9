//! The loop: resolve, skip or run, retry, hold against what is expected, record.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use futures::stream;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use crate::aws::Aws;
use crate::failure::{EXPECTATION, Failure, Outcome};
use crate::files;
use crate::journal::{
    Cause, Event, Journal, JournalError, Lifetime, ResourceId, ResourceStatus, RunOutcome, StepStatus,
};
use crate::plan::{self, Decision, Ready, Resolution};
use crate::resource::ensure::{Hands, INTERRUPTED};
use crate::resource::{AnyResource, Live, Status};
use crate::runbook::{Declared, Runbook, template};
use crate::step::{self, Done, Paths, Step};

/// Describe calls that are under way at once when a run looks at what is there.
const PARALLEL: usize = 8;

/// What a run is asked to do.
pub struct Options {
    pub params: Map<String, Value>,
    pub paths: Paths,
    /// Steps that are redone though nothing has changed.
    pub force: Vec<String>,
    /// The last step to run.
    pub until: Option<String>,
    /// Delete what steps left that are no longer in the file.
    pub yes: bool,
    pub interrupted: watch::Receiver<bool>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    Done {
        ran: usize,
        cached: usize,
    },
    /// The step, and why it failed.
    Failed {
        step: String,
        failure: Failure,
    },
    Interrupted,
}

/// Runs the runbook. Errors are those of the journal: everything else is recorded in it.
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
        found: HashMap::new(),
        undid: Vec::new(),
    };
    let mut ended = runner.steps().await?;
    let missing = runner.undone();
    if !missing.is_empty() {
        let message =
            format!("undone, and not done again yet: {}; run again to have it back", missing.join(", "));
        match &mut ended {
            Ended::Failed { failure, .. } => failure.hints.push(message),
            Ended::Done { .. } | Ended::Interrupted => runner.journal.note("run", &message),
        }
    }
    let outcome = match &ended {
        Ended::Done { .. } => RunOutcome::Done,
        Ended::Failed { failure, .. } if failure.code == EXPECTATION => RunOutcome::Unexpected,
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
    /// What Describe said of each resource when the run began.
    found: HashMap<ResourceId, Outcome<Option<Live>>>,
    /// Steps whose settings were undone for an earlier step's sake, and what those were.
    undid: Vec<(String, ResourceId)>,
}

impl Runner<'_> {
    async fn steps(&mut self) -> Result<Ended, JournalError> {
        self.pay_debts().await;
        self.look().await;
        self.remove_forgotten().await?;
        let facts = plan::run_facts(self.journal.state());
        for (index, step) in self.runbook.steps.iter().enumerate() {
            if *self.options.interrupted.borrow() {
                return Ok(Ended::Interrupted);
            }
            let before = &self.runbook.steps[..index];
            let context = plan::context(&self.options.params, &facts, self.journal.state(), before);
            let resolution = plan::resolve(step, before, &context, self.journal.state());
            let failure = match resolution {
                Ok(Resolution::Skip(reason)) => {
                    let kind = step.kind.name.clone();
                    self.journal.append([Event::StepSkipped { step: step.id.clone(), kind, reason }])?;
                    None
                }
                Ok(Resolution::Ready(ready)) => self.step(index, step, &ready).await?,
                Err(problems) => {
                    let shown: Vec<String> = problems.iter().map(|p| self.runbook.source.render(p)).collect();
                    let failure = Failure::new("InvalidStep", shown.join("\n"));
                    self.record_unresolved(step, &failure)?;
                    Some(failure)
                }
            };
            if let Some(failure) = failure {
                if failure.code == INTERRUPTED {
                    return Ok(Ended::Interrupted);
                }
                return Ok(Ended::Failed { step: step.id.clone(), failure });
            }
            if self.options.until.as_ref() == Some(&step.id) {
                break;
            }
        }
        Ok(Ended::Done { ran: self.ran, cached: self.cached })
    }

    /// Runs a step if it must be; returns why it failed.
    async fn step(
        &mut self,
        index: usize,
        step: &Declared,
        ready: &Ready,
    ) -> Result<Option<Failure>, JournalError> {
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
        let decision = match self.decide(
            step,
            ready,
            &digests.iter().map(|(path, digest)| (path.clone(), Ok(digest.clone()))).collect(),
        ) {
            Decision::Cached => {
                self.cached += 1;
                let summary = self.journal.state().steps.get(&step.id).map(|row| row.summary.clone());
                self.journal.note(&step.id, &format!("kept: {}", summary.unwrap_or_default()));
                return self.keep(step).await;
            }
            Decision::Run(reason)
            | Decision::Open(reason)
            | Decision::Skip(reason)
            | Decision::Delete(reason) => reason,
        };
        self.ran += 1;
        if let Err(failure) = self.undo_later(index, step).await {
            return Ok(Some(failure));
        }
        for attempt in 0..=step.common.retry {
            let reason = if attempt == 0 { decision.clone() } else { format!("retry {attempt}") };
            self.journal.append([Event::StepStarted {
                step: step.id.clone(),
                kind: step.kind.name.clone(),
                inputs: ready.inputs.clone(),
                files: digests.clone(),
                reason,
            }])?;
            let failure = match self.attempt(step, &read).await {
                Ok(done) => {
                    let Done { outputs, summary, figures } = done;
                    self.journal.append([Event::StepDone {
                        step: step.id.clone(),
                        outputs,
                        summary,
                        figures,
                    }])?;
                    return Ok(match self.pay(&step.id).await {
                        Ok(()) => self.clean(&step.id).await,
                        Err(unpaid) => Some(unpaid),
                    });
                }
                Err(failure) => failure,
            };
            if failure.code == INTERRUPTED || failure.code == "Journal" {
                // The step stays as it is: the next run goes on with it.
                return Ok(Some(failure));
            }
            self.journal.append([Event::StepFailed { step: step.id.clone(), failure: failure.clone() }])?;
            if let Err(unpaid) = self.pay(&step.id).await {
                self.journal.note(&step.id, &unpaid.to_string());
            }
            if attempt == step.common.retry {
                return Ok(Some(failure));
            }
        }
        Ok(None)
    }

    /// One attempt, with what is expected of it.
    async fn attempt(&mut self, step: &Declared, read: &Step) -> Outcome<Done<Value>> {
        let hands = Hands {
            aws: self.aws,
            journal: self.journal,
            step: step.id.clone(),
            base: format!("{}-{}", self.runbook.stem(), step.id),
            tags: step.common.tags.clone(),
            force: self.options.force.contains(&step.id),
            interrupted: self.options.interrupted.clone(),
            ensured: Vec::new(),
        };
        let mut context = step::Context { hands, paths: &self.options.paths };
        let timeout = step.common.timeout.as_deref().and_then(|text| step::duration(text).ok());
        let result = match timeout {
            None => read.run(&mut context).await,
            Some(limit) => match tokio::time::timeout(limit, read.run(&mut context)).await {
                Ok(result) => result,
                Err(_) => {
                    Err(Failure::new("Timeout", format!("the step was not done after {} s", limit.as_secs()))
                        .hint("run again to go on with it, or raise `timeout`"))
                }
            },
        };
        let ensured = std::mem::take(&mut context.hands.ensured);
        let done = match (&step.common.expect_error, result) {
            (None, result) => result?,
            (Some(code), Err(failure)) if matches_code(&failure, code) => {
                let why = failure.hints.join("; ");
                let outputs =
                    json!({"error": {"code": failure.code, "message": failure.message, "explanation": why}});
                Done::new(outputs, format!("failed as expected: {failure}"))
            }
            (Some(_), Err(failure)) if failure.code == INTERRUPTED => return Err(failure),
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
        self.expectations(step, &done.outputs)?;
        // What the step has from an earlier form of it goes now that it is done.
        let left: Vec<ResourceId> = self
            .journal
            .state()
            .resources
            .live()
            .filter(|(id, row)| row.step == step.id && !row.superseded && !ensured.contains(id))
            .map(|(id, _)| id.clone())
            .collect();
        // A failed resource that the step expects to fail is its result.
        if step.common.expect_error.is_none() {
            let events = left.into_iter().map(|id| Event::Superseded { id });
            self.journal.append(events).map_err(Failure::journal)?;
        }
        Ok(done)
    }

    fn expectations(&self, step: &Declared, outputs: &Value) -> Outcome<()> {
        let mut context = Map::from_iter([
            ("params".to_owned(), Value::Object(self.options.params.clone())),
            ("run".to_owned(), Value::Object(plan::run_facts(self.journal.state()))),
        ]);
        for (id, row) in &self.journal.state().steps {
            context.extend(row.outputs.clone().map(|outputs| (id.clone(), outputs)));
        }
        context.extend(outputs.as_object().cloned().unwrap_or_default());
        let context = Value::Object(context);
        for expression in &step.common.expect {
            match template::evaluate(expression, &context) {
                Ok(value) if plan::truthy(&value) => {}
                Ok(_) => {
                    let values = values_in(expression, &context);
                    return Err(Failure::expectation(format!("`{expression}` does not hold{values}")));
                }
                Err(error) => {
                    return Err(Failure::expectation(format!(
                        "`{expression}`: {}",
                        template::message(&error)
                    )));
                }
            }
        }
        Ok(())
    }

    fn decide(&mut self, step: &Declared, ready: &Ready, files: &plan::Files) -> Decision {
        let state = self.journal.state();
        let forced = self.options.force.contains(&step.id);
        let decision = plan::decide(step, state, &ready.inputs, files, forced);
        if decision != Decision::Cached {
            return decision;
        }
        let of_step = state.resources.of_step(&step.id).into_iter();
        for (id, row) in of_step.filter(|(_, resource)| resource.lifetime == Lifetime::Stack) {
            let taken_back = || {
                let by = AnyResource::read(&id.kind, &row.spec).ok()?.taken_back_by()?;
                state.resources.get(&by).filter(|row| row.is_live())
            };
            match self.found.get(id) {
                Some(Ok(None)) if taken_back().is_some() => {}
                Some(Ok(None)) => return Decision::Run(format!("gone: {id}")),
                Some(Ok(Some(Live { status: Status::Failed(reason) | Status::Ended(reason), .. })))
                    if step.common.expect_error.is_none() =>
                {
                    return Decision::Run(format!("{id} has failed: {reason}"));
                }
                _ => {}
            }
        }
        let row = state.steps.get(&step.id);
        let outputs = row.and_then(|row| row.outputs.as_ref());
        let missing = step::kind(&step.kind.name)
            .zip(outputs)
            .and_then(|(kind, o)| (kind.missing)(o, &self.options.paths));
        missing.map_or(Decision::Cached, Decision::Run)
    }

    /// A step that is done stays done; what is said of it is held against it once more.
    async fn keep(&mut self, step: &Declared) -> Result<Option<Failure>, JournalError> {
        let state = self.journal.state();
        let mut drifted = Vec::new();
        for (id, row) in state.resources.live().filter(|(_, row)| row.step == step.id && !row.superseded) {
            if let Some(Ok(Some(live))) = self.found.get(id)
                && row.status == ResourceStatus::Ready
                && live.facts != row.facts
            {
                let changes =
                    plan::changes(&Value::Object(row.facts.clone()), &Value::Object(live.facts.clone()));
                let changes = changes.join(", ");
                drifted.push(format!(
                    "{id} was changed outside of opsml: {changes}; --force {} sets it back",
                    step.id
                ));
            }
        }
        drifted.iter().for_each(|message| self.journal.note(&step.id, message));
        let outputs = self.journal.state().steps.get(&step.id).and_then(|row| row.outputs.clone());
        if let Err(failure) = self.expectations(step, &outputs.unwrap_or_default()) {
            return Ok(Some(failure));
        }
        Ok(self.clean(&step.id).await)
    }

    /// Undoes what later steps have set on what a step rests on; they are redone in their turn.
    async fn undo_later(&mut self, index: usize, step: &Declared) -> Outcome<()> {
        let set = plan::set_since(index, &self.runbook.steps, self.journal.state());
        for id in &set {
            let by = self.journal.state().resources.get(id).map(|row| row.step.clone()).unwrap_or_default();
            self.undid.push((by.clone(), id.clone()));
            self.journal.note(
                &step.id,
                &format!("undoing {id}, which `{by}` set: `{}` is redone without it", step.id),
            );
        }
        self.delete(&step.id, set).await
    }

    /// What was undone and has not come back: its step was not reached, or failed.
    fn undone(&self) -> Vec<String> {
        let state = self.journal.state();
        let back = |step: &str| state.resources.of_step(step).iter().all(|(_, row)| row.is_live());
        self.undid
            .iter()
            .filter(|(step, _)| !back(step))
            .map(|(step, id)| format!("{id} of `{step}`"))
            .collect()
    }

    /// Deletes what the step was to have only while it ran.
    async fn pay(&mut self, step: &str) -> Outcome<()> {
        let debts = self.journal.state().resources.debts(step);
        self.delete(step, debts).await
    }

    /// Pays what an earlier run could not. A step that was interrupted goes on with what it has.
    async fn pay_debts(&mut self) {
        let steps = self.journal.state().steps.iter();
        let ended: Vec<String> =
            steps.filter(|(_, row)| row.status != StepStatus::Running).map(|(id, _)| id.clone()).collect();
        for step in ended {
            if let Err(unpaid) = self.pay(&step).await {
                self.journal.note(&step, &unpaid.to_string());
            }
        }
    }

    /// Deletes what another form of the step has superseded.
    async fn clean(&mut self, step: &str) -> Option<Failure> {
        let superseded: Vec<ResourceId> = self
            .journal
            .state()
            .resources
            .live()
            .rev()
            .filter(|(_, row)| row.step == step && row.superseded)
            .map(|(id, _)| id.clone())
            .collect();
        self.delete(step, superseded).await.err()
    }

    async fn delete(&mut self, step: &str, ids: Vec<ResourceId>) -> Outcome<()> {
        let mut hands = Hands {
            aws: self.aws,
            journal: self.journal,
            step: step.to_owned(),
            base: String::new(),
            tags: BTreeMap::new(),
            force: false,
            interrupted: self.options.interrupted.clone(),
            ensured: Vec::new(),
        };
        for id in ids {
            hands.delete_and_wait(&id).await?;
        }
        Ok(())
    }

    /// Steps that are no longer in the file: what they left is deleted where the user said yes.
    async fn remove_forgotten(&mut self) -> Result<(), JournalError> {
        let steps: Vec<String> = self.journal.state().steps.keys().cloned().collect();
        for step in steps.into_iter().filter(|id| self.runbook.step(id).is_none()) {
            let live = self.journal.state().resources.live().rev();
            let live: Vec<ResourceId> =
                live.filter(|(_, row)| row.step == step).map(|(id, _)| id.clone()).collect();
            if !live.is_empty() && !self.options.yes {
                let message = format!(
                    "`{step}` is no longer in the file, and {} of its resources live: run with --yes to delete them",
                    live.len()
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

    /// Describes each live resource once, several at a time.
    async fn look(&mut self) {
        let resources: Vec<(ResourceId, Value)> =
            self.journal.state().resources.live().map(|(id, row)| (id.clone(), row.spec.clone())).collect();
        let aws = self.aws;
        let described = stream::iter(resources).map(|(id, spec)| async move {
            let live = match AnyResource::read(&id.kind, &spec) {
                Ok(resource) => resource.describe(aws, &id.name).await,
                Err(failure) => Err(failure),
            };
            (id, live)
        });
        self.found = described.buffer_unordered(PARALLEL).collect().await;
    }

    fn digests(&self, step: &Step) -> Outcome<BTreeMap<String, String>> {
        let digest = |path: String| {
            let digest = files::digest(&self.options.paths.resolve(&path)?)?;
            Ok((path, digest))
        };
        tokio::task::block_in_place(|| step.files().into_iter().map(digest).collect())
    }

    /// A step that could not even be read has failed all the same, unless it is done: then only this run fails.
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

/// Whether a failure is the expected one: by its code, or by the code that its message quotes.
fn matches_code(failure: &Failure, code: &str) -> bool {
    let words = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == code);
    failure.code == code || words(&failure.message)
}

/// The values of the names in an expression, for the message: ` (metrics.test_accuracy is 0.31)`.
fn values_in(expression: &str, context: &Value) -> String {
    let references =
        template::references(expression, template::Form::Expression, &|at| at).unwrap_or_default();
    let values: Vec<String> = references
        .iter()
        .filter_map(|reference| {
            let pointer: String = std::iter::once(&reference.root)
                .chain(&reference.path)
                .map(|name| format!("/{name}"))
                .collect();
            let name = pointer[1..].replace('/', ".");
            context.pointer(&pointer).map(|value| format!("{name} is {value}"))
        })
        .collect();
    if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) }
}
