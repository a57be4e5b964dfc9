//! How objects are encrypted: under S3's own keys, which the local cloud leaves to the disk, or under S3's managed key
//! of KMS, `aws/s3`.

use s3s::dto::{SSEKMSKeyId, ServerSideEncryption};
use s3s::{S3Result, s3_error};

use super::error::to_s3;
use super::index::Record;
use super::store::ObjectStore;

/// Sets the members that say how an object is encrypted.
macro_rules! set_encryption {
    ($to:expr, $shown:expr) => {{
        let (algorithm, key) = $shown;
        $to.server_side_encryption = Some(algorithm);
        $to.ssekms_key_id = key;
    }};
}

impl ObjectStore {
    /// Returns whether an upload is encrypted under the managed key: as it asks, or else as its bucket has it.
    pub(super) fn asked_encryption(
        &self,
        bucket: &str,
        algorithm: Option<&ServerSideEncryption>,
        key: Option<&str>,
    ) -> S3Result<bool> {
        match algorithm.map(ServerSideEncryption::as_str) {
            None if key.is_some() => Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : \
                 aws:kms"
            )),
            None => Ok(self.bucket(bucket).map_err(to_s3)?.managed_key),
            Some(algorithm) => self.is_managed(algorithm, key),
        }
    }

    /// Returns whether an algorithm and a key mean S3's managed key.
    pub(super) fn is_managed(&self, algorithm: &str, key: Option<&str>) -> S3Result<bool> {
        let (region, account) = (&self.cloud.region, &self.cloud.account);
        match (algorithm, key) {
            (ServerSideEncryption::AES256, None) => Ok(false),
            (ServerSideEncryption::AWS_KMS, None) => Ok(true),
            (ServerSideEncryption::AWS_KMS, Some(key)) if self.blobs.key.is(key, region, account) => Ok(true),
            (ServerSideEncryption::AWS_KMS, Some(key)) => Err(s3_error!(
                NotImplemented,
                "The local cloud has no KMS, so it can't encrypt under the key {key}: only S3's managed key, aws/s3, is \
                 supported."
            )),
            (ServerSideEncryption::AES256, Some(_)) => Err(s3_error!(
                InvalidArgument,
                "Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : \
                 aws:kms"
            )),
            _ => Err(s3_error!(
                NotImplemented,
                "The local cloud supports the encryption AES256 and aws:kms, and not {algorithm}."
            )),
        }
    }

    /// Returns how something is encrypted, for an answer.
    pub(super) fn encryption(&self, managed: bool) -> (ServerSideEncryption, Option<SSEKMSKeyId>) {
        match managed {
            true => {
                let arn = self.blobs.key.arn(&self.cloud.region, &self.cloud.account);
                (ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS), Some(arn))
            }
            false => (ServerSideEncryption::from_static(ServerSideEncryption::AES256), None),
        }
    }

    /// Returns how an object is encrypted, for an answer.
    pub(super) fn encryption_of(&self, record: &Record) -> (ServerSideEncryption, Option<SSEKMSKeyId>) {
        self.encryption(record.sealed.is_some())
    }
}

pub(super) use set_encryption;
