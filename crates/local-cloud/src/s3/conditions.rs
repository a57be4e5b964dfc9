//! The conditions of reads, copies and writes.

use s3s::dto::{ETagCondition, Timestamp};
use s3s::header;
use s3s::{S3Error, S3Result, s3_error};

use super::index::{Condition, Version};
use super::wire::{http_date, timestamp};

/// The conditions of a read, by ETag and by the time of the last change.
#[derive(Default)]
pub(super) struct Wanted<'a> {
    pub(super) matches: Option<&'a ETagCondition>,
    pub(super) none_match: Option<&'a ETagCondition>,
    pub(super) modified_since: Option<&'a Timestamp>,
    pub(super) unmodified_since: Option<&'a Timestamp>,
}

/// Reads the conditions of a read.
macro_rules! wanted {
    ($input:expr) => {
        Wanted {
            matches: $input.if_match.as_ref(),
            none_match: $input.if_none_match.as_ref(),
            modified_since: $input.if_modified_since.as_ref(),
            unmodified_since: $input.if_unmodified_since.as_ref(),
        }
    };
}

/// Reads the conditions of a copy on its source.
macro_rules! wanted_source {
    ($input:expr) => {
        Wanted {
            matches: $input.copy_source_if_match.as_ref(),
            none_match: $input.copy_source_if_none_match.as_ref(),
            modified_since: $input.copy_source_if_modified_since.as_ref(),
            unmodified_since: $input.copy_source_if_unmodified_since.as_ref(),
        }
    };
}

/// What the conditions say of an object.
enum Outcome {
    Holds,
    /// The client wants another object.
    Fails,
    /// The client has this object already.
    Unchanged,
}

impl Wanted<'_> {
    /// A condition by ETag counts more than one by time, as HTTP has it.
    fn outcome(&self, found: &Version) -> Outcome {
        let is = |condition: &ETagCondition| {
            condition.as_etag().is_none_or(|etag| etag.value() == found.record.etag)
        };
        let changed = timestamp(found.record.modified_ms / 1000 * 1000);
        let fails = match (self.matches, self.unmodified_since) {
            (Some(condition), _) => !is(condition),
            (None, Some(time)) => changed > *time,
            (None, None) => false,
        };
        let unchanged = match (self.none_match, self.modified_since) {
            (Some(condition), _) => is(condition),
            (None, Some(time)) => changed <= *time,
            (None, None) => false,
        };
        match (fails, unchanged) {
            (true, _) => Outcome::Fails,
            (_, true) => Outcome::Unchanged,
            _ => Outcome::Holds,
        }
    }

    /// Checks the conditions of a read: 412 if the client wants another object, 304 if it has this one already.
    pub(super) fn check_read(&self, found: &Version) -> S3Result<()> {
        match self.outcome(found) {
            Outcome::Holds => Ok(()),
            Outcome::Fails => Err(failed()),
            Outcome::Unchanged => Err(not_modified(found)),
        }
    }

    /// Checks the conditions of a copy: 412 if any doesn't hold.
    pub(super) fn check_copy(&self, source: &Version) -> S3Result<()> {
        match self.outcome(source) {
            Outcome::Holds => Ok(()),
            Outcome::Fails | Outcome::Unchanged => Err(failed()),
        }
    }
}

fn failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
}

/// Returns the answer 304, with the headers by which a cache renews what it has.
fn not_modified(found: &Version) -> S3Error {
    let mut error = s3_error!(NotModified);
    let mut headers = hyper::HeaderMap::new();
    headers.extend(format!("\"{}\"", found.record.etag).parse().map(|etag| (header::ETAG, etag)));
    let changed = http_date(&timestamp(found.record.modified_ms)).and_then(|time| time.parse().ok());
    headers.extend(changed.map(|time| (header::LAST_MODIFIED, time)));
    error.set_headers(headers);
    error
}

/// Returns the condition of a write.
pub(super) fn condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Option<Condition>> {
    match (if_match, if_none_match) {
        (None, None) => Ok(None),
        (None, Some(ETagCondition::Any)) => Ok(Some(Condition::Absent)),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Some(Condition::Etag(etag.into_value()))),
        _ => Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        )),
    }
}

pub(super) use {wanted, wanted_source};
