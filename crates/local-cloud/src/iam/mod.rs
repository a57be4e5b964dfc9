//! IAM: who there is, what they may do, and the service by which that is changed.
//!
//! Principals are read through a cache of parsed policies, so that a decision costs no disk; every change
//! empties it.

mod account;
#[cfg(test)]
mod agreement;
mod assume;
mod authorize;
#[cfg(test)]
mod cases;
mod context;
mod credentials;
mod decisions;
mod document;
mod evaluate;
mod grants;
mod keys;
mod managed;
mod model;
mod pattern;
mod policies;
mod profiles;
mod public;
mod roles;
mod service;
mod simulate;
mod used;
mod users;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

pub use context::Context;
pub use credentials::{AccessKey, Credential, KEYS_FILE, Session};
pub use decisions::Decision;
pub use document::Document;
pub(crate) use public::limits_everybody;
pub use service::{NAMESPACE, call};

use jiff::Timestamp;

use crate::call::{AwsError, Caller};
use crate::cloud::ACCOUNT;
use crate::store::Store;
use model::{Grants, POLICY, PROFILE, ROLE, USER, User, unique_id};

/// The name of the user as whom opsml acts.
const FIRST_USER: &str = "opsml";

/// Principals, policies and credentials.
#[derive(Debug)]
pub struct Iam {
    store: Store,
    /// By access key id: long-lived keys and sessions.
    credentials: RwLock<HashMap<String, Arc<Credential>>>,
    /// Parsed policies, by the id of the user or role (AIDA…, AROA…).
    policies: Mutex<HashMap<String, Arc<authorize::Held>>>,
    written: decisions::Written,
    /// The last use that was written down, by access key or role id.
    used: Mutex<HashMap<String, used::Used>>,
}

impl Iam {
    /// Reads the credentials, and makes the account's first user where there is none.
    pub fn open(store: Store) -> Result<Self, AwsError> {
        let (credentials, policies, written, used) = Default::default();
        let iam = Self { store, credentials, policies, written, used };
        iam.ensure_first_user()?;
        iam.load_credentials()?;
        Ok(iam)
    }

    /// The user as whom opsml acts, an administrator as most people are at their first day.
    fn ensure_first_user(&self) -> Result<(), AwsError> {
        let grants = Grants { attached: vec![managed::ADMINISTRATOR.to_owned()], ..Grants::default() };
        let user = User {
            name: FIRST_USER.to_owned(),
            path: "/".to_owned(),
            id: unique_id("AIDA"),
            arn: format!("arn:aws:iam::{ACCOUNT}:user/{FIRST_USER}"),
            created: Timestamp::now(),
            tags: Vec::new(),
            grants,
        };
        self.store.insert(USER, FIRST_USER, &user)?;
        Ok(())
    }

    /// The user as whom opsml acts.
    pub fn first_user(&self) -> Result<Caller, AwsError> {
        let user: Option<User> = self.store.get(USER, FIRST_USER)?;
        let user = user.ok_or_else(|| AwsError::internal("the user opsml is gone"))?;
        Ok(Caller::new(user.arn, user.id))
    }

    /// Whether nothing has been made but the first user.
    pub fn is_empty(&self) -> Result<bool, AwsError> {
        let any = |kind| self.store.list::<serde_json::Value>(kind).map(|items| !items.is_empty());
        let one_user = self.store.list::<User>(USER)?.len() == 1;
        Ok(one_user && !any(ROLE)? && !any(POLICY)? && !any(PROFILE)?)
    }
}
