//! The steps from one state of a notebook instance to the next: those that are asked for, and those that follow.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::record::{Notebook, STORE, Status, all, arn, change};
use crate::call::AwsError;
use crate::sagemaker::resource::words;
use crate::sagemaker::service::SageMaker;
use crate::sagemaker::tags;

/// How long it takes to start, stop, change or delete one: minutes on AWS, and long enough to be seen here.
const CHANGE: Duration = Duration::from_secs(1);

/// Changes a notebook instance that is in state `from`, and lets it go where the state `to` leads.
///
/// # Errors
/// A ValidationException: it is not there, or not in that state; those of `more`.
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
            // AWS names Failed, too, which no notebook instance is here.
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

/// Lets a notebook instance reach, in a while, the state that its present one leads to.
pub fn finish_later(service: &Arc<SageMaker>, name: &str) {
    let (service, name) = (Arc::clone(service), name.to_owned());
    tokio::spawn(async move {
        sleep(CHANGE).await;
        // If it cannot be written, the next start of the server does it.
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

/// Lets the notebook instances go on that the last server left between two states.
///
/// # Errors
/// The store's.
pub fn recover(service: &Arc<SageMaker>) -> Result<(), AwsError> {
    for (name, _) in all(service.store())?.iter().filter(|(_, notebook)| notebook.status.moves()) {
        finish_later(service, name);
    }
    Ok(())
}
