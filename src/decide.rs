//! The decision about a step, for `plan` and for a run: run it, keep it or skip it, and why. No I/O.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::attachment;
use crate::journal::{Lifetime, ResourceId, ResourceStatus, State, StepRow, StepStatus};
use crate::runbook::Declared;
use crate::secret;

/// What a run does with a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    Run(String),
    /// It is done, and nothing that it depends on has changed. Its resources may have drifted.
    Keep(Vec<Drift>),
    Skip(String),
    /// It may run: this depends on the outputs of an earlier step that will run.
    Open(String),
    /// It is no longer in the runbook. With `--yes`, its resources are deleted.
    Delete(String),
}

impl Decision {
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Run(reason) | Self::Skip(reason) | Self::Open(reason) | Self::Delete(reason) => {
                Some(reason)
            }
            Self::Keep(_) => None,
        }
    }

    /// The word for it in JSON.
    pub fn action(&self) -> &'static str {
        match self {
            Self::Run(_) => "run",
            Self::Keep(_) => "cached",
            Self::Skip(_) => "skip",
            Self::Open(_) => "open",
            Self::Delete(_) => "delete",
        }
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("action", self.action())?;
        if let Some(reason) = self.reason() {
            map.serialize_entry("reason", reason)?;
        }
        map.end()
    }
}

/// A resource that was changed outside of opsml.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    pub id: ResourceId,
    /// The differences, as `memory 512 → 1024`.
    pub changes: Vec<String>,
}

/// What a decision needs to know of a step, besides the journal.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    pub inputs: Inputs<'a>,
    /// The digests of the local files that it reads.
    pub files: Files,
    /// Which local file that it left is missing.
    pub missing: Option<String>,
    /// Whether to redo it even if nothing has changed.
    pub forced: bool,
    /// Whether to restore what was changed outside of opsml.
    pub restore: bool,
}

/// The digests of local files by path, or why a file cannot be read.
pub type Files = BTreeMap<String, Result<String, String>>;

impl<'a> Facts<'a> {
    pub fn of(inputs: Inputs<'a>) -> Self {
        Self { inputs, files: Files::new(), missing: None, forced: false, restore: false }
    }
}

/// A step's inputs, as far as its templates can be resolved.
#[derive(Clone, Debug)]
pub enum Inputs<'a> {
    Resolved(&'a Value),
    /// `when` does not hold, or it uses a step that was skipped.
    Skipped(String),
    /// They refer to the run, and there was none yet.
    BeforeFirstRun,
    /// They depend on these earlier steps, which will run or may run.
    Upstream(Vec<&'a str>),
    /// Its attachments are detached while this earlier step is redone.
    Detached(&'a str),
}

/// What Describe returned of the resources when the run began, without those that it failed for.
pub type Live = HashMap<ResourceId, Seen>;

#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    There {
        facts: Map<String, Value>,
        /// Why it will never be ready, in the service's words.
        failed: Option<String>,
        /// Whether it still has the stack's tags.
        ours: bool,
    },
    Gone {
        /// The resource that explains this while it is live; see [`attachment`].
        inverse: Option<ResourceId>,
    },
}

/// Returns what a run does with a step. `live` is `None` for `plan`, which makes no call.
pub fn decide(step: &Declared, state: &State, facts: &Facts<'_>, live: Option<&Live>) -> Decision {
    let row = state.steps.get(&step.id);
    let inputs = match &facts.inputs {
        Inputs::Resolved(inputs) => inputs,
        Inputs::Skipped(reason) => return Decision::Skip(reason.clone()),
        Inputs::BeforeFirstRun => return Decision::Run("new".into()),
        Inputs::Detached(redone) => {
            return Decision::Run(format!("its attachments are detached while `{redone}` is redone"));
        }
        Inputs::Upstream(upstream) => {
            let waits = format!("upstream {}", upstream.join(", "));
            return match row {
                _ if step.common.when.is_some() => Decision::Open(waits),
                None => Decision::Run(format!("new; {waits}")),
                Some(row) => unfinished(row).map_or(Decision::Open(waits), Decision::Run),
            };
        }
    };
    let Some(row) = row else { return Decision::Run("new".into()) };
    let skipped = || (row.status == StepStatus::Skipped).then(|| "was skipped before".to_owned());
    let reason = unfinished(row)
        .or_else(skipped)
        .or_else(|| changed(step, row, inputs, &facts.files))
        .or_else(|| facts.forced.then(|| "forced".into()))
        .or_else(|| unready(step, state))
        .or_else(|| unready_by(live?, step, state))
        .or_else(|| facts.missing.clone());
    if let Some(reason) = reason {
        return Decision::Run(reason);
    }
    let drift = live.map(|live| drift(live, &step.id, state)).unwrap_or_default();
    match drift.first() {
        Some(first) if facts.restore => {
            let more = match drift.len() {
                1 => String::new(),
                count => format!(", and {} more", count - 1),
            };
            Decision::Run(format!("restores {}: {}{more}", first.id, first.changes.join(", ")))
        }
        _ => Decision::Keep(drift),
    }
}

