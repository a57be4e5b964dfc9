//! Provisioned concurrency, as Application Auto Scaling scales it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::provisioned;
use super::record::{FUNCTION, Function};
use super::service::Lambda;
use super::target::Target;
use crate::autoscaling::{Capacity, Change, Functions};
use crate::call::AwsError;

/// How often a change is looked at.
const LOOK: Duration = Duration::from_millis(20);

fn target(function: &str, qualifier: &str) -> Target {
    Target { name: function.to_owned(), qualifier: Some(qualifier.to_owned()) }
}

#[async_trait]
impl Functions for Lambda {
    fn provisioned(&self, function: &str, qualifier: &str) -> Result<Option<Capacity>, AwsError> {
        let Some(found) = self.cloud.store.get::<Function>(FUNCTION, function)? else { return Ok(None) };
        // Of `$LATEST`, nothing can be provisioned.
        if found.qualified(Some(qualifier)).is_none_or(|version| version.number.is_none()) {
            return Ok(None);
        }
        let desired = found.provisioned.get(qualifier).map_or(0, |config| config.requested);
        let (ready, failure) = provisioned::ready(self, function, qualifier);
        Ok(Some(Capacity { settled: ready == desired || failure.is_some(), desired }))
    }

    fn set_provisioned(
        self: Arc<Self>,
        function: &str,
        qualifier: &str,
        count: u64,
    ) -> Result<Change, AwsError> {
        let target = target(function, qualifier);
        if count == 0 {
            provisioned::end(&self, &target, qualifier)?;
        } else {
            provisioned::set(&self, &target, qualifier, count)?;
        }
        let (done, change) = oneshot::channel();
        let qualifier = qualifier.to_owned();
        tokio::spawn(async move {
            // If the server stops, nobody receives it.
            let _ = done.send(self.settled(&target.name, &qualifier).await);
        });
        Ok(change)
    }

    async fn settled(&self, function: &str, qualifier: &str) -> Result<(), String> {
        loop {
            let capacity = self.provisioned(function, qualifier).map_err(|error| error.message)?;
            let Some(capacity) = capacity else { return Err("The function was deleted.".to_owned()) };
            if let (_, Some(failure)) = provisioned::ready(self, function, qualifier) {
                return Err(failure);
            }
            if capacity.settled {
                return Ok(());
            }
            // Polled, since an environment that starts tells nobody.
            tokio::time::sleep(LOOK).await;
        }
    }
}
