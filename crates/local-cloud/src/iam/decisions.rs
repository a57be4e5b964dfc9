//! Records decisions in a table, and those on roles also in CloudWatch Logs, where clients can read them.

use opsml_contract::DECISIONS_LOG_GROUP;
use rusqlite::params;

use super::service::Iam;
use crate::call::AwsError;
use crate::policy::Verdict;
use crate::support::clock::now_ms;

/// How many decisions are kept. The oldest are deleted.
const DECISIONS_KEPT: i64 = 100_000;

/// The end of a session's ARN if SageMaker acts as the role.
const SAGEMAKER_SESSION: &str = "/SageMaker";

/// One recorded decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Milliseconds since 1970.
    pub time_ms: i64,
    pub principal: String,
    /// `s3:GetObject`.
    pub action: String,
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`, as in SimulatePrincipalPolicy.
    pub outcome: String,
}

impl Iam {
    /// Records a decision. One on a role's session is also written to [`DECISIONS_LOG_GROUP`], in a stream of the
    /// role's name. Each event is one [`opsml_contract::Decision`] as JSON. The same action, resource and outcome isn't
    /// written again until the session starts again, a policy changes or the log is deleted. SageMaker's own sessions
    /// aren't written at all: a training job downloads thousands of objects, and the log is meant as evidence about
    /// functions.
    pub(super) fn record(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        verdict: Verdict,
    ) -> Result<(), AwsError> {
        let outcome = outcome(verdict);
        self.insert_decision(principal, action, resource, outcome)?;
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
        if !self.log_lines.add(principal, &line, self.logs.deletions()) {
            return Ok(());
        }
        let role = session.split('/').next().unwrap_or_default();
        self.logs.append(DECISIONS_LOG_GROUP, role, &[(now_ms(), line)])
    }

    fn insert_decision(
        &self,
        principal: &str,
        action: &str,
        resource: &str,
        outcome: &str,
    ) -> Result<(), AwsError> {
        self.store().with(|c| {
            c.prepare_cached(
                "INSERT INTO decision (time_ms, principal, action, resource, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![now_ms(), principal, action, resource, outcome])?;
            let id = c.last_insert_rowid();
            if id % 1000 == 0 {
                c.execute("DELETE FROM decision WHERE id <= ?1", [id - DECISIONS_KEPT])?;
            }
            Ok(())
        })
    }

    /// Returns the newest decisions, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store's.
    pub fn decisions(&self, limit: usize) -> Result<Vec<Decision>, AwsError> {
        let mut newest_first: Vec<Decision> = self.store().with(|c| {
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

/// Returns the name of a verdict, as SimulatePrincipalPolicy has it.
pub fn outcome(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allowed => "allowed",
        Verdict::ExplicitDeny(_) => "explicitDeny",
        Verdict::NoAllow(_) => "implicitDeny",
    }
}
