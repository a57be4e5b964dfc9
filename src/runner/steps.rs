//! The loop over the steps: which are kept, which run, and which of them at the same time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;

use futures::{StreamExt, stream};
use serde_json::Value;

use super::expect::expectations;
use super::options::Ended;
use super::work::{Due, Runner};
use crate::beside;
use crate::costs;
use crate::decide::{Decision, Drift, Facts, Inputs, decide};
use crate::failure::{Failure, Outcome};
use crate::journal::{Event, JournalError, StepStatus};
use crate::plan::{self, Ready, Resolution, Walk};
use crate::runbook::Declared;
use crate::step::Step;

impl Runner<'_> {
    /// Runs the chosen steps in the order of the document.
    pub async fn steps(&mut self) -> Result<Ended, JournalError> {
        // What cannot be deleted now is tried again at the end. Without credentials, nothing else succeeds either.
        match self.delete_ephemeral().await {
            Some((step, failure)) if failure.kind.pauses() => return Ok(Ended::by(step, failure)),
            Some((step, failure)) => self.journal.note(&step, &failure.to_string()),
            None => {}
        }
        self.describe().await;
        self.remove_forgotten().await?;
        let run = plan::run_facts(&self.journal.state());
        let mut walk = Walk::new(self.runbook, &self.options.params, &run);
        let mut next = 0;
        while next < self.runbook.steps.len() {
            if *self.aws.interrupted().borrow() {
                return Ok(Ended::Interrupted);
            }
            if !self.options.selection.has(next) {
                self.pass_over(&mut walk, next);
                next += 1;
                continue;
            }
            let end = match self.options.jobs {
                1 => next + 1,
                _ => beside::end(self.runbook, &self.options.selection, next),
            };
            match self.neighbours(&mut walk, next..end).await? {
                Ok(behind) => next = behind,
                Err((step, failure)) => return Ok(Ended::by(step, failure)),
            }
        }
        if let Some((step, failure)) = self.delete_ephemeral().await {
            return Ok(Ended::by(step, failure));
        }
        Ok(Ended::Done { ran: self.ran.get(), cached: self.cached.get(), deleted: self.deleted.get() })
    }

    /// Passes over a step that the run is not about. Says so if a chosen step uses it and it is stale.
    fn pass_over(&self, walk: &mut Walk<'_>, index: usize) {
        let step = &self.runbook.steps[index];
        if self.options.selection.is_read(index)
            && let Some(reason) = self.stale(walk, index)
        {
            let message =
                format!("not selected, and would run ({reason}): later steps use what its last run left");
            self.journal.note(&step.id, &message);
        }
        walk.pass(step, &self.journal.state());
    }

    /// Returns why a step would run, if that can be known.
    fn stale(&self, walk: &mut Walk<'_>, index: usize) -> Option<String> {
        let step = &self.runbook.steps[index];
        let Ok(Resolution::Ready(ready)) = walk.resolve(index, &self.journal.state()) else { return None };
        let read = Step::read(&step.kind.name, &ready.fields).ok()?;
        let digests = self.digests(&read).ok()?;
        let facts = self.facts(step, &ready, &digests);
        match decide(step, &self.journal.state(), &facts, Some(&self.live)) {
            Decision::Run(reason) => Some(reason),
            Decision::Keep(_) | Decision::Skip(_) | Decision::Open(_) | Decision::Delete(_) => None,
        }
    }

    /// Runs neighbouring steps, as many at a time as the options say. Returns the index behind the last one that was begun: fewer
    /// than all, if one must run alone. Or returns the first step that failed, and why; the others have ended all the same.
    async fn neighbours(
        &self,
        walk: &mut Walk<'_>,
        range: Range<usize>,
    ) -> Result<Result<usize, (String, Failure)>, JournalError> {
        let (mut due, mut failed, mut behind) = (Vec::new(), None, range.start);
        for index in range.clone() {
            match self.prepare(walk, index, &due).await? {
                // What it detaches may be what the others rest on.
                Ok(Some(one)) if !one.to_detach.is_empty() && !due.is_empty() => break,
                Ok(one) => due.extend(one),
                Err(failure) => failed = Some((index, failure)),
            }
            behind = index + 1;
            if failed.is_some() {
                break;
            }
        }
        let context = walk.context();
        let stopped = Cell::new(false);
        let results = stream::iter(&due).map(|one| {
            let stopped = &stopped;
            async move {
                // After a failure, none begins that has not yet.
                if stopped.get() {
                    return Ok(None);
                }
                let failure = self.perform(context, one).await?;
                stopped.set(stopped.get() || failure.is_some());
                Ok::<_, JournalError>(failure.map(|failure| (one.index, failure)))
            }
        });
        let results: Vec<_> = results.buffered(self.options.jobs.max(1)).collect().await;
        let mut failures = Vec::from_iter(failed);
        for result in results {
            failures.extend(result?);
        }
        if let Some((index, failure)) = failures.into_iter().min_by_key(|(index, _)| *index) {
            return Ok(Err((self.runbook.steps[index].id.clone(), failure)));
        }
        for step in &self.runbook.steps[range.start..behind] {
            walk.pass(step, &self.journal.state());
        }
        Ok(Ok(behind))
    }

    /// Resolves a step and decides about it. Returns it if it is to run, or why it can't. `before` are those that run with it.
    async fn prepare(
        &self,
        walk: &mut Walk<'_>,
        index: usize,
        before: &[Due],
    ) -> Result<Result<Option<Due>, Failure>, JournalError> {
        let step = &self.runbook.steps[index];
        let resolution = walk.resolve(index, &self.journal.state());
        let ready = match resolution {
            Ok(Resolution::Ready(ready)) => ready,
            Ok(Resolution::Skip(reason)) => {
                let kind = step.kind.name.clone();
                self.journal.append([Event::StepSkipped { step: step.id.clone(), kind, reason }])?;
                return Ok(Ok(None));
            }
            Err(problems) => {
                let shown: Vec<String> = problems.iter().map(|p| self.runbook.source.render(p)).collect();
                let failure = Failure::new("InvalidStep", shown.join("\n").trim_start_matches("error: "));
                self.record_unresolved(step, &failure)?;
                return Ok(Err(failure));
            }
        };
        let read = Step::read(&step.kind.name, &ready.fields);
        let read = read.and_then(|read| Ok((self.digests(&read)?, read)));
        let (files, read) = match read {
            Ok(read) => read,
            Err(failure) => {
                self.record_unresolved(step, &failure)?;
                return Ok(Err(failure));
            }
        };
        let facts = self.facts(step, &ready, &files);
        let reason = match decide(step, &self.journal.state(), &facts, Some(&self.live)) {
            Decision::Keep(drift) => {
                self.cached.update(|cached| cached + 1);
                let summary = self.journal.state().steps.get(&step.id).map(|row| row.summary.clone());
                self.journal.kept(&step.id, &summary.unwrap_or_default());
                return Ok(self.keep(walk, step, &drift).await.map_or(Ok(None), Err));
            }
            Decision::Run(reason)
            | Decision::Open(reason)
            | Decision::Skip(reason)
            | Decision::Delete(reason) => reason,
        };
        if self.options.untouched.as_ref().is_some_and(|untouched| untouched.contains(&step.id)) {
            let message = format!("the plan leaves the step as it is, and now it would run: {reason}");
            return Ok(Err(Failure::plan(message)));
        }
        let price = match plan::reuses(&step.id, &facts, &self.journal.state()) {
            true => Ok(0.0),
            false => self.afford(&read, before.iter().map(|one| one.price).sum()),
        };
        let price = match price {
            Ok(price) => price,
            Err(failure) => return Ok(Err(failure)),
        };
        let to_detach = walk.to_detach(index, &self.journal.state().resources);
        Ok(Ok(Some(Due { index, read, inputs: ready.inputs, files, reason, price, to_detach })))
    }

    /// Refuses a step that may cost more than the budget has left, without what others may cost that run with it. Returns the
    /// most that it may cost.
    fn afford(&self, read: &Step, reserved: f64) -> Outcome<f64> {
        let (Some(budget), Some(price)) = (self.options.budget, read.price()) else { return Ok(0.0) };
        let now = jiff::Timestamp::now().as_millisecond();
        let (spent, _) = costs::sums(&costs::costs(&self.journal.state(), now)?);
        let spent = spent + reserved;
        match price.usd {
            Some(usd) if spent + usd <= budget => Ok(usd),
            usd => {
                let adds = usd.map_or("an unknown amount".to_owned(), |usd| format!("{usd:.2} USD"));
                let message = format!(
                    "the step may cost {adds} ({}), {spent:.2} USD are spent or due, and the budget is {budget:.2} USD",
                    price.words
                );
                Err(Failure::budget(message).hint("raise `budget` in the front matter, or give --budget"))
            }
        }
    }

    /// Returns what the decision about a step whose templates are resolved rests on.
    fn facts<'a>(&self, step: &Declared, ready: &'a Ready, digests: &BTreeMap<String, String>) -> Facts<'a> {
        let state = self.journal.state();
        let outputs = state.steps.get(&step.id).and_then(|row| row.outputs.as_ref());
        Facts {
            inputs: Inputs::Resolved(&ready.inputs),
            files: digests.iter().map(|(path, digest)| (path.clone(), Ok(digest.clone()))).collect(),
            missing: outputs.and_then(|outputs| (step.info.missing)(outputs, &self.options.paths)),
            forced: self.options.force.contains(&step.id),
            restore: self.options.yes,
        }
    }

    /// Keeps a step that is done, and checks its expectations again.
    async fn keep(&self, walk: &Walk<'_>, step: &Declared, drift: &[Drift]) -> Option<Failure> {
        for Drift { id, changes } in drift {
            let changes = changes.join(", ");
            let message = format!(
                "{id} was changed outside of opsml: {changes}; --yes or --force {} restores it",
                step.id
            );
            self.journal.note(&step.id, &message);
        }
        let outputs = self.journal.state().steps.get(&step.id).and_then(|row| row.outputs.clone());
        let context = walk.context().with(&outputs.unwrap_or_default());
        if let Err(failure) = expectations(step, &context) {
            return Some(failure);
        }
        self.clean(&step.id).await
    }

    /// Records that a step's fields cannot be read: the step has failed, unless it was done, and then only this run fails.
    fn record_unresolved(&self, step: &Declared, failure: &Failure) -> Result<(), JournalError> {
        if self.journal.state().steps.get(&step.id).is_some_and(|row| row.status == StepStatus::Done) {
            return Ok(());
        }
        let started = Event::StepStarted {
            step: step.id.clone(),
            kind: step.kind.name.clone(),
            inputs: Value::Null,
            files: BTreeMap::new(),
            reason: "new".into(),
        };
        let (step, failure, figures) = (step.id.clone(), failure.clone(), Vec::new());
        self.journal.append([started, Event::StepFailed { step, failure, figures }])
    }
}
