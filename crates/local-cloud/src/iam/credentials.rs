//! Access keys: the user's own, and the sessions that STS hands out.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Iam;
use super::model::random;
use crate::call::{AwsError, Caller};

const SESSION: &str = "sts.session";

/// The file in the state folder with the keys of the user `opsml`.
pub const KEYS_FILE: &str = "keys.json";

/// A long-lived access key, as [`KEYS_FILE`] holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    pub access_key_id: String,
    pub secret_access_key: String,
}

impl AccessKey {
    /// The keys of the state folder: made once, readable by its owner alone, and never overwritten.
    pub fn ensure(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join(KEYS_FILE);
        // Written aside and linked into place, so that a half-written file is never taken for the keys.
        let aside = dir.join(format!("{KEYS_FILE}.{}", std::process::id()));
        let key = Self::random();
        if !path.exists() {
            match std::fs::remove_file(&aside) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
            file.write_all(&serde_json::to_vec(&key)?)?;
            file.sync_all()?;
            let linked = std::fs::hard_link(&aside, &path);
            std::fs::remove_file(&aside)?;
            match linked {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
        }
        Self::read(dir)
    }

    /// A new key.
    pub(super) fn random() -> Self {
        Self { access_key_id: access_key_id("AKIA"), secret_access_key: secret() }
    }

    /// The keys of a folder that has some.
    pub fn read(dir: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(dir.join(KEYS_FILE))?)?)
    }
}

/// What a signature is verified against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// A session's; None for a user's own key.
    pub session_token: Option<String>,
    pub expiration: Option<Timestamp>,
    pub caller: Caller,
}

impl Credential {
    pub fn expired(&self) -> bool {
        self.expired_at(Timestamp::now())
    }

    pub fn expired_at(&self, time: Timestamp) -> bool {
        self.expiration.is_some_and(|end| end <= time)
    }
}

/// Temporary credentials of a role.
#[derive(Clone, Debug)]
pub struct Session {
    /// The assumed role.
    pub caller: Caller,
    /// ASIA…
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
    pub expiration: Timestamp,
}

impl Iam {
    /// Lets `key` sign as `caller`.
    pub(super) fn accept(&self, key: &AccessKey, caller: Caller) {
        self.remember(Credential {
            access_key_id: key.access_key_id.clone(),
            secret_access_key: key.secret_access_key.clone(),
            session_token: None,
            expiration: None,
            caller,
        });
    }

    /// Expired ones too: the answer to them is another one than to unknown ones.
    pub fn credential(&self, access_key_id: &str) -> Option<Arc<Credential>> {
        self.credentials.read().unwrap_or_else(PoisonError::into_inner).get(access_key_id).cloned()
    }

    /// Makes and stores temporary credentials.
    pub fn start_session(&self, caller: Caller, lasts: SignedDuration) -> Result<Session, AwsError> {
        const TOKEN: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let session = Session {
            caller,
            access_key_id: access_key_id("ASIA"),
            secret_access_key: secret(),
            session_token: format!("IQoJb3JpZ2luX2Vj{}", random(TOKEN, 340)),
            expiration: Timestamp::now() + lasts,
        };
        let credential = Credential {
            access_key_id: session.access_key_id.clone(),
            secret_access_key: session.secret_access_key.clone(),
            session_token: Some(session.session_token.clone()),
            expiration: Some(session.expiration),
            caller: session.caller.clone(),
        };
        self.store.put(SESSION, &session.access_key_id, &credential)?;
        self.remember(credential);
        Ok(session)
    }

    /// Reads the users' keys and the stored sessions, and drops those that ended more than a day ago: until then their owner is
    /// told that they have expired.
    pub(super) fn load_credentials(&self) -> Result<(), AwsError> {
        self.load_keys()?;
        let day_ago = Timestamp::now() - SignedDuration::from_hours(24);
        for (id, credential) in self.store.list::<Credential>(SESSION)? {
            if credential.expiration.is_some_and(|end| end < day_ago) {
                self.store.delete(SESSION, &id)?;
            } else {
                self.remember(credential);
            }
        }
        Ok(())
    }

    /// Lets a key sign no more.
    pub(super) fn refuse(&self, access_key_id: &str) {
        self.credentials.write().unwrap_or_else(PoisonError::into_inner).remove(access_key_id);
    }

    fn remember(&self, credential: Credential) {
        let mut credentials = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        credentials.insert(credential.access_key_id.clone(), Arc::new(credential));
    }
}

fn access_key_id(prefix: &str) -> String {
    super::model::unique_id(prefix).chars().take(20).collect()
}

fn secret() -> String {
    random(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", 40)
}
