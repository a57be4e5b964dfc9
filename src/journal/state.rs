//! The state of a stack: the fold of its journal's events.

use std::collections::BTreeMap;
use std::mem::take;

use serde::Serialize;
use serde_json::{Map, Value};

use super::error::Illegal;
use super::event::{Cause, Event, Record, ResourceId, RunOutcome};
use super::figure::Figure;
use super::ledger::{Ledger, ResourceRow, ResourceStatus};
use super::ordered::Ordered;
use crate::failure::Failure;
use crate::secret::Masker;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// The stack's random id, which its resources carry in the tag `opsml:stack`.
    pub stack: String,
    pub target: String,
    pub account: String,
    pub region: String,
    /// When the stack was opened, and when the last event was committed: milliseconds since 1970.
    pub opened: i64,
    pub last: i64,
    pub runs: Vec<RunRow>,
    pub steps: Ordered<String, StepRow>,
    pub resources: Ledger,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunRow {
    pub run: u64,
    pub params: Map<String, Value>,
    pub version: String,
    /// Milliseconds since 1970.
    pub started: i64,
    pub ended: Option<i64>,
    /// `None` while it runs, and if it was killed.
    pub outcome: Option<RunOutcome>,
    /// Why it ended before the last step.
    pub cause: Option<Cause>,
    /// How many steps it has started.
    pub started_steps: usize,
}

/// One time that a step ran.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Attempt {
    pub run: u64,
    /// Milliseconds since 1970.
    pub started: i64,
    /// `None` while it runs, and if it was killed.
    pub ended: Option<i64>,
    pub done: bool,
}

/// A resource of a step as it was when the step ended. What later steps attach to it, and `down`, change nothing of this.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Made {
    #[serde(flatten)]
    pub id: ResourceId,
    pub status: ResourceStatus,
    pub facts: Map<String, Value>,
    pub adopted: bool,
    pub created: i64,
    /// When it was deleted, if it lived no longer than its step.
    pub deleted: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Running,
    Done,
    Failed,
    Skipped,
}

