//! Stores when access keys and roles were last used, for RoleLastUsed and GetAccessKeyLastUsed.

use jiff::{SignedDuration, Timestamp};

use super::service::Iam;
use super::stored::Used;
use crate::authority::Credential;
use crate::call::AwsError;
use crate::support::lock::locked;

const USED: &str = "iam.used";

/// A use isn't stored if the last stored one is more recent than this.
const RESOLUTION: SignedDuration = SignedDuration::from_mins(1);

impl Iam {
    /// Stores that a request was signed with these credentials.
    pub(super) fn credential_used(&self, credential: &Credential, service: &str, region: &str) {
        let id = match credential.session_token {
            Some(_) => credential.caller.user_id.split(':').next().unwrap_or_default(),
            None => &credential.access_key_id,
        };
        self.used_now(id, service, region);
    }

    /// Stores a use of the access key or role with this id. If that fails, the request goes on.
    pub(super) fn used_now(&self, id: &str, service: &str, region: &str) {
        let used = Used { time: Timestamp::now(), service: service.to_owned(), region: region.to_owned() };
        let mut last = locked(&self.used);
        let known = last.get(id).is_some_and(|before| {
            used.time.duration_since(before.time) < RESOLUTION
                && (&before.service, &before.region) == (&used.service, &used.region)
        });
        if !known && self.store().put(USED, id, &used).is_ok() {
            last.insert(id.to_owned(), used);
        }
    }

    pub(super) fn last_used(&self, id: &str) -> Result<Option<Used>, AwsError> {
        self.store().get(USED, id)
    }

    pub(super) fn forget_use(&self, id: &str) -> Result<(), AwsError> {
        locked(&self.used).remove(id);
        self.store().delete(USED, id).map(drop)
    }
}
