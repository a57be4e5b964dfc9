//! The fold of a journal's events: what is true now.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value};

use super::event::{Cause, Event, Lifetime, Record, ResourceId, RunOutcome};
use super::figure::Figure;
use crate::failure::Failure;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// Random, made at the first run; resources carry it as the tag `opsml:stack`.
    pub stack: String,
    pub target: String,
    pub account: String,
    pub region: String,
    pub runs: Vec<RunRow>,
    pub steps: IndexMap<String, StepRow>,
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
    /// `None` while it runs, or where it was killed.
    pub outcome: Option<RunOutcome>,
    /// Why it ended early.
    pub cause: Option<Cause>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    Running,
    Done,
    Failed,
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRow {
    pub kind: String,
    pub status: StepStatus,
    /// Why it ran last, or why it was skipped.
    pub reason: String,
    pub inputs: Value,
    /// Digests of the local files that it read, by path.
    pub files: BTreeMap<String, String>,
    pub outputs: Option<Value>,
    /// One line of what came out.
    pub summary: String,
    pub figures: Vec<Figure>,
    pub failure: Option<Failure>,
    /// The run that touched it last.
    pub run: u64,
    pub started: i64,
    pub ended: Option<i64>,
    pub attempts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceStatus {
    Intended,
    Created,
    Updating,
    Ready,
    Deleting,
    Deleted,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceRow {
    pub step: String,
    pub slot: String,
    /// The request, as the resource's own type reads it.
    pub spec: Value,
    pub status: ResourceStatus,
    pub lifetime: Lifetime,
    /// The resource that it sets something on.
    pub changes: Option<ResourceId>,
    pub superseded: bool,
    pub adopted: bool,
    /// What Describe last said of it, without what changes by itself.
    pub facts: Map<String, Value>,
    pub created: i64,
    pub deleted: Option<i64>,
}

impl ResourceRow {
    /// Whether it may exist, and so must be deleted one day.
    pub fn is_live(&self) -> bool {
        self.status != ResourceStatus::Deleted
    }
}

/// The resources in the order in which they were intended.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Ledger(#[serde(serialize_with = "rows")] IndexMap<ResourceId, ResourceRow>);

fn rows<S: serde::Serializer>(
    rows: &IndexMap<ResourceId, ResourceRow>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry<'a> {
        #[serde(flatten)]
        id: &'a ResourceId,
        #[serde(flatten)]
        row: &'a ResourceRow,
    }
    serializer.collect_seq(rows.iter().map(|(id, row)| Entry { id, row }))
}

impl Ledger {
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.0.iter()
    }

    pub fn live(&self) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.iter().filter(|(_, row)| row.is_live())
    }

    pub fn get(&self, id: &ResourceId) -> Option<&ResourceRow> {
        self.0.get(id)
    }

    /// What a step must not leave behind, newest first.
    pub fn debts(&self, step: &str) -> Vec<ResourceId> {
        let debts = self.live().rev().filter(|(_, row)| row.step == step && row.lifetime == Lifetime::Step);
        debts.map(|(id, _)| id.clone()).collect()
    }

    /// What other steps have set on the resources of some steps, oldest first.
    pub fn set_on(
        &self,
        steps: &BTreeSet<String>,
    ) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.live().filter(|(_, row)| {
            let target = row.changes.as_ref().and_then(|target| self.get(target));
            target.is_some_and(|target| target.step != row.step && steps.contains(&target.step))
        })
    }

    /// The last resource of each slot of a step that nothing has superseded; a deleted one was deleted by `down`
    /// or behind our back.
    pub fn of_step(&self, step: &str) -> Vec<(&ResourceId, &ResourceRow)> {
        let mut slots: IndexMap<&str, (&ResourceId, &ResourceRow)> = IndexMap::new();
        for (id, row) in self.iter().filter(|(_, row)| row.step == step && !row.superseded) {
            slots.insert(&row.slot, (id, row));
        }
        slots.into_values().collect()
    }

    /// The resource that holds a slot of a step now.
    pub fn in_slot(&self, step: &str, slot: &str) -> Option<(&ResourceId, &ResourceRow)> {
        self.live().rev().find(|(_, row)| row.step == step && row.slot == slot && !row.superseded)
    }
}

/// An event that cannot follow what went before.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct Illegal(String);

