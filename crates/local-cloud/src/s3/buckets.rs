//! The operations on buckets and their settings.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::arn::bucket_arn;
use super::bucket::{BUCKET, Bucket as Stored, PublicAccessBlock};
use super::error::to_s3;
use super::index::Versioning;
use super::store::ObjectStore;
use super::wire::*;
use crate::call::AwsError;

impl ObjectStore {
    pub(super) async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let input = req.input;
        input.object_ownership.as_ref().map_or(Ok(()), check_ownership)?;
        let configuration = input.create_bucket_configuration.unwrap_or_default();
        refuse!(configuration, bucket, location);
        let wanted = configuration.location_constraint;
        let here = &*self.cloud.region;
        check_location(wanted.as_ref().map(BucketLocationConstraint::as_str), here)?;
        // Only in us-east-1 it is no error if the owner creates a bucket again.
        if !self.cloud.store.insert(BUCKET, &input.bucket, &Stored::new()).map_err(to_s3)?
            && here != "us-east-1"
        {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        let location = Some(format!("/{}", input.bucket));
        let mut response = S3Response::new(CreateBucketOutput { location });
        // s3s doesn't know this header yet.
        let arn = bucket_arn(&input.bucket).parse().ok();
        response.headers.extend(arn.map(|arn| (http::HeaderName::from_static("x-amz-bucket-arn"), arn)));
        Ok(response)
    }

