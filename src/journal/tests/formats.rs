//! A journal of every older format is read, upgraded and continued.
//!
//! `tests/journals/format-N.sql` is the dump of a journal that opsml wrote when N was its format; all of them hold the
//! same events. Whoever raises `FORMAT` adds one, by `sqlite3 FILE .dump` and the file's `user_version`.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::format;
use super::super::head::{Head, HeadFile};
use super::*;

fn dump(format: i64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/journals/format-{format}.sql"))
}

/// Returns a journal file of an older format.
fn file(folder: &Path, format: i64) -> PathBuf {
    let path = folder.join(format!("{format}.db"));
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(&std::fs::read_to_string(dump(format)).unwrap()).unwrap();
    assert_eq!(format::version(&connection).unwrap(), format);
    if format >= format::FIRST_WITH_HEAD {
        let head = connection.query_row("SELECT head, head_hash FROM lock", [], |row| {
            Ok(Head { seq: row.get::<_, i64>(0)? as u64, hash: row.get(1)?, stack: "k3v9x2ab".into() })
        });
        HeadFile::create(&path, &head.unwrap()).unwrap();
    }
    path
}

fn failed(state: &State, step: &str) -> Failure {
    *state.steps.get(step).and_then(|row| row.failure.clone()).unwrap()
}

#[test]
fn a_journal_of_each_format_is_upgraded_and_continued() {
    for format in 1..=FORMAT {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), format);
        let mut journal = Journal::write(&path, false).unwrap();
        assert_eq!(format::version(&Connection::open(&path).unwrap()).unwrap(), FORMAT, "{format}");

        let state = journal.state();
        assert_eq!((state.stack.as_str(), state.runs.len()), ("k3v9x2ab", 2), "{format}");
        let live: Vec<String> = state.resources.live().map(|(id, _)| id.to_string()).collect();
        assert_eq!(live, ["bucket b", "training job k-train-2", "key pair k-ec2", "scalable target b/scale"]);
        assert_eq!(failed(state, "ec2").kind, FailureKind::Credentials, "{format}");
        let message = "ExpiredToken: RunInstances: the security token is expired";
        assert_eq!(failed(state, "ec2").to_string(), message, "{format}");
        assert_eq!(state.runs[0].cause.is_some(), format >= 2, "{format}");
        let figures = &state.steps.get("train").unwrap().figures;
        assert_eq!(matches!(figures[0], Figure::Drawn { .. }), format >= 6, "{format}");
        let of_failed = state.steps.get("ec2").unwrap().figures.len();
        assert_eq!(of_failed, usize::from(format >= 8), "{format}");
        assert_eq!(state.resources.attached_to("bucket").count(), usize::from(format >= 3), "{format}");

        let end = Event::RunEnded { run: 2, outcome: RunOutcome::Interrupted, cause: None };
        let failure = Failure::service("CreateRole", "AccessDenied", "no");
        let started = Event::StepStarted {
            step: "role".into(),
            kind: "role".into(),
            inputs: Default::default(),
            files: Default::default(),
            reason: "new".into(),
        };
        let failed = Event::StepFailed { step: "role".into(), failure, figures: Vec::new() };
        journal.append([end, run_started(3), started, failed]).unwrap();
        let read = Journal::read(&path).unwrap().unwrap();
        assert_eq!(read.state(), journal.state(), "{format}");
    }
}

#[test]
fn the_end_of_an_upgraded_journal_is_guarded_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(folder.path(), 1);
    let mut journal = Journal::write(&path, false).unwrap();
    let last = journal.records().unwrap().len();
    journal.append([Event::RunEnded { run: 2, outcome: RunOutcome::Interrupted, cause: None }]).unwrap();
    drop(journal);
    Connection::open(&path).unwrap().execute("DELETE FROM events WHERE seq > ?", [last as i64]).unwrap();
    assert!(matches!(Journal::read(&path), Err(JournalError::Older { .. })));
}