fn unfinished(row: &StepRow) -> Option<String> {
    match row.status {
        StepStatus::Running => Some("was interrupted".into()),
        StepStatus::Failed => {
            let code = row.failure.as_ref().map_or("", |failure| failure.code.as_str());
            Some(format!("failed before ({code})"))
        }
        StepStatus::Done | StepStatus::Skipped => None,
    }
}

fn changed(step: &Declared, row: &StepRow, inputs: &Value, files: &Files) -> Option<String> {
    if row.kind != step.kind.name {
        return Some(format!("changed: kind {} → {}", row.kind, step.kind.name));
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
    (!changes.is_empty()).then(|| format!("changed: {}", changes.join(", ")))
}

/// Returns why a resource is not ready, by the ledger.
fn unready(step: &Declared, state: &State) -> Option<String> {
    let of_step = state.resources.of_step(&step.id).into_iter();
    of_step.filter(|(_, row)| row.lifetime == Lifetime::Stack).find_map(|(id, row)| match row.status {
        ResourceStatus::Deleted => Some(format!("gone: {id}")),
        ResourceStatus::Ready => None,
        // If the step must fail, its resource never becomes ready.
        _ => step.common.expect_error.is_none().then(|| format!("{id} was never ready")),
    })
}

fn unready_by(live: &Live, step: &Declared, state: &State) -> Option<String> {
    let of_step = state.resources.of_step(&step.id).into_iter();
    let must_fail = step.common.expect_error.is_some();
    of_step.filter(|(_, row)| row.lifetime == Lifetime::Stack).find_map(|(id, row)| match live.get(id)? {
        // What AWS had to refuse was never there.
        Seen::Gone { .. } if must_fail && row.status == ResourceStatus::Intended => None,
        Seen::Gone { inverse } => {
            let explained = attachment::is_explained(inverse.as_ref(), &state.resources);
            (!explained).then(|| format!("gone: {id}"))
        }
        Seen::There { ours: false, .. } => Some(format!("{id} has lost the tags of this stack")),
        Seen::There { failed, .. } => {
            let reason = failed.as_ref().filter(|_| !must_fail)?;
            Some(format!("{id} has failed: {reason}"))
        }
    })
}

/// Returns the resources of a step that were changed outside of opsml.
pub fn drift(live: &Live, step: &str, state: &State) -> Vec<Drift> {
    let ready = |row: &crate::journal::ResourceRow| row.status == ResourceStatus::Ready && !row.superseded;
    let drifted = state.resources.of(step).filter(|(_, row)| ready(row)).filter_map(|(id, row)| {
        let Seen::There { facts, .. } = live.get(id)? else { return None };
        let changes = (*facts != row.facts)
            .then(|| changes(&Value::Object(row.facts.clone()), &Value::Object(facts.clone())))?;
        Some(Drift { id: id.clone(), changes })
    });
    drifted.collect()
}

/// Returns the first three differences, as `instance_count 1 → 4`.
fn changes(old: &Value, new: &Value) -> Vec<String> {
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
                // The kind's key is left out of the path: every field is below it.
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
            // A variable's value may be a secret, so only its name is shown.
            if path.contains("environment.") {
                found.push(path.trim().to_owned());
                return;
            }
            let (old, new) = (plain(old), plain(new));
            // Of two secrets, as of such a value, no more is shown than that they differ.
            if secret::shown(&old) == secret::shown(&new) {
                found.push(path.trim().to_owned());
                return;
            }
            // Two long texts may begin alike: show the part where they differ.
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

/// Returns at most 60 characters, from a place on.
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::diagnostic::Source;
    use crate::failure::Failure;
    use crate::journal::{Event, Record};
    use crate::runbook::Runbook;

    /// A step `a`, with more common keys.
    fn step(common: &str) -> Declared {
        let text = format!("---\ntitle: t\n---\n```opsml a\ncommand:\n  run: [\"true\"]\n{common}```\n");
        let (runbook, problems) = Runbook::parse(Source::new(PathBuf::from("t.md"), text));
        assert!(problems.is_empty(), "{problems:?}");
        runbook.steps[0].clone()
    }

    fn id(name: &str) -> ResourceId {
        ResourceId { kind: "thing".into(), name: name.into() }
    }

    fn inputs() -> Value {
        json!({"command": {"run": ["true"]}})
    }

    /// The state after these events of `a`.
    fn state(events: impl IntoIterator<Item = Event>) -> State {
        let text = || "s".to_owned();
        let opened = Event::Opened { stack: text(), target: text(), account: text(), region: text() };
        let run = Event::RunStarted { run: 1, params: Map::new(), version: text() };
        let mut state = State::default();
        for (seq, event) in [opened, run].into_iter().chain(events).enumerate() {
            state.apply(Record { seq: seq as u64 + 1, at: 0, event }).unwrap();
        }
        state
    }

    fn started() -> Event {
        let files = BTreeMap::from([("data.zip".to_owned(), "1".to_owned())]);
        let (step, kind, reason) = ("a".into(), "command".into(), "new".into());
        Event::StepStarted { step, kind, inputs: inputs(), files, reason }
    }

    fn done() -> Event {
        Event::StepDone { step: "a".into(), outputs: json!({}), summary: String::new(), figures: Vec::new() }
    }

    /// A step that is done and owns a resource that is ready.
    fn owner() -> State {
        let (step, slot, spec) = ("a".into(), "thing".into(), json!({}));
        let (lifetime, attached_to) = (Lifetime::Stack, None);
        let intended = Event::Intended { id: id("x"), step, slot, spec, lifetime, attached_to };
        let facts = Map::from_iter([("size".to_owned(), json!(1))]);
        let made = Event::Created { id: id("x"), adopted: false };
        state([started(), intended, made, Event::Ready { id: id("x"), facts }, done()])
    }

    /// A step whose resource was refused.
    fn refused() -> State {
        let (step, slot, spec) = ("a".into(), "thing".into(), json!({}));
        let (lifetime, attached_to) = (Lifetime::Stack, None);
        state([started(), Event::Intended { id: id("x"), step, slot, spec, lifetime, attached_to }, done()])
    }

    #[test]
    fn what_had_to_be_refused_is_not_gone() {
        let inputs = inputs();
        let facts = resolved(&inputs, |_| {});
        let live = Live::from([(id("x"), Seen::Gone { inverse: None })]);
        let decided = |common: &str| decide(&step(common), &refused(), &facts, Some(&live));
        assert_eq!(decided("expect_error: NoRoom\n"), Decision::Keep(Vec::new()));
        assert!(matches!(decided(""), Decision::Run(_)));
    }

    fn there(size: u64, failed: Option<&str>) -> Seen {
        let facts = Map::from_iter([("size".to_owned(), json!(size))]);
        Seen::There { facts, failed: failed.map(str::to_owned), ours: true }
    }

    fn resolved(inputs: &Value, change: impl FnOnce(&mut Facts<'_>)) -> Facts<'_> {
        let mut facts = Facts::of(Inputs::Resolved(inputs));
        change(&mut facts);
        facts
    }

    #[test]
    fn by_the_journal_and_this_machine() {
        let (same, other) = (inputs(), json!({"command": {"run": ["false"]}}));
        let failed =
            Event::StepFailed { step: "a".into(), failure: Failure::new("Boom", "no"), figures: Vec::new() };
        let skipped = Event::StepSkipped { step: "a".into(), kind: "command".into(), reason: "no".into() };
        let is_done = || state([started(), done()]);
        let digest = |digest: Result<&str, &str>| {
            let digest = digest.map(str::to_owned).map_err(str::to_owned);
            Files::from([("data.zip".to_owned(), digest)])
        };
        let unchanged = || resolved(&same, |_| {});
        let keep = Decision::Keep(Vec::new());
        let run = |reason: &str| Decision::Run(reason.to_owned());
        for (name, state, facts, decision) in [
            ("never run", State::default(), unchanged(), run("new")),
            ("killed", state([started()]), unchanged(), run("was interrupted")),
            ("failed", state([started(), failed.clone()]), unchanged(), run("failed before (Boom)")),
            ("skipped before", state([skipped]), unchanged(), run("was skipped before")),
            ("done", is_done(), unchanged(), keep.clone()),
            (
                "another field",
                is_done(),
                resolved(&other, |_| {}),
                run("changed: run [\"true\"] → [\"false\"]"),
            ),
            ("forced", is_done(), resolved(&same, |facts| facts.forced = true), run("forced")),
            (
                "the same file",
                is_done(),
                resolved(&same, |facts| facts.files = digest(Ok("1"))),
                keep.clone(),
            ),
            (
                "another file",
                is_done(),
                resolved(&same, |facts| facts.files = digest(Ok("2"))),
                run("changed: the content of data.zip"),
            ),
            (
                "no file",
                is_done(),
                resolved(&same, |facts| facts.files = digest(Err("no data.zip"))),
                run("changed: no data.zip"),
            ),
            (
                "gone from this machine",
                is_done(),
                resolved(&same, |facts| facts.missing = Some("the folder is gone".into())),
                run("the folder is gone"),
            ),
            (
                "does not apply",
                is_done(),
                Facts::of(Inputs::Skipped("`x` does not hold".into())),
                Decision::Skip("`x` does not hold".into()),
            ),
            ("before the first run", State::default(), Facts::of(Inputs::BeforeFirstRun), run("new")),
            (
                "after a new step, never run",
                State::default(),
                Facts::of(Inputs::Upstream(vec!["b", "c"])),
                run("new; upstream b, c"),
            ),
            (
                "after a step that runs, done",
                is_done(),
                Facts::of(Inputs::Upstream(vec!["b"])),
                Decision::Open("upstream b".into()),
            ),
            (
                "after a step that runs, failed",
                state([started(), failed]),
                Facts::of(Inputs::Upstream(vec!["b"])),
                run("failed before (Boom)"),
            ),
            (
                "detached",
                is_done(),
                Facts::of(Inputs::Detached("b")),
                run("its attachments are detached while `b` is redone"),
            ),
        ] {
            assert_eq!(decide(&step(""), &state, &facts, None), decision, "{name}");
        }
        let upstream = Facts::of(Inputs::Upstream(vec!["b"]));
        let conditional = step("when: \"params.x\"\n");
        assert_eq!(
            decide(&conditional, &State::default(), &upstream, None),
            Decision::Open("upstream b".into())
        );
    }

    #[test]
    fn by_what_describe_says() {
        let inputs = inputs();
        let facts = resolved(&inputs, |_| {});
        let drift =
            |changes: &str| Decision::Keep(vec![Drift { id: id("x"), changes: vec![changes.into()] }]);
        let run = |reason: &str| Decision::Run(reason.to_owned());
        let gone = |inverse: Option<&str>| Seen::Gone { inverse: inverse.map(id) };
        for (name, seen, common, decision) in [
            ("as it was", Some(there(1, None)), "", Decision::Keep(Vec::new())),
            ("not described", None, "", Decision::Keep(Vec::new())),
            ("changed", Some(there(2, None)), "", drift("size 1 → 2")),
            ("gone", Some(gone(None)), "", run("gone: thing x")),
            ("gone, and its inverse is not there", Some(gone(Some("y"))), "", run("gone: thing x")),
            ("gone, as its inverse explains", Some(gone(Some("x"))), "", Decision::Keep(Vec::new())),
            ("failed", Some(there(1, Some("no room"))), "", run("thing x has failed: no room")),
            (
                "failed, as expected",
                Some(there(1, Some("no room"))),
                "expect_error: NoRoom\n",
                Decision::Keep(Vec::new()),
            ),
        ] {
            let live: Live = seen.into_iter().map(|seen| (id("x"), seen)).collect();
            assert_eq!(decide(&step(common), &owner(), &facts, Some(&live)), decision, "{name}");
        }
    }

    #[test]
    fn a_change_is_named_by_its_field() {
        let old = json!({"train": {"instance_count": 1, "inputs": {"training": "a"}}});
        let new = json!({"train": {"instance_count": 4, "inputs": {"training": "b"}}, "expect_error": "X"});
        assert_eq!(
            changes(&old, &new),
            ["expect_error nothing → X", "inputs.training a → b", "instance_count 1 → 4"]
        );
    }
}
