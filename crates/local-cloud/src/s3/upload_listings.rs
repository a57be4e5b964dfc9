//! The operations that list what of multipart uploads is there: the uploads of a bucket, the parts of an upload.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::error::to_s3;
use super::index::Headers;
use super::multipart::Upload;
use super::store::ObjectStore;
use super::wire::*;

impl ObjectStore {
    pub(super) async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        let after = input.part_number_marker.unwrap_or_default();
        let max = page_size(input.max_parts);
        let limit = usize::try_from(max).unwrap_or_default();
        let mut stored = self.index.parts(&input.upload_id).map_err(to_s3)?;
        stored.retain(|(number, _)| *number > after);
        let is_truncated = stored.len() > limit;
        stored.truncate(limit);
        let next = Some(stored.last().map_or(0, |(number, _)| *number));
        let parts = stored.into_iter().map(|(number, record)| {
            let mut part = Part {
                part_number: Some(number),
                e_tag: strong(&record.etag),
                size: size(record.size),
                last_modified: Some(timestamp(record.modified_ms)),
                ..Default::default()
            };
            set_checksums!(part, &record.checksums);
            part
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            parts: Some(parts.collect()),
            max_parts: Some(max),
            part_number_marker: Some(after),
            next_part_number_marker: next,
            is_truncated: Some(is_truncated),
            checksum_type: upload.checksum_type(),
            initiator: upload.initiator.as_deref().map(initiator),
            owner: Some(self.owner()),
            checksum_algorithm: upload.algorithm.map(ChecksumAlgorithm::from),
            storage_class: Some(upload_class(&upload.headers)),
            ..Default::default()
        }))
    }

    pub(super) async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        let max = page_size(input.max_uploads);
        let prefix = input.prefix.unwrap_or_default();
        let delimiter = input.delimiter.as_deref().unwrap_or_default();
        let after = input.key_marker.as_deref().unwrap_or_default();
        // Without a key it means nothing.
        let after_id = input.upload_id_marker.as_deref().filter(|id| !id.is_empty() && !after.is_empty());
        let all = self.uploads(&input.bucket).map_err(to_s3)?;
        let (mut uploads, mut prefixes) = (Vec::new(), Vec::<String>::new());
        let (mut last, mut is_truncated) = (None, false);
        for (id, upload) in &all {
            let Some(rest) = upload.key.strip_prefix(&*prefix) else { continue };
            let group = rest.find(delimiter).filter(|_| !delimiter.is_empty());
            let group = group.map(|end| format!("{prefix}{}", &rest[..end + delimiter.len()]));
            let name = group.as_deref().unwrap_or(&upload.key);
            let is_before = match after_id {
                _ if name != after => name < after,
                Some(marker) => !follows(&all, id, marker),
                None => true,
            };
            if is_before || group.is_some() && prefixes.last().map(String::as_str) == Some(name) {
                continue;
            }
            if uploads.len() + prefixes.len() >= usize::try_from(max).unwrap_or_default() {
                is_truncated = true;
                break;
            }
            last = Some((name.to_owned(), if group.is_some() { "" } else { id }));
            match group {
                Some(group) => prefixes.push(group),
                None => uploads.push((id, upload)),
            }
        }
        let encoding = input.encoding_type.as_ref();
        let uploads = uploads.into_iter().map(|(id, upload)| MultipartUpload {
            upload_id: Some(id.clone()),
            key: Some(encode(&upload.key, encoding)),
            initiated: Some(timestamp(upload.started_ms)),
            storage_class: Some(upload_class(&upload.headers)),
            owner: Some(self.owner()),
            initiator: upload.initiator.as_deref().map(initiator),
            checksum_type: upload.checksum_type(),
            checksum_algorithm: upload.algorithm.clone().map(ChecksumAlgorithm::from),
        });
        let prefixes = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(encode(prefix, encoding)) });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            uploads: Some(uploads.collect()),
            common_prefixes: Some(prefixes.collect()),
            is_truncated: Some(is_truncated),
            next_key_marker: last.as_ref().map(|(key, _)| encode(key, encoding)),
            next_upload_id_marker: last.as_ref().map(|(_, id)| (*id).to_owned()),
            key_marker: Some(encode(after, encoding)),
            upload_id_marker: Some(input.upload_id_marker.clone().unwrap_or_default()),
            max_uploads: Some(max),
            prefix: Some(encode(&prefix, encoding)),
            delimiter: input.delimiter.as_deref().map(|delimiter| encode(delimiter, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

/// Returns whether an upload comes after another in the list. An upload that has ended in between is before all.
fn follows(all: &[(String, Upload)], id: &str, marker: &str) -> bool {
    let place = |wanted: &str| all.iter().position(|(id, _)| id == wanted);
    place(id) > place(marker)
}

/// Returns who started an upload, by its ARN.
fn initiator(arn: &str) -> Initiator {
    let name = arn.rsplit('/').next().unwrap_or(arn);
    Initiator { id: Some(arn.to_owned()), display_name: Some(name.to_owned()) }
}

fn upload_class(headers: &Headers) -> StorageClass {
    let class = headers.storage_class.clone();
    class.map_or_else(|| StorageClass::from_static(StorageClass::STANDARD), StorageClass::from)
}
