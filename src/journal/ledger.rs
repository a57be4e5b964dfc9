//! The ledger: every resource that a stack has or had, in the order of the intents.
//!
//! Its indexes make each question cost what it returns, however long the ledger is.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexSet;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::event::{Lifetime, ResourceId};
use super::ordered::Ordered;

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

impl ResourceStatus {
    pub fn word(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Created => "created",
            Self::Updating => "updating",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ResourceRow {
    pub step: String,
    pub slot: String,
    /// The request, as the resource's own type reads it.
    pub spec: Value,
    pub status: ResourceStatus,
    pub lifetime: Lifetime,
    /// The resource that it is attached to.
    pub attached_to: Option<ResourceId>,
    pub superseded: bool,
    pub adopted: bool,
    /// The digest of the real spec, if `spec` is a stand-in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<String>,
    /// The facts that Describe last returned, without those that change by themselves.
    pub facts: Map<String, Value>,
    /// The number of the event of its intent.
    pub event: u64,
    pub created: i64,
    /// When it was first ready.
    pub ready: Option<i64>,
    pub deleted: Option<i64>,
}

impl ResourceRow {
    /// Returns the row of a resource of the stack's own, which was intended by an event.
    pub fn new(
        step: String,
        slot: String,
        spec: Value,
        status: ResourceStatus,
        event: u64,
        created: i64,
    ) -> Self {
        Self {
            step,
            slot,
            spec,
            status,
            lifetime: Lifetime::Stack,
            attached_to: None,
            superseded: false,
            adopted: false,
            recovered: None,
            facts: Map::new(),
            event,
            created,
            ready: None,
            deleted: None,
        }
    }

    /// Whether it may exist, and so must be deleted one day.
    pub fn is_live(&self) -> bool {
        self.status != ResourceStatus::Deleted
    }
}

/// Resources by their numbers in `Ledger::rows`: a later intent has a greater number.
type Numbers = BTreeSet<usize>;

#[derive(Clone, Debug, Default)]
pub struct Ledger {
    rows: Ordered<ResourceId, ResourceRow>,
    live: Numbers,
    by_step: HashMap<String, StepIndex>,
    /// The live resources that are attached to each resource.
    by_target: HashMap<ResourceId, Numbers>,
    /// The steps to whose resources something has ever been attached.
    targets: IndexSet<String>,
    /// Deleted resources whose names others have taken.
    past: Vec<(ResourceId, ResourceRow)>,
}

#[derive(Clone, Debug, Default)]
struct StepIndex {
    all: Numbers,
    live: Numbers,
    /// The resources of each slot that nothing has superseded, deleted ones included.
    slots: HashMap<String, Numbers>,
    /// The live resources of other steps that are attached to a resource of this one.
    attachments: Numbers,
}

impl PartialEq for Ledger {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Entry<'a> {
            #[serde(flatten)]
            id: &'a ResourceId,
            #[serde(flatten)]
            row: &'a ResourceRow,
        }
        serializer.collect_seq(self.iter().map(|(id, row)| Entry { id, row }))
    }
}

