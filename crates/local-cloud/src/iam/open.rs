//! Opens IAM, and creates the user as whom opsml acts.

use std::sync::Arc;

use jiff::Timestamp;

use super::access_key::AccessKey;
use super::id::unique_id;
use super::managed::ADMINISTRATOR;
use super::service::Iam;
use super::stored::{Grants, POLICY, PROFILE, ROLE, USER, User};
use crate::call::{AwsError, Caller};
use crate::cloud::Cloud;
use crate::logs::LogSink;

/// The name of the user as whom opsml acts.
const FIRST_USER: &str = "opsml";

impl Iam {
    /// Reads the credentials, and creates the account's first user if there is none. `keys` are that user's.
    ///
    /// # Errors
    /// The state cannot be read or written.
    pub fn open(cloud: &Arc<Cloud>, logs: Arc<dyn LogSink>, keys: &AccessKey) -> Result<Self, AwsError> {
        let iam = Self::new(cloud, logs);
        iam.ensure_first_user()?;
        iam.load_sessions()?;
        iam.add_key(keys, iam.first_user()?)?;
        Ok(iam)
    }

    /// Creates the user as whom opsml acts. It is an administrator, as the first user of a new AWS account usually is.
    fn ensure_first_user(&self) -> Result<(), AwsError> {
        let grants = Grants { attached: vec![ADMINISTRATOR.to_owned()], ..Grants::default() };
        let user = User {
            name: FIRST_USER.to_owned(),
            path: "/".to_owned(),
            id: unique_id("AIDA"),
            arn: self.arn(&format!("user/{FIRST_USER}")),
            created: Timestamp::now(),
            tags: Vec::new(),
            grants,
        };
        self.store().insert(USER, FIRST_USER, &user)?;
        Ok(())
    }

    /// Returns the user as whom opsml acts.
    ///
    /// # Errors
    /// The user was deleted; the store's.
    pub fn first_user(&self) -> Result<Caller, AwsError> {
        let user: Option<User> = self.store().get(USER, FIRST_USER)?;
        let user = user.ok_or_else(|| AwsError::internal("the user opsml is gone"))?;
        Ok(Caller::new(user.arn, user.id))
    }

    /// Returns whether there is nothing but the first user.
    pub(super) fn is_as_opened(&self) -> Result<bool, AwsError> {
        let any = |kind| self.store().list::<serde_json::Value>(kind).map(|items| !items.is_empty());
        let one_user = self.store().list::<User>(USER)?.len() == 1;
        Ok(one_user && !any(ROLE)? && !any(POLICY)? && !any(PROFILE)?)
    }
}
