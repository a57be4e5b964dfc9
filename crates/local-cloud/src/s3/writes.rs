//! The operations that write and delete objects.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::access::{caller, context};
use super::arn::object_arn;
use super::conditions::condition;
use super::encryption::set_encryption;
use super::error::to_s3;
use super::index::{DEFAULT_TYPE, Headers};
use super::storage::kept_class;
use super::store::ObjectStore;
use super::tagging::header_tags;
use super::wire::*;
use crate::authority::Access;

impl ObjectStore {
    pub(super) async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let announced = announced(&req)?;
        let trailers = req.trailing_headers;
        let mut input = req.input;
        let headers = headers!(input);
        let condition = condition(input.if_match.take(), input.if_none_match.take())?;
        let algorithm = input.server_side_encryption.as_ref();
        let encrypted = self.asked_encryption(&input.bucket, algorithm, input.ssekms_key_id.as_deref())?;
        let body = input.body.take();
        let written = self.receive(body, claims!(input, trailers), announced, encrypted).await?;
        let etag = hex::encode(written.md5);
        let (put, record) =
            self.commit(&input.bucket, &input.key, written, etag, headers, condition).await.map_err(to_s3)?;
        let mut output = PutObjectOutput {
            e_tag: strong(&record.etag),
            version_id: put.version,
            checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            ..Default::default()
        };
        set_checksums!(output, &record.checksums);
        set_encryption!(output, self.encryption_of(&record));
        Ok(S3Response::new(output))
    }

    pub(super) async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        let condition = condition(input.if_match, None)?;
        let version = input.version_id.as_deref();
        let deleted = self.delete(&input.bucket, &input.key, version, condition.as_ref()).await;
        let deleted = deleted.map_err(to_s3)?;
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
        let (who, context) = (caller(&req)?, context(&req));
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        for object in &input.delete.objects {
            refuse!(object, last_modified_time, size);
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let action =
                if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let arn = object_arn(&input.bucket, &object.key);
            let outcome =
                match self.authorize(&who, &input.bucket, Access::new(action, arn).with(context.clone())) {
                    Ok(()) => {
                        let condition = condition(object.e_tag.clone().map(ETagCondition::ETag), None)?;
                        let version = object.version_id.as_deref();
                        self.delete(&input.bucket, &object.key, version, condition.as_ref()).await
                    }
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
