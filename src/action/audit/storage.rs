//! Buckets that are public, or could become so.
//!
//! The account's public access block is not read: a bucket's own block applies in any case.

use aws_sdk_s3::types::{Grant, PublicAccessBlockConfiguration};

use super::check::{BUCKET_BLOCK, BUCKET_PUBLIC};
use super::finding::{Audited, Options};
use crate::aws::{Aws, failure};
use crate::failure::Outcome;

/// The predefined groups that include everybody:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#specifying-grantee-predefined-groups>.
const EVERYBODY: &[(&str, &str)] = &[
    ("http://acs.amazonaws.com/groups/global/AllUsers", "everybody"),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", "everybody with an AWS account"),
];

/// What an audit reads of a bucket. A field is `None` if the call was refused.
#[derive(Default)]
struct Bucket {
    /// `Some(None)` if the bucket has none.
    block: Option<Option<PublicAccessBlockConfiguration>>,
    /// Whether its policy is public, by S3's GetBucketPolicyStatus.
    public_policy: bool,
    grants: Vec<Grant>,
}

pub(super) async fn buckets(aws: &Aws, options: &Options, audited: &mut Audited) -> Outcome<()> {
    let both = [&BUCKET_PUBLIC, &BUCKET_BLOCK];
    // A bucket of another region needs a client of that region.
    let mut pages = aws.s3.list_buckets().bucket_region(&aws.region).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| failure("ListBuckets", error));
        let Some(page) = audited.seen(&both, "arn:aws:s3:::*", page)? else { return Ok(()) };
        for name in page.buckets().iter().filter_map(|bucket| bucket.name()) {
            if options.covers("bucket", name) {
                let arn = format!("arn:aws:s3:::{name}");
                let bucket = look(aws, name, &arn, audited).await?;
                judge(&arn, &bucket, audited);
            }
        }
    }
    Ok(())
}

async fn look(aws: &Aws, name: &str, arn: &str, audited: &mut Audited) -> Outcome<Bucket> {
    let block = aws.s3.get_public_access_block().bucket(name).send().await;
    let block = match block.map_err(|error| failure("GetPublicAccessBlock", error)) {
        Err(none) if none.code == "NoSuchPublicAccessBlockConfiguration" => Ok(None),
        other => other.map(|block| block.public_access_block_configuration),
    };
    let policy = aws.s3.get_bucket_policy_status().bucket(name).send().await;
    let policy = match policy.map_err(|error| failure("GetBucketPolicyStatus", error)) {
        Err(none) if none.code == "NoSuchBucketPolicy" => Ok(false),
        other => {
            other.map(|status| status.policy_status().and_then(|status| status.is_public()) == Some(true))
        }
    };
    let acl = aws.s3.get_bucket_acl().bucket(name).send().await;
    let grants =
        acl.map_err(|error| failure("GetBucketAcl", error)).map(|acl| acl.grants.unwrap_or_default());
    Ok(Bucket {
        block: audited.seen(&[&BUCKET_BLOCK], arn, block)?,
        public_policy: audited.seen(&[&BUCKET_PUBLIC], arn, policy)?.unwrap_or_default(),
        grants: audited.seen(&[&BUCKET_PUBLIC], arn, grants)?.unwrap_or_default(),
    })
}

fn judge(arn: &str, bucket: &Bucket, audited: &mut Audited) {
    audited.count("buckets");
    let block = bucket.block.as_ref().and_then(Option::as_ref);
    let on =
        |setting: fn(&PublicAccessBlockConfiguration) -> Option<bool>| block.and_then(setting) == Some(true);
    if bucket.public_policy && !on(|block| block.restrict_public_buckets()) {
        audited.add(&BUCKET_PUBLIC, arn, "its policy grants access to everybody");
    }
    if !on(|block| block.ignore_public_acls()) {
        for grant in &bucket.grants {
            let uri = grant.grantee().and_then(|grantee| grantee.uri());
            if let Some((_, whom)) = EVERYBODY.iter().find(|(known, _)| Some(*known) == uri) {
                let what = grant.permission().map_or("access", |permission| permission.as_str());
                audited.add(&BUCKET_PUBLIC, arn, format!("its ACL grants {what} to {whom}"));
            }
        }
    }
    let off: Vec<&str> = [
        ("BlockPublicAcls", on(|block| block.block_public_acls())),
        ("IgnorePublicAcls", on(|block| block.ignore_public_acls())),
        ("BlockPublicPolicy", on(|block| block.block_public_policy())),
        ("RestrictPublicBuckets", on(|block| block.restrict_public_buckets())),
    ]
    .into_iter()
    .filter_map(|(name, on)| (!on).then_some(name))
    .collect();
    match &bucket.block {
        Some(None) => audited.add(&BUCKET_BLOCK, arn, "it has no public access block"),
        Some(Some(_)) if !off.is_empty() => {
            audited.add(
                &BUCKET_BLOCK,
                arn,
                format!("of its public access block, {} are off", off.join(", ")),
            );
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{Grantee, Permission, Type};

    use super::*;

    #[test]
    fn public_and_unblocked_buckets() {
        let block = |on: bool| {
            PublicAccessBlockConfiguration::builder()
                .block_public_acls(on)
                .ignore_public_acls(on)
                .block_public_policy(on)
                .restrict_public_buckets(on)
                .build()
        };
        let everybody = Grantee::builder().r#type(Type::Group).uri(EVERYBODY[0].0).build().unwrap();
        let grants = vec![Grant::builder().grantee(everybody).permission(Permission::Read).build()];
        let half = PublicAccessBlockConfiguration::builder().ignore_public_acls(true).build();
        for (bucket, expected) in [
            (Bucket { block: Some(Some(block(true))), ..Bucket::default() }, vec![]),
            // `RestrictPublicBuckets` makes a public policy ineffective.
            (Bucket { block: Some(Some(block(true))), public_policy: true, grants: grants.clone() }, vec![]),
            (Bucket { block: Some(Some(block(false))), ..Bucket::default() }, vec!["bucket-block"]),
            (Bucket { block: Some(None), ..Bucket::default() }, vec!["bucket-block"]),
            (
                Bucket { block: Some(None), public_policy: true, ..Bucket::default() },
                vec!["bucket-public", "bucket-block"],
            ),
            (
                Bucket { block: Some(Some(half)), public_policy: true, grants: grants.clone() },
                vec!["bucket-public", "bucket-block"],
            ),
            (Bucket { block: None, public_policy: false, grants }, vec!["bucket-public"]),
        ] {
            let mut audited = Audited::default();
            judge("arn", &bucket, &mut audited);
            let found: Vec<&str> = audited.findings.iter().map(|finding| finding.check.as_str()).collect();
            assert_eq!(found, expected);
        }
    }
}
