//! Which of the services that a user, a role or a policy allows were used, and when: by the record of decisions. As on AWS,
//! an attempt that was denied counts as well.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::no_such_entity;
use super::request::{Request, written};
use super::stored::{Grants, ROLE, Role, USER, User};
use crate::authority::Access;
use crate::call::{AwsError, Reply};
use crate::support::id;

const JOB: &str = "iam.last-accessed-job";
/// How long a job can be read.
const JOB_LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The services of the local cloud, by the prefix of their actions, with AWS's names.
const SERVICES: [(&str, &str); 11] = [
    ("application-autoscaling", "AWS Application Auto Scaling"),
    ("cloudwatch", "Amazon CloudWatch"),
    ("ec2", "Amazon EC2"),
    ("iam", "AWS Identity and Access Management"),
    ("lambda", "AWS Lambda"),
    ("logs", "Amazon CloudWatch Logs"),
    ("pricing", "AWS Price List"),
    ("s3", "Amazon S3"),
    ("sagemaker", "Amazon SageMaker"),
    ("ssm", "AWS Systems Manager"),
    ("sts", "AWS Security Token Service"),
];

/// A report, which is made at once.
#[derive(Serialize, Deserialize)]
struct Job {
    kind: String,
    created: Timestamp,
    services: Vec<(String, Value)>,
}

/// A user or a role.
struct Entity {
    arn: String,
    /// The beginning of the ARNs under which it calls; a user calls under its own.
    calls_as: String,
    grants: Grants,
}

/// The last use of a service or an action.
struct Use {
    time: Timestamp,
    entity: String,
}

pub fn needs(request: &Request) -> Result<Vec<Access>, AwsError> {
    Ok(vec![request.on(request.text("Arn"))])
}

pub fn generate(request: &Request) -> Reply {
    let (store, arn) = (request.store(), request.text("Arn"));
    let kind = request.optional("Granularity").unwrap_or("SERVICE_LEVEL").to_owned();
    let entities = entities(request)?;
    let documents = match policy_document(request, arn)? {
        Some(document) => vec![document],
        None => documents(request, entities.iter().find(|entity| entity.arn == arn), arn)?,
    };
    let about: Vec<&Entity> = entities
        .iter()
        .filter(|entity| entity.arn == arn || entity.grants.attached.iter().any(|each| each == arn))
        .collect();
    let allowed: BTreeSet<String> = documents.iter().flat_map(|text| namespaces(text)).collect();
    let mut services = Vec::new();
    for namespace in allowed {
        let described = described(request, &namespace, &about, kind == "ACTION_LEVEL")?;
        services.push((namespace, described));
    }
    let now = Timestamp::now();
    for (id, old) in store.list::<Job>(JOB)? {
        if now.duration_since(old.created) > JOB_LASTS {
            store.delete(JOB, &id)?;
        }
    }
    let job_id = id::uuid();
    store.put(JOB, &job_id, &Job { kind, created: now, services })?;
    Ok(json!({"JobId": job_id}))
}

pub fn get(request: &Request) -> Reply {
    let id = request.text("JobId");
    let job: Option<Job> = request.store().get(JOB, id)?;
    let job = job.ok_or_else(|| no_such_entity(format!("Job {id} cannot be found.")))?;
    let mut answer = request.page("ServicesLastAccessed", job.services)?;
    answer["JobStatus"] = json!("COMPLETED");
    answer["JobType"] = json!(job.kind);
    answer["JobCreationDate"] = json!(written(job.created));
    answer["JobCompletionDate"] = answer["JobCreationDate"].clone();
    Ok(answer)
}

fn entities(request: &Request) -> Result<Vec<Entity>, AwsError> {
    let account = &request.service.cloud.account;
    let users = request.store().list::<User>(USER)?.into_iter();
    let users =
        users.map(|(_, user)| Entity { calls_as: user.arn.clone(), arn: user.arn, grants: user.grants });
    let roles = request.store().list::<Role>(ROLE)?.into_iter().map(|(name, role)| Entity {
        arn: role.arn,
        calls_as: format!("arn:aws:sts::{account}:assumed-role/{name}/"),
        grants: role.grants,
    });
    Ok(users.chain(roles).collect())
}

/// Returns a managed policy. None: the ARN is none of a policy.
fn policy_document(request: &Request, arn: &str) -> Result<Option<String>, AwsError> {
    if !arn.contains(":policy/") {
        return Ok(None);
    }
    let found = request.service.managed_document(arn)?;
    found.map(Some).ok_or_else(|| no_such_entity(format!("ARN {arn} does not exist.")))
}

