//! Generated sequences of events: what is applied, what is read back, and what an interrupted run leaves.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const STEPS: [&str; 3] = ["a", "b", "c"];
const SLOTS: [&str; 2] = ["job", "model"];
const NAMES: u8 = 5;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn id(name: u8) -> ResourceId {
    ResourceId { kind: "model".into(), name: name.to_string() }
}

/// Any event of a small stack: a few steps, slots and names, so that events meet.
fn event() -> impl Strategy<Value = Event> {
    let step = || prop::sample::select(&STEPS[..]).prop_map(str::to_owned);
    let slot = || prop::sample::select(&SLOTS[..]).prop_map(str::to_owned);
    let id = || (0..NAMES).prop_map(id);
    let facts = || any::<u8>().prop_map(|fact| serde_json::Map::from_iter([("f".into(), json!(fact))]));
    let failure = || {
        prop::sample::select(&["AccessDenied", "ExpiredToken"][..])
            .prop_map(|code| Failure::service("CreateModel", code, "no"))
    };
    let lifetime = || prop_oneof![Just(Lifetime::Stack), Just(Lifetime::Step)];
    let outcome = || prop_oneof![Just(RunOutcome::Done), Just(RunOutcome::Failed)];
    prop_oneof![
        1 => Just(opened()),
        2 => (1..6u64).prop_map(run_started),
        1 => (1..6u64, outcome(), prop::option::of((step(), failure())))
            .prop_map(|(run, outcome, cause)| Event::RunEnded {
                run,
                outcome,
                cause: cause.map(|(step, failure)| Cause { step, failure }),
            }),
        4 => (step(), any::<u8>()).prop_map(|(step, input)| Event::StepStarted {
            step,
            kind: "deploy".into(),
            inputs: json!(input),
            files: Default::default(),
            reason: "new".into(),
        }),
        2 => (step(), any::<u8>()).prop_map(|(step, output)| Event::StepDone {
            step,
            outputs: json!(output),
            summary: "s".into(),
            figures: Vec::new(),
        }),
        2 => (step(), failure()).prop_map(|(step, failure)| Event::StepFailed { step, failure, figures: Vec::new() }),
        1 => step().prop_map(|step| Event::StepSkipped { step, kind: "deploy".into(), reason: "when".into() }),
        1 => step().prop_map(|step| Event::StepForgotten { step }),
        1 => (step(), step()).prop_map(|(from, to)| Event::StepMoved { from, to }),
        8 => (id(), step(), slot(), lifetime(), prop::option::of(id())).prop_map(
            |(id, step, slot, lifetime, attached_to)| Event::Intended {
                id, step, slot, spec: json!({}), lifetime, attached_to,
            }
        ),
        4 => (id(), any::<bool>()).prop_map(|(id, adopted)| Event::Created { id, adopted }),
        2 => id().prop_map(|id| Event::Updating { id, spec: json!({"new": true}) }),
        4 => (id(), facts()).prop_map(|(id, facts)| Event::Ready { id, facts }),
        2 => id().prop_map(|id| Event::Superseded { id }),
        2 => id().prop_map(|id| Event::Deleting { id }),
        4 => id().prop_map(|id| Event::Deleted { id }),
    ]
}

/// Any events, after the two that every journal begins with.
fn events(most: usize) -> impl Strategy<Value = Vec<Event>> {
    vec(event(), 0..most).prop_map(|events| [opened(), run_started(1)].into_iter().chain(events).collect())
}

fn record(seq: usize, event: &Event) -> Record {
    Record { seq: seq as u64 + 1, at: 1_000 + seq as i64, event: event.clone() }
}

/// Returns the events that may follow one another.
fn legal(events: &[Event]) -> Vec<Event> {
    let mut state = State::default();
    events.iter().filter(|event| state.apply(record(0, event)).is_ok()).cloned().collect()
}

fn fold(events: &[Event]) -> State {
    let mut state = State::default();
    for (seq, event) in events.iter().enumerate() {
        state.apply(record(seq, event)).unwrap();
    }
    state
}

/// The events of a run that finds a state, redoes every step and then deletes everything, as `run` and `down` do.
fn rest(state: &State) -> Vec<Event> {
    let mut events = Vec::new();
    if state.stack.is_empty() {
        events.push(opened());
    }
    let last = state.runs.last();
    if let Some(killed) = last.filter(|run| run.outcome.is_none()) {
        events.push(Event::RunEnded { run: killed.run, outcome: RunOutcome::Interrupted, cause: None });
    }
    events.push(run_started(last.map_or(1, |last| last.run + 1)));
    for step in state.steps.keys() {
        events.push(Event::StepStarted {
            step: step.clone(),
            kind: "deploy".into(),
            inputs: json!(null),
            files: Default::default(),
            reason: "was interrupted".into(),
        });
        events.push(Event::StepDone {
            step: step.clone(),
            outputs: json!(null),
            summary: String::new(),
            figures: Vec::new(),
        });
    }
    for (id, _) in state.resources.live().rev() {
        events.extend([Event::Deleting { id: id.clone() }, Event::Deleted { id: id.clone() }]);
    }
    events.extend(state.steps.keys().map(|step| Event::StepForgotten { step: step.clone() }));
    events
}