impl Ledger {
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.rows.iter()
    }

    /// Returns the deleted resources whose names others have taken since.
    pub fn past(&self) -> impl Iterator<Item = (&ResourceId, &ResourceRow)> {
        self.past.iter().map(|(id, row)| (id, row))
    }

    pub fn live(&self) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.rows_at(Some(&self.live))
    }

    pub fn get(&self, id: &ResourceId) -> Option<&ResourceRow> {
        self.rows.get(id)
    }

    /// Returns a row with the ledger's own key for it.
    pub fn entry(&self, id: &ResourceId) -> Option<(&ResourceId, &ResourceRow)> {
        self.rows.entry(self.rows.number(id)?)
    }

    /// Returns a resource's place in the order of the intents.
    pub fn place(&self, id: &ResourceId) -> Option<usize> {
        self.rows.number(id)
    }

    /// Returns all that a step has ever had, oldest first.
    pub fn of(&self, step: &str) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.rows_at(self.by_step.get(step).map(|index| &index.all))
    }

    /// Returns the live resources of a step, oldest first.
    pub fn live_of(&self, step: &str) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.rows_at(self.by_step.get(step).map(|index| &index.live))
    }

    /// Returns the live ephemeral resources of a step, newest first.
    pub fn ephemeral(&self, step: &str) -> Vec<ResourceId> {
        let ephemeral = self.live_of(step).rev().filter(|(_, row)| row.lifetime == Lifetime::Step);
        ephemeral.map(|(id, _)| id.clone()).collect()
    }

    /// Returns the last resource of each slot of a step that nothing has superseded. One that is deleted was deleted
    /// by `down`, or outside of opsml.
    pub fn of_step(&self, step: &str) -> Vec<(&ResourceId, &ResourceRow)> {
        let slots = self.by_step.get(step).into_iter().flat_map(|index| index.slots.values());
        let mut ends: Vec<(usize, usize)> =
            slots.filter_map(|numbers| Some((*numbers.first()?, *numbers.last()?))).collect();
        ends.sort_unstable();
        ends.into_iter().filter_map(|(_, last)| self.rows.entry(last)).collect()
    }

    /// Returns the live resource of a slot of a step that nothing has superseded. There is one at most, and it is the
    /// last: [`State::apply`](super::State::apply) accepts no further intent for its slot.
    pub fn in_slot(&self, step: &str, slot: &str) -> Option<(&ResourceId, &ResourceRow)> {
        let last = self.by_step.get(step)?.slots.get(slot)?.last()?;
        self.rows.entry(*last).filter(|(_, row)| row.is_live())
    }

    /// Returns the live resources that other steps have attached to the resources of a step, oldest first.
    pub fn attached_to(&self, step: &str) -> impl DoubleEndedIterator<Item = (&ResourceId, &ResourceRow)> {
        self.rows_at(self.by_step.get(step).map(|index| &index.attachments))
    }

    /// Returns the steps to whose resources something has ever been attached, without the `known` first ones.
    pub fn targets(&self, known: usize) -> impl Iterator<Item = &String> {
        self.targets.iter().skip(known)
    }

    fn rows_at<'a>(
        &'a self,
        numbers: Option<&'a Numbers>,
    ) -> impl DoubleEndedIterator<Item = (&'a ResourceId, &'a ResourceRow)> {
        numbers.into_iter().flatten().filter_map(|number| self.rows.entry(*number))
    }

    /// Returns a row to change what no index depends on: its spec, its facts, whether it was adopted, and any status
    /// but that of a deleted one.
    pub(super) fn row_mut(&mut self, id: &ResourceId) -> Option<&mut ResourceRow> {
        self.rows.get_mut(id)
    }

    /// Adds a resource. A deleted one of the same name gives way to it: `down` deletes in the reverse order of the
    /// intents, so a name that is used again must come last.
    pub(super) fn intend(&mut self, id: &ResourceId, row: ResourceRow) {
        self.remove(id);
        let (step, slot, target) = (row.step.clone(), row.slot.clone(), row.attached_to.clone());
        let number = self.rows.insert(id.clone(), row);
        self.live.insert(number);
        let index = self.by_step.entry(step).or_default();
        index.all.insert(number);
        index.live.insert(number);
        index.slots.entry(slot).or_default().insert(number);
        if let Some(target) = target {
            self.index_attachment(number, &target);
            self.by_target.entry(target).or_default().insert(number);
        }
        for attachment in self.by_target.get(id).cloned().unwrap_or_default() {
            self.index_attachment(attachment, id);
        }
    }

    /// Enters a resource among the attachments of its target's step, if the target is known.
    fn index_attachment(&mut self, attachment: usize, target: &ResourceId) {
        let Some(of) = self.rows.get(target).map(|row| row.step.clone()) else { return };
        self.targets.insert(of.clone());
        if self.rows.entry(attachment).is_some_and(|(_, row)| row.step != of) {
            self.by_step.entry(of).or_default().attachments.insert(attachment);
        }
    }

    /// Takes out a deleted resource. What is attached to it stays.
    fn remove(&mut self, id: &ResourceId) {
        let (Some(number), Some(row)) = (self.rows.number(id), self.rows.remove(id)) else { return };
        self.past.push((id.clone(), row.clone()));
        let Some(index) = self.by_step.get_mut(&row.step) else { return };
        index.all.remove(&number);
        if let Some(slot) = index.slots.get_mut(&row.slot) {
            slot.remove(&number);
        }
        for attachment in self.by_target.get(id).into_iter().flatten() {
            index.attachments.remove(attachment);
        }
    }

    /// Makes the resources of a step those of another one, which has none that is live.
    pub(super) fn rename_step(&mut self, from: &str, to: &str) {
        let deleted: Vec<ResourceId> = self.of(to).map(|(id, _)| id.clone()).collect();
        deleted.iter().for_each(|id| self.remove(id));
        self.past
            .iter_mut()
            .filter(|(_, row)| row.step == from)
            .for_each(|(_, row)| row.step = to.to_owned());
        let Some(index) = self.by_step.remove(from) else { return };
        for number in &index.all {
            if let Some(row) = self.rows.entry_mut(*number) {
                row.step = to.to_owned();
            }
        }
        self.by_step.insert(to.to_owned(), index);
        if self.targets.contains(from) {
            self.targets.insert(to.to_owned());
        }
    }

    pub(super) fn supersede(&mut self, id: &ResourceId) {
        let (Some(number), Some(row)) = (self.rows.number(id), self.rows.get_mut(id)) else { return };
        row.superseded = true;
        let index = self.by_step.get_mut(&row.step);
        if let Some(slot) = index.and_then(|index| index.slots.get_mut(&row.slot)) {
            slot.remove(&number);
        }
    }

    pub(super) fn delete(&mut self, id: &ResourceId, at: i64) {
        let (Some(number), Some(row)) = (self.rows.number(id), self.rows.get_mut(id)) else { return };
        (row.status, row.deleted) = (ResourceStatus::Deleted, Some(at));
        self.live.remove(&number);
        if let Some(index) = self.by_step.get_mut(&row.step) {
            index.live.remove(&number);
        }
        let Some(target) = row.attached_to.clone() else { return };
        if let Some(attachments) = self.by_target.get_mut(&target) {
            attachments.remove(&number);
        }
        let of = self.rows.get(&target).map(|target| target.step.clone());
        if let Some(index) = of.and_then(|step| self.by_step.get_mut(&step)) {
            index.attachments.remove(&number);
        }
    }
}