fn documents(request: &Request, entity: Option<&Entity>, arn: &str) -> Result<Vec<String>, AwsError> {
    let entity = entity.ok_or_else(|| no_such_entity(format!("ARN {arn} does not exist.")))?;
    let mut all: Vec<String> = entity.grants.inline.values().cloned().collect();
    for attached in &entity.grants.attached {
        all.extend(request.service.managed_document(attached)?);
    }
    Ok(all)
}

/// Returns the namespaces of the services that a policy allows something of. `*` stands for those of the local cloud.
fn namespaces(document: &str) -> Vec<String> {
    let policy: Value = serde_json::from_str(document).unwrap_or_default();
    let one_or_more = |value: &Value| match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    };
    let known = || SERVICES.iter().map(|(namespace, _)| (*namespace).to_owned());
    let mut found = Vec::new();
    for statement in one_or_more(&policy["Statement"]).iter().filter(|it| it["Effect"] == "Allow") {
        if !statement["NotAction"].is_null() {
            found.extend(known());
        }
        for action in one_or_more(&statement["Action"]) {
            let namespace = action.as_str().unwrap_or_default().split(':').next().unwrap_or_default();
            match namespace {
                "*" => found.extend(known()),
                namespace => found.push(namespace.to_ascii_lowercase()),
            }
        }
    }
    found
}

/// Returns a service as answers have it, with its last use by any of the entities.
fn described(request: &Request, namespace: &str, about: &[&Entity], actions: bool) -> Reply {
    let region = &request.service.cloud.region;
    let name = SERVICES.iter().find(|(known, _)| *known == namespace).map_or(namespace, |(_, name)| name);
    let mut by_action: BTreeMap<String, Use> = BTreeMap::new();
    let mut authenticated = 0;
    for entity in about {
        let uses = uses(request, entity, namespace)?;
        authenticated += usize::from(!uses.is_empty());
        for (action, time) in uses {
            let is_newer = by_action.get(&action).is_none_or(|known| known.time < time);
            if is_newer {
                by_action.insert(action, Use { time, entity: entity.arn.clone() });
            }
        }
    }
    let mut answer = json!({
        "ServiceName": name, "ServiceNamespace": namespace, "TotalAuthenticatedEntities": authenticated,
    });
    if let Some(last) = by_action.values().max_by_key(|each| each.time) {
        answer["LastAuthenticated"] = json!(written(last.time));
        answer["LastAuthenticatedEntity"] = json!(last.entity);
        answer["LastAuthenticatedRegion"] = json!(region);
    }
    if actions {
        let tracked = by_action.iter().map(|(action, last)| {
            json!({
                "ActionName": action, "LastAccessedEntity": last.entity, "LastAccessedTime": written(last.time),
                "LastAccessedRegion": region,
            })
        });
        answer["TrackedActionsLastAccessed"] = tracked.collect();
    }
    Ok(answer)
}

/// Returns the actions of a service that an entity has tried, and when it did so last.
fn uses(request: &Request, entity: &Entity, namespace: &str) -> Result<Vec<(String, Timestamp)>, AwsError> {
    let is_role = entity.calls_as.ends_with('/');
    let rows: Vec<(String, i64)> = request.store().with(|c| {
        c.prepare_cached(
            "SELECT action, max(time_ms) FROM decision
             WHERE substr(action, 1, length(?1)) = ?1
               AND CASE WHEN ?2 THEN substr(principal, 1, length(?3)) = ?3 ELSE principal = ?3 END
             GROUP BY action",
        )?
        .query_map((format!("{namespace}:"), is_role, &entity.calls_as), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect()
    })?;
    let read = |(action, ms): (String, i64)| {
        let name = action.split(':').nth(1).unwrap_or_default().to_owned();
        (name, Timestamp::from_millisecond(ms).unwrap_or_default())
    };
    Ok(rows.into_iter().map(read).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_allows_something_of_services() {
        let policy = r#"{"Statement": [
            {"Effect": "Allow", "Action": ["s3:Get*", "EC2:*"], "Resource": "*"},
            {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}
        ]}"#;
        assert_eq!(namespaces(policy), ["s3", "ec2"]);
        for all in [r#"{"Effect": "Allow", "Action": "*"}"#, r#"{"Effect": "Allow", "NotAction": "iam:*"}"#] {
            assert_eq!(namespaces(&format!(r#"{{"Statement": {all}}}"#)).len(), SERVICES.len());
        }
    }
}
