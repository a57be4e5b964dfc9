//! What a run deletes: what only an earlier form of a step needed, what lives no longer than its step, and what later steps
//! have attached to what is redone.

use std::collections::{BTreeMap, BTreeSet};

use super::work::Runner;
use crate::attachment;
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::journal::{Event, JournalError, Lifetime, ResourceId, StepStatus};
use crate::resource::ensure::StepSession;
use crate::runbook::Declared;

impl Runner<'_> {
    /// Detaches the attachments of later steps that this step must run without. Those steps then attach them again.
    pub async fn detach(&self, step: &Declared, attachments: Vec<ResourceId>) -> Outcome<()> {
        for id in &attachments {
            let by = self.journal.state().resources.get(id).map(|row| row.step.clone()).unwrap_or_default();
            self.detached.borrow_mut().push((by.clone(), id.clone()));
            let message =
                format!("detaching {id}, which `{by}` attached: `{}` is redone without it", step.id);
            self.journal.note(&step.id, &message);
        }
        self.delete(&step.id, attachments).await
    }

    /// Returns the attachments that were detached and are not attached again, because their step was not reached or failed.
    pub fn still_detached(&self) -> Vec<String> {
        let (state, detached) = (self.journal.state(), self.detached.borrow());
        let detached = attachment::still_detached(&detached, &state.resources);
        detached.map(|(step, id)| format!("{id} of `{step}`")).collect()
    }

    pub async fn delete_ephemeral_of(&self, step: &str) -> Outcome<()> {
        let ephemeral = self.journal.state().resources.ephemeral(step);
        self.delete(step, ephemeral).await
    }

    /// Deletes the ephemeral resources that are left of steps that have ended. An interrupted step keeps its own, to continue
    /// with them. Returns the first step whose resources cannot be deleted, and why.
    pub async fn delete_ephemeral(&self) -> Option<(String, Failure)> {
        let state = self.journal.state();
        let ended = |step: &str| state.steps.get(step).is_none_or(|row| row.status != StepStatus::Running);
        let rows =
            state.resources.live().filter(|(_, row)| row.lifetime == Lifetime::Step && ended(&row.step));
        let steps: BTreeSet<String> = rows.map(|(_, row)| row.step.clone()).collect();
        drop(state);
        let mut left = None;
        for step in steps {
            if let Err(failure) = self.delete_ephemeral_of(&step).await {
                left = left.or(Some((step, failure)));
            }
        }
        left
    }

    /// Deletes the step's superseded resources.
    pub async fn clean(&self, step: &str) -> Option<Failure> {
        let state = self.journal.state();
        let live = state.resources.live_of(step).rev();
        let superseded = live.filter(|(_, row)| row.superseded).map(|(id, _)| id.clone()).collect();
        drop(state);
        self.delete(step, superseded).await.err()
    }

    async fn delete(&self, step: &str, ids: Vec<ResourceId>) -> Outcome<()> {
        let mut session = StepSession {
            aws: self.aws,
            journal: self.journal,
            step: step.to_owned(),
            base: String::new(),
            tags: BTreeMap::new(),
            force: false,
            restore: Vec::new(),
            ensured: Vec::new(),
        };
        for id in ids {
            session.delete_and_wait(&id).await?;
            self.deleted.update(|deleted| deleted + 1);
        }
        Ok(())
    }

    /// Deletes the resources of steps that are no longer in the runbook, if the user agreed.
    pub async fn remove_forgotten(&self) -> Result<(), JournalError> {
        let state = self.journal.state();
        let forgotten = state.steps.keys().filter(|id| self.runbook.step(id).is_none());
        let forgotten: Vec<String> = forgotten.cloned().collect();
        drop(state);
        for step in forgotten {
            let live: Vec<ResourceId> =
                self.journal.state().resources.live_of(&step).rev().map(|(id, _)| id.clone()).collect();
            if !live.is_empty() && !self.options.yes {
                let message = format!(
                    "`{step}` is no longer in the runbook and still has {}: run with --yes to delete",
                    counted(live.len(), "live resource")
                );
                self.journal.note(&step, &message);
                continue;
            }
            match self.delete(&step, live).await {
                Ok(()) => self.journal.append([Event::StepForgotten { step }])?,
                Err(failure) => self.journal.note(&step, &failure.to_string()),
            }
        }
        Ok(())
    }
}