    pub(super) async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        let bucket_region = Some(self.cloud.region.clone());
        let mut response = S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() });
        let xml = http::HeaderValue::from_static("application/xml");
        response.headers.insert(http::header::CONTENT_TYPE, xml);
        Ok(response)
    }

    pub(super) async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let name = &req.input.bucket;
        self.bucket(name).map_err(to_s3)?;
        if !self.index.is_empty(name).map_err(to_s3)? {
            let which = match self.bucket(name).map_err(to_s3)?.versioning {
                Versioning::Off => "",
                _ => ". You must delete all versions in the bucket.",
            };
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty{which}"));
        }
        for (id, _) in self.uploads(name).map_err(to_s3)? {
            self.forget_upload(&id).await.map_err(to_s3)?;
        }
        self.cloud.store.delete(BUCKET, name).map_err(to_s3)?;
        Ok(S3Response::with_status(DeleteBucketOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let input = req.input;
        let all: Vec<(String, Stored)> = self.cloud.store.list(BUCKET).map_err(to_s3)?;
        let after = input.continuation_token.map(|token| read_token(&token)).transpose()?;
        let max = usize::try_from(input.max_buckets.unwrap_or(10_000)).unwrap_or(10_000);
        let mut matching = all
            .into_iter()
            .filter(|(name, _)| input.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix)))
            .filter(|(name, _)| after.as_ref().is_none_or(|after| name > after));
        let buckets: Vec<Bucket> = matching
            .by_ref()
            .take(max)
            .map(|(name, bucket)| Bucket {
                name: Some(name),
                creation_date: Some(timestamp(bucket.created_ms)),
                bucket_region: Some(self.cloud.region.clone()),
            })
            .collect();
        let last = buckets.last().and_then(|bucket| bucket.name.clone());
        let continuation_token = matching.next().and(last).map(|name| token(&name));
        let owner = self.owner();
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner),
            continuation_token,
            prefix: input.prefix,
        }))
    }

    pub(super) async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        let region = self.cloud.region.clone();
        let location_constraint = (region != "us-east-1").then(|| region.into());
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    pub(super) async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let asked = req.input.public_access_block_configuration;
        let switches = [
            asked.block_public_acls,
            asked.ignore_public_acls,
            asked.block_public_policy,
            asked.restrict_public_buckets,
        ];
        if switches.iter().all(Option::is_none) {
            return Err(s3_error!(InvalidRequest, "Must specify at least one configuration."));
        }
        let block = PublicAccessBlock {
            block_public_acls: asked.block_public_acls.unwrap_or_default(),
            ignore_public_acls: asked.ignore_public_acls.unwrap_or_default(),
            block_public_policy: asked.block_public_policy.unwrap_or_default(),
            restrict_public_buckets: asked.restrict_public_buckets.unwrap_or_default(),
        };
        self.change_bucket(&req.input.bucket, |bucket| bucket.public_access_block = Some(block))
            .map_err(to_s3)?;
        Ok(S3Response::new(PutPublicAccessBlockOutput::default()))
    }

    pub(super) async fn get_public_access_block(
        &self,
        req: S3Request<GetPublicAccessBlockInput>,
    ) -> S3Result<S3Response<GetPublicAccessBlockOutput>> {
        let Some(block) = self.bucket(&req.input.bucket).map_err(to_s3)?.public_access_block else {
            let code = "NoSuchPublicAccessBlockConfiguration";
            let message = "The public access block configuration was not found";
            return Err(to_s3(AwsError::new(404, code, message)));
        };
        let configuration = PublicAccessBlockConfiguration {
            block_public_acls: Some(block.block_public_acls),
            ignore_public_acls: Some(block.ignore_public_acls),
            block_public_policy: Some(block.block_public_policy),
            restrict_public_buckets: Some(block.restrict_public_buckets),
        };
        let output = GetPublicAccessBlockOutput { public_access_block_configuration: Some(configuration) };
        Ok(S3Response::new(output))
    }

    pub(super) async fn delete_public_access_block(
        &self,
        req: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        self.change_bucket(&req.input.bucket, |bucket| bucket.public_access_block = None).map_err(to_s3)?;
        Ok(S3Response::with_status(DeletePublicAccessBlockOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        let rules = req.input.server_side_encryption_configuration.rules;
        let by_default = rules.first().and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
        let managed = match by_default {
            Some(rule) => self.is_managed(rule.sse_algorithm.as_str(), rule.kms_master_key_id.as_deref())?,
            None => false,
        };
        let keyed = rules.first().and_then(|rule| rule.bucket_key_enabled).unwrap_or_default();
        self.change_bucket(&req.input.bucket, |bucket| {
            bucket.bucket_key_enabled = keyed;
            bucket.managed_key = managed;
            bucket.encryption_set = true;
        })
        .map_err(to_s3)?;
        Ok(S3Response::new(PutBucketEncryptionOutput::default()))
    }

    pub(super) async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let bucket = self.bucket(&req.input.bucket).map_err(to_s3)?;
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: self.encryption(bucket.managed_key).0,
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(bucket.bucket_key_enabled),
        };
        let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
        let output = GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) };
        Ok(S3Response::new(output))
    }

    pub(super) async fn delete_bucket_encryption(
        &self,
        req: S3Request<DeleteBucketEncryptionInput>,
    ) -> S3Result<S3Response<DeleteBucketEncryptionOutput>> {
        self.change_bucket(&req.input.bucket, |bucket| {
            bucket.bucket_key_enabled = false;
            bucket.managed_key = false;
            bucket.encryption_set = false;
        })
        .map_err(to_s3)?;
        Ok(S3Response::with_status(DeleteBucketEncryptionOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    /// Every bucket has the one ownership that the local cloud supports, so that nothing changes.
    pub(super) async fn put_bucket_ownership_controls(
        &self,
        req: S3Request<PutBucketOwnershipControlsInput>,
    ) -> S3Result<S3Response<PutBucketOwnershipControlsOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        for rule in &req.input.ownership_controls.rules {
            check_ownership(&rule.object_ownership)?;
        }
        Ok(S3Response::new(PutBucketOwnershipControlsOutput::default()))
    }

    pub(super) async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        let asked = req.input.versioning_configuration;
        if asked.mfa_delete.is_some_and(|mfa| mfa.as_str() == MFADelete::ENABLED) {
            return Err(s3_error!(NotImplemented, "The local cloud does not support MFADelete."));
        }
        let status = asked.status;
        let versioning = match status.as_ref().map(|status| status.as_str()) {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            _ => {
                return Err(s3_error!(
                    IllegalVersioningConfigurationException,
                    "The Versioning element must be specified"
                ));
            }
        };
        self.change_bucket(&req.input.bucket, |bucket| bucket.versioning = versioning).map_err(to_s3)?;
        Ok(S3Response::new(PutBucketVersioningOutput::default()))
    }

    pub(super) async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        let status = match self.bucket(&req.input.bucket).map_err(to_s3)?.versioning {
            Versioning::Off => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        let status = status.map(BucketVersioningStatus::from_static);
        Ok(S3Response::new(GetBucketVersioningOutput { status, ..Default::default() }))
    }

    pub(super) async fn put_bucket_tagging(
        &self,
        req: S3Request<PutBucketTaggingInput>,
    ) -> S3Result<S3Response<PutBucketTaggingOutput>> {
        let tags: Vec<(String, String)> = req
            .input
            .tagging
            .tag_set
            .into_iter()
            .map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default()))
            .collect();
        let keys: std::collections::HashSet<&String> = tags.iter().map(|(key, _)| key).collect();
        if keys.len() != tags.len() {
            return Err(s3_error!(InvalidTag, "Cannot provide multiple Tags with the same key"));
        }
        if tags.iter().any(|(key, _)| key.starts_with("aws:")) {
            return Err(s3_error!(InvalidTag, "System tags cannot be added/updated by requester"));
        }
        if tags.len() > 50 || tags.iter().any(|(key, _)| key.is_empty()) {
            return Err(s3_error!(InvalidTag, "The tag provided was not a valid tag"));
        }
        self.change_bucket(&req.input.bucket, |bucket| bucket.tags = tags).map_err(to_s3)?;
        Ok(S3Response::with_status(PutBucketTaggingOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    pub(super) async fn get_bucket_tagging(
        &self,
        req: S3Request<GetBucketTaggingInput>,
    ) -> S3Result<S3Response<GetBucketTaggingOutput>> {
        let tags = self.bucket(&req.input.bucket).map_err(to_s3)?.tags;
        if tags.is_empty() {
            let mut error = s3_error!(NoSuchTagSet, "The TagSet does not exist");
            error.set_status_code(hyper::StatusCode::NOT_FOUND);
            return Err(error);
        }
        let tag_set =
            tags.into_iter().map(|(key, value)| Tag { key: Some(key), value: Some(value) }).collect();
        Ok(S3Response::new(GetBucketTaggingOutput { tag_set }))
    }

    pub(super) async fn delete_bucket_tagging(
        &self,
        req: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.change_bucket(&req.input.bucket, |bucket| bucket.tags.clear()).map_err(to_s3)?;
        Ok(S3Response::with_status(DeleteBucketTaggingOutput::default(), hyper::StatusCode::NO_CONTENT))
    }
}

/// Checks where a bucket is to be. From us-east-1, a bucket may be made in any other region, which the local cloud lacks.
fn check_location(wanted: Option<&str>, here: &str) -> S3Result<()> {
    const FIRST: &str = "us-east-1";
    match wanted.filter(|wanted| !wanted.is_empty()) {
        None if here == FIRST => Ok(()),
        Some(FIRST) if here == FIRST => {
            Err(s3_error!(InvalidLocationConstraint, "The specified location-constraint is not valid"))
        }
        Some(wanted) if here == FIRST => Err(s3_error!(
            NotImplemented,
            "The local cloud is the region {here} alone: it does not support buckets in {wanted}."
        )),
        Some(wanted) if wanted == here => Ok(()),
        wanted => Err(s3_error!(
            IllegalLocationConstraintException,
            "The {} location constraint is incompatible for the region specific endpoint this request was sent to.",
            wanted.unwrap_or("unspecified")
        )),
    }
}

fn check_ownership(ownership: &ObjectOwnership) -> S3Result<()> {
    match ownership.as_str() {
        ObjectOwnership::BUCKET_OWNER_ENFORCED => Ok(()),
        _ => Err(s3_error!(
            NotImplemented,
            "The local cloud has no ACLs: only the object ownership BucketOwnerEnforced is supported."
        )),
    }
}
