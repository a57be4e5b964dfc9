//! Which steps the command line chooses.

use super::session;
use super::stop::Stop;
use crate::cli;
use crate::journal::State;
use crate::runbook::Runbook;
use crate::select::{Missing, Selection, Selectors, Unselectable};

/// The steps that a run is about, and those to redo even if nothing has changed.
pub struct Chosen {
    pub selection: Selection,
    pub force: Vec<String>,
}

impl From<Unselectable> for Stop {
    fn from(why: Unselectable) -> Self {
        Self::usage(why.to_string()).hints(why.hint().into_iter().collect())
    }
}

impl Chosen {
    pub fn of(runbook: &Runbook, steps: &cli::Steps) -> Result<Self, Stop> {
        let cli::Steps { only, from, until, skip, force } = steps.clone();
        let selection = Selection::of(runbook, &Selectors { only, from, until, skip })?;
        let forced = match force.is_empty() {
            true => Vec::new(),
            false => {
                let forced = Selection::of(runbook, &Selectors { only: force, ..Selectors::default() })?;
                let ids = runbook.steps.iter().enumerate().filter(|(index, _)| forced.has(*index));
                if let Some((_, step)) = ids.clone().find(|(index, _)| !selection.has(*index)) {
                    let message = format!("--force names `{}`, which the other options leave out", step.id);
                    return Err(Stop::usage(message));
                }
                ids.map(|(_, step)| step.id.clone()).collect()
            }
        };
        Ok(Self { selection, force: forced })
    }

    /// Refuses a choice whose steps use others that have nothing to show.
    pub fn must_be_runnable(&self, runbook: &Runbook, state: &State) -> Result<(), Stop> {
        let missing = self.selection.missing(runbook, state);
        let Some(first) = missing.first() else { return Ok(()) };
        let said: Vec<String> = missing.iter().take(session::MAX_SHOWN).map(Missing::to_string).collect();
        Err(Stop::usage(said.join("\n")).hint(format!("--only +{} runs what it needs, too", first.step)))
    }
}
