//! The changes of a notebook instance's state: those that are requested, and those that follow by themselves.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::record::{Notebook, STORE, Status, all, arn, change};
use crate::call::AwsError;
use crate::sagemaker::resource::words;
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::tags;

/// How long it takes to start, stop, change or delete a notebook instance. On AWS these are minutes. Here it is long
/// enough to be seen.
const CHANGE: Duration = Duration::from_secs(1);

/// Moves a notebook instance from the state `from` to the state `to`, and later to the state that follows.
///
/// # Errors
/// A ValidationException: it doesn't exist, or isn't in that state; those of `more`.
pub fn move_on(
    service: &Arc<SageMaker>,
    name: &str,
    from: Status,
    to: Status,
    more: impl FnOnce(&mut Notebook) -> Result<(), AwsError>,
) -> Result<(), AwsError> {
    let arn = arn(service.cloud(), name);
    change(service.store(), name, |notebook| {
        if notebook.status != from {
            // AWS's message also names Failed, a state that no notebook instance has here.
            let failed = if from == Status::Stopped { ", Failed" } else { "" };
            return Err(AwsError::validation(format!(
                "Status ({}) not in ([{}{failed}]). Unable to transition to ({}) for Notebook Instance ({arn}).",
                words(notebook.status),
                words(from),
                words(to)
            )));
        }
        more(notebook)?;
        notebook.status = to;
        Ok(())
    })?;
    finish_later(service, name);
    Ok(())
}

/// Moves a notebook instance, after a time, to the state that follows its present one.
pub fn finish_later(service: &Arc<SageMaker>, name: &str) {
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move {
        sleep(CHANGE).await;
        // If this can't be written, the next start of the server does it.
        let _ = finish(&service, &name);
    });
}

fn finish(service: &SageMaker, name: &str) -> Result<(), AwsError> {
    let (cloud, store) = (service.cloud(), service.store());
    let Some(notebook) = store.get::<Notebook>(STORE, name)? else { return Ok(()) };
    if notebook.status == Status::Deleting {
        tags::clear(store, &arn(cloud, name))?;
        return store.delete(STORE, name).map(drop);
    }
    match notebook.status.next() {
        Some(next) => change(store, name, |notebook| {
            notebook.status = next;
            Ok(())
        }),
        None => Ok(()),
    }
}

/// Continues the changes of state that the last server didn't finish.
///
/// # Errors
/// The store's.
pub fn recover(service: &Arc<SageMaker>) -> Result<(), AwsError> {
    for (name, _) in all(service.store())?.iter().filter(|(_, notebook)| notebook.status.moves()) {
        finish_later(service, name);
    }
    Ok(())
}
