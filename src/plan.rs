//! A walk over a runbook's steps, and what a run would do to each of them. No I/O.

use std::collections::{BTreeSet, HashMap, HashSet};

use minijinja::value::Serde;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::attachment::Attachments;
use crate::decide::{Decision, Facts, Inputs, decide};
use crate::diagnostic::Diagnostic;
use crate::journal::{Ledger, ResourceId, ResourceStatus, State, StepStatus};
use crate::reads::{References, read_unnamed, reads_attachments};
use crate::runbook::template::{self, Context};
use crate::runbook::{self, Declared, Params, Runbook};
use crate::secret;
use crate::select::Selection;
use crate::step::{Price, Step};

/// A step whose templates are resolved, in the form that is journaled and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    /// The kind's fields.
    pub fields: Value,
    /// `{KIND: fields, reads: …, expect_error: …, tags: …}`, masked: the step is stale when this changes.
    pub inputs: Value,
}

/// A step whose templates are resolved, or which is skipped.
pub enum Resolution {
    Ready(Ready),
    /// Why the step is skipped.
    Skip(String),
}

/// A walk over the steps in their order. It keeps the values that templates see, and the attachments that each step depends
/// on.
pub struct Walk<'a> {
    runbook: &'a Runbook,
    context: Context,
    attachments: Attachments<'a>,
    references: References,
}

impl<'a> Walk<'a> {
    /// Begins before the first step, where templates see only the parameters and the run.
    pub fn new(runbook: &'a Runbook, params: &Map<String, Value>, run: &Map<String, Value>) -> Self {
        let context = Context::default();
        context.set("params", params);
        context.set("run", run);
        let uses = runbook.steps.iter().map(|step| (step.id.as_str(), &step.uses.steps));
        Self { runbook, context, attachments: Attachments::new(uses), references: References::default() }
    }

    /// Returns the values that templates see at this place of the walk.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Lets later steps see this step's outputs, and what it rests on. A skipped step has no outputs, so that templates can
    /// use `default()`.
    pub fn pass(&mut self, step: &Declared, state: &State) {
        self.references.pass(step, state);
        let Some(row) = state.steps.get(&step.id) else { return };
        match (row.status, &row.outputs) {
            (StepStatus::Done, Some(outputs)) => self.context.set(&step.id, outputs),
            (StepStatus::Skipped, _) => self.context.set(&step.id, json!({})),
            _ => {}
        }
    }

    /// Returns the earlier steps whose attachments a step reads.
    pub fn reads_attachments_of<'b>(&mut self, index: usize, ledger: &'b Ledger) -> BTreeSet<&'b str> {
        match reads_attachments(&self.runbook.steps[index]) {
            true => self.attachments.steps_read_by(index, ledger),
            false => BTreeSet::new(),
        }
    }

    /// Returns the attachments of later steps that are detached before this step is redone, newest first.
    pub fn to_detach(&mut self, index: usize, ledger: &Ledger) -> Vec<ResourceId> {
        let must_fail = self.runbook.steps[index].common.expect_error.is_some();
        self.attachments.to_detach(index, must_fail, ledger)
    }

    /// Evaluates `when` and the fields of a step.
    ///
    /// # Errors
    /// Diagnostics that point into the document.
    pub fn resolve(&mut self, index: usize, state: &State) -> Result<Resolution, Vec<Diagnostic>> {
        let step = &self.runbook.steps[index];
        let is_skipped =
            |used: &&String| state.steps.get(*used).is_some_and(|row| row.status == StepStatus::Skipped);
        let skipped: BTreeSet<&String> = step.uses.steps.iter().filter(is_skipped).collect();
        if let Some(needed) = step.common.needs.iter().find(|needed| skipped.contains(needed)) {
            return Ok(Resolution::Skip(format!("needs `{needed}`, which was skipped")));
        }
        if let Some(when) = &step.common.when {
            let place = step.body.get("when").map_or(step.id_span.clone(), |node| node.span.clone());
            match template::evaluate(when, &self.context) {
                Ok(value) if truthy(&value) => {}
                Ok(_) => return Ok(Resolution::Skip(format!("`{when}` does not hold"))),
                Err(_) if !skipped.is_empty() => return Ok(Resolution::Skip(skipped_reason(&skipped))),
                Err(error) => return Err(vec![Diagnostic::error(place, template::message(&error))]),
            }
        }
        match runbook::resolve(step, &self.context) {
            Ok(resolved) => {
                secret::know_fields(std::slice::from_ref(&resolved.value));
                let mut inputs = Map::from_iter([(step.kind.name.clone(), resolved.value.clone())]);
                if let Some(code) = &step.common.expect_error {
                    inputs.insert("expect_error".into(), json!(code));
                }
                let mut reads = self.references.of_step(step, state);
                if reads_attachments(step) {
                    reads.extend(self.attachments.read_by(index, &state.resources));
                }
                if !reads.is_empty() {
                    inputs.insert("reads".into(), Value::Object(reads));
                }
                if !step.common.tags.is_empty() {
                    inputs.insert("tags".into(), json!(step.common.tags));
                }
                state.masker().map(&mut inputs);
                Ok(Resolution::Ready(Ready { fields: resolved.value, inputs: Value::Object(inputs) }))
            }
            Err(_) if !skipped.is_empty() => Ok(Resolution::Skip(skipped_reason(&skipped))),
            Err(problems) => Err(problems),
        }
    }
}

