//! The tags of objects.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::caller;
use super::error::to_s3;
use super::index::Version;
use super::store::ObjectStore;
use super::wire::{marker_error, shown_version};
use crate::call::AwsError;

type Pairs = Vec<(String, String)>;

/// Reads the tags in an upload's header, which are written as in a URL's query.
pub(super) fn header_tags(header: Option<&str>) -> S3Result<Pairs> {
    let tags: Pairs = form_urlencoded::parse(header.unwrap_or_default().as_bytes()).into_owned().collect();
    if tags.iter().any(|(key, _)| key.starts_with("aws:")) {
        return Err(s3_error!(InvalidTag, "Your TagKey cannot be prefixed with aws:"));
    }
    checked(tags)
}

/// Returns the tags if an object may have them.
fn checked(tags: Pairs) -> S3Result<Pairs> {
    let keys: std::collections::HashSet<&String> = tags.iter().map(|(key, _)| key).collect();
    if keys.len() != tags.len() {
        return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
    }
    if tags.len() > 10 {
        return Err(to_s3(AwsError::new(400, "BadRequest", "Object tags cannot be greater than 10")));
    }
    let long = |text: &str, most| text.encode_utf16().count() > most;
    for (key, value) in &tags {
        if key.starts_with("aws:") {
            return Err(s3_error!(InvalidTag, "System tags cannot be added/updated by requester"));
        }
        if key.is_empty() || long(key, 128) {
            return Err(s3_error!(InvalidTag, "The TagKey you have provided is invalid"));
        }
        if long(value, 256) {
            return Err(s3_error!(InvalidTag, "The TagValue you have provided is invalid"));
        }
    }
    Ok(tags)
}

/// Returns the number of tags for the answer to a read, which names it if there are any.
pub(super) fn tag_count(tags: &[(String, String)]) -> Option<i32> {
    i32::try_from(tags.len()).ok().filter(|count| *count > 0)
}

impl ObjectStore {
    pub(super) async fn get_object_tagging(
        &self,
        req: S3Request<GetObjectTaggingInput>,
    ) -> S3Result<S3Response<GetObjectTaggingOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        if found.record.file.is_none() {
            return Err(marker_error());
        }
        let version_id = self.version_of(&input.bucket, &found)?;
        let tags = found.record.headers.tags.into_iter();
        let tag_set = tags.map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
        Ok(S3Response::new(GetObjectTaggingOutput { tag_set, version_id }))
    }

    pub(super) async fn put_object_tagging(
        &self,
        req: S3Request<PutObjectTaggingInput>,
    ) -> S3Result<S3Response<PutObjectTaggingOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        let pair = |tag: Tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default());
        let tags = checked(input.tagging.tag_set.into_iter().map(pair).collect())?;
        self.object(&who, &input.bucket, &input.key, input.version_id.as_deref()).map_err(to_s3)?;
        let version_id = self.set_tags(&input.bucket, &input.key, input.version_id.as_deref(), &tags)?;
        Ok(S3Response::new(PutObjectTaggingOutput { version_id }))
    }

    pub(super) async fn delete_object_tagging(
        &self,
        req: S3Request<DeleteObjectTaggingInput>,
    ) -> S3Result<S3Response<DeleteObjectTaggingOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        self.object(&who, &input.bucket, &input.key, input.version_id.as_deref()).map_err(to_s3)?;
        let version_id = self.set_tags(&input.bucket, &input.key, input.version_id.as_deref(), &[])?;
        let output = DeleteObjectTaggingOutput { version_id };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    /// Changes the tags of an object that was there, and returns its version for the answer.
    fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: &[(String, String)],
    ) -> S3Result<Option<String>> {
        match self.index.set_tags(bucket, key, version, tags).map_err(to_s3)? {
            Some(found) if found.record.file.is_some() => self.version_of(bucket, &found),
            _ => Err(marker_error()),
        }
    }

    /// Returns the version id of an object for an answer. None: versioning was never on.
    pub(super) fn version_of(&self, bucket: &str, found: &Version) -> S3Result<Option<String>> {
        Ok(shown_version(found, self.bucket(bucket).map_err(to_s3)?.versioning))
    }
}
