//! The IAM service, and the caches of what it stores.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};

use super::log_lines::LogLines;
use super::managed::aws_managed;
use super::principal::Principal;
use super::stored::{POLICY, Policy, Used};
use crate::authority::Credential;
use crate::call::AwsError;
use crate::cloud::Cloud;
use crate::logs::LogSink;
use crate::store::Store;
use crate::support::lock::locked;

/// IAM.
///
/// Parsed policies are cached, so that a decision reads nothing from the disk. Every change empties the cache.
#[derive(Debug)]
pub struct Iam {
    pub(super) cloud: Arc<Cloud>,
    pub(super) logs: Arc<dyn LogSink>,
    /// By access key id: users' own keys and those of sessions.
    pub(super) credentials: RwLock<HashMap<String, Arc<Credential>>>,
    /// By the id of the user or role (AIDA…, AROA…).
    pub(super) principals: Mutex<HashMap<String, Arc<Principal>>>,
    pub(super) log_lines: LogLines,
    /// The last use that was stored, by the id of the access key or role.
    pub(super) used: Mutex<HashMap<String, Used>>,
}

impl Iam {
    /// Makes the service with nothing in memory.
    pub(super) fn new(cloud: &Arc<Cloud>, logs: Arc<dyn LogSink>) -> Self {
        let (credentials, principals, log_lines, used) = Default::default();
        Self { cloud: cloud.clone(), logs, credentials, principals, log_lines, used }
    }

    pub(super) fn store(&self) -> &Store {
        &self.cloud.store
    }

    /// Returns the account's ARN of `role/PATH/NAME`.
    pub(super) fn arn(&self, resource: &str) -> String {
        format!("arn:aws:iam::{}:{resource}", self.cloud.account)
    }

    /// Empties the caches, so that a stored change of a principal or a policy takes effect.
    pub(super) fn changed(&self) {
        locked(&self.principals).clear();
        self.log_lines.forget_all();
    }

    /// Returns the default version of a managed policy, AWS's or the account's.
    pub(super) fn managed_document(&self, arn: &str) -> Result<Option<String>, AwsError> {
        if let Some(policy) = aws_managed(arn) {
            return Ok(Some(policy.document().to_owned()));
        }
        let policy = self.store().get::<Policy>(POLICY, arn)?;
        Ok(policy.and_then(|policy| Some(policy.versions.get(&policy.default_version)?.document.clone())))
    }
}
