//! S3 bucket: public access is blocked, objects are encrypted and versioned. Deleting it deletes every version of every
//! object.

use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketConfiguration, Delete, EncodingType,
    ObjectIdentifier, PublicAccessBlockConfiguration, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::traits::{Drawn, Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::{Aws, failure, present};
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The default is generated from the runbook's name and the stack.
    pub name: Option<String>,
    pub base: String,
    pub versioning: bool,
}

impl Resource for Bucket {
    const TYPE: &'static str = "bucket";
    const ROWS: &'static [&'static str] = &["public_access", "encryption", "versioning"];
    const DRAWN: Drawn = Drawn::Box;
    const STAGED: bool = true;

    fn naming(&self) -> Naming {
        match &self.name {
            Some(name) => Naming::Fixed(name.clone()),
            None => Naming::Stack { base: self.base.clone(), max: 63 },
        }
    }

    fn replaces(&self, old: &Self) -> bool {
        self.name != old.name
    }

    async fn describe(&self, aws: &Aws, name: &str) -> Outcome<Option<Live>> {
        let head = aws.s3.head_bucket().bucket(name).expected_bucket_owner(&aws.account).send().await;
        let Some(head) = present(head.map_err(|error| failure("HeadBucket", error)))? else {
            return Ok(None);
        };
        let versioning =
            aws.s3.get_bucket_versioning().bucket(name).expected_bucket_owner(&aws.account).send().await;
        let versioning = versioning.map_err(|error| failure("GetBucketVersioning", error))?;
        let block =
            aws.s3.get_public_access_block().bucket(name).expected_bucket_owner(&aws.account).send().await;
        let blocked = match block.map_err(|error| failure("GetPublicAccessBlock", error)) {
            Ok(block) => block.public_access_block_configuration().is_some_and(|block| {
                [
                    block.block_public_acls(),
                    block.ignore_public_acls(),
                    block.block_public_policy(),
                    block.restrict_public_buckets(),
                ]
                .iter()
                .all(|blocked| *blocked == Some(true))
            }),
            Err(none) if none.code == "NoSuchPublicAccessBlockConfiguration" => false,
            Err(failure) => return Err(failure),
        };
        let encryption =
            aws.s3.get_bucket_encryption().bucket(name).expected_bucket_owner(&aws.account).send().await;
        let encryption = encryption.map_err(|error| failure("GetBucketEncryption", error))?;
        let rules = encryption.server_side_encryption_configuration().map(|rules| rules.rules());
        let rule =
            rules.unwrap_or_default().first().and_then(|rule| rule.apply_server_side_encryption_by_default());
        let region = head.bucket_region().unwrap_or(&aws.region).to_owned();
        Ok(Some(Live {
            status: Status::Ready,
            facts: facts([
                ("arn", json!(format!("arn:aws:s3:::{name}"))),
                ("region", json!(region)),
                ("versioning", json!(versioning.status().map_or("Disabled", |status| status.as_str()))),
                ("public_access", json!(if blocked { "blocked" } else { "not blocked" })),
                ("encryption", json!(rule.map(|rule| rule.sse_algorithm().as_str()))),
            ]),
        }))
    }

    async fn tags(&self, aws: &Aws, name: &str) -> Outcome<Tags> {
        bucket_tags(aws, name).await
    }

    async fn create(&self, aws: &Aws, name: &str, tags: &Tags, progress: Report<'_>) -> Outcome<()> {
        let mut request = aws.s3.create_bucket().bucket(name);
        // S3 refuses us-east-1 as a location constraint.
        if aws.region != "us-east-1" {
            let constraint = BucketLocationConstraint::from(aws.region.as_str());
            let configuration = CreateBucketConfiguration::builder().location_constraint(constraint).build();
            request = request.create_bucket_configuration(configuration);
        }
        match request.send().await.map_err(|error| failure("CreateBucket", error)) {
            Ok(_) => {}
            Err(taken) if taken.code == "BucketAlreadyOwnedByYou" => {}
            Err(failure) => return Err(failure),
        }
        self.update(aws, name, tags, progress).await
    }

    async fn update(&self, aws: &Aws, name: &str, tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        let tagging = Tagging::builder().set_tag_set(Some(sdk_tags(tags)?)).build().map_err(invalid)?;
        let tagged = aws
            .s3
            .put_bucket_tagging()
            .bucket(name)
            .expected_bucket_owner(&aws.account)
            .tagging(tagging)
            .send()
            .await;
        tagged.map_err(|error| failure("PutBucketTagging", error))?;

        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let blocked = aws
            .s3
            .put_public_access_block()
            .bucket(name)
            .expected_bucket_owner(&aws.account)
            .public_access_block_configuration(block)
            .send()
            .await;
        blocked.map_err(|error| failure("PutPublicAccessBlock", error))?;

        let default = ServerSideEncryptionByDefault::builder().sse_algorithm(ServerSideEncryption::Aes256);
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default.build().map_err(invalid)?)
            .build();
        let encryption = ServerSideEncryptionConfiguration::builder().rules(rule).build().map_err(invalid)?;
        let encrypted = aws
            .s3
            .put_bucket_encryption()
            .bucket(name)
            .expected_bucket_owner(&aws.account)
            .server_side_encryption_configuration(encryption)
            .send()
            .await;
        encrypted.map_err(|error| failure("PutBucketEncryption", error))?;

        let current =
            aws.s3.get_bucket_versioning().bucket(name).expected_bucket_owner(&aws.account).send().await;
        let current = current.map_err(|error| failure("GetBucketVersioning", error))?;
        let enabled = current.status() == Some(&BucketVersioningStatus::Enabled);
        if enabled != self.versioning {
            let status = if self.versioning {
                BucketVersioningStatus::Enabled
            } else {
                BucketVersioningStatus::Suspended
            };
            let versioning = VersioningConfiguration::builder().status(status).build();
            let set = aws
                .s3
                .put_bucket_versioning()
                .bucket(name)
                .expected_bucket_owner(&aws.account)
                .versioning_configuration(versioning)
                .send()
                .await;
            set.map_err(|error| failure("PutBucketVersioning", error))?;
        }
        Ok(())
    }

    fn stand_in(name: &str) -> Option<Self> {
        Some(Self { name: Some(name.to_owned()), ..Self::default() })
    }

    async fn delete(&self, aws: &Aws, name: &str) -> Outcome<()> {
        empty(aws, name, "").await?;
        let deleted = aws.s3.delete_bucket().bucket(name).expected_bucket_owner(&aws.account).send().await;
        present(deleted.map_err(|error| failure("DeleteBucket", error))).map(|_| ())
    }
}

