//! The operations that write, copy and delete objects.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::caller;
use super::arn::object_arn;
use super::checksums::{default_hasher, hasher};
use super::error::{disk, to_s3};
use super::index::{DEFAULT_TYPE, Headers};
use super::store::ObjectStore;
use super::wire::*;
use crate::authority::Access;

impl ObjectStore {
    pub(super) async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let announced = announced(&req);
        let announced: Vec<&str> = announced.iter().map(String::as_str).collect();
        let trailers = req.trailing_headers;
        let mut input = req.input;
        refuse!(input, acl, sse_customer_key, ssekms_key_id, object_lock_mode, tagging, write_offset_bytes);
        refuse!(
            input,
            website_redirect_location,
            object_lock_legal_hold_status,
            grant_full_control,
            grant_read
        );
        check_storage(input.storage_class.as_ref(), input.server_side_encryption.as_ref())?;
        let condition = condition(input.if_match.take(), input.if_none_match.take())?;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let body = input.body.take();
        let written = self.receive(body, claims!(input, trailers), &announced).await?;
        let etag = hex::encode(written.md5);
        let (put, record) = self
            .commit(&input.bucket, &input.key, written, etag, headers!(input), condition)
            .await
            .map_err(to_s3)?;
        let mut output = PutObjectOutput {
            e_tag: strong(&record.etag),
            version_id: put.version,
            server_side_encryption: encryption(),
            checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            ..Default::default()
        };
        set_checksums!(output, &record.checksums);
        Ok(S3Response::new(output))
    }

    pub(super) async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, acl, sse_customer_key, ssekms_key_id, object_lock_mode, tagging, tagging_directive);
        refuse!(input, copy_source_if_modified_since, copy_source_if_unmodified_since);
        check_storage(input.storage_class.as_ref(), input.server_side_encryption.as_ref())?;
        let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "The local cloud has no access points."));
        };
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        self.authorize(&who, bucket, Access::new(action, object_arn(bucket, key))).map_err(to_s3)?;
        let found = self.object(&who, bucket, key, version_id.as_deref()).map_err(to_s3)?;
        let Some(file) = &found.record.file else { return Err(marker_error()) };
        check_read(&found, input.copy_source_if_match.as_ref(), input.copy_source_if_none_match.as_ref())?;
        let replace = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        if !replace && **bucket == *input.bucket && **key == *input.key && version_id.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        self.bucket(&input.bucket).map_err(to_s3)?;
        let hashes = match &input.checksum_algorithm {
            Some(algorithm) => hasher([algorithm.as_str()]),
            None => default_hasher(),
        };
        let written = self.blobs.concat(std::slice::from_ref(file), hashes).await;
        let written = written.map_err(|error| to_s3(disk(error)))?;
        let headers = if replace { headers!(input) } else { found.record.headers.clone() };
        let etag = hex::encode(written.md5);
        let (put, record) =
            self.commit(&input.bucket, &input.key, written, etag, headers, None).await.map_err(to_s3)?;
        let mut result = CopyObjectResult {
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            ..Default::default()
        };
        set_checksums!(result, &record.checksums);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            version_id: put.version,
            copy_source_version_id: version_id.as_ref().map(|id| id.to_string()),
            server_side_encryption: encryption(),
            ..Default::default()
        }))
    }

    pub(super) async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        refuse!(input, mfa, if_match);
        let version = input.version_id.as_deref();
        let deleted = self.delete(&input.bucket, &input.key, version).await.map_err(to_s3)?;
        let output = DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version,
            ..Default::default()
        };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let action =
                if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let arn = object_arn(&input.bucket, &object.key);
            let outcome = match self.authorize(&who, &input.bucket, Access::new(action, arn)) {
                Ok(()) => self.delete(&input.bucket, &object.key, object.version_id.as_deref()).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(done) => deleted.push(deleted_object(object, done)),
                Err(error) => errors.push(Error {
                    code: Some(error.code),
                    key: Some(object.key),
                    message: Some(error.message),
                    version_id: object.version_id,
                }),
            }
        }
        if input.delete.quiet == Some(true) {
            deleted.clear();
        }
        let output =
            DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), ..Default::default() };
        Ok(S3Response::new(output))
    }
}
