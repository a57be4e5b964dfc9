//! What a run does to each step, gathered from its events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;
use crate::journal::{Cause, Event, Observer, Progress, Record, State};

/// What a run did to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Done,
    /// It was done by an earlier run, and nothing has changed.
    Kept,
    /// Its `when` said so, or a step that it uses was skipped.
    Skipped,
    Failed,
    /// It is neither done nor failed: the next run goes on with it.
    Interrupted,
    /// The run ended before it.
    NotReached,
}

impl Mark {
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Kept => "kept",
            Self::Skipped => "skipped",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::NotReached => "not reached",
        }
    }
}

/// A step as the runbook declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    pub id: String,
    pub kind: String,
    /// The file that declares it, as a reader finds it.
    pub file: String,
    pub line: usize,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepResult {
    pub planned: Planned,
    pub mark: Mark,
    /// From its first start in this run to its end.
    pub milliseconds: i64,
    /// Its result in one line, or why it was skipped.
    pub said: String,
    pub failure: Option<Failure>,
}

/// Why a run ended that no step failed in: a mistake in the runbook, a price that nobody agreed to, Ctrl-C.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    pub message: String,
    pub hints: Vec<String>,
    /// The problems of the runbook, with their lines.
    pub details: Vec<String>,
}

/// A whole run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Account {
    pub title: String,
    /// The runbook's file name without its ending.
    pub name: String,
    /// In document order.
    pub steps: Vec<StepResult>,
    /// Milliseconds since 1970. `None` if no run has begun.
    pub started: Option<i64>,
    pub milliseconds: i64,
    /// `local (account 123456789012, us-east-1)`.
    pub at: String,
    pub trouble: Option<Trouble>,
}

impl Account {
    pub fn count(&self, marks: &[Mark]) -> usize {
        self.steps.iter().filter(|step| marks.contains(&step.mark)).count()
    }

    /// Returns the step that ended the run.
    pub fn failed(&self) -> Option<&StepResult> {
        self.steps.iter().find(|step| step.failure.is_some())
    }
}

/// An observer that remembers; its clones share what they remember. It passes everything on to another observer, if it has
/// one.
#[derive(Clone, Default)]
pub struct Gathered(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    shown: Option<Box<dyn Observer>>,
    at: String,
    started: Option<i64>,
    last: i64,
    steps: BTreeMap<String, SeenStep>,
    cause: Option<Cause>,
}

struct SeenStep {
    mark: Mark,
    started: i64,
    ended: i64,
    said: String,
    failure: Option<Failure>,
}

impl SeenStep {
    fn new(mark: Mark, at: i64) -> Self {
        Self { mark, started: at, ended: at, said: String::new(), failure: None }
    }
}

impl Gathered {
    pub fn beside(shown: Box<dyn Observer>) -> Self {
        let gathered = Self::default();
        gathered.lock().shown = Some(shown);
        gathered
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what became of these steps, which are all of the runbook.
    pub fn account(&self, title: &str, name: &str, planned: &[Planned]) -> Account {
        let seen = self.lock();
        Account {
            title: title.to_owned(),
            name: name.to_owned(),
            steps: planned.iter().map(|step| seen.result(step)).collect(),
            started: seen.started,
            milliseconds: seen.started.map_or(0, |started| (seen.last - started).max(0)),
            at: seen.at.clone(),
            trouble: None,
        }
    }
}

impl Seen {
    fn result(&self, planned: &Planned) -> StepResult {
        let mut result = StepResult {
            planned: planned.clone(),
            mark: Mark::NotReached,
            milliseconds: 0,
            said: String::new(),
            failure: None,
        };
        if let Some(step) = self.steps.get(&planned.id) {
            result.mark = step.mark;
            result.milliseconds = (step.ended - step.started).max(0);
            (result.said, result.failure) = (step.said.clone(), step.failure.clone());
        }
        // A step that is kept may no longer be as it is expected, and one that waits for credentials has not failed.
        if let Some(cause) = self.cause.as_ref().filter(|cause| cause.step == planned.id) {
            result.mark = if cause.failure.kind.pauses() { Mark::Interrupted } else { Mark::Failed };
            result.failure = Some(cause.failure.clone());
        }
        result
    }

