//! What was decided, in a table, and for roles in CloudWatch Logs too, where it is read as any log is.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use opsml_contract::DECISIONS_LOG_GROUP;
use rusqlite::params;

use super::Iam;
use super::evaluate::Verdict;
use crate::call::AwsError;
use crate::cloud::Cloud;

/// How many decisions are kept; the oldest go.
const DECISIONS_KEPT: i64 = 100_000;

/// How many lines of one session are remembered as written.
const REMEMBERED: usize = 100_000;

/// One recorded decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Milliseconds since the epoch.
    pub time_ms: i64,
    pub principal: String,
    /// `s3:GetObject`.
    pub action: String,
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`, as in SimulatePrincipalPolicy.
    pub outcome: String,
}

/// How the sessions end in which SageMaker acts as a role.
const SAGEMAKER_SESSION: &str = "/SageMaker";

/// The lines of [`DECISIONS_LOG_GROUP`] that needn't be written again, by session.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<HashMap<String, HashSet<String>>>);

impl Written {
    /// Whether it is new. A session that has asked for very many things may be told twice of some.
    fn add(&self, principal: &str, line: &str) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = all.entry(principal.to_owned()).or_default();
        if lines.len() >= REMEMBERED {
            lines.clear();
        }
        lines.insert(line.to_owned())
    }

    pub fn forget(&self, principal: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(principal);
    }

    pub fn forget_all(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Cloud {
    /// The newest decisions, oldest first, at most `limit`.
    pub fn decisions(&self, limit: usize) -> Result<Vec<Decision>, AwsError> {
        self.iam.decisions(limit)
    }

    /// Writes a decision down. Those on a role's session go to [`DECISIONS_LOG_GROUP`] too, in a stream of the role's
    /// name, as one JSON [`opsml_contract::Decision`] an event. There a repeat of the same action, resource and outcome
    /// is left out until the session is started anew, a policy changes or the log is deleted. So are SageMaker's own sessions:
    /// a training job fetches thousands of objects, and it is functions that the log is evidence for.
    pub(super) fn record(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        verdict: Verdict,
    ) -> Result<(), AwsError> {
        let outcome = outcome(verdict);
        self.iam.record(principal, action, resource, outcome)?;
        let Some((_, session)) = principal.split_once(":assumed-role/") else { return Ok(()) };
        if session.ends_with(SAGEMAKER_SESSION) {
            return Ok(());
        }
        let line = opsml_contract::Decision {
            principal: principal.to_owned(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            outcome: outcome.to_owned(),
        };
        let line = serde_json::to_string(&line).map_err(|error| AwsError::internal(error.to_string()))?;
        if !self.iam.written.add(principal, &line) {
            return Ok(());
        }
        let role = session.split('/').next().unwrap_or_default();
        self.logs.append(DECISIONS_LOG_GROUP, role, &[(Timestamp::now().as_millisecond(), line)])
    }
}

impl Iam {
    /// What has been written to [`DECISIONS_LOG_GROUP`] is gone: it may have to be written again.
    pub(crate) fn decisions_deleted(&self) {
        self.written.forget_all();
    }

    fn record(&self, principal: &str, action: &str, resource: &str, outcome: &str) -> Result<(), AwsError> {
        let now = Timestamp::now().as_millisecond();
        self.store.with(|c| {
            c.prepare_cached(
                "INSERT INTO decision (time_ms, principal, action, resource, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![now, principal, action, resource, outcome])?;
            let id = c.last_insert_rowid();
            if id % 1000 == 0 {
                c.execute("DELETE FROM decision WHERE id <= ?1", [id - DECISIONS_KEPT])?;
            }
            Ok(())
        })
    }

    fn decisions(&self, limit: usize) -> Result<Vec<Decision>, AwsError> {
        let mut newest_first: Vec<Decision> = self.store.with(|c| {
            c.prepare_cached(
                "SELECT time_ms, principal, action, resource, outcome FROM decision ORDER BY id DESC LIMIT ?1",
            )?
            .query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                Ok(Decision {
                    time_ms: row.get(0)?,
                    principal: row.get(1)?,
                    action: row.get(2)?,
                    resource: row.get(3)?,
                    outcome: row.get(4)?,
                })
            })?
            .collect()
        })?;
        newest_first.reverse();
        Ok(newest_first)
    }
}

/// As SimulatePrincipalPolicy names it.
pub(super) fn outcome(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::ExplicitDeny(_) => "explicitDeny",
        Verdict::NoAllow(_) => "implicitDeny",
    }
}
