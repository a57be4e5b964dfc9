//! Log lines of a job or endpoint from CloudWatch Logs.

use serde::Serialize;

use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};
use crate::resource::{read_text, split_uri};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogLine {
    /// `algo-1-…` for a training job.
    pub stream: String,
    /// Milliseconds since 1970.
    pub at: i64,
    pub message: String,
}

/// Returns the object at an S3 URI as text.
pub async fn object_text(aws: &Aws, uri: &str) -> Outcome<String> {
    let (bucket, key) = split_uri(uri)?;
    let missing = || Failure::new("NotFound", format!("there is no {uri}"));
    read_text(aws, &bucket, &key).await?.ok_or_else(missing)
}

/// Returns the last `limit` lines of each stream of `group` whose name begins with `prefix`, oldest first.
pub async fn job_log(aws: &Aws, group: &str, prefix: &str, limit: i32) -> Outcome<Vec<LogLine>> {
    let mut request = aws.logs.describe_log_streams().log_group_name(group);
    if !prefix.is_empty() {
        request = request.log_stream_name_prefix(prefix);
    }
    let streams = request.send().await.map_err(|error| failure("DescribeLogStreams", error));
    let mut lines = Vec::new();
    for stream in present(streams)?.iter().flat_map(|page| page.log_streams()) {
        let name = stream.log_stream_name().unwrap_or_default();
        let events = aws.logs.get_log_events().log_group_name(group).log_stream_name(name).limit(limit);
        let events = events.start_from_head(false).send().await;
        let events = events.map_err(|error| failure("GetLogEvents", error))?;
        lines.extend(events.events().iter().map(|event| LogLine {
            stream: name.to_owned(),
            at: event.timestamp().unwrap_or_default(),
            message: event.message().unwrap_or_default().to_owned(),
        }));
    }
    Ok(lines)
}
