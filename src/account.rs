//! What the account has of a stack, beside what the journal knows of it. The tags of the resources are the only witness that
//! is not on this machine.

use serde_json::json;

use crate::aws::Aws;
use crate::failure::{Failure, Outcome};
use crate::journal::{Event, ResourceId, State};
use crate::resource::{AnyResource, EVENT_TAG, Found, SLOT_TAG, SPEC_TAG, STEP_TAG, search};

/// How much this machine's clock and the services' may differ, in seconds.
const SKEW: i64 = 15 * 60;

/// Returns the resources with the stack's tags that were created after a time, in milliseconds since 1970, and that the
/// journal does not know, and what could not be searched.
pub async fn unknown(aws: &Aws, state: &State, since: i64) -> (Vec<Found>, Vec<String>) {
    let (found, unsearched) = search(aws, since / 1000 - SKEW).await;
    let known = |id: &ResourceId| state.resources.get(id).is_some();
    let unknown = |one: &Found| {
        let of_known = one.trial_of().is_some_and(|tuning_job| known(&tuning_job));
        one.stack() == state.stack && !known(&one.id) && !of_known
    };
    (found.into_iter().filter(unknown).collect(), unsearched)
}

/// Refuses a journal that is older than the account.
pub async fn check(aws: &Aws, state: &State) -> Outcome<Vec<String>> {
    let (unknown, unsearched) = unknown(aws, state, state.last).await;
    if unknown.is_empty() {
        return Ok(unsearched);
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

/// Deletes a resource by its tags alone, and waits until it is gone.
pub async fn delete(aws: &Aws, id: &ResourceId) -> Outcome<()> {
    let Some(resource) = AnyResource::stand_in(&id.kind, &id.name) else { return Ok(()) };
    let mut attempt = 0;
    while resource.describe(aws, &id.name).await?.is_some() {
        if attempt == 0 {
            resource.delete(aws, &id.name).await?;
        } else {
            aws.pause(attempt).await?;
        }
        attempt += 1;
    }
    Ok(())
}
