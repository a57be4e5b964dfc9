//! What a run would do, and why: pure decisions over the runbook, the journal's state and facts that are handed in.

use std::collections::{BTreeMap, BTreeSet};

use minijinja::value::Serde;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::diagnostic::Diagnostic;
use crate::journal::{Lifetime, ResourceId, ResourceStatus, State, StepStatus};
use crate::runbook::{self, Context, Declared, Runbook, template, used_steps};
use crate::step::{Price, Step};

/// The fact by which a resource says that a reader of it would notice a change.
pub const REVISION: &str = "revision";

/// What happens to a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", content = "reason", rename_all = "snake_case")]
pub enum Decision {
    Run(String),
    /// It is done, and nothing that it depends on has changed.
    Cached,
    Skip(String),
    /// It may run: that depends on what an earlier step will put out.
    Open(String),
    /// It is no longer in the file; with `--yes`, what it left goes.
    Delete(String),
}

/// A step whose templates are resolved, in the form that is journaled and compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    /// The kind's fields.
    pub fields: Value,
    /// `{KIND: fields, reads: …, expect_error: …, tags: …}`: what makes the step stale when it changes.
    pub inputs: Value,
}

/// Resolves a step, or says why it is skipped.
pub enum Resolution {
    Ready(Ready),
    Skip(String),
}

/// What templates see: the parameters, the run, and the outputs of the steps that are done. A skipped step has
/// none, so `default()` can speak for it.
pub fn context(
    params: &Map<String, Value>,
    run: &Map<String, Value>,
    state: &State,
    before: &[Declared],
) -> Context {
    let mut context = Context::new();
    context.insert("params".into(), Value::Object(params.clone()));
    context.insert("run".into(), Value::Object(run.clone()));
    for step in before {
        if let Some(row) = state.steps.get(&step.id) {
            match (row.status, &row.outputs) {
                (StepStatus::Done, Some(outputs)) => context.insert(step.id.clone(), outputs.clone()),
                (StepStatus::Skipped, _) => context.insert(step.id.clone(), json!({})),
                _ => None,
            };
        }
    }
    context
}

/// The steps on which a step's outcome rests, itself among them: those that it uses, those that they use, and so on.
pub fn closure(step: &Declared, before: &[Declared]) -> BTreeSet<String> {
    let mut found = used_steps(step);
    // A step uses earlier ones alone, so one pass backwards finds all.
    for earlier in before.iter().rev() {
        if found.contains(&earlier.id) {
            found.extend(used_steps(earlier));
        }
    }
    found.insert(step.id.clone());
    found
}

/// What later steps have set, and what is undone before a step is redone; newest first. Before a step that must fail, that is
/// all that is set on what it rests on: a call that must be denied comes before the policy that allows it. Before another, it
/// is what is set on the step's own resources, or on what it sets something on itself: what it makes anew must not meet
/// it, and a call that is only made once more takes nothing from those who rely on it.
pub fn set_since(index: usize, steps: &[Declared], state: &State) -> Vec<ResourceId> {
    let step = &steps[index];
    let rests_on = match step.common.expect_error {
        Some(_) => closure(step, &steps[..index]),
        None => {
            let own = state.resources.live().filter(|(_, row)| row.step == step.id);
            let targets = own.filter_map(|(_, row)| state.resources.get(row.changes.as_ref()?));
            targets.map(|target| target.step.clone()).chain([step.id.clone()]).collect()
        }
    };
    let later = |id: &String| steps[index + 1..].iter().any(|step| step.id == *id);
    let set = state.resources.set_on(&rests_on).rev().filter(|(_, row)| later(&row.step));
    set.map(|(id, _)| id.clone()).collect()
}

