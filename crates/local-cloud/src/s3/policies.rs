//! The operations on bucket policies and ACLs.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::access::caller;
use super::arn::bucket_arn;
use super::bucket_policy::{check, is_public};
use super::error::to_s3;
use super::store::ObjectStore;
use crate::call::AwsError;
use crate::policy::Document;

impl ObjectStore {
    /// Returns the owner of all buckets and objects, by the account's canonical id.
    pub(super) fn owner(&self) -> Owner {
        Owner { id: Some(hex::encode(&self.cloud.account)), ..Default::default() }
    }

    fn bucket_policy(&self, bucket: &str) -> Result<String, AwsError> {
        let missing = || AwsError::new(404, "NoSuchBucketPolicy", "The bucket policy does not exist");
        self.bucket(bucket)?.policy.ok_or_else(missing)
    }

    pub(super) async fn put_bucket_policy(
        &self,
        req: S3Request<PutBucketPolicyInput>,
    ) -> S3Result<S3Response<PutBucketPolicyOutput>> {
        let who = caller(&req)?;
        let PutBucketPolicyInput { bucket, policy, .. } = req.input;
        let block = self.bucket(&bucket).map_err(to_s3)?.public_access_block;
        let document = check(&*self.iam, &bucket, &policy).map_err(to_s3)?;
        if block.is_some_and(|block| block.block_public_policy) && is_public(&document) {
            let message = format!(
                "User: {} is not authorized to perform: s3:PutBucketPolicy on resource: \"{}\" because public policies \
                 are blocked by the BlockPublicPolicy block public access setting.",
                who.arn,
                bucket_arn(&bucket)
            );
            return Err(to_s3(AwsError::new(403, "AccessDenied", message)));
        }
        self.change_bucket(&bucket, |stored| stored.policy = Some(policy)).map_err(to_s3)?;
        Ok(S3Response::with_status(PutBucketPolicyOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn get_bucket_policy(
        &self,
        req: S3Request<GetBucketPolicyInput>,
    ) -> S3Result<S3Response<GetBucketPolicyOutput>> {
        let policy = Some(self.bucket_policy(&req.input.bucket).map_err(to_s3)?);
        Ok(S3Response::new(GetBucketPolicyOutput { policy }))
    }

    pub(super) async fn delete_bucket_policy(
        &self,
        req: S3Request<DeleteBucketPolicyInput>,
    ) -> S3Result<S3Response<DeleteBucketPolicyOutput>> {
        self.change_bucket(&req.input.bucket, |bucket| bucket.policy = None).map_err(to_s3)?;
        Ok(S3Response::with_status(DeleteBucketPolicyOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn get_bucket_policy_status(
        &self,
        req: S3Request<GetBucketPolicyStatusInput>,
    ) -> S3Result<S3Response<GetBucketPolicyStatusOutput>> {
        let text = self.bucket_policy(&req.input.bucket).map_err(to_s3)?;
        let document = Document::resource(&text).map_err(|error| to_s3(AwsError::internal(error)))?;
        let policy_status = Some(PolicyStatus { is_public: Some(is_public(&document)) });
        Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status }))
    }

    /// Answers GetBucketAcl. As in every bucket that was created since 2023, ACLs can't be set: the owner has full
    /// control, and nobody else has any.
    pub(super) async fn get_bucket_acl(
        &self,
        req: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        let owner = self.owner();
        let grantee = Grantee {
            id: owner.id.clone(),
            type_: Type::from_static(Type::CANONICAL_USER),
            display_name: None,
            email_address: None,
            uri: None,
        };
        let permission = Some(Permission::from_static(Permission::FULL_CONTROL));
        let grants = Some(vec![Grant { grantee: Some(grantee), permission }]);
        Ok(S3Response::new(GetBucketAclOutput { grants, owner: Some(owner) }))
    }
}
