//! The capacity of what is scaled, whichever service has it.

use std::sync::Arc;

use super::key::Key;
use super::scalable::{Capacity, Change};
use super::service::Scaling;
use crate::call::AwsError;

impl Scaling {
    /// Returns the capacity of a target as it is now. None: what is scaled doesn't exist.
    pub(super) fn capacity(&self, key: &Key) -> Result<Option<Capacity>, AwsError> {
        match key {
            Key::Variant { endpoint, variant } => {
                let found = self.scaled()?.variant(endpoint, variant)?;
                Ok(found.map(|variant| Capacity { settled: variant.in_service, desired: variant.desired }))
            }
            Key::Concurrency { function, qualifier } => self.functions()?.provisioned(function, qualifier),
        }
    }

    /// Starts to change a capacity.
    pub(super) fn set_capacity(&self, key: &Key, count: u64) -> Result<Change, AwsError> {
        match key {
            Key::Variant { endpoint, variant } => self.scaled()?.set_capacity(endpoint, variant, count),
            Key::Concurrency { function, qualifier } => {
                self.functions()?.set_provisioned(function, qualifier, count)
            }
        }
    }

    /// Waits until a change that the last server began has ended.
    ///
    /// # Errors
    /// Why the capacity isn't reached.
    pub(super) async fn settled(self: Arc<Self>, key: Key) -> Result<(), String> {
        let gone = |error: AwsError| error.message;
        match &key {
            Key::Variant { endpoint, .. } => self.scaled().map_err(gone)?.settled(endpoint).await,
            Key::Concurrency { function, qualifier } => {
                self.functions().map_err(gone)?.settled(function, qualifier).await
            }
        }
    }
}
