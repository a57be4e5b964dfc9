//! What the front matter's `moved` does to a journal: a step that has another id keeps what it did and made. No I/O.

use std::fmt;

use crate::journal::{Event, State};
use crate::runbook::Runbook;

/// A step can't take another's place: both have live resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Occupied {
    pub from: String,
    pub to: String,
}

impl fmt::Display for Occupied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(f, "`{from}` can't become `{to}`: both have live resources")
    }
}

/// Returns the events by which the steps of a state get the ids that the runbook says. There are none once they have them.
pub fn moves(runbook: &Runbook, state: &State) -> Result<Vec<Event>, Occupied> {
    let is_live = |step: &str| state.resources.live_of(step).next().is_some();
    let mut events = Vec::new();
    for (from, to) in &runbook.front.moved {
        if !state.steps.contains_key(from) && !is_live(from) {
            continue;
        }
        if is_live(to) {
            return Err(Occupied { from: from.clone(), to: to.clone() });
        }
        events.push(Event::StepMoved { from: from.clone(), to: to.clone() });
    }
    Ok(events)
}
