//! The operations of multipart uploads.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::access::caller;
use super::conditions::condition;
use super::encryption::set_encryption;
use super::error::to_s3;
use super::index::{DEFAULT_TYPE, Headers};
use super::multipart::{Upload, Whole};
use super::storage::kept_class;
use super::store::ObjectStore;
use super::tagging::header_tags;
use super::wire::*;
use crate::support::clock::now_ms;

impl ObjectStore {
    pub(super) async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        let asked = input.server_side_encryption.as_ref();
        let encrypted = self.asked_encryption(&input.bucket, asked, input.ssekms_key_id.as_deref())?;
        let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned());
        // S3's defaults: only CRC64NVME is a checksum of the whole object.
        let composite = match &input.checksum_type {
            Some(kind) => kind.as_str() == ChecksumType::COMPOSITE,
            None => algorithm.as_deref().is_some_and(|name| name != "CRC64NVME"),
        };
        let upload = Upload {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            started_ms: now_ms(),
            headers: headers!(input),
            algorithm,
            composite,
            encrypted,
            initiator: Some(who.arn),
        };
        let upload_id = self.start_upload(&upload).map_err(to_s3)?;
        let mut output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: upload.checksum_type(),
            ..Default::default()
        };
        set_encryption!(output, self.encryption(encrypted));
        Ok(S3Response::new(output))
    }

    pub(super) async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let mut announced = announced(&req)?;
        let trailers = req.trailing_headers;
        let mut input = req.input;
        check_part_number(input.part_number)?;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        let encrypted = upload.encrypted;
        announced.algorithms.extend(upload.algorithm);
        let body = input.body.take();
        let written = self.receive(body, claims!(input, trailers), announced, encrypted).await?;
        let record = self.keep_part(&input.upload_id, input.part_number, written).await.map_err(to_s3)?;
        let mut output = UploadPartOutput { e_tag: strong(&record.etag), ..Default::default() };
        set_checksums!(output, &record.checksums);
        set_encryption!(output, self.encryption_of(&record));
        Ok(S3Response::new(output))
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let condition = condition(input.if_match, input.if_none_match)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let sums = [
            ("crc32", input.checksum_crc32),
            ("crc32c", input.checksum_crc32c),
            ("crc64nvme", input.checksum_crc64nvme),
            ("sha1", input.checksum_sha1),
            ("sha256", input.checksum_sha256),
        ];
        let whole = Whole {
            sums: sums.into_iter().filter_map(|(name, sum)| Some((name, sum?))).collect(),
            size: input.mpu_object_size,
            checksum_type: input.checksum_type,
        };
        let (put, record) = self
            .complete_upload(&input.bucket, &input.key, &input.upload_id, &parts, &whole, condition)
            .await
            .map_err(to_s3)?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("{}/{}/{}", self.cloud.endpoint(), input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: strong(&record.etag),
            version_id: put.version,
            checksum_type: checksum_type(&record),
            ..Default::default()
        };
        set_checksums!(output, &record.checksums);
        set_encryption!(output, self.encryption_of(&record));
        Ok(S3Response::new(output))
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        self.forget_upload(&input.upload_id).await.map_err(to_s3)?;
        let output = AbortMultipartUploadOutput::default();
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }
}