fn skipped_reason(skipped: &BTreeSet<&String>) -> String {
    let names: Vec<String> = skipped.iter().map(|name| format!("`{name}`")).collect();
    format!("uses {}, which was skipped", names.join(", "))
}

/// Whether minijinja takes a value for true. Null, false, 0 and empty values are false.
pub fn truthy(value: &Value) -> bool {
    minijinja::Value::from(Serde(value)).is_true()
}

/// A line of `opsml plan`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    pub id: String,
    pub kind: String,
    #[serde(flatten)]
    pub decision: Decision,
    /// `None` if it is free, or costs nothing more since it reuses what it has made.
    pub price: Option<Price>,
    /// Whether it runs again and finds all that it has made.
    pub reuses: bool,
    /// The live resources of a step that is no longer in the runbook.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<String>,
}

/// What a plan needs to know of this machine and of the options.
pub struct Machine<'a> {
    /// Returns the digest of a local file or folder, or why it cannot be read.
    pub digest: &'a dyn Fn(&str) -> Result<String, String>,
    /// Returns which local file that a done step left is missing.
    pub missing: &'a dyn Fn(&str, &Value) -> Option<String>,
    /// Steps to redo even if nothing has changed.
    pub force: &'a [String],
    /// The steps that the run is about.
    pub selection: &'a Selection,
}

