//! The operations that read objects.

use std::collections::BTreeMap;

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::caller;
use super::conditions::{Wanted, wanted};
use super::encryption::set_encryption;
use super::error::{disk, to_s3};
use super::index::Record;
use super::storage::{check_readable, class, shown_class};
use super::store::ObjectStore;
use super::tagging::tag_count;
use super::wire::*;
use crate::call::AwsError;

impl ObjectStore {
    pub(super) async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        let Some(blob) = found.record.blob() else { return Err(marker_error()) };
        wanted!(input).check_read(&found)?;
        check_readable(&found.record)?;
        let Slice { range, content_range, parts_count } =
            slice(&found.record, input.range.as_ref(), input.part_number)?;
        let body = self.blobs.read(&blob, range.clone()).await.map_err(|error| to_s3(disk(error)))?;
        let versioning = self.bucket(&input.bucket).map_err(to_s3)?.versioning;
        let headers = found.record.headers.clone();
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: size(range.end - range.start),
            body: Some(StreamingBlob::wrap(body)),
            e_tag: strong(&found.record.etag),
            last_modified: Some(timestamp(found.record.modified_ms)),
            version_id: shown_version(&found, versioning),
            content_type: headers.content_type,
            content_encoding: headers.content_encoding,
            content_disposition: headers.content_disposition,
            content_language: headers.content_language,
            cache_control: headers.cache_control,
            metadata: Some(headers.metadata.into_iter().collect()),
            storage_class: shown_class(&found.record),
            tag_count: tag_count(&headers.tags),
            website_redirect_location: headers.website_redirect,
            parts_count,
            ..Default::default()
        };
        output.expires = expires(&found.record.headers);
        set_encryption!(output, self.encryption_of(&found.record));
        // The checksum is that of the whole object, so it isn't returned with a range.
        if input.checksum_mode.is_some() && content_range.is_none() {
            set_checksums!(output, &found.record.checksums);
            output.checksum_type = checksum_type(&found.record);
        }
        output.content_range = content_range;
        Ok(S3Response::new(output))
    }

    pub(super) async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        if found.record.file.is_none() {
            return Err(marker_error());
        }
        wanted!(input).check_read(&found)?;
        let Slice { range, content_range, parts_count } =
            slice(&found.record, input.range.as_ref(), input.part_number)?;
        let versioning = self.bucket(&input.bucket).map_err(to_s3)?.versioning;
        let version_id = shown_version(&found, versioning);
        let record = found.record;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: size(range.end - range.start),
            storage_class: shown_class(&record),
            parts_count,
            expires: expires(&record.headers),
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            version_id,
            ..Default::default()
        };
        if input.checksum_mode.is_some() && content_range.is_none() {
            set_checksums!(output, &record.checksums);
            output.checksum_type = checksum_type(&record);
        }
        set_encryption!(output, self.encryption_of(&record));
        output.content_range = content_range;
        output.content_type = record.headers.content_type;
        output.content_encoding = record.headers.content_encoding;
        output.content_disposition = record.headers.content_disposition;
        output.content_language = record.headers.content_language;
        output.cache_control = record.headers.cache_control;
        output.website_redirect_location = record.headers.website_redirect;
        output.metadata = Some(record.headers.metadata.into_iter().collect());
        Ok(S3Response::new(output))
    }

    pub(super) async fn get_object_attributes(
        &self,
        req: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        if found.record.file.is_none() {
            return Err(marker_error());
        }
        let record = &found.record;
        // s3s doesn't split a header with several names.
        let names = || input.object_attributes.iter().flat_map(|asked| asked.as_str().split(','));
        let asked = |name: &str| names().any(|asked| asked.trim() == name);
        let mut checksum = Checksum { checksum_type: checksum_type(record), ..Default::default() };
        // Here, a checksum of the parts' checksums stands without their number.
        let bare = |sum: &String| sum.split('-').next().unwrap_or_default().to_owned();
        let sums: BTreeMap<String, String> =
            record.checksums.iter().map(|(name, sum)| (name.clone(), bare(sum))).collect();
        set_checksums!(checksum, &sums);
        let many = !record.parts.is_empty() && asked("ObjectParts");
        // S3 lists the parts themselves only if each has a checksum, which the local cloud keeps for none.
        let object_parts = many.then(|| GetObjectAttributesParts {
            total_parts_count: i32::try_from(record.parts.len()).ok(),
            ..Default::default()
        });
        Ok(S3Response::new(GetObjectAttributesOutput {
            e_tag: strong(&record.etag).filter(|_| asked("ETag")),
            checksum: Some(checksum).filter(|_| asked("Checksum") && !record.checksums.is_empty()),
            object_parts,
            storage_class: Some(StorageClass::from(class(record).to_owned()))
                .filter(|_| asked("StorageClass")),
            object_size: size(record.size).filter(|_| asked("ObjectSize")),
            last_modified: Some(timestamp(record.modified_ms)),
            version_id: self.version_of(&input.bucket, &found)?,
            ..Default::default()
        }))
    }
}

/// The bytes of an object that a read asks for.
struct Slice {
    range: std::ops::Range<u64>,
    /// None: the whole object is asked for.
    content_range: Option<String>,
    /// Of a read by part: how many parts a multipart upload had.
    parts_count: Option<i32>,
}

/// Returns the bytes that a range or the number of a part means.
fn slice(record: &Record, range: Option<&Range>, part: Option<i32>) -> S3Result<Slice> {
    let size = record.size;
    let asked = match (range, part) {
        (Some(_), Some(_)) => {
            return Err(s3_error!(
                InvalidRequest,
                "Cannot specify both Range header and partNumber query parameter"
            ));
        }
        (Some(range), None) => range.check(size).map_err(|_| {
            let error = AwsError::new(416, "InvalidRange", "The requested range is not satisfiable");
            to_s3(error.with("content-range", format!("bytes */{size}")))
        })?,
        (None, Some(part)) => {
            check_part_number(part)?;
            part_range(record, part).ok_or_else(|| {
                let message = "The requested partnumber is not satisfiable";
                to_s3(AwsError::new(416, "InvalidPartNumber", message))
            })?
        }
        (None, None) => return Ok(Slice { range: 0..size, content_range: None, parts_count: None }),
    };
    let content_range =
        (!asked.is_empty()).then(|| format!("bytes {}-{}/{size}", asked.start, asked.end - 1));
    let count = i32::try_from(record.parts.len()).ok().filter(|count| *count > 0 && part.is_some());
    Ok(Slice { range: asked, content_range, parts_count: count })
}

/// Returns the bytes of a part, by its place. An object that was uploaded whole has one part.
fn part_range(record: &Record, number: i32) -> Option<std::ops::Range<u64>> {
    let whole = [record.size];
    let sizes = if record.parts.is_empty() { &whole[..] } else { &record.parts };
    let place = usize::try_from(number).ok()?.checked_sub(1)?;
    let length = sizes.get(place)?;
    let start = sizes[..place].iter().sum();
    Some(start..start + length)
}