/// Evaluates `when` and the fields. Diagnostics point into the document.
pub fn resolve(
    step: &Declared,
    before: &[Declared],
    context: &Context,
    state: &State,
) -> Result<Resolution, Vec<Diagnostic>> {
    let skipped: BTreeSet<String> = used_steps(step)
        .into_iter()
        .filter(|used| state.steps.get(used).is_some_and(|row| row.status == StepStatus::Skipped))
        .collect();
    if let Some(needed) = step.common.needs.iter().find(|needed| skipped.contains(*needed)) {
        return Ok(Resolution::Skip(format!("needs `{needed}`, which was skipped")));
    }
    if let Some(when) = &step.common.when {
        let place = step.body.get("when").map_or(step.id_span.clone(), |node| node.span.clone());
        match template::evaluate(when, &Value::Object(context.clone())) {
            Ok(value) if truthy(&value) => {}
            Ok(_) => return Ok(Resolution::Skip(format!("`{when}` does not hold"))),
            Err(_) if !skipped.is_empty() => return Ok(Resolution::Skip(skipped_reason(&skipped))),
            Err(error) => return Err(vec![Diagnostic::error(place, template::message(&error))]),
        }
    }
    match runbook::resolve(step, context) {
        Ok(resolved) => {
            let mut inputs = Map::from_iter([(step.kind.name.clone(), resolved.value.clone())]);
            if let Some(code) = &step.common.expect_error {
                inputs.insert("expect_error".into(), json!(code));
            }
            let reads = revisions(step, before, state);
            if !reads.is_empty() {
                inputs.insert("reads".into(), Value::Object(reads));
            }
            if !step.common.tags.is_empty() {
                inputs.insert("tags".into(), json!(step.common.tags));
            }
            Ok(Resolution::Ready(Ready { fields: resolved.value, inputs: Value::Object(inputs) }))
        }
        Err(_) if !skipped.is_empty() => Ok(Resolution::Skip(skipped_reason(&skipped))),
        Err(problems) => Err(problems),
    }
}

/// What lies behind names that stay the same when it changes: the data below a prefix, the model behind an endpoint.
/// A step that uses such a thing is stale when its revision is another, though its own fields are as they were. So it is
/// when an earlier step sets something else on what it rests on.
fn revisions(step: &Declared, before: &[Declared], state: &State) -> Map<String, Value> {
    let used = used_steps(step);
    let rows = state.resources.live().filter(|(_, row)| used.contains(&row.step) && !row.superseded);
    let revisions = rows.filter_map(|(id, row)| Some((id.to_string(), row.facts.get(REVISION)?.clone())));
    let rests_on = closure(step, before);
    let earlier = |id: &String| before.iter().any(|step| step.id == *id);
    let set = state.resources.set_on(&rests_on).filter(|(_, row)| earlier(&row.step) && !row.superseded);
    // By who set it, for its name may tell the time.
    revisions.chain(set.map(|(_, row)| (format!("{} of {}", row.slot, row.step), row.spec.clone()))).collect()
}

fn skipped_reason(skipped: &BTreeSet<String>) -> String {
    let names: Vec<String> = skipped.iter().map(|name| format!("`{name}`")).collect();
    format!("uses {}, which was skipped", names.join(", "))
}

/// minijinja's idea of truth: nothing, false, 0 and what is empty are not.
pub fn truthy(value: &Value) -> bool {
    minijinja::Value::from(Serde(value)).is_true()
}

/// Whether a resolved step must run, by what the journal knows of it and of its resources. `files` are the digests of
/// what it reads, or why that can't be read.
pub fn decide(step: &Declared, state: &State, inputs: &Value, files: &Files, forced: bool) -> Decision {
    let Some(row) = state.steps.get(&step.id) else { return Decision::Run("new".into()) };
    match row.status {
        StepStatus::Running => return Decision::Run("was interrupted".into()),
        StepStatus::Skipped => return Decision::Run("was skipped before".into()),
        StepStatus::Failed => {
            let code = row.failure.as_ref().map_or("", |failure| failure.code.as_str());
            return Decision::Run(format!("failed before ({code})"));
        }
        StepStatus::Done => {}
    }
    if row.kind != step.kind.name {
        return Decision::Run(format!("changed: kind {} → {}", row.kind, step.kind.name));
    }
    let mut changes = changes(&row.inputs, inputs);
    for (path, digest) in files {
        match (row.files.get(path), digest) {
            (Some(earlier), Ok(digest)) if earlier != digest => {
                changes.push(format!("the content of {path}"))
            }
            (_, Err(why)) => changes.push(why.clone()),
            _ => {}
        }
    }
    if !changes.is_empty() {
        return Decision::Run(format!("changed: {}", changes.join(", ")));
    }
    if forced {
        return Decision::Run("forced".into());
    }
    let of_step = state.resources.of_step(&step.id).into_iter();
    for (id, resource) in of_step.filter(|(_, resource)| resource.lifetime == Lifetime::Stack) {
        if !resource.is_live() {
            return Decision::Run(format!("gone: {id}"));
        }
        if resource.status != ResourceStatus::Ready && step.common.expect_error.is_none() {
            return Decision::Run(format!("{id} was never ready"));
        }
    }
    Decision::Cached
}