/// Returns what a run would do now, as far as this can be known without a call.
///
/// # Errors
/// A step whose templates or fields are wrong.
pub fn plan(
    runbook: &Runbook,
    params: &Map<String, Value>,
    state: &State,
    machine: &Machine<'_>,
) -> Result<Vec<Planned>, Vec<Diagnostic>> {
    let run = run_facts(state);
    let given = Params::new(params);
    let mut walk = Walk::new(runbook, params, &run);
    let mut runs = HashSet::new();
    // The steps whose attachments will be detached, each with the earlier step that is redone.
    let mut detached: HashMap<String, &str> = HashMap::new();
    // Those whose attachments may be: the earlier step may be redone.
    let mut may_detach: HashMap<String, &str> = HashMap::new();
    let mut planned: Vec<Planned> = Vec::new();
    for (index, step) in runbook.steps.iter().enumerate() {
        if !machine.selection.has(index) {
            walk.pass(step, state);
            continue;
        }
        let attached = walk.reads_attachments_of(index, &state.resources);
        let loosened = may_detach.get(&step.id).copied();
        let used = step.uses.steps.iter().map(String::as_str).chain(attached).chain(loosened);
        let used = used.chain(read_unnamed(step, &runbook.steps[..index]));
        let used: BTreeSet<&str> = used.filter(|used| runs.contains(used)).collect();
        let upstream = runbook.in_order(used.into_iter());
        let ready: Ready;
        let mut fields = None;
        let inputs = if !upstream.is_empty() {
            Inputs::Upstream(upstream)
        } else if run.is_empty() && step.uses.run {
            Inputs::BeforeFirstRun
        } else if let Some(redone) = detached.get(&step.id) {
            Inputs::Detached(redone)
        } else {
            match walk.resolve(index, state)? {
                Resolution::Skip(reason) => Inputs::Skipped(reason),
                Resolution::Ready(resolved) => {
                    ready = resolved;
                    fields = Some(ready.fields.clone());
                    Inputs::Resolved(&ready.inputs)
                }
            }
        };
        let mut facts = Facts::of(inputs);
        let resolved = fields.is_some();
        // The highest price must be known before the first call, when most steps still wait for others.
        let fields = fields.unwrap_or_else(|| runbook::foreseen(step, &given));
        let read = Step::read(&step.kind.name, &fields).ok();
        if resolved {
            let files = read.iter().flat_map(|read| read.files());
            facts.files = files.map(|path| (path.clone(), (machine.digest)(&path))).collect();
            facts.forced = machine.force.contains(&step.id);
            let outputs = state.steps.get(&step.id).and_then(|row| row.outputs.as_ref());
            facts.missing = outputs.and_then(|outputs| (machine.missing)(&step.kind.name, outputs));
        }
        let decision = decide(step, state, &facts, None);
        let reuses = matches!(decision, Decision::Run(_)) && reuses(&step.id, &facts, state);
        let price = match decision {
            Decision::Run(_) | Decision::Open(_) if !reuses => read.and_then(|read| read.price()),
            _ => None,
        };
        match decision {
            Decision::Run(_) | Decision::Open(_) => {
                runs.insert(step.id.as_str());
                let certain = matches!(decision, Decision::Run(_));
                for id in walk.to_detach(index, &state.resources) {
                    let by = state.resources.get(&id).map(|row| row.step.clone());
                    let detached = if certain { &mut detached } else { &mut may_detach };
                    by.map(|by| detached.entry(by).or_insert(&step.id));
                }
            }
            Decision::Keep(_) | Decision::Skip(_) | Decision::Delete(_) => {}
        }
        walk.pass(step, state);
        planned.push(Planned {
            id: step.id.clone(),
            kind: step.kind.name.clone(),
            decision,
            price: price.map(|price| price.times(step.common.retry + 1, "attempts")),
            reuses,
            leaves: Vec::new(),
        });
    }
    for (id, row) in state.steps.iter().filter(|(id, _)| runbook.step(id).is_none()) {
        planned.push(Planned {
            id: id.clone(),
            kind: row.kind.clone(),
            decision: Decision::Delete("no longer in the runbook; deleted with --yes".into()),
            price: None,
            reuses: false,
            leaves: state.resources.live_of(id).map(|(resource, _)| resource.to_string()).collect(),
        });
    }
    Ok(planned)
}

/// Whether a step that runs again finds all that it has made: nothing that it rests on has changed since, as when only an expectation
/// was not true.
pub fn reuses(step: &str, facts: &Facts<'_>, state: &State) -> bool {
    let (Some(row), Inputs::Resolved(inputs)) = (state.steps.get(step), &facts.inputs) else { return false };
    let are_files_same = facts.files.iter().all(|(path, digest)| {
        digest.as_ref().is_ok_and(|digest| row.files.get(path).is_none_or(|earlier| earlier == digest))
    });
    let mut live = state.resources.live_of(step).filter(|(_, resource)| !resource.superseded).peekable();
    let has_made = live.peek().is_some();
    let are_ready = live.all(|(_, resource)| resource.status == ResourceStatus::Ready);
    row.inputs == **inputs && are_files_same && has_made && are_ready && !facts.forced
}

/// Returns the value of `run` in templates: the last run. It is empty before the first run.
pub fn run_facts(state: &State) -> Map<String, Value> {
    let Some(last) = state.runs.last() else { return Map::new() };
    let facts = [
        ("id", json!(last.run)),
        ("stack", json!(state.stack)),
        ("target", json!(state.target)),
        ("account", json!(state.account)),
        ("region", json!(state.region)),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).into_iter().collect()
}
