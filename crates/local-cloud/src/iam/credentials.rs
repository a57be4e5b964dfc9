//! The credentials that requests are signed with: users' access keys, and those of sessions.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::access_key::AccessKey;
use super::id;
use super::service::Iam;
use super::stored::{KEY, UserKey};
use crate::authority::{Credential, Session};
use crate::call::{AwsError, Caller};
use crate::support::lock::{read, write};

const SESSION: &str = "sts.session";

impl Iam {
    /// Stores `key` as an access key of `caller`, unless it is stored already, perhaps as inactive. Returns the stored
    /// key.
    pub(super) fn add_key(&self, key: &AccessKey, caller: Caller) -> Result<UserKey, AwsError> {
        let user = caller.arn.rsplit('/').next().unwrap_or_default().to_owned();
        let new = UserKey { key: key.clone(), user, caller, active: true, created: Timestamp::now() };
        self.store().insert(KEY, &key.access_key_id, &new)?;
        self.load_keys()?;
        Ok(self.store().get(KEY, &key.access_key_id)?.unwrap_or(new))
    }

    /// Accepts signatures by the active keys.
    fn load_keys(&self) -> Result<(), AwsError> {
        for (_, stored) in self.store().list::<UserKey>(KEY)? {
            if stored.active {
                self.accept(&stored.key, stored.caller);
            }
        }
        Ok(())
    }

    /// Returns a user's keys, oldest first.
    pub(super) fn keys_of(&self, user: &str) -> Result<Vec<UserKey>, AwsError> {
        let all = self.store().list::<UserKey>(KEY)?.into_iter();
        let mut keys: Vec<UserKey> = all.map(|(_, key)| key).filter(|key| key.user == user).collect();
        keys.sort_by_key(|key| key.created);
        Ok(keys)
    }

    /// Accepts signatures by `key`, as those of `caller`.
    pub(super) fn accept(&self, key: &AccessKey, caller: Caller) {
        self.remember(Credential {
            access_key_id: key.access_key_id.clone(),
            secret_access_key: key.secret_access_key.clone(),
            session_token: None,
            expiration: None,
            caller,
        });
    }

    /// Accepts no more signatures by a key.
    pub(super) fn refuse(&self, access_key_id: &str) {
        write(&self.credentials).remove(access_key_id);
    }

    /// Returns the credential of an access key, even if it has expired: the error differs from that for an unknown key.
    pub(super) fn find_credential(&self, access_key_id: &str) -> Option<Arc<Credential>> {
        read(&self.credentials).get(access_key_id).cloned()
    }

    /// Creates and stores temporary credentials.
    pub(super) fn start_session(&self, caller: Caller, lasts: SignedDuration) -> Result<Session, AwsError> {
        let session = Session {
            caller,
            access_key_id: id::access_key_id("ASIA"),
            secret_access_key: id::secret(),
            session_token: id::session_token(),
            expiration: Timestamp::now() + lasts,
        };
        let credential = Credential {
            access_key_id: session.access_key_id.clone(),
            secret_access_key: session.secret_access_key.clone(),
            session_token: Some(session.session_token.clone()),
            expiration: Some(session.expiration),
            caller: session.caller.clone(),
        };
        self.store().put(SESSION, &session.access_key_id, &credential)?;
        self.remember(credential);
        Ok(session)
    }

    /// Reads the stored sessions, and deletes those that expired more than a day ago. Until then, requests with them
    /// get the error that they have expired.
    pub(super) fn load_sessions(&self) -> Result<(), AwsError> {
        let day_ago = Timestamp::now() - SignedDuration::from_hours(24);
        for (id, credential) in self.store().list::<Credential>(SESSION)? {
            if credential.expired_at(day_ago) {
                self.store().delete(SESSION, &id)?;
            } else {
                self.remember(credential);
            }
        }
        Ok(())
    }

    fn remember(&self, credential: Credential) {
        write(&self.credentials).insert(credential.access_key_id.clone(), Arc::new(credential));
    }
}
