//! The operations that list objects and versions.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::error::to_s3;
use super::index::Cursor;
use super::storage::class;
use super::store::ObjectStore;
use super::wire::*;

impl ObjectStore {
    pub(super) async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let max = page_size(input.max_keys);
        let after = match &input.continuation_token {
            Some(token) => Some(read_token(token)?),
            None => input.start_after.clone().filter(|after| !after.is_empty()),
        };
        let continued = input.continuation_token.is_some();
        let page = self.page(&input.bucket, &input.prefix, &input.delimiter, after, max)?;
        let encoding = input.encoding_type.as_ref();
        let owner = (input.fetch_owner == Some(true)).then(|| self.owner());
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(&input.prefix.unwrap_or_default(), encoding)),
            max_keys: Some(max),
            key_count: i32::try_from(page.versions.len() + page.prefixes.len()).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_ref().map(|next| token(&next.key)),
            contents: objects(&page, encoding, owner.as_ref()),
            common_prefixes: prefixes(&page, encoding),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter, encoding)),
            // The token counts more, so that this is ignored.
            start_after: input.start_after.filter(|_| !continued).map(|after| encode(&after, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    pub(super) async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let max = page_size(input.max_keys);
        let after = input.marker.clone().filter(|marker| !marker.is_empty());
        let page = self.page(&input.bucket, &input.prefix, &input.delimiter, after, max)?;
        let encoding = input.encoding_type.as_ref();
        // This version of the operation returns a marker only with a delimiter. Otherwise clients use the last key.
        let next = page.next.as_ref().filter(|_| input.delimiter.is_some());
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(&input.prefix.unwrap_or_default(), encoding)),
            marker: Some(encode(&input.marker.unwrap_or_default(), encoding)),
            max_keys: Some(max),
            is_truncated: Some(page.next.is_some()),
            contents: objects(&page, encoding, Some(&self.owner())),
            common_prefixes: prefixes(&page, encoding),
            next_marker: next.map(|next| encode(&next.key, encoding)),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    pub(super) async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let max = page_size(input.max_keys);
        let prefix = input.prefix.unwrap_or_default();
        let version = input.version_id_marker.clone().filter(|marker| !marker.is_empty());
        let cursor =
            input.key_marker.clone().filter(|key| !key.is_empty()).map(|key| Cursor { key, version });
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let limit = usize::try_from(max).unwrap_or_default();
        let page = self
            .index
            .list(&input.bucket, &prefix, delimiter, cursor.as_ref(), limit, true)
            .map_err(to_s3)?;
        let encoding = input.encoding_type.as_ref();
        let (markers, versions): (Vec<_>, Vec<_>) =
            page.versions.iter().partition(|found| found.record.file.is_none());
        let versions = versions.into_iter().map(|found| ObjectVersion {
            key: Some(encode(&found.key, encoding)),
            version_id: Some(found.version.clone()),
            is_latest: Some(found.latest),
            size: size(found.record.size),
            e_tag: strong(&found.record.etag),
            last_modified: Some(timestamp(found.record.modified_ms)),
            storage_class: Some(class(&found.record).to_owned().into()),
            checksum_algorithm: algorithms(&found.record),
            ..Default::default()
        });
        let markers = markers.into_iter().map(|found| DeleteMarkerEntry {
            key: Some(encode(&found.key, encoding)),
            version_id: Some(found.version.clone()),
            is_latest: Some(found.latest),
            last_modified: Some(timestamp(found.record.modified_ms)),
            ..Default::default()
        });
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(&prefix, encoding)),
            max_keys: Some(max),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.as_ref().map(|next| encode(&next.key, encoding)),
            next_version_id_marker: page.next.as_ref().and_then(|next| next.version.clone()),
            versions: Some(versions.collect()),
            delete_markers: Some(markers.collect()),
            common_prefixes: prefixes(&page, encoding),
            key_marker: Some(encode(&input.key_marker.unwrap_or_default(), encoding)),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}
