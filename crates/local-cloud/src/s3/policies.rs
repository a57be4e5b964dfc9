//! Bucket policies: kept, judged together with the caller's own, and whether they make a bucket public.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};
use serde_json::Value;

use super::access::{caller, to_s3};
use super::{Objects, bucket_arn};
use crate::call::{AwsError, Caller};
use crate::iam::{Context, Document, limits_everybody};

/// Bytes of a bucket policy.
const SIZE_LIMIT: usize = 20 << 10;

impl Objects {
    /// Whether `caller` may do `action` on `resource`, the bucket or an object in it.
    pub(super) fn authorize(
        &self,
        caller: &Caller,
        action: &str,
        bucket: &str,
        resource: &str,
        context: &Context,
    ) -> Result<(), AwsError> {
        let stored = self.cloud.store.get::<super::Bucket>(super::BUCKET, bucket)?;
        let restricted = stored
            .as_ref()
            .and_then(|it| it.public_access_block)
            .is_some_and(|it| it.restrict_public_buckets);
        let policy =
            stored.and_then(|it| it.policy).map(|text| Document::resource(&text).map_err(AwsError::internal));
        // A public policy of a restricted bucket is for the account alone, and so are all signatures here.
        let policy = policy.transpose()?.filter(|it| !(restricted && caller.is_anonymous() && is_public(it)));
        let decided =
            self.cloud.authorize_with_resource_policy(caller, action, resource, context, policy.as_ref());
        decided.map_err(|error| match caller.is_anonymous() {
            true => AwsError::new(403, "AccessDenied", "Access Denied"),
            false => error,
        })
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
        let document = self.checked(&bucket, &policy).map_err(to_s3)?;
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

    /// ACLs can't be set here, as in every bucket made since 2023: the owner has all, nobody else anything.
    pub(super) async fn get_bucket_acl(
        &self,
        req: S3Request<GetBucketAclInput>,
    ) -> S3Result<S3Response<GetBucketAclOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        let id = hex::encode(&self.cloud.account);
        let owner = Owner { id: Some(id.clone()), ..Default::default() };
        let grantee = Grantee {
            id: Some(id),
            type_: Type::from_static(Type::CANONICAL_USER),
            display_name: None,
            email_address: None,
            uri: None,
        };
        let permission = Some(Permission::from_static(Permission::FULL_CONTROL));
        let grants = Some(vec![Grant { grantee: Some(grantee), permission }]);
        Ok(S3Response::new(GetBucketAclOutput { grants, owner: Some(owner) }))
    }

    /// A policy that S3 would take for this bucket.
    fn checked(&self, bucket: &str, text: &str) -> Result<Document, AwsError> {
        let malformed = |message: String| AwsError::new(400, "MalformedPolicy", message);
        if text.len() > SIZE_LIMIT {
            return Err(malformed(format!(
                "Policy exceeds the maximum allowed document size of {SIZE_LIMIT} bytes"
            )));
        }
        let document = Document::resource(text).map_err(malformed)?;
        for (kind, principal) in document.principals() {
            if !self.cloud.knows_principal(kind, principal)? {
                return Err(malformed("Invalid principal in policy".to_owned()));
            }
        }
        let written: Value = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let statements = match &written["Statement"] {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        for statement in statements {
            let actions = listed(statement, "Action");
            if actions.iter().any(|action| *action != "*" && !action.to_lowercase().starts_with("s3:")) {
                return Err(malformed("Policy has invalid action".to_owned()));
            }
            let (whole, inside) = (bucket_arn(bucket), format!("{}/", bucket_arn(bucket)));
            let resources = listed(statement, "Resource");
            let ours =
                |resource: &&str| **resource == whole || resource.starts_with(&inside) || is_wild(resource);
            if !resources.iter().all(ours) {
                return Err(malformed("Policy has invalid resource".to_owned()));
            }
            let objects = |resource: &&str| resource.contains('/') || is_wild(resource);
            let applies = actions.iter().any(|action| match is_of_objects(action) {
                None => true,
                Some(true) => resources.iter().any(objects),
                Some(false) => resources.iter().any(|resource| !resource.contains('/') || is_wild(resource)),
            });
            if !actions.is_empty() && !resources.is_empty() && !applies {
                return Err(malformed("Action does not apply to any resource(s) in statement".to_owned()));
            }
        }
        Ok(document)
    }
}

/// Whether a policy allows something to everybody, and no condition with fixed values narrows that down.
fn is_public(document: &Document) -> bool {
    limits_everybody(document).any(|limited| !limited)
}

fn is_wild(resource: &str) -> bool {
    let bucket = resource.splitn(6, ':').nth(5).unwrap_or("*");
    bucket.split('/').next().is_some_and(|name| name.contains(['*', '?']))
}

/// Whether an action is one on objects; None: it has wildcards, and may be on both.
fn is_of_objects(action: &str) -> Option<bool> {
    let name = action.to_lowercase();
    if name.contains(['*', '?']) {
        return None;
    }
    let uploads = ["s3:abortmultipartupload", "s3:listmultipartuploadparts"].contains(&name.as_str());
    Some(uploads || (name.contains("object") && !name.contains("bucket")))
}

fn listed<'a>(statement: &'a Value, member: &str) -> Vec<&'a str> {
    match &statement[member] {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
