//! Tests of the journal: the file, its older formats, and generated sequences of events.

mod formats;
mod generated;
mod lost;

use rusqlite::Connection;

use super::*;
use crate::failure::{Failure, FailureKind};

fn opened() -> Event {
    Event::Opened { stack: "s".into(), target: "local".into(), account: "1".into(), region: "r".into() }
}

fn run_started(run: u64) -> Event {
    Event::RunStarted { run, params: Default::default(), version: "0".into() }
}

#[test]
fn what_is_appended_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let mut journal = Journal::write(&path, false).unwrap();
    journal.append([opened()]).unwrap();
    assert_eq!(Journal::read(&path).unwrap().unwrap().state(), journal.state());
}

#[test]
fn an_illegal_event_is_a_bug_and_nothing_of_its_batch_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let mut journal = Journal::write(&path, false).unwrap();
    journal.append([opened()]).unwrap();
    let before = journal.state().clone();
    let error = journal.append([run_started(1), opened()]).unwrap_err();
    let message = "a bug in opsml: the event `opened` of the stack s may not follow: the journal is that of the stack s; \
         please report it";
    assert_eq!(error.to_string(), message);
    let failure = Failure::from(error);
    assert_eq!((failure.kind, failure.to_string()), (FailureKind::Bug, message.to_owned()));
    assert_eq!(journal.state(), &before);
    assert_eq!(journal.records().unwrap().len(), 1);
    journal.append([run_started(1)]).unwrap();
    assert_eq!(Journal::read(&path).unwrap().unwrap().state(), journal.state());
}

#[test]
fn a_changed_row_and_a_newer_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    Journal::write(&path, false).unwrap().append([opened()]).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute("UPDATE events SET body = replace(body, 'local', 'aws')", []).unwrap();
    assert!(matches!(Journal::read(&path), Err(JournalError::Damaged { seq: 1, .. })));
    connection.execute_batch("PRAGMA user_version = 99").unwrap();
    assert!(matches!(Journal::read(&path), Err(JournalError::Newer { found: 99, .. })));
}

#[test]
fn a_journal_that_lost_its_end_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let mut journal = Journal::write(&path, false).unwrap();
    journal.append([opened()]).unwrap();
    journal.append([run_started(1)]).unwrap();
    drop(journal);
    Connection::open(&path).unwrap().execute("DELETE FROM events WHERE seq = 2", []).unwrap();
    assert!(matches!(Journal::read(&path), Err(JournalError::Older { ends: 1, head: 2, .. })));
}

#[test]
fn a_writer_that_lost_the_lock_is_fenced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let mut first = Journal::write(&path, false).unwrap();
    let connection = Connection::open(&path).unwrap();
    connection.execute("UPDATE lock SET epoch = epoch + 1", []).unwrap();
    assert!(matches!(first.append([opened()]), Err(JournalError::Fenced)));
}

#[test]
fn each_status_of_a_resource_accepts_its_events_alone() {
    let id = || ResourceId { kind: "bucket".into(), name: "b".into() };
    let record = |event| Record { seq: 1, at: 1, event };
    let intended = || Event::Intended {
        id: id(),
        step: "a".into(),
        slot: "bucket".into(),
        spec: Default::default(),
        lifetime: Lifetime::Stack,
        attached_to: None,
    };
    let created = || Event::Created { id: id(), adopted: false };
    let updating = || Event::Updating { id: id(), spec: Default::default() };
    let ready = || Event::Ready { id: id(), facts: Default::default() };
    let superseded = || Event::Superseded { id: id() };
    let deleting = || Event::Deleting { id: id() };
    let deleted = || Event::Deleted { id: id() };
    // After these events, in the order intended, created, updating, ready, superseded, deleting, deleted.
    let table = [
        (vec![], [true, false, false, false, false, false, false], "never intended"),
        (vec![intended()], [false, true, false, false, true, true, true], "intended"),
        (vec![intended(), created()], [false, false, true, true, true, true, true], "created"),
        (vec![intended(), created(), updating()], [false, false, true, true, true, true, true], "updating"),
        (vec![intended(), created(), ready()], [false, false, true, true, true, true, true], "ready"),
        (vec![intended(), deleting()], [false, false, false, false, false, true, true], "deleting"),
        (vec![intended(), deleted()], [true, false, false, false, false, false, false], "deleted"),
    ];
    for (events, may_follow, word) in table {
        let mut state = State::default();
        let begin = [opened(), run_started(1)];
        begin.into_iter().chain(events).for_each(|event| state.apply(record(event)).unwrap());
        let next = [intended(), created(), updating(), ready(), superseded(), deleting(), deleted()];
        for (event, may) in next.into_iter().zip(may_follow) {
            let title = event.title();
            match state.clone().apply(record(event)) {
                Ok(()) => assert!(may, "{title} followed {word}"),
                Err(illegal) => {
                    assert!(!may && illegal.event == title && illegal.state.contains(word), "{illegal}")
                }
            }
        }
    }
}