/// Returns the tags of a bucket. One of another account, which this one may not read, has none.
pub(super) async fn bucket_tags(aws: &Aws, name: &str) -> Outcome<Tags> {
    let tags = aws.s3.get_bucket_tagging().bucket(name).expected_bucket_owner(&aws.account).send().await;
    match tags.map_err(|error| failure("GetBucketTagging", error)) {
        Ok(tags) => {
            Ok(tags.tag_set().iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
        }
        Err(none) if matches!(none.code.as_str(), "NoSuchTagSet" | "AccessDenied") => Ok(Tags::new()),
        Err(failure) => Err(failure),
    }
}

fn sdk_tags(tags: &Tags) -> Outcome<Vec<Tag>> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(invalid)).collect()
}

/// Deletes every version of every object whose key begins with `prefix`.
pub(super) async fn empty(aws: &Aws, bucket: &str, prefix: &str) -> Outcome<()> {
    loop {
        // Keys may contain characters that XML cannot, so they are requested percent-encoded.
        let page =
            aws.s3.list_object_versions().bucket(bucket).expected_bucket_owner(&aws.account).prefix(prefix);
        let page = page.encoding_type(EncodingType::Url).send().await;
        let Some(page) = present(page.map_err(|error| failure("ListObjectVersions", error)))? else {
            return Ok(());
        };
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
        let objects: Vec<ObjectIdentifier> = versions
            .chain(markers)
            .filter_map(|(key, version)| {
                ObjectIdentifier::builder()
                    .key(decoded(key?))
                    .set_version_id(version.map(str::to_owned))
                    .build()
                    .ok()
            })
            .collect();
        if objects.is_empty() {
            return Ok(());
        }
        let delete = Delete::builder().set_objects(Some(objects)).quiet(true).build().map_err(invalid)?;
        let answer = aws
            .s3
            .delete_objects()
            .bucket(bucket)
            .expected_bucket_owner(&aws.account)
            .delete(delete)
            .send()
            .await;
        let answer = answer.map_err(|error| failure("DeleteObjects", error))?;
        if let Some(error) = answer.errors().first() {
            let (code, key) = (error.code().unwrap_or("DeleteObjects"), error.key().unwrap_or_default());
            let message = error.message().unwrap_or("no message");
            return Err(Failure::new(code, format!("s3://{bucket}/{key} cannot be deleted: {message}")));
        }
    }
}

/// Decodes a key of a listing with `encoding-type=url`: percent-encoded, with `+` for a space.
pub(super) fn decoded(key: &str) -> String {
    percent_encoding::percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The failure for a request that the SDK's builder refuses because a member is missing.
pub(super) fn invalid(error: aws_smithy_types::error::operation::BuildError) -> Failure {
    Failure::new("InvalidRequest", error.to_string())
}
