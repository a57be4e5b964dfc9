//! Settings of buckets that the local cloud doesn't have. Each is answered as on AWS for a bucket in which it isn't
//! configured. Who sets one gets an error, since the operation has no row in [`operations`](super::operations).

use hyper::StatusCode;
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result};

use super::error::to_s3;
use super::store::ObjectStore;
use crate::call::AwsError;

/// Makes a handler for each setting. A text after the type is the error of a bucket without the setting.
macro_rules! not_configured {
    ($($handler:ident($input:ident) -> $output:ident: $code:literal, $message:literal;)*) => {
        impl ObjectStore {
            $(pub(super) async fn $handler(&self, req: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.bucket(&req.input.bucket).map_err(to_s3)?;
                Err(to_s3(AwsError::new(StatusCode::NOT_FOUND.as_u16(), $code, $message)))
            })*
        }
    };
    ($($handler:ident($input:ident) -> $output:ident = $value:expr;)*) => {
        impl ObjectStore {
            $(pub(super) async fn $handler(&self, req: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.bucket(&req.input.bucket).map_err(to_s3)?;
                Ok(S3Response::new($value))
            })*
        }
    };
}

not_configured! {
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput:
        "NoSuchCORSConfiguration", "The CORS configuration does not exist";
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput) -> GetBucketLifecycleConfigurationOutput:
        "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist";
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput:
        "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration";
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput:
        "ReplicationConfigurationNotFoundError", "The replication configuration was not found";
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput:
        "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket";
    get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput:
        "NoSuchConfiguration", "The specified configuration does not exist.";
    get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput)
        -> GetBucketIntelligentTieringConfigurationOutput:
        "NoSuchConfiguration", "The specified configuration does not exist.";
    get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput:
        "NoSuchConfiguration", "The specified configuration does not exist.";
    get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput:
        "NoSuchConfiguration", "The specified configuration does not exist.";
}

not_configured! {
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = GetBucketLoggingOutput::default();
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput = GetBucketNotificationConfigurationOutput::default();
    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput = GetBucketAccelerateConfigurationOutput::default();
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput =
        GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) };
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput =
        GetBucketOwnershipControlsOutput { ownership_controls: Some(owner_enforced()) };
    list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput)
        -> ListBucketAnalyticsConfigurationsOutput =
        ListBucketAnalyticsConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput)
        -> ListBucketIntelligentTieringConfigurationsOutput =
        ListBucketIntelligentTieringConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput)
        -> ListBucketInventoryConfigurationsOutput =
        ListBucketInventoryConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput)
        -> ListBucketMetricsConfigurationsOutput =
        ListBucketMetricsConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
}

/// Returns the rule that every bucket has since 2023: the owner has all objects, and ACLs are disabled.
fn owner_enforced() -> OwnershipControls {
    let object_ownership = ObjectOwnership::from_static(ObjectOwnership::BUCKET_OWNER_ENFORCED);
    OwnershipControls { rules: vec![OwnershipControlsRule { object_ownership }] }
}
