//! When credentials were used last: RoleLastUsed and GetAccessKeyLastUsed.

use std::sync::PoisonError;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Credential, Iam};
use crate::call::AwsError;

const USED: &str = "iam.used";

/// A use within this time of the last that was written down is not written down again.
const RESOLUTION: SignedDuration = SignedDuration::from_mins(1);

/// The last use of an access key or a role, told to the minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Used {
    pub time: Timestamp,
    /// As in the credential scope of a signature: `s3`.
    pub service: String,
    pub region: String,
}

impl Iam {
    /// A request that these credentials signed. A use that can't be written down is no reason to refuse it.
    pub(crate) fn used(&self, credential: &Credential, service: &str, region: &str) {
        let id = match credential.session_token {
            Some(_) => credential.caller.user_id.split(':').next().unwrap_or_default(),
            None => &credential.access_key_id,
        };
        self.used_now(id, service, region);
    }

    /// A use of the access key or role with this id.
    pub(super) fn used_now(&self, id: &str, service: &str, region: &str) {
        let used = Used { time: Timestamp::now(), service: service.to_owned(), region: region.to_owned() };
        let mut last = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let known = last.get(id).is_some_and(|before| {
            used.time.duration_since(before.time) < RESOLUTION
                && (&before.service, &before.region) == (&used.service, &used.region)
        });
        if !known && self.store.put(USED, id, &used).is_ok() {
            last.insert(id.to_owned(), used);
        }
    }

    pub(super) fn last_used(&self, id: &str) -> Result<Option<Used>, AwsError> {
        self.store.get(USED, id)
    }

    pub(super) fn forget_use(&self, id: &str) -> Result<(), AwsError> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
        self.store.delete(USED, id).map(drop)
    }
}