/// The ledger's answers, found without its indexes.
fn check_indexes(ledger: &Ledger) {
    let all: Vec<(&ResourceId, &ResourceRow)> = ledger.iter().collect();
    let live: Vec<_> = all.iter().copied().filter(|(_, row)| row.is_live()).collect();
    assert_eq!(ledger.live().collect::<Vec<_>>(), live);
    for (id, row) in &all {
        assert_eq!(ledger.get(id), Some(*row));
    }
    for step in STEPS {
        let of: Vec<_> = all.iter().copied().filter(|(_, row)| row.step == step).collect();
        assert_eq!(ledger.of(step).collect::<Vec<_>>(), of);
        let live_of: Vec<_> = of.iter().copied().filter(|(_, row)| row.is_live()).collect();
        assert_eq!(ledger.live_of(step).collect::<Vec<_>>(), live_of);
        let ephemeral = live_of.iter().rev().filter(|(_, row)| row.lifetime == Lifetime::Step);
        assert_eq!(ledger.ephemeral(step), ephemeral.map(|(id, _)| (*id).clone()).collect::<Vec<_>>());
        let mut slots = indexmap::IndexMap::new();
        for (id, row) in of.iter().filter(|(_, row)| !row.superseded) {
            slots.insert(&row.slot, (*id, *row));
        }
        assert_eq!(ledger.of_step(step), slots.into_values().collect::<Vec<_>>());
        for slot in SLOTS {
            let holder = live_of.iter().rev().find(|(_, row)| row.slot == slot && !row.superseded);
            assert_eq!(ledger.in_slot(step, slot), holder.copied());
        }
        let attached = live.iter().copied().filter(|(_, row)| {
            let target = row.attached_to.as_ref().and_then(|target| ledger.get(target));
            row.step != step && target.is_some_and(|target| target.step == step)
        });
        assert_eq!(ledger.attached_to(step).collect::<Vec<_>>(), attached.collect::<Vec<_>>());
    }
    let targets: BTreeSet<&String> = ledger.targets(0).collect();
    for step in STEPS.map(str::to_owned) {
        assert!(ledger.attached_to(&step).next().is_none() || targets.contains(&step), "{step}");
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn an_illegal_event_is_named_and_changes_nothing(events in events(60)) {
        let mut state = State::default();
        for event in &events {
            let before = state.clone();
            if let Err(illegal) = state.apply(record(0, event)) {
                prop_assert_eq!(&illegal.event, &event.title());
                prop_assert!(!illegal.state.is_empty());
                prop_assert_eq!(&state, &before);
            }
            check_indexes(&state.resources);
        }
    }

    #[test]
    fn a_run_can_continue_after_any_event(events in events(60)) {
        let events = legal(&events);
        for cut in 0..=events.len() {
            let mut state = fold(&events[..cut]);
            for (seq, event) in rest(&state).iter().enumerate() {
                state.apply(record(cut + seq, event)).unwrap();
            }
            prop_assert_eq!(state.resources.live().count(), 0);
            prop_assert_eq!(state.steps.iter().count(), 0);
        }
    }
}

proptest! {
    // Each commit waits for the disk.
    #![proptest_config(config(12))]

    #[test]
    fn what_is_read_back_is_what_was_applied(events in events(60), size in 1..4usize) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut journal = Journal::write(&path, false).unwrap();
        for batch in events.chunks(size) {
            let mut expected = journal.state().clone();
            let legal = batch.iter().all(|event| expected.apply(record(0, event)).is_ok());
            let before = journal.state().clone();
            match journal.append(batch.iter().cloned()) {
                Ok(()) => prop_assert!(legal),
                Err(error) => {
                    prop_assert!(!legal && matches!(error, JournalError::Illegal(_)));
                    prop_assert_eq!(journal.state(), &before);
                }
            }
            check_indexes(&journal.state().resources);
        }
        let read = Journal::read(&path).unwrap().unwrap();
        prop_assert_eq!(read.state(), journal.state());
    }

    #[test]
    fn a_file_can_be_continued_after_any_commit(events in events(25)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("j.db");
        let mut journal = Journal::write(&path, false).unwrap();
        for event in legal(&events) {
            journal.append([event]).unwrap();
            let killed = folder.path().join("killed.db");
            // What a kill at this point leaves: the file and its write-ahead log.
            for ending in ["", "-wal", ".head"] {
                let name = |path: &std::path::Path| format!("{}{ending}", path.display());
                std::fs::copy(name(&path), name(&killed)).unwrap();
            }
            let _ = std::fs::remove_file(folder.path().join("killed.db-shm"));
            let mut continued = Journal::write(&killed, false).unwrap();
            prop_assert_eq!(continued.state(), journal.state());
            let rest = rest(continued.state());
            continued.append(rest).unwrap();
            prop_assert_eq!(continued.state().resources.live().count(), 0);
        }
    }
}