    fn see(&mut self, record: &Record, state: &State) {
        let at = record.at;
        self.last = at;
        match &record.event {
            // What came before it ended an earlier run.
            Event::RunStarted { .. } => {
                (self.steps, self.cause, self.started) = (BTreeMap::new(), None, Some(at));
                self.at = format!("{} (account {}, {})", state.target, state.account, state.region);
            }
            Event::RunEnded { cause, .. } => self.cause = cause.clone(),
            Event::StepStarted { step, .. } => {
                let seen = self.steps.entry(step.clone()).or_insert(SeenStep::new(Mark::Interrupted, at));
                (seen.mark, seen.failure) = (Mark::Interrupted, None);
            }
            Event::StepDone { step, summary, .. } => self.end(step, Mark::Done, at, summary),
            Event::StepSkipped { step, reason, .. } => self.end(step, Mark::Skipped, at, reason),
            Event::StepFailed { step, failure, .. } => {
                self.end(step, Mark::Failed, at, "");
                if let Some(seen) = self.steps.get_mut(step) {
                    seen.failure = Some(failure.clone());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, step: &str, mark: Mark, at: i64, said: &str) {
        let seen = self.steps.entry(step.to_owned()).or_insert(SeenStep::new(mark, at));
        (seen.mark, seen.ended, seen.said) = (mark, at, said.to_owned());
    }
}

impl Observer for Gathered {
    fn event(&mut self, record: &Record, state: &State) {
        let mut seen = self.lock();
        seen.see(record, state);
        seen.shown.iter_mut().for_each(|shown| shown.event(record, state));
    }

    fn progress(&mut self, step: &str, progress: &Progress) {
        self.lock().shown.iter_mut().for_each(|shown| shown.progress(step, progress));
    }

    fn note(&mut self, step: &str, text: &str) {
        self.lock().shown.iter_mut().for_each(|shown| shown.note(step, text));
    }

    fn kept(&mut self, step: &str, summary: &str) {
        let mut seen = self.lock();
        let at = seen.last;
        seen.end(step, Mark::Kept, at, summary);
        seen.shown.iter_mut().for_each(|shown| shown.kept(step, summary));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Map, Value};

    use super::*;
    use crate::journal::RunOutcome;

    fn see(gathered: &mut Gathered, at: i64, event: Event) {
        gathered.event(&Record { seq: 1, at, event }, &State::default());
    }

    fn started(step: &str) -> Event {
        let (step, kind, reason) = (step.to_owned(), "command".to_owned(), "new".to_owned());
        Event::StepStarted { step, kind, inputs: Value::Null, files: BTreeMap::new(), reason }
    }

    fn account(gathered: &Gathered, ids: &[&str]) -> Account {
        let planned = |id: &&str| Planned {
            id: (*id).to_owned(),
            kind: "command".into(),
            file: "k.md".into(),
            line: 7,
        };
        gathered.account("K", "k", &ids.iter().map(planned).collect::<Vec<_>>())
    }

    #[test]
    fn each_step_has_the_mark_of_this_run_alone() {
        let mut gathered = Gathered::default();
        let run = |run| Event::RunStarted { run, params: Map::new(), version: String::new() };
        see(&mut gathered, 0, run(1));
        see(&mut gathered, 5, started("again"));
        see(&mut gathered, 10, run(2));
        gathered.kept("kept", "as it was");
        see(&mut gathered, 20, started("retried"));
        let failure = Failure::new("Odd", "no");
        see(&mut gathered, 30, Event::StepFailed { step: "retried".into(), failure, figures: Vec::new() });
        see(&mut gathered, 40, started("retried"));
        let (outputs, summary) = (Value::Null, "well".to_owned());
        see(
            &mut gathered,
            50,
            Event::StepDone { step: "retried".into(), outputs, summary, figures: Vec::new() },
        );
        let (kind, reason) = ("command".to_owned(), "when".to_owned());
        see(&mut gathered, 50, Event::StepSkipped { step: "no".into(), kind, reason });
        see(&mut gathered, 60, started("waits"));
        let cause =
            Some(Cause { step: "waits".into(), failure: Failure::credentials("GetCallerIdentity", "no") });
        see(&mut gathered, 80, Event::RunEnded { run: 2, outcome: RunOutcome::Interrupted, cause });
        let account = account(&gathered, &["again", "kept", "retried", "no", "waits", "never"]);
        let marks: Vec<Mark> = account.steps.iter().map(|step| step.mark).collect();
        use Mark::*;
        assert_eq!(marks, [NotReached, Kept, Done, Skipped, Interrupted, NotReached]);
        assert_eq!((account.started, account.milliseconds), (Some(10), 70));
        assert_eq!((account.steps[2].milliseconds, account.steps[2].said.as_str()), (30, "well"));
        assert_eq!(account.steps[2].failure, None);
        assert_eq!(account.failed().map(|step| step.planned.id.as_str()), Some("waits"));
    }

    #[test]
    fn a_step_that_is_kept_may_end_the_run() {
        let mut gathered = Gathered::default();
        see(&mut gathered, 0, Event::RunStarted { run: 1, params: Map::new(), version: String::new() });
        gathered.kept("a", "as it was");
        let cause = Some(Cause { step: "a".into(), failure: Failure::expectation("`x` does not hold") });
        see(&mut gathered, 1, Event::RunEnded { run: 1, outcome: RunOutcome::Unexpected, cause });
        let step = &account(&gathered, &["a"]).steps[0];
        assert_eq!((step.mark, step.failure.is_some()), (Mark::Failed, true));
    }
}