impl State {
    /// The one place that says what may follow what.
    pub fn apply(&mut self, record: &Record) -> Result<(), Illegal> {
        use ResourceStatus as R;
        let at = record.at;
        match &record.event {
            Event::Opened { stack, target, account, region } => {
                expect(self.stack.is_empty(), "the journal is opened twice")?;
                self.stack.clone_from(stack);
                self.target.clone_from(target);
                self.account.clone_from(account);
                self.region.clone_from(region);
            }
            _ if self.stack.is_empty() => {
                return Err(Illegal("the journal does not begin with its opening".into()));
            }

            Event::RunStarted { run, params, version } => {
                expect(
                    self.runs.last().is_none_or(|last| last.run < *run),
                    "a run's number is not above the last",
                )?;
                self.runs.push(RunRow {
                    run: *run,
                    params: params.clone(),
                    version: version.clone(),
                    started: at,
                    ended: None,
                    outcome: None,
                    cause: None,
                });
            }
            Event::RunEnded { run, outcome, cause } => {
                let row = self.runs.last_mut().filter(|row| row.run == *run && row.outcome.is_none());
                let row = row.ok_or_else(|| Illegal(format!("run {run} ends and was not running")))?;
                (row.ended, row.outcome) = (Some(at), Some(*outcome));
                row.cause.clone_from(cause);
            }

            Event::StepStarted { step, kind, inputs, files, reason } => {
                let run = self.current_run()?;
                let earlier = self.steps.get(step);
                let row = StepRow {
                    kind: kind.clone(),
                    status: StepStatus::Running,
                    reason: reason.clone(),
                    inputs: inputs.clone(),
                    files: files.clone(),
                    outputs: None,
                    summary: String::new(),
                    figures: Vec::new(),
                    failure: None,
                    run,
                    started: at,
                    ended: None,
                    attempts: 1 + earlier.map_or(0, |row| row.attempts),
                };
                self.steps.insert(step.clone(), row);
            }
            Event::StepDone { step, outputs, summary, figures } => {
                let row = self.running(step)?;
                (row.status, row.ended) = (StepStatus::Done, Some(at));
                (row.outputs, row.figures) = (Some(outputs.clone()), figures.clone());
                row.summary.clone_from(summary);
            }
            Event::StepFailed { step, failure } => {
                let row = self.running(step)?;
                (row.status, row.ended, row.failure) = (StepStatus::Failed, Some(at), Some(failure.clone()));
            }
            Event::StepSkipped { step, kind, reason } => {
                let row = StepRow {
                    kind: kind.clone(),
                    status: StepStatus::Skipped,
                    reason: reason.clone(),
                    inputs: Value::Null,
                    files: BTreeMap::new(),
                    outputs: None,
                    summary: String::new(),
                    figures: Vec::new(),
                    failure: None,
                    run: self.current_run()?,
                    started: at,
                    ended: Some(at),
                    attempts: 0,
                };
                self.steps.insert(step.clone(), row);
            }
            Event::StepForgotten { step } => {
                expect(
                    !self.resources.live().any(|(_, row)| row.step == *step),
                    "a step is forgotten while resources of it live",
                )?;
                self.steps.shift_remove(step);
            }

            Event::Intended { id, step, slot, spec, lifetime, changes } => {
                expect(self.resources.get(id).is_none_or(|row| !row.is_live()), "a name is intended twice")?;
                expect(self.resources.in_slot(step, slot).is_none(), "a slot is taken twice")?;
                let row = ResourceRow {
                    step: step.clone(),
                    slot: slot.clone(),
                    spec: spec.clone(),
                    status: R::Intended,
                    lifetime: *lifetime,
                    changes: changes.clone(),
                    superseded: false,
                    adopted: false,
                    facts: Map::new(),
                    created: at,
                    deleted: None,
                };
                // A name that is used again moves to the end: `down` goes through the ledger backwards.
                self.resources.0.shift_remove(id);
                self.resources.0.insert(id.clone(), row);
            }
            Event::Created { id, adopted } => {
                let row = self.resource(id, &[R::Intended])?;
                (row.status, row.adopted) = (R::Created, *adopted);
            }
            Event::Updating { id, spec } => {
                let row = self.resource(id, &[R::Created, R::Updating, R::Ready])?;
                row.status = R::Updating;
                row.spec.clone_from(spec);
            }
            Event::Ready { id, facts } => {
                let row = self.resource(id, &[R::Created, R::Updating, R::Ready])?;
                row.status = R::Ready;
                row.facts.clone_from(facts);
            }
            Event::Superseded { id } => {
                self.resource(id, &[R::Intended, R::Created, R::Updating, R::Ready])?.superseded = true;
            }
            Event::Deleting { id } => {
                let from = [R::Intended, R::Created, R::Updating, R::Ready, R::Deleting];
                self.resource(id, &from)?.status = R::Deleting;
            }
            Event::Deleted { id } => {
                let from = [R::Intended, R::Created, R::Updating, R::Ready, R::Deleting];
                let row = self.resource(id, &from)?;
                (row.status, row.deleted) = (R::Deleted, Some(at));
            }
        }
        Ok(())
    }

    fn current_run(&self) -> Result<u64, Illegal> {
        let run = self.runs.last().filter(|row| row.outcome.is_none());
        run.map(|row| row.run).ok_or_else(|| Illegal("a step changes outside a run".into()))
    }

    fn running(&mut self, step: &str) -> Result<&mut StepRow, Illegal> {
        let row = self.steps.get_mut(step).filter(|row| row.status == StepStatus::Running);
        row.ok_or_else(|| Illegal(format!("step `{step}` ends and was not running")))
    }

    fn resource(&mut self, id: &ResourceId, from: &[ResourceStatus]) -> Result<&mut ResourceRow, Illegal> {
        let row = self.resources.0.get_mut(id).ok_or_else(|| Illegal(format!("{id} was never intended")))?;
        if from.contains(&row.status) {
            return Ok(row);
        }
        Err(Illegal(format!("{id} is {:?}, and this may not follow", row.status)))
    }
}

fn expect(holds: bool, otherwise: &str) -> Result<(), Illegal> {
    if holds { Ok(()) } else { Err(Illegal(otherwise.to_owned())) }
}
