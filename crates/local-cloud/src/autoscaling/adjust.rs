//! Changes a capacity that is outside of its target's range.

use std::sync::Arc;

use super::activity::{self, Cause};
use super::key::Key;
use super::service::Scaling;
use super::target::{STORE, Target};
use crate::call::AwsError;

/// Changes the capacity of a target whose range was changed so that it is in the range, once it can be changed.
pub fn adjust(service: &Arc<Scaling>, key: &Key) -> Result<(), AwsError> {
    let Some(target) = service.target(key)? else { return Ok(()) };
    let Some(words) = target.adjust else { return Ok(()) };
    let Some(capacity) = service.capacity(key)?.filter(|capacity| capacity.settled) else { return Ok(()) };
    service.cloud.store.update(STORE, &key.resource(), |target: &mut Target| {
        target.adjust = None;
        Ok(())
    })?;
    let to = capacity.desired.clamp(target.min, target.max);
    if to == capacity.desired {
        return Ok(());
    }
    activity::begin(service, key, capacity.desired, to, Cause { words, policy: None })
}
