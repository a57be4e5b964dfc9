//! S3's operations in s3s's types: those on objects, and the way to the others. What is not here, s3s answers
//! with NotImplemented.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{caller, to_s3};
use super::index::Headers;
use super::multipart::hasher;
use super::{DEFAULT_TYPE, Objects};
use super::{default_hashes, disk, object_arn};
use crate::iam::Context;

use super::wire::*;

#[async_trait::async_trait]
impl s3s::S3 for Objects {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        Self::create_bucket(self, req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        Self::head_bucket(self, req).await
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        Self::delete_bucket(self, req).await
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        Self::list_buckets(self, req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        Self::get_bucket_location(self, req).await
    }

    async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        Self::put_public_access_block(self, req).await
    }

    async fn get_public_access_block(
        &self,
        req: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        Self::get_public_access_block(self, req).await
    }

    async fn delete_public_access_block(
        &self,
        req: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        Self::delete_public_access_block(self, req).await
    }

    async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        Self::put_bucket_encryption(self, req).await
    }

    async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        Self::get_bucket_encryption(self, req).await
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        Self::put_bucket_versioning(self, req).await
    }

    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        Self::get_bucket_versioning(self, req).await
    }

    async fn put_bucket_tagging(
        &self,
        req: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        Self::put_bucket_tagging(self, req).await
    }

    async fn get_bucket_tagging(
        &self,
        req: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        Self::get_bucket_tagging(self, req).await
    }

    async fn delete_bucket_tagging(
        &self,
        req: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        Self::delete_bucket_tagging(self, req).await
    }

    async fn put_bucket_policy(
        &self,
        req: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        Self::put_bucket_policy(self, req).await
    }

    async fn get_bucket_policy(
        &self,
        req: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        Self::get_bucket_policy(self, req).await
    }

    async fn delete_bucket_policy(
        &self,
        req: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        Self::delete_bucket_policy(self, req).await
    }

    async fn get_bucket_policy_status(
        &self,
        req: S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        Self::get_bucket_policy_status(self, req).await
    }

    async fn get_bucket_acl(
        &self,
        req: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        Self::get_bucket_acl(self, req).await
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
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
            .commit(&input.bucket, &input.key, written, etag, 0, headers!(input), condition)
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

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
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
            version_id: told_version(&found, versioning),
            server_side_encryption: encryption(),
            content_type: headers.content_type,
            content_encoding: headers.content_encoding,
            content_disposition: headers.content_disposition,
            content_language: headers.content_language,
            cache_control: headers.cache_control,
            metadata: Some(headers.metadata.into_iter().collect()),
            ..Default::default()
        };
        // A part's bytes do not have the whole's checksum.
        if input.checksum_mode.is_some() && content_range.is_none() {
            set_checksums!(output, &found.record.checksums);
            output.checksum_type = checksum_type(&found.record);
        }
        let partial = content_range.is_some();
        output.content_range = content_range;
        let status = if partial { hyper::StatusCode::PARTIAL_CONTENT } else { hyper::StatusCode::OK };
        Ok(S3Response::with_status(output, status))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
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
        let version_id = told_version(&found, versioning);
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

    async fn delete_object(
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

    async fn delete_objects(
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
            let outcome = match self.authorize(&who, action, &input.bucket, &arn, &Context::new()) {
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

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, acl, sse_customer_key, ssekms_key_id, object_lock_mode, tagging, tagging_directive);
        refuse!(input, copy_source_if_modified_since, copy_source_if_unmodified_since);
        check_storage(input.storage_class.as_ref(), input.server_side_encryption.as_ref())?;
        let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "The local cloud has no access points."));
        };
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        self.authorize(&who, action, bucket, &object_arn(bucket, key), &Context::new()).map_err(to_s3)?;
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
            None => default_hashes(),
        };
        let written = self.blobs.concat(std::slice::from_ref(file), hashes).await;
        let written = written.map_err(|error| to_s3(disk(error)))?;
        let headers = if replace { headers!(input) } else { found.record.headers.clone() };
        let etag = hex::encode(written.md5);
        let (put, record) =
            self.commit(&input.bucket, &input.key, written, etag, 0, headers, None).await.map_err(to_s3)?;
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

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        Self::list_objects_v2(self, req).await
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        Self::list_objects(self, req).await
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        Self::list_object_versions(self, req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        Self::create_multipart_upload(self, req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        Self::upload_part(self, req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        Self::complete_multipart_upload(self, req).await
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        Self::abort_multipart_upload(self, req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        Self::list_parts(self, req).await
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        Self::list_multipart_uploads(self, req).await
    }
}
