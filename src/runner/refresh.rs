//! What AWS says of the resources when a run begins.

use futures::{StreamExt, stream};
use serde_json::{Map, Value};

use super::work::Runner;
use crate::decide::Seen;
use crate::journal::ResourceId;
use crate::resource::{AnyResource, Status};

/// How many Describe calls run at the same time.
const PARALLEL: usize = 8;

impl Runner<'_> {
    /// Describes each live resource once, several at a time, and looks whose it is. If that fails, the resource counts as
    /// unchanged.
    pub async fn describe(&mut self) {
        let (aws, state) = (self.aws, self.journal.state());
        let rows = state.resources.live();
        let resources: Vec<(ResourceId, Value, Map<String, Value>)> =
            rows.map(|(id, row)| (id.clone(), row.spec.clone(), row.facts.clone())).collect();
        let (stack, masker) = (state.stack.clone(), state.masker());
        let (stack, masker) = (&stack, &masker);
        let described = stream::iter(resources).map(|(id, spec, facts)| async move {
            let resource = AnyResource::read(&id.kind, &spec).ok()?;
            let seen = match resource.describe(aws, &id.name).await.ok()? {
                None => Seen::Gone { inverse: resource.inverse() },
                Some(mut live) => {
                    masker.map(&mut live.facts);
                    Seen::There {
                        ours: resource.is_ours(aws, &id.name, stack).await.unwrap_or(true),
                        failed: match live.status {
                            Status::Failed(ref reason) | Status::Ended(ref reason) => Some(reason.clone()),
                            Status::Ready | Status::Pending(_) => {
                                live.lost(&facts).map(|gone| format!("{gone} is gone"))
                            }
                        },
                        facts: live.facts,
                    }
                }
            };
            Some((id, seen))
        });
        self.live = described.buffer_unordered(PARALLEL).filter_map(std::future::ready).collect().await;
    }
}