/// Digests of local files by path, or why one can't be had.
pub type Files = BTreeMap<String, Result<String, String>>;

/// What differs, as `instance_count 1 → 4`; the first three of it.
pub fn changes(old: &Value, new: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_changes("", old, new, &mut found);
    let more = found.len().saturating_sub(3);
    found.truncate(3);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    found
}

fn collect_changes(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                // The kind's own key says nothing that the step's name doesn't.
                let below = if path.is_empty() { "".to_owned() } else { format!("{path}.") };
                let path = if path.is_empty() && old.get(name).or(new.get(name)).is_some_and(Value::is_object)
                {
                    " ".to_owned()
                } else {
                    format!("{}{name}", below.trim_start_matches(" ."))
                };
                collect_changes(
                    &path,
                    old.get(name).unwrap_or(&Value::Null),
                    new.get(name).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        _ => {
            // A variable's value may be a secret; its name tells enough.
            if path.contains("environment.") {
                found.push(path.trim().to_owned());
                return;
            }
            let (old, new) = (plain(old), plain(new));
            // Of two long texts that begin alike, what differs is what matters.
            let same = old.char_indices().zip(new.chars()).take_while(|((_, a), b)| a == b).last();
            let from = same.map_or(0, |((at, _), _)| at).saturating_sub(12);
            let from = (0..=from).rev().find(|at| old.is_char_boundary(*at)).unwrap_or(0);
            found.push(format!("{} {} → {}", path.trim(), shown(&old, from), shown(&new, from)));
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// At most 60 characters, from a place on.
fn shown(text: &str, from: usize) -> String {
    if text.chars().count() <= 60 {
        return text.to_owned();
    }
    let tail = &text[from..];
    match tail.char_indices().nth(60) {
        Some((end, _)) => format!("…{}…", &tail[..end]),
        None => format!("…{tail}"),
    }
}

/// A line of `opsml plan`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    pub id: String,
    pub kind: String,
    #[serde(flatten)]
    pub decision: Decision,
    /// Nothing where it costs nothing.
    pub price: Option<Price>,
    /// Resources that a step which is no longer in the file leaves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<String>,
}

/// What a plan needs to know of this machine and of what is asked for.
pub struct Facts<'a> {
    /// The digest of a local file or folder, or why there is none.
    pub digest: &'a dyn Fn(&str) -> Result<String, String>,
    /// Why what a done step of a kind left on this machine is gone.
    pub missing: &'a dyn Fn(&str, &Value) -> Option<String>,
    /// Steps that are redone though nothing has changed.
    pub force: &'a [String],
}

/// What a run would do now, as far as can be known without a call.
pub fn plan(
    runbook: &Runbook,
    params: &Map<String, Value>,
    state: &State,
    facts: &Facts<'_>,
) -> Result<Vec<Planned>, Vec<Diagnostic>> {
    let run = run_facts(state);
    let mut planned: Vec<Planned> = Vec::new();
    for (index, step) in runbook.steps.iter().enumerate() {
        let context = context(params, &run, state, &runbook.steps[..index]);
        let used = used_steps(step);
        let upstream: Vec<&str> = planned
            .iter()
            .filter(|earlier| matches!(earlier.decision, Decision::Run(_) | Decision::Open(_)))
            .map(|earlier| earlier.id.as_str())
            .filter(|earlier| used.contains(*earlier))
            .collect();
        let waits = format!("upstream {}", upstream.join(", "));
        let foreseen = || Step::read(&step.kind.name, &runbook::foreseen(step, params)).ok()?.price();
        let undone = undone_for(&step.id, &planned, runbook, state);
        let (decision, price) = match (upstream.is_empty(), state.steps.get(&step.id).map(|row| row.status)) {
            // Before the first run nobody knows what it will be called.
            (true, _) if run.is_empty() && runbook::uses_run(step) => {
                (Decision::Run("new".into()), foreseen())
            }
            (true, _) if let Some(redone) = undone => {
                (Decision::Run(format!("undone while `{redone}` is redone")), foreseen())
            }
            (true, _) => match resolve(step, &runbook.steps[..index], &context, state)? {
                Resolution::Skip(reason) => (Decision::Skip(reason), None),
                Resolution::Ready(ready) => decided(step, &ready, state, facts),
            },
            // The worst case must be known before the first call, when most steps still wait for others.
            (false, _) if step.common.when.is_some() => (Decision::Open(waits), foreseen()),
            (false, None) => (Decision::Run(format!("new; {waits}")), foreseen()),
            (false, Some(StepStatus::Done | StepStatus::Skipped)) => (Decision::Open(waits), foreseen()),
            (false, Some(_)) => (decide(step, state, &Value::Null, &Files::new(), false), foreseen()),
        };
        planned.push(Planned {
            id: step.id.clone(),
            kind: step.kind.name.clone(),
            decision,
            price: price.map(|price| price.times(step.common.retry + 1, "attempts")),
            leaves: Vec::new(),
        });
    }
    for (id, row) in state.steps.iter().filter(|(id, _)| runbook.step(id).is_none()) {
        let of_step = state.resources.live().filter(|(_, resource)| resource.step == *id);
        planned.push(Planned {
            id: id.clone(),
            kind: row.kind.clone(),
            decision: Decision::Delete("no longer in the file; with --yes".into()),
            price: None,
            leaves: of_step.map(|(resource, _)| resource.to_string()).collect(),
        });
    }
    Ok(planned)
}

/// The earlier step that will run, and before which what this one has set is undone.
fn undone_for(id: &str, planned: &[Planned], runbook: &Runbook, state: &State) -> Option<String> {
    let redone = |(index, earlier): (usize, &Planned)| {
        let runs = matches!(earlier.decision, Decision::Run(_));
        let set = if runs { set_since(index, &runbook.steps, state) } else { Vec::new() };
        set.iter()
            .any(|set| state.resources.get(set).is_some_and(|row| row.step == id))
            .then(|| earlier.id.clone())
    };
    planned.iter().enumerate().find_map(redone)
}

fn decided(step: &Declared, ready: &Ready, state: &State, facts: &Facts<'_>) -> (Decision, Option<Price>) {
    let read = Step::read(&step.kind.name, &ready.fields).ok();
    let files = read.iter().flat_map(|read| read.files());
    let files: Files = files.map(|path| (path.clone(), (facts.digest)(&path))).collect();
    let mut decision = decide(step, state, &ready.inputs, &files, facts.force.contains(&step.id));
    let outputs = state.steps.get(&step.id).and_then(|row| row.outputs.as_ref());
    if let (Decision::Cached, Some(why)) =
        (&decision, outputs.and_then(|outputs| (facts.missing)(&step.kind.name, outputs)))
    {
        decision = Decision::Run(why);
    }
    // What is kept costs nothing anew.
    let price = read.filter(|_| decision != Decision::Cached).and_then(|read| read.price());
    (decision, price)
}

/// What templates know as `run`: empty before the first run. Between two runs, it is the last.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_by_its_field() {
        let old = json!({"train": {"instance_count": 1, "inputs": {"training": "a"}}});
        let new = json!({"train": {"instance_count": 4, "inputs": {"training": "b"}}, "expect_error": "X"});
        assert_eq!(
            changes(&old, &new),
            ["expect_error nothing → X", "inputs.training a → b", "instance_count 1 → 4"]
        );
    }
}
