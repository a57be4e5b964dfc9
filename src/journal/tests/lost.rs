//! What is lost or damaged is never accepted in silence: each flipped byte, each lost file, each older copy either is refused
//! or changes nothing of what is read.

use std::path::{Path, PathBuf};

use super::*;

const FILES: [&str; 4] = ["", "-wal", "-shm", ".head"];

fn file(path: &Path, tail: &str) -> PathBuf {
    PathBuf::from(format!("{}{tail}", path.display()))
}

fn copy(from: &Path, to: &Path) {
    for tail in FILES {
        let (from, to) = (file(from, tail), file(to, tail));
        match from.exists() {
            true => drop(std::fs::copy(from, to).unwrap()),
            false => drop(std::fs::remove_file(to)),
        }
    }
}

/// Returns copies of a journal's files after each of some commits: while a run has it open, and all lies in the WAL.
fn commits(folder: &Path) -> (State, Vec<PathBuf>) {
    let path = folder.join("j.db");
    let mut journal = Journal::write(&path, false).unwrap();
    let mut copies = Vec::new();
    let ended = |run| Event::RunEnded { run, outcome: RunOutcome::Done, cause: None };
    for events in [vec![opened()], vec![run_started(1)], vec![ended(1)], vec![run_started(2), ended(2)]] {
        journal.append(events).unwrap();
        let to = folder.join(format!("{}.db", copies.len()));
        copy(&path, &to);
        copies.push(to);
    }
    (journal.state().clone(), copies)
}

/// Opens a copy to read it and to write it. Both return the state, or refuse.
fn states(path: &Path) -> Vec<Option<State>> {
    let folder = tempfile::tempdir().unwrap();
    let copied = |name: &str| {
        let to = folder.path().join(name);
        copy(path, &to);
        to
    };
    let read = Journal::read(&copied("r.db")).map(|journal| journal.map(|journal| journal.state().clone()));
    let written = Journal::write(&copied("w.db"), false).map(|journal| journal.state().clone());
    vec![read.ok().map(Option::unwrap_or_default), written.ok()]
}

#[test]
fn an_older_copy_of_the_journal_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (last, copies) = commits(folder.path());
    let newest = copies.last().unwrap();
    assert_eq!(states(newest), [Some(last.clone()), Some(last.clone())]);
    let mixed = folder.path().join("mixed.db");
    for older in &copies[..3] {
        copy(older, &mixed);
        std::fs::copy(file(newest, ".head"), file(&mixed, ".head")).unwrap();
        assert_eq!(states(&mixed), [None, None]);
        let error = Journal::read(&mixed).err().unwrap();
        assert!(matches!(error, JournalError::Older { head: 5, .. }), "{error}");
        // An older head is what a crash between the commit and the head leaves.
        copy(newest, &mixed);
        std::fs::copy(file(older, ".head"), file(&mixed, ".head")).unwrap();
        assert_eq!(states(&mixed), [Some(last.clone()), Some(last.clone())]);
    }
}

#[test]
fn a_lost_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, copies) = commits(folder.path());
    let newest = copies.last().unwrap();
    let lost = folder.path().join("lost.db");
    for tails in [vec![""], vec!["-wal"], vec![".head"], vec!["", "-wal"], vec!["", "-wal", "-shm"]] {
        copy(newest, &lost);
        tails.iter().for_each(|tail| std::fs::remove_file(file(&lost, tail)).unwrap());
        assert_eq!(states(&lost), [None, None], "without {tails:?}");
        assert_eq!(Journal::stack_of(&lost).as_deref(), Some("s"), "without {tails:?}");
    }
}

/// A run that was killed leaves everything in the WAL; one that has ended leaves everything in the file.
#[test]
fn no_flipped_byte_is_accepted_in_silence() {
    let folder = tempfile::tempdir().unwrap();
    let (last, copies) = commits(folder.path());
    let killed = copies.last().unwrap().clone();
    let ended = folder.path().join("ended.db");
    copy(&killed, &ended);
    drop(Journal::write(&ended, false).unwrap());
    let flipped = folder.path().join("flipped.db");
    let (mut flips, mut refused) = (0, 0);
    for journal in [killed, ended] {
        for tail in ["", "-wal", ".head"] {
            let Ok(bytes) = std::fs::read(file(&journal, tail)) else { continue };
            // A prime, so that each field of a page is hit somewhere.
            for at in (0..bytes.len()).step_by(101) {
                copy(&journal, &flipped);
                let mut bytes = bytes.clone();
                bytes[at] ^= 0x20;
                std::fs::write(file(&flipped, tail), bytes).unwrap();
                for state in states(&flipped) {
                    flips += 1;
                    match state {
                        None => refused += 1,
                        Some(state) => assert_eq!(state, last, "byte {at} of {tail:?}"),
                    }
                }
            }
        }
    }
    println!("{flips} openings after a flipped byte: {refused} refused, 0 silent acceptances");
    assert!(refused > 20, "{refused} of {flips}");
}

#[test]
fn one_process_writes_and_a_loser_learns_who() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let mut first = Journal::write(&path, false).unwrap();
    first.append([opened()]).unwrap();
    let error = Journal::write(&path, false).err().unwrap();
    let holder = format!("process {}", std::process::id());
    assert!(matches!(&error, JournalError::Locked { holder: of } if *of == holder), "{error}");
    // Whoever takes over fences the first one at its next commit.
    let mut second = Journal::write(&path, true).unwrap();
    assert!(matches!(first.append([run_started(1)]), Err(JournalError::Fenced)));
    second.append([run_started(1)]).unwrap();
    drop(first);
    assert!(matches!(Journal::write(&path, false), Err(JournalError::Locked { .. })));
    drop(second);
    assert_eq!(Journal::write(&path, false).unwrap().state().runs.len(), 1);
}

#[test]
fn a_reader_finds_a_healthy_journal_while_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    let reader = {
        let path = path.clone();
        std::thread::spawn(move || {
            let mut reads = 0;
            loop {
                let state = Journal::read(&path).unwrap().map(|journal| journal.state().clone());
                reads += 1;
                if state.is_some_and(|state| state.runs.len() == 200) {
                    return reads;
                }
            }
        })
    };
    let mut journal = Journal::write(&path, false).unwrap();
    journal.append([opened()]).unwrap();
    for run in 1..=200 {
        journal.append([run_started(run)]).unwrap();
    }
    println!("{} reads of a journal that is written: 0 wrong words", reader.join().unwrap());
}

#[test]
fn a_new_journal_takes_the_place_of_a_lost_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("j.db");
    Journal::write(&path, false).unwrap().append([opened()]).unwrap();
    std::fs::write(&path, "not a journal").unwrap();
    assert!(matches!(Journal::write(&path, false), Err(JournalError::Damaged { .. })));
    Journal::replace(&path, false).unwrap().append([opened()]).unwrap();
    assert_eq!(Journal::read(&path).unwrap().unwrap().state().stack, "s");
    let kept = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(kept.into_iter().any(|name| name.to_string_lossy().starts_with("j.db.lost-")));
}
