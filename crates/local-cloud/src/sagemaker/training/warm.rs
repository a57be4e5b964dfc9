//! Warm pools: the instances of a job that asks for KeepAlivePeriodInSeconds are kept after its end, for a later job that
//! asks for the same. Here the next job starts no sooner; what is kept is what AWS tells and bills.
//! <https://docs.aws.amazon.com/sagemaker/latest/dg/train-warm-pools.html>

use serde_json::{Value, json};

use super::record::{Job, Reuse, Status, all, change};
use crate::call::AwsError;
use crate::store::Store;
use crate::support::clock::now_ms;

/// Returns how long the instances are kept, in seconds. None: they aren't.
fn period(input: &Value) -> Option<i64> {
    input["ResourceConfig"]["KeepAlivePeriodInSeconds"].as_i64().filter(|seconds| *seconds > 0)
}

/// Returns what a job must have in common with the one whose instances it takes over.
fn needs(input: &Value) -> [&Value; 9] {
    let resources = &input["ResourceConfig"];
    [
        &input["RoleArn"],
        &input["VpcConfig"],
        &input["EnableInterContainerTrafficEncryption"],
        &input["EnableNetworkIsolation"],
        &resources["InstanceType"],
        &resources["InstanceCount"],
        &resources["VolumeSizeInGB"],
        &resources["VolumeKmsKeyId"],
        &resources["InstanceGroups"],
    ]
}

/// Returns WarmPoolStatus as in DescribeTrainingJob. None: the job asks for no warm pool.
fn status(job: &Job) -> Option<Value> {
    let period = period(&job.input)?;
    let Some(ended) = job.ended_ms.filter(|_| job.status.is_final()) else {
        return Some(json!({"Status": "InUse"}));
    };
    if job.status != Status::Completed {
        return Some(json!({"Status": "Terminated"}));
    }
    let until = |ms: i64| (ms - ended).max(0) / 1000;
    Some(match &job.reuse {
        Some(Reuse { job, ms }) => json!({
            "Status": "Reused", "ReusedByJob": job, "ResourceRetainedBillableTimeInSeconds": until(*ms),
        }),
        None if until(now_ms()) < period => json!({
            "Status": "Available", "ResourceRetainedBillableTimeInSeconds": until(now_ms()),
        }),
        None => json!({"Status": "Terminated", "ResourceRetainedBillableTimeInSeconds": period}),
    })
}

/// Returns an answer to Describe or List with the job's WarmPoolStatus.
pub fn with_status(job: &Job, mut answer: Value) -> Value {
    if let Some(pool) = status(job) {
        answer["WarmPoolStatus"] = pool;
    }
    answer
}

/// Gives a new job the warm pool that fits it, if there is one.
///
/// # Errors
/// The store's.
pub fn take(store: &Store, name: &str, input: &Value) -> Result<(), AwsError> {
    if period(input).is_none() {
        return Ok(());
    }
    let is_free = |job: &Job| status(job).is_some_and(|status| status["Status"] == "Available");
    let found = all(store)?.into_iter().find(|(_, job)| is_free(job) && needs(&job.input) == needs(input));
    let Some((before, _)) = found else { return Ok(()) };
    change(store, &before, |job| job.reuse = Some(Reuse { job: name.to_owned(), ms: now_ms() }))
}
