//! The table of S3's operations, with the handler of each and the access that it needs. An operation that isn't here is
//! refused by [`access`](super::access) with NotImplemented, before any handler is called.

use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::store::ObjectStore;

/// The access that an operation needs, to the bucket or the object in the request's path.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    Action(&'static str),
    /// One action for the latest version, another for a version that the request names.
    Version {
        latest: &'static str,
        named: &'static str,
    },
    /// The handler authorises each object that the request's body names, before it does anything with it.
    EachObject,
}

use Needs::{Action, EachObject, Version};

const READ: Needs = Version { latest: "s3:GetObject", named: "s3:GetObjectVersion" };

/// Makes of the rows an implementation of s3s's trait, whose methods call the handlers, and the list that [`needs`]
/// reads. So no handler can be added without the access that it needs.
macro_rules! operations {
    ($($name:ident: $handler:ident($input:ident) -> $output:ident, $needs:expr;)*) => {
        #[async_trait::async_trait]
        impl s3s::S3 for ObjectStore {
            $(async fn $handler(&self, req: S3Request<$input>) -> S3Result<S3Response<$output>> {
                Self::$handler(self, req).await
            })*
        }

        const NEEDS: &[(&str, Needs)] = &[$((stringify!($name), $needs)),*];
    };
}

operations! {
    ListBuckets: list_buckets(ListBucketsInput) -> ListBucketsOutput, Action("s3:ListAllMyBuckets");
    CreateBucket: create_bucket(CreateBucketInput) -> CreateBucketOutput, Action("s3:CreateBucket");
    HeadBucket: head_bucket(HeadBucketInput) -> HeadBucketOutput, Action("s3:ListBucket");
    DeleteBucket: delete_bucket(DeleteBucketInput) -> DeleteBucketOutput, Action("s3:DeleteBucket");
    GetBucketLocation: get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput,
        Action("s3:GetBucketLocation");
    PutPublicAccessBlock: put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput,
        Action("s3:PutBucketPublicAccessBlock");
    GetPublicAccessBlock: get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput,
        Action("s3:GetBucketPublicAccessBlock");
    DeletePublicAccessBlock: delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput,
        Action("s3:PutBucketPublicAccessBlock");
    PutBucketEncryption: put_bucket_encryption(PutBucketEncryptionInput) -> PutBucketEncryptionOutput,
        Action("s3:PutEncryptionConfiguration");
    DeleteBucketEncryption: delete_bucket_encryption(DeleteBucketEncryptionInput) -> DeleteBucketEncryptionOutput,
        Action("s3:PutEncryptionConfiguration");
    GetBucketEncryption: get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput,
        Action("s3:GetEncryptionConfiguration");
    PutBucketVersioning: put_bucket_versioning(PutBucketVersioningInput) -> PutBucketVersioningOutput,
        Action("s3:PutBucketVersioning");
    GetBucketVersioning: get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput,
        Action("s3:GetBucketVersioning");
    PutBucketTagging: put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput,
        Action("s3:PutBucketTagging");
    GetBucketTagging: get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput,
        Action("s3:GetBucketTagging");
    DeleteBucketTagging: delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput,
        Action("s3:PutBucketTagging");
    PutBucketPolicy: put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput, Action("s3:PutBucketPolicy");
    GetBucketPolicy: get_bucket_policy(GetBucketPolicyInput) -> GetBucketPolicyOutput, Action("s3:GetBucketPolicy");
    DeleteBucketPolicy: delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput,
        Action("s3:DeleteBucketPolicy");
    GetBucketPolicyStatus: get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput,
        Action("s3:GetBucketPolicyStatus");
    GetBucketAcl: get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput, Action("s3:GetBucketAcl");

    GetBucketCors: get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput, Action("s3:GetBucketCORS");
    GetBucketLifecycleConfiguration: get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput, Action("s3:GetLifecycleConfiguration");
    GetBucketWebsite: get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput,
        Action("s3:GetBucketWebsite");
    GetBucketReplication: get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput,
        Action("s3:GetReplicationConfiguration");
    GetObjectLockConfiguration: get_object_lock_configuration(GetObjectLockConfigurationInput)
        -> GetObjectLockConfigurationOutput, Action("s3:GetBucketObjectLockConfiguration");
    GetBucketLogging: get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput,
        Action("s3:GetBucketLogging");
    GetBucketNotificationConfiguration: get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput, Action("s3:GetBucketNotification");
    GetBucketAccelerateConfiguration: get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput, Action("s3:GetAccelerateConfiguration");
    GetBucketRequestPayment: get_bucket_request_payment(GetBucketRequestPaymentInput)
        -> GetBucketRequestPaymentOutput, Action("s3:GetBucketRequestPayment");
    PutBucketOwnershipControls: put_bucket_ownership_controls(PutBucketOwnershipControlsInput)
        -> PutBucketOwnershipControlsOutput, Action("s3:PutBucketOwnershipControls");
    GetBucketOwnershipControls: get_bucket_ownership_controls(GetBucketOwnershipControlsInput)
        -> GetBucketOwnershipControlsOutput, Action("s3:GetBucketOwnershipControls");
    GetBucketAnalyticsConfiguration: get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput)
        -> GetBucketAnalyticsConfigurationOutput, Action("s3:GetAnalyticsConfiguration");
    ListBucketAnalyticsConfigurations: list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput)
        -> ListBucketAnalyticsConfigurationsOutput, Action("s3:GetAnalyticsConfiguration");
    GetBucketIntelligentTieringConfiguration:
        get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput)
        -> GetBucketIntelligentTieringConfigurationOutput, Action("s3:GetIntelligentTieringConfiguration");
    ListBucketIntelligentTieringConfigurations:
        list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput)
        -> ListBucketIntelligentTieringConfigurationsOutput, Action("s3:GetIntelligentTieringConfiguration");
    GetBucketInventoryConfiguration: get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput)
        -> GetBucketInventoryConfigurationOutput, Action("s3:GetInventoryConfiguration");
    ListBucketInventoryConfigurations: list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput)
        -> ListBucketInventoryConfigurationsOutput, Action("s3:GetInventoryConfiguration");
    GetBucketMetricsConfiguration: get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput)
        -> GetBucketMetricsConfigurationOutput, Action("s3:GetMetricsConfiguration");
    ListBucketMetricsConfigurations: list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput)
        -> ListBucketMetricsConfigurationsOutput, Action("s3:GetMetricsConfiguration");

    PutObject: put_object(PutObjectInput) -> PutObjectOutput, Action("s3:PutObject");
    GetObjectAttributes: get_object_attributes(GetObjectAttributesInput) -> GetObjectAttributesOutput, READ;
    GetObjectTagging: get_object_tagging(GetObjectTaggingInput) -> GetObjectTaggingOutput,
        Version { latest: "s3:GetObjectTagging", named: "s3:GetObjectVersionTagging" };
    PutObjectTagging: put_object_tagging(PutObjectTaggingInput) -> PutObjectTaggingOutput,
        Version { latest: "s3:PutObjectTagging", named: "s3:PutObjectVersionTagging" };
    DeleteObjectTagging: delete_object_tagging(DeleteObjectTaggingInput) -> DeleteObjectTaggingOutput,
        Version { latest: "s3:DeleteObjectTagging", named: "s3:DeleteObjectVersionTagging" };
    CopyObject: copy_object(CopyObjectInput) -> CopyObjectOutput, Action("s3:PutObject");
    GetObject: get_object(GetObjectInput) -> GetObjectOutput, READ;
    HeadObject: head_object(HeadObjectInput) -> HeadObjectOutput, READ;
    DeleteObject: delete_object(DeleteObjectInput) -> DeleteObjectOutput,
        Version { latest: "s3:DeleteObject", named: "s3:DeleteObjectVersion" };
    DeleteObjects: delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput, EachObject;

    ListObjects: list_objects(ListObjectsInput) -> ListObjectsOutput, Action("s3:ListBucket");
    ListObjectsV2: list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output, Action("s3:ListBucket");
    ListObjectVersions: list_object_versions(ListObjectVersionsInput) -> ListObjectVersionsOutput,
        Action("s3:ListBucketVersions");

    CreateMultipartUpload: create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput,
        Action("s3:PutObject");
    UploadPart: upload_part(UploadPartInput) -> UploadPartOutput, Action("s3:PutObject");
    UploadPartCopy: upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput, Action("s3:PutObject");
    CompleteMultipartUpload: complete_multipart_upload(CompleteMultipartUploadInput) -> CompleteMultipartUploadOutput,
        Action("s3:PutObject");
    AbortMultipartUpload: abort_multipart_upload(AbortMultipartUploadInput) -> AbortMultipartUploadOutput,
        Action("s3:AbortMultipartUpload");
    ListParts: list_parts(ListPartsInput) -> ListPartsOutput, Action("s3:ListMultipartUploadParts");
    ListMultipartUploads: list_multipart_uploads(ListMultipartUploadsInput) -> ListMultipartUploadsOutput,
        Action("s3:ListBucketMultipartUploads");
}

/// Returns the access that an operation needs. None: the local cloud doesn't support the operation.
pub fn needs(operation: &str) -> Option<Needs> {
    NEEDS.iter().find(|(name, _)| *name == operation).map(|(_, needs)| *needs)
}
