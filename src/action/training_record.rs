//! The record of a training that is done, beside what it left in S3: on EC2, nothing else remembers it. Without a journal, a
//! run finds by it that there is nothing to train again.

use aws_sdk_s3::primitives::ByteStream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};
use crate::resource::split_uri;

/// The record's key below `RESULTS/NAME/`. It is deleted with the output.
const KEY: &str = "output/record.json";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// The digest of what was asked for, and of the stack that asked.
    pub request: String,
    /// The instance's name.
    pub name: String,
    /// What Describe returned of the instance.
    pub facts: Map<String, Value>,
    /// The user data that the instance ran. Empty in the record of an older opsml.
    #[serde(default)]
    pub script: String,
}

/// Returns the newest record of a request below `results`, which ends in `/`, under a name that begins with `base`.
pub async fn find_training(
    aws: &Aws,
    results: &str,
    base: &str,
    request: &str,
) -> Outcome<Option<TrainingRecord>> {
    let (bucket, prefix) = split_uri(results)?;
    let pages = aws.s3.list_objects_v2().bucket(&bucket).prefix(format!("{prefix}{base}-")).delimiter("/");
    let mut pages = pages.into_paginator().send();
    let mut folders = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListObjectsV2", error))?;
        folders.extend(page.common_prefixes().iter().filter_map(|one| one.prefix()).map(str::to_owned));
    }
    // The names end in times.
    folders.sort();
    for folder in folders.iter().rev() {
        let object = aws.s3.get_object().bucket(&bucket).key(format!("{folder}{KEY}")).send().await;
        let object = match object.map_err(|error| failure("GetObject", error)) {
            Ok(object) => object,
            // A failed training has none.
            Err(none) if none.code == "NoSuchKey" => continue,
            Err(other) => return Err(other),
        };
        let body = object.body.collect().await;
        let body = body
            .map_err(|error| Failure::new("Connection", format!("s3://{bucket}/{folder}{KEY}: {error}")))?;
        match serde_json::from_slice::<TrainingRecord>(&body.into_bytes()) {
            Ok(record) if record.request == request => return Ok(Some(record)),
            // Of another request, or of another opsml.
            _ => {}
        }
    }
    Ok(None)
}

/// Writes a record beside the training's output.
pub async fn record_training(aws: &Aws, results: &str, record: &TrainingRecord) -> Outcome<()> {
    let (bucket, prefix) = split_uri(results)?;
    let body = serde_json::to_vec(record).map_err(Failure::journal)?;
    let put = aws.s3.put_object().bucket(bucket).key(format!("{prefix}{}/{KEY}", record.name));
    let put = put.expected_bucket_owner(&aws.account).body(ByteStream::from(body)).send().await;
    put.map(|_| ()).map_err(|error| failure("PutObject", error))
}
