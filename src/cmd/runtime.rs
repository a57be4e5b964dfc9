//! The async runtime of the verbs that call services.

use super::stop::{Stop, Verdict};
use crate::exit;

/// Runs a verb to its end.
pub fn block_on(verb: impl Future<Output = Verdict>) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            let verdict = runtime.block_on(verb);
            // Does not wait for a blocking read.
            runtime.shutdown_background();
            verdict
        }
        Err(error) => Err(Stop::new(exit::BUG, format!("no async runtime: {error}"))),
    }
}
