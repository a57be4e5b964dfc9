//! What the account has of a stack, beside what the journal knows of it. The tags of the resources are the only witness that
//! is not on this machine.

use serde_json::json;

use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Event, ResourceId, State};
use crate::resource::{AnyResource, EVENT_TAG, Found, SLOT_TAG, SPEC_TAG, STEP_TAG, Status, search};

/// How much this machine's clock and the services' may differ, in seconds.
const SKEW: i64 = 15 * 60;

/// What the account has with a stack's tags, and the journal does not have as live.
#[derive(Debug, Default)]
pub struct Beside {
    /// The journal has never heard of these.
    pub unknown: Vec<Found>,
    /// The journal knows that these were deleted: a create call has arrived late, after the one that was made again.
    pub strays: Vec<ResourceId>,
    /// What could not be searched, each with the reason.
    pub unsearched: Vec<String>,
}

/// Searches the account for what was created after a time, in milliseconds since 1970.
pub async fn beside(aws: &Aws, state: &State, since: i64) -> Beside {
    let (found, unsearched) = search(aws, since / 1000 - SKEW).await;
    let mut beside = Beside { unsearched, ..Beside::default() };
    for one in found.into_iter().filter(|one| one.stack() == state.stack) {
        let known = |id: &ResourceId| state.resources.get(id);
        match known(&one.id) {
            Some(row) if row.is_live() => {}
            Some(_) => beside.strays.push(one.id),
            None if one.trial_of().is_some_and(|tuning_job| known(&tuning_job).is_some()) => {}
            None => beside.unknown.push(one),
        }
    }
    beside
}

/// Refuses a journal that is older than the account. Deletes the strays, and returns them, and what could not be searched.
pub async fn check(aws: &Aws, state: &State) -> Outcome<(Vec<ResourceId>, Vec<String>)> {
    let Beside { unknown, strays, unsearched } = beside(aws, state, state.last).await;
    if unknown.is_empty() {
        let mut deleted = Vec::new();
        for id in strays {
            if delete(aws, &id).await? {
                deleted.push(id);
            }
        }
        return Ok((deleted, unsearched));
    }
    let message = format!(
        "the journal does not know {}, which the account has with the tags of its stack {}: an older copy of the journal \
         was put back",
        names(&unknown),
        state.stack
    );
    Err(Failure::journal(message)
        .hint("`opsml recover` makes a journal from the tags of the account's resources"))
}

/// Returns the first resources by name, and the number of the others.
pub fn names(found: &[Found]) -> String {
    let mut names: Vec<String> = found.iter().take(5).map(|one| one.id.to_string()).collect();
    if found.len() > names.len() {
        names.push(format!("and {} more", found.len() - names.len()));
    }
    names.join(", ")
}

/// Returns the events that tell a new journal of resources, in the order in which they were made.
pub fn events(mut found: Vec<Found>) -> Vec<Event> {
    found.sort_by_key(|one| one.tags.get(EVENT_TAG).and_then(|number| number.parse::<u64>().ok()));
    let mut taken = std::collections::HashSet::new();
    let mut events = Vec::new();
    for Found { id, tags } in found {
        let Some(stand_in) = AnyResource::stand_in(&id.kind, &id.name) else { continue };
        let text = |tag: &str| tags.get(tag).cloned().unwrap_or_default();
        let (step, slot) = (text(STEP_TAG), text(SLOT_TAG));
        // The newest one of a slot has taken the place of the others.
        if !taken.insert((step.clone(), slot.clone())) {
            let earlier = events.iter().rev().find_map(|event| match event {
                Event::Recovered { id, step: s, slot: t, .. } if (s, t) == (&step, &slot) => Some(id.clone()),
                _ => None,
            });
            events.extend(earlier.map(|id| Event::Superseded { id }));
        }
        let spec = stand_in.spec().unwrap_or_else(|_| json!(null));
        events.push(Event::Recovered { id, step, slot, spec, digest: text(SPEC_TAG) });
    }
    events
}

/// Deletes a resource by its tags alone, and waits until it is gone. Returns whether it was there.
pub async fn delete(aws: &Aws, id: &ResourceId) -> Outcome<bool> {
    let Some(resource) = AnyResource::stand_in(&id.kind, &id.name) else { return Ok(false) };
    let mut attempt = 0;
    while let Some(live) = resource.describe(aws, &id.name).await? {
        // AWS still lists an instance that is terminated.
        match live.status {
            Status::Ended(_) => break,
            _ if attempt == 0 => resource.delete(aws, &id.name).await?,
            _ => aws.pause(attempt).await?,
        }
        attempt += 1;
    }
    Ok(attempt > 0)
}
