//! The operations that read objects.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::caller;
use super::error::{disk, to_s3};
use super::store::ObjectStore;
use super::wire::*;

impl ObjectStore {
    pub(super) async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, part_number, sse_customer_key);
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        check_read(&found, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let Some(file) = &found.record.file else { return Err(marker_error()) };
        let whole = 0..found.record.size;
        let range = match &input.range {
            Some(range) => range
                .check(whole.end)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
            None => whole.clone(),
        };
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, whole.end));
        let body = self.blobs.read(file, range.clone()).await.map_err(|error| to_s3(disk(error)))?;
        let versioning = self.bucket(&input.bucket).map_err(to_s3)?.versioning;
        let headers = found.record.headers.clone();
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: size(range.end - range.start),
            body: Some(StreamingBlob::wrap(body)),
            e_tag: strong(&found.record.etag),
            last_modified: Some(timestamp(found.record.modified_ms)),
            version_id: shown_version(&found, versioning),
            server_side_encryption: encryption(),
            content_type: headers.content_type,
            content_encoding: headers.content_encoding,
            content_disposition: headers.content_disposition,
            content_language: headers.content_language,
            cache_control: headers.cache_control,
            metadata: Some(headers.metadata.into_iter().collect()),
            ..Default::default()
        };
        // The checksum is that of the whole object, so it isn't returned with a range.
        if input.checksum_mode.is_some() && content_range.is_none() {
            set_checksums!(output, &found.record.checksums);
            output.checksum_type = checksum_type(&found.record);
        }
        let partial = content_range.is_some();
        output.content_range = content_range;
        let status = if partial { hyper::StatusCode::PARTIAL_CONTENT } else { hyper::StatusCode::OK };
        Ok(S3Response::with_status(output, status))
    }

    pub(super) async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, part_number, range, sse_customer_key);
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        if found.record.file.is_none() {
            return Err(marker_error());
        }
        check_read(&found, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let versioning = self.bucket(&input.bucket).map_err(to_s3)?.versioning;
        let version_id = shown_version(&found, versioning);
        let record = found.record;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: size(record.size),
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            version_id,
            server_side_encryption: encryption(),
            ..Default::default()
        };
        if input.checksum_mode.is_some() {
            set_checksums!(output, &record.checksums);
            output.checksum_type = checksum_type(&record);
        }
        output.content_type = record.headers.content_type;
        output.content_encoding = record.headers.content_encoding;
        output.content_disposition = record.headers.content_disposition;
        output.content_language = record.headers.content_language;
        output.cache_control = record.headers.cache_control;
        output.metadata = Some(record.headers.metadata.into_iter().collect());
        Ok(S3Response::new(output))
    }
}