impl StepStatus {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRow {
    pub kind: String,
    pub status: StepStatus,
    /// Why it last ran or was skipped.
    pub reason: String,
    pub inputs: Value,
    /// The digests of the local files that it read, by path.
    pub files: BTreeMap<String, String>,
    pub outputs: Option<Value>,
    /// Its result in one line.
    pub summary: String,
    pub figures: Vec<Figure>,
    pub failure: Option<Box<Failure>>,
    /// The last run that started or skipped it.
    pub run: u64,
    pub started: i64,
    pub ended: Option<i64>,
    /// Each time that it ran, oldest first.
    pub attempts: Vec<Attempt>,
    /// Its resources as they were when it ended. Empty while it runs.
    pub made: Vec<Made>,
}

impl Made {
    pub fn now(id: &ResourceId, row: &ResourceRow) -> Self {
        Self {
            id: id.clone(),
            status: row.status,
            facts: row.facts.clone(),
            adopted: row.adopted,
            created: row.created,
            deleted: row.deleted,
        }
    }
}

impl StepRow {
    /// Returns the row of a step that has no inputs, outputs or attempts yet.
    fn new(kind: String, status: StepStatus, reason: String, run: u64, started: i64) -> Self {
        Self {
            kind,
            status,
            reason,
            inputs: Value::Null,
            files: BTreeMap::new(),
            outputs: None,
            summary: String::new(),
            figures: Vec::new(),
            failure: None,
            run,
            started,
            ended: None,
            attempts: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Returns how long the step took, in milliseconds, and in how many attempts: those since the first of its resources
    /// was made, since a later attempt goes on from what an earlier one has made. `None` if none has ended.
    pub fn took(&self) -> Option<(i64, usize)> {
        let made = self.made.iter().map(|made| made.created).min().unwrap_or(self.started);
        let counts = |attempt: &&Attempt| attempt.ended.is_none_or(|ended| ended >= made);
        let since = self.attempts.iter().skip_while(|attempt| !counts(attempt));
        let took: Vec<i64> = since.filter_map(|attempt| Some(attempt.ended? - attempt.started)).collect();
        if took.is_empty() { None } else { Some((took.iter().sum(), took.len())) }
    }
}

impl State {
    /// Returns the masker of the stack's journal. What is compared with the journal is masked by it first.
    pub fn masker(&self) -> Masker {
        Masker::keyed(&self.stack)
    }

    /// Applies an event. This is the one place that says what may follow what: an event that may not follow changes
    /// nothing.
    pub fn apply(&mut self, mut record: Record) -> Result<(), Illegal> {
        self.follow(&mut record).map_err(|state| Illegal { event: record.event.title(), state })?;
        self.last = record.at;
        Ok(())
    }

    /// As [`apply`](Self::apply), and takes the content of a legal event out of it: a copy of all that a long journal holds
    /// would take as long as reading it. The error says what forbids the event, which is still whole.
    fn follow(&mut self, record: &mut Record) -> Result<(), String> {
        use ResourceStatus as R;
        let at = record.at;
        match &mut record.event {
            Event::Opened { stack, target, account, region } => {
                require(self.stack.is_empty(), || {
                    format!("the journal is that of the stack {}", self.stack)
                })?;
                self.opened = at;
                (self.stack, self.target) = (take(stack), take(target));
                (self.account, self.region) = (take(account), take(region));
            }
            _ if self.stack.is_empty() => return Err("the journal does not begin with `opened`".into()),

            Event::RunStarted { run, params, version } => {
                if let Some(last) = self.runs.last() {
                    require(last.run < *run, || format!("the last run is {}", last.run))?;
                }
                self.runs.push(RunRow {
                    run: *run,
                    params: take(params),
                    version: take(version),
                    started: at,
                    ended: None,
                    outcome: None,
                    cause: None,
                    started_steps: 0,
                });
            }
            Event::RunEnded { run, outcome, cause } => {
                let current = self.current_run()?;
                require(current == *run, || format!("the current run is {current}"))?;
                if let Some(row) = self.runs.last_mut() {
                    (row.ended, row.outcome) = (Some(at), Some(*outcome));
                    row.cause = cause.take();
                }
            }

            Event::StepStarted { step, kind, inputs, files, reason } => {
                let run = self.current_run()?;
                let earlier = self.steps.get_mut(step).map(|row| take(&mut row.attempts));
                let mut attempts = earlier.unwrap_or_default();
                attempts.push(Attempt { run, started: at, ended: None, done: false });
                let row = StepRow {
                    inputs: take(inputs),
                    files: take(files),
                    attempts,
                    ..StepRow::new(take(kind), StepStatus::Running, take(reason), run, at)
                };
                if let Some(row) = self.runs.last_mut() {
                    row.started_steps += 1;
                }
                self.steps.insert(take(step), row);
            }
            Event::StepDone { step, outputs, summary, figures } => {
                let row = self.end(step, StepStatus::Done, at)?;
                (row.outputs, row.summary, row.figures) = (Some(take(outputs)), take(summary), take(figures));
            }
            Event::StepFailed { step, failure, figures } => {
                let row = self.end(step, StepStatus::Failed, at)?;
                (row.failure, row.figures) = (Some(Box::new(failure.clone())), take(figures));
            }
            Event::StepSkipped { step, kind, reason } => {
                let run = self.current_run()?;
                let row = StepRow::new(take(kind), StepStatus::Skipped, take(reason), run, at);
                self.steps.insert(take(step), StepRow { ended: Some(at), ..row });
            }
            Event::StepForgotten { step } => {
                if let Some((id, _)) = self.resources.live_of(step).next() {
                    return Err(format!("{id} of the step is live"));
                }
                self.steps.remove(step);
            }
            Event::StepMoved { from, to } => {
                require(from != to, || format!("the step is `{to}` already"))?;
                if let Some((id, _)) = self.resources.live_of(to).next() {
                    return Err(format!("{id} of `{to}` is live"));
                }
                require(
                    self.steps.contains_key(from) || self.resources.live_of(from).next().is_some(),
                    || format!("`{from}` has not run"),
                )?;
                self.resources.rename_step(from, to);
                self.steps.rename(from, take(to));
            }

            Event::Recovered { id, step, slot, spec, digest } => {
                self.may_intend(id, step, slot)?;
                let row = ResourceRow::new(take(step), take(slot), take(spec), R::Created, record.seq, at);
                self.resources
                    .intend(id, ResourceRow { adopted: true, recovered: Some(take(digest)), ..row });
            }
            Event::Recognised { id, spec } => {
                let row = self.resource(id, &[R::Created, R::Ready])?;
                row.spec = take(spec);
                row.recovered = None;
            }
            Event::Intended { id, step, slot, spec, lifetime, attached_to } => {
                self.may_intend(id, step, slot)?;
                let row = ResourceRow::new(take(step), take(slot), take(spec), R::Intended, record.seq, at);
                let attached_to = attached_to.take();
                self.resources.intend(id, ResourceRow { lifetime: *lifetime, attached_to, ..row });
            }
            Event::Created { id, adopted } => {
                let row = self.resource(id, &[R::Intended])?;
                (row.status, row.adopted) = (R::Created, *adopted);
            }
            Event::Updating { id, spec } => {
                let row = self.resource(id, &[R::Created, R::Updating, R::Ready])?;
                row.status = R::Updating;
                row.spec = take(spec);
                row.recovered = None;
            }
            Event::Ready { id, facts } => {
                let row = self.resource(id, &[R::Created, R::Updating, R::Ready])?;
                row.status = R::Ready;
                row.ready = row.ready.or(Some(at));
                row.facts = take(facts);
            }
            Event::Superseded { id } => {
                self.resource(id, &[R::Intended, R::Created, R::Updating, R::Ready])?;
                self.resources.supersede(id);
            }
            Event::Deleting { id } => {
                let from = [R::Intended, R::Created, R::Updating, R::Ready, R::Deleting];
                self.resource(id, &from)?.status = R::Deleting;
            }
            Event::Deleted { id } => {
                let from = [R::Intended, R::Created, R::Updating, R::Ready, R::Deleting];
                self.resource(id, &from)?;
                self.resources.delete(id, at);
            }
        }
        Ok(())
    }

    /// Refuses an intent for a resource, or in a slot, that a live resource has.
    fn may_intend(&self, id: &ResourceId, step: &str, slot: &str) -> Result<(), String> {
        if let Some(row) = self.resources.get(id).filter(|row| row.is_live()) {
            return Err(format!("{id} is {}", row.status.word()));
        }
        match self.resources.in_slot(step, slot) {
            Some((other, row)) => Err(format!("{other} is {} in the slot `{slot}`", row.status.word())),
            None => Ok(()),
        }
    }

    fn current_run(&self) -> Result<u64, String> {
        let run = self.runs.last().ok_or("no run has started")?;
        require(run.outcome.is_none(), || format!("run {} has ended", run.run))?;
        Ok(run.run)
    }

    /// Ends a step that runs, and keeps how its resources are now.
    fn end(&mut self, step: &str, status: StepStatus, at: i64) -> Result<&mut StepRow, String> {
        let row = self.steps.get_mut(step).ok_or("the step has not started")?;
        require(row.status == StepStatus::Running, || format!("the step is {}", row.status.word()))?;
        let own = self.resources.of_step(step).into_iter();
        let own = own.filter(|(_, made)| made.deleted.is_none_or(|deleted| deleted >= row.started));
        row.made = own.map(|(id, made)| Made::now(id, made)).collect();
        (row.status, row.ended) = (status, Some(at));
        if let Some(attempt) = row.attempts.last_mut() {
            (attempt.ended, attempt.done) = (Some(at), status == StepStatus::Done);
        }
        Ok(row)
    }

    fn resource(&mut self, id: &ResourceId, from: &[ResourceStatus]) -> Result<&mut ResourceRow, String> {
        let row = self.resources.row_mut(id).ok_or("the resource was never intended")?;
        require(from.contains(&row.status), || format!("the resource is {}", row.status.word()))?;
        Ok(row)
    }
}

fn require(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}
