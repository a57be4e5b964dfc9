//! What a step reads by reference: the content behind the names in its fields.
//!
//! A name stays the same when the content behind it changes: the images below a prefix, the model behind an endpoint, the
//! endpoint behind a function. So a step is stale when a *revision* behind one of its names changes, however many steps lie
//! between. No I/O.

use std::collections::HashMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::journal::State;
use crate::runbook::Declared;
use crate::step::Reads;

/// The fact that identifies a resource's content.
pub const REVISION: &str = "revision";

/// What the steps before the one at hand rest on, each as a digest, or an empty text if it is nothing.
#[derive(Debug, Default)]
pub struct References {
    positions: HashMap<String, usize>,
    rests: Vec<Rests>,
    /// What the steps have made.
    made: String,
}

#[derive(Clone, Debug, Default)]
struct Rests {
    /// What the steps that it uses rest on.
    behind: String,
    /// That, and the revisions of its own resources.
    content: String,
    /// The roles that it makes, and those of all steps behind it.
    roles: String,
}

impl References {
    /// Learns what the next step rests on, in document order.
    pub fn pass(&mut self, step: &Declared, state: &State) {
        let used = || step.uses.steps.iter().filter_map(|id| self.of(id));
        let behind = digest(used().map(|used| &used.content).filter(|text| !text.is_empty()));
        let own = revisions(&step.id, state);
        let content = match own.is_empty() {
            true => behind.clone(),
            false => digest([&Value::Object(own).to_string(), &behind].into_iter()),
        };
        let roles =
            state.resources.live_of(&step.id).filter(|(id, row)| id.kind == "role" && !row.superseded);
        let roles: Vec<String> = roles.map(|(_, row)| row.spec.to_string()).collect();
        let behind_them = used().map(|used| &used.roles).filter(|text| !text.is_empty());
        let roles = digest(roles.iter().chain(behind_them));
        let made = state.resources.live_of(&step.id).filter(|(_, row)| !row.superseded);
        let made: Vec<String> = made.map(|(id, row)| format!("{id} {} {}", row.created, row.spec)).collect();
        if !made.is_empty() {
            self.made = digest(std::iter::once(&self.made).chain(&made));
        }
        self.positions.insert(step.id.clone(), self.rests.len());
        self.rests.push(Rests { behind, content, roles });
    }

    /// Returns what a step reads, by a name for the reader.
    pub fn of_step(&self, step: &Declared, state: &State) -> Map<String, Value> {
        let mut reads = Map::new();
        let how = how(step);
        if how >= Reads::Content {
            step.uses.steps.iter().for_each(|used| reads.extend(revisions(used, state)));
        }
        if how >= Reads::Results {
            for (id, rests) in step.uses.steps.iter().filter_map(|id| Some((id, self.of(id)?))) {
                for (name, digest) in [("what", &rests.behind), ("the roles that", &rests.roles)] {
                    if !digest.is_empty() {
                        reads.insert(format!("{name} `{id}` rests on"), json!(digest));
                    }
                }
            }
        }
        if how >= Reads::Account && !self.made.is_empty() {
            reads.insert("what earlier steps have made".into(), json!(self.made));
        }
        reads
    }

    fn of(&self, step: &str) -> Option<&Rests> {
        self.rests.get(*self.positions.get(step)?)
    }
}

/// Whether a step reads what earlier steps have attached to what it rests on: what it does shows there, or must fail there.
pub fn reads_attachments(step: &Declared) -> bool {
    how(step) >= Reads::Results || step.common.expect_error.is_some()
}

/// Returns the earlier steps that make what a step reads, though it doesn't name them.
pub fn read_unnamed<'a>(step: &Declared, earlier: &'a [Declared]) -> impl Iterator<Item = &'a str> {
    let earlier = if how(step) >= Reads::Account { earlier } else { &[] };
    earlier.iter().filter(|one| one.info.owns).map(|one| one.id.as_str())
}

fn how(step: &Declared) -> Reads {
    step.info.reads
}

/// Returns the revisions of a step's resources: of the data below a prefix, or of the model of an endpoint.
fn revisions(step: &str, state: &State) -> Map<String, Value> {
    let rows = state.resources.live_of(step).filter(|(_, row)| !row.superseded);
    rows.filter_map(|(id, row)| Some((id.to_string(), row.facts.get(REVISION)?.clone()))).collect()
}

/// Returns a digest of texts, or an empty text if there are none.
fn digest<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let mut texts = texts.peekable();
    if texts.peek().is_none() {
        return String::new();
    }
    let mut digest = Sha256::new();
    texts.for_each(|text| digest.update(json!(text).to_string()));
    let mut hex = hex::encode(digest.finalize());
    hex.truncate(12);
    hex
}
