//! S3's operations in s3s's types. What is not here, s3s answers with NotImplemented.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, TrailingHeaders, s3_error};

use super::access::{caller, to_s3};
use super::blobs::{WriteError, Written};
use super::index::{Condition, Cursor, Deleted, Headers, NULL_VERSION, Page, Record, Version, Versioning};
use super::multipart::{Upload, hasher};
use super::{BUCKET, Bucket as Stored, DEFAULT_TYPE, Objects, PublicAccessBlock, checksum_map};
use super::{default_hashes, disk, now_ms, object_arn};
use crate::call::AwsError;
use crate::iam::Context;

/// S3's own limit to a page.
const PAGE: i32 = 1000;

/// Sets the checksum members that many of S3's shapes share.
macro_rules! set_checksums {
    ($to:expr, $sums:expr) => {{
        let sums = $sums;
        $to.checksum_crc32 = sums.get("crc32").cloned();
        $to.checksum_crc32c = sums.get("crc32c").cloned();
        $to.checksum_crc64nvme = sums.get("crc64nvme").cloned();
        $to.checksum_sha1 = sums.get("sha1").cloned();
        $to.checksum_sha256 = sums.get("sha256").cloned();
    }};
}

/// What an upload says of its checksums, from members that PutObject and UploadPart share.
macro_rules! claims {
    ($input:expr, $trailers:expr) => {
        Claims {
            sums: [
                ("crc32", $input.checksum_crc32.clone()),
                ("crc32c", $input.checksum_crc32c.clone()),
                ("crc64nvme", $input.checksum_crc64nvme.clone()),
                ("sha1", $input.checksum_sha1.clone()),
                ("sha256", $input.checksum_sha256.clone()),
            ],
            md5: $input.content_md5.clone(),
            length: $input.content_length,
            trailers: $trailers,
        }
    };
}

/// What the members that every upload has become.
macro_rules! headers {
    ($input:expr) => {
        Headers {
            content_type: Some($input.content_type.clone().unwrap_or_else(|| DEFAULT_TYPE.to_owned())),
            content_encoding: $input.content_encoding.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
        }
    };
}

/// Refuses what would silently not be done.
macro_rules! refuse {
    ($input:expr, $($member:ident),+) => {
        $(if $input.$member.is_some() {
            return Err(s3_error!(NotImplemented, "The local cloud does not support {} here.", stringify!($member)));
        })+
    };
}

/// What a client says that it sends.
struct Claims {
    sums: [(&'static str, Option<String>); 5],
    md5: Option<String>,
    length: Option<i64>,
    trailers: Option<TrailingHeaders>,
}

impl Objects {
    /// Stores a body and checks it against what the client claims.
    async fn receive(
        &self,
        body: Option<StreamingBlob>,
        claims: Claims,
        announced: &[&str],
    ) -> S3Result<Written> {
        let named: Vec<&str> =
            claims.sums.iter().filter(|(_, sum)| sum.is_some()).map(|(name, _)| *name).collect();
        let names = named.iter().chain(announced).copied();
        let hashes = if names.clone().next().is_none() { default_hashes() } else { hasher(names) };
        let written = match self.blobs.write(body, hashes).await {
            Ok(written) => written,
            Err(WriteError::Disk(error)) => return Err(to_s3(disk(error))),
            Err(WriteError::Body(error)) => return Err(body_error(&error.to_string())),
        };
        match verify(&written, &claims) {
            Ok(()) => Ok(written),
            Err(error) => {
                self.blobs.remove(vec![written.file]).await;
                Err(error)
            }
        }
    }
}

/// A body that broke off, or whose hash or chunk signature did not hold.
fn body_error(cause: &str) -> s3s::S3Error {
    let lower = cause.to_ascii_lowercase();
    if lower.contains("hash") || lower.contains("checksum") || lower.contains("digest") {
        to_s3(AwsError::new(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ))
    } else if lower.contains("signature") {
        s3_error!(
            SignatureDoesNotMatch,
            "The request signature we calculated does not match the signature you provided."
        )
    } else {
        s3_error!(
            IncompleteBody,
            "You did not provide the number of bytes specified by the Content-Length HTTP header ({cause})"
        )
    }
}

fn verify(written: &Written, claims: &Claims) -> S3Result<()> {
    if let Some(length) = claims.length
        && u64::try_from(length).ok() != Some(written.size)
    {
        return Err(body_error(&format!("{length} announced, {} received", written.size)));
    }
    if let Some(md5) = &claims.md5 {
        let given = BASE64_STANDARD.decode(md5).unwrap_or_default();
        if given.len() != written.md5.len() {
            return Err(s3_error!(InvalidDigest, "The Content-MD5 you specified was invalid."));
        }
        if given != written.md5 {
            return Err(s3_error!(
                BadDigest,
                "The Content-MD5 you specified did not match what we received."
            ));
        }
    }
    let computed = checksum_map(written.checksums.clone());
    for (name, sum) in &claims.sums {
        let trailer = claims.trailers.as_ref().and_then(|trailers| {
            trailers.read(|headers| {
                headers.get(format!("x-amz-checksum-{name}"))?.to_str().ok().map(str::to_owned)
            })?
        });
        if let Some(claimed) = sum.clone().or(trailer)
            && computed.get(*name) != Some(&claimed)
        {
            let name = name.to_uppercase();
            return Err(s3_error!(
                BadDigest,
                "The {name} you specified did not match the calculated checksum."
            ));
        }
    }
    Ok(())
}

/// The algorithms whose checksums the trailers will bring, and the one that the SDK says it uses.
fn announced<T>(request: &S3Request<T>) -> Vec<String> {
    let values = ["x-amz-trailer", "x-amz-sdk-checksum-algorithm"].map(|name| request.headers.get_all(name));
    values
        .into_iter()
        .flatten()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .map(|name| name.strip_prefix("x-amz-checksum-").unwrap_or(&name).to_owned())
        .collect()
}

fn condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> S3Result<Option<Condition>> {
    match (if_match, if_none_match) {
        (None, None) => Ok(None),
        (None, Some(ETagCondition::Any)) => Ok(Some(Condition::Absent)),
        (Some(ETagCondition::ETag(etag)), None) => Ok(Some(Condition::Etag(etag.into_value()))),
        _ => Err(s3_error!(
            NotImplemented,
            "A header you provided implies functionality that is not implemented"
        )),
    }
}

/// Of a read: 412 where what the client wants is not there, 304 where it has it already.
fn check_read(
    found: &Version,
    if_match: Option<&ETagCondition>,
    if_none: Option<&ETagCondition>,
) -> S3Result<()> {
    let is =
        |condition: &ETagCondition| condition.as_etag().is_none_or(|etag| etag.value() == found.record.etag);
    if if_match.is_some_and(|condition| !is(condition)) {
        return Err(s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold"
        ));
    }
    if if_none.is_some_and(is) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

fn strong(etag: &str) -> Option<ETag> {
    Some(ETag::Strong(etag.to_owned()))
}

fn encryption() -> Option<ServerSideEncryption> {
    Some(ServerSideEncryption::from_static(ServerSideEncryption::AES256))
}

fn size(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// The version id that an answer tells: none where versioning was never on.
fn told_version(found: &Version, versioning: Versioning) -> Option<String> {
    (versioning != Versioning::Off || found.version != NULL_VERSION).then(|| found.version.clone())
}

/// A key as a listing tells it: percent-encoded where the client asked for that.
fn encode(text: &str, encoding: Option<&EncodingType>) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');
    match encoding {
        Some(_) => percent_encoding::utf8_percent_encode(text, KEPT).to_string(),
        None => text.to_owned(),
    }
}

fn check_page(max: Option<i32>) -> S3Result<i32> {
    match max {
        None => Ok(PAGE),
        Some(max) if max >= 0 => Ok(max.min(PAGE)),
        Some(_) => {
            Err(s3_error!(InvalidArgument, "Argument maxKeys must be an integer between 0 and 2147483647"))
        }
    }
}

fn objects(page: &Page, encoding: Option<&EncodingType>) -> Option<ObjectList> {
    let list = page.versions.iter().map(|found| Object {
        key: Some(encode(&found.key, encoding)),
        size: size(found.record.size),
        e_tag: strong(&found.record.etag),
        last_modified: Some(timestamp(found.record.modified_ms)),
        storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
        checksum_algorithm: algorithms(&found.record),
        ..Object::default()
    });
    Some(list.collect())
}

fn algorithms(record: &Record) -> Option<ChecksumAlgorithmList> {
    Some(record.checksums.keys().map(|name| ChecksumAlgorithm::from(name.to_uppercase())).collect())
}

fn prefixes(page: &Page, encoding: Option<&EncodingType>) -> Option<CommonPrefixList> {
    Some(page.prefixes.iter().map(|p| CommonPrefix { prefix: Some(encode(p, encoding)) }).collect())
}

fn bad_token() -> s3s::S3Error {
    s3_error!(InvalidArgument, "The continuation token provided is incorrect")
}

#[async_trait::async_trait]
impl s3s::S3 for Objects {
    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        let input = req.input;
        refuse!(input, acl, object_lock_enabled_for_bucket);
        let wanted = input.create_bucket_configuration.and_then(|c| c.location_constraint);
        let wanted = wanted.as_ref().map_or("us-east-1", |c| c.as_str());
        let here = &*self.cloud.region;
        if wanted != here {
            let named = if wanted == "us-east-1" { "unspecified" } else { wanted };
            return Err(s3_error!(
                IllegalLocationConstraintException,
                "The {named} location constraint is incompatible for the region specific endpoint this request was \
                 sent to."
            ));
        }
        let bucket = Stored {
            created_ms: now_ms(),
            versioning: Versioning::Off,
            public_access_block: Some(PublicAccessBlock {
                block_public_acls: true,
                ignore_public_acls: true,
                block_public_policy: true,
                restrict_public_buckets: true,
            }),
            bucket_key_enabled: false,
            tags: Vec::new(),
        };
        // us-east-1 alone answers 200 to the owner who creates a bucket again.
        if !self.cloud.store.insert(BUCKET, &input.bucket, &bucket).map_err(to_s3)? && here != "us-east-1" {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        let location = Some(format!("/{}", input.bucket));
        Ok(S3Response::new(CreateBucketOutput { location, ..Default::default() }))
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        let bucket_region = Some(self.cloud.region.clone());
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..Default::default() }))
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        let name = &req.input.bucket;
        self.bucket(name).map_err(to_s3)?;
        if !self.index.is_empty(name).map_err(to_s3)? {
            let which = match self.bucket(name).map_err(to_s3)?.versioning {
                Versioning::Off => "",
                _ => " You must delete all versions in the bucket.",
            };
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty.{which}"));
        }
        for (id, _) in self.uploads(name).map_err(to_s3)? {
            self.forget_upload(&id).await.map_err(to_s3)?;
        }
        self.cloud.store.delete(BUCKET, name).map_err(to_s3)?;
        Ok(S3Response::with_status(DeleteBucketOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    async fn list_buckets(
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
                ..Default::default()
            })
            .collect();
        let last = buckets.last().and_then(|bucket| bucket.name.clone());
        let continuation_token = matching.next().and(last).map(|name| token(&name));
        let owner = Owner { id: Some(hex::encode(&self.cloud.account)), ..Default::default() };
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets),
            owner: Some(owner),
            continuation_token,
            prefix: input.prefix,
        }))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.bucket(&req.input.bucket).map_err(to_s3)?;
        let region = self.cloud.region.clone();
        let location_constraint = (region != "us-east-1").then(|| region.into());
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn put_public_access_block(
        &self,
        req: S3Request<PutPublicAccessBlockInput>,
    ) -> S3Result<S3Response<PutPublicAccessBlockOutput>> {
        let asked = req.input.public_access_block_configuration;
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

    async fn get_public_access_block(
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

    async fn delete_public_access_block(
        &self,
        req: S3Request<DeletePublicAccessBlockInput>,
    ) -> S3Result<S3Response<DeletePublicAccessBlockOutput>> {
        self.change_bucket(&req.input.bucket, |bucket| bucket.public_access_block = None).map_err(to_s3)?;
        Ok(S3Response::with_status(DeletePublicAccessBlockOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    async fn put_bucket_encryption(
        &self,
        req: S3Request<PutBucketEncryptionInput>,
    ) -> S3Result<S3Response<PutBucketEncryptionOutput>> {
        let rules = req.input.server_side_encryption_configuration.rules;
        let by_default = rules.first().and_then(|rule| rule.apply_server_side_encryption_by_default.as_ref());
        if by_default.is_some_and(|rule| rule.sse_algorithm.as_str() != ServerSideEncryption::AES256) {
            return Err(s3_error!(NotImplemented, "The local cloud has no KMS: only AES256 is supported."));
        }
        let keyed = rules.first().and_then(|rule| rule.bucket_key_enabled).unwrap_or_default();
        self.change_bucket(&req.input.bucket, |bucket| bucket.bucket_key_enabled = keyed).map_err(to_s3)?;
        Ok(S3Response::new(PutBucketEncryptionOutput::default()))
    }

    async fn get_bucket_encryption(
        &self,
        req: S3Request<GetBucketEncryptionInput>,
    ) -> S3Result<S3Response<GetBucketEncryptionOutput>> {
        let bucket = self.bucket(&req.input.bucket).map_err(to_s3)?;
        let by_default = ServerSideEncryptionByDefault {
            kms_master_key_id: None,
            sse_algorithm: ServerSideEncryption::from_static(ServerSideEncryption::AES256),
        };
        let rule = ServerSideEncryptionRule {
            apply_server_side_encryption_by_default: Some(by_default),
            bucket_key_enabled: Some(bucket.bucket_key_enabled),
        };
        let configuration = ServerSideEncryptionConfiguration { rules: vec![rule] };
        let output = GetBucketEncryptionOutput { server_side_encryption_configuration: Some(configuration) };
        Ok(S3Response::new(output))
    }

    async fn put_bucket_versioning(
        &self,
        req: S3Request<PutBucketVersioningInput>,
    ) -> S3Result<S3Response<PutBucketVersioningOutput>> {
        refuse!(req.input.versioning_configuration, mfa_delete);
        let status = req.input.versioning_configuration.status;
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

    async fn get_bucket_versioning(
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

    async fn put_bucket_tagging(
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
        if tags.len() > 50 || tags.iter().any(|(key, _)| key.is_empty() || key.starts_with("aws:")) {
            return Err(s3_error!(InvalidTag, "The tag provided was not a valid tag"));
        }
        self.change_bucket(&req.input.bucket, |bucket| bucket.tags = tags).map_err(to_s3)?;
        Ok(S3Response::with_status(PutBucketTaggingOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    async fn get_bucket_tagging(
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

    async fn delete_bucket_tagging(
        &self,
        req: S3Request<DeleteBucketTaggingInput>,
    ) -> S3Result<S3Response<DeleteBucketTaggingOutput>> {
        self.change_bucket(&req.input.bucket, |bucket| bucket.tags.clear()).map_err(to_s3)?;
        Ok(S3Response::with_status(DeleteBucketTaggingOutput::default(), hyper::StatusCode::NO_CONTENT))
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let announced = announced(&req);
        let announced: Vec<&str> = announced.iter().map(String::as_str).collect();
        let trailers = req.trailing_headers;
        let mut input = req.input;
        refuse!(input, acl, sse_customer_key, ssekms_key_id, object_lock_mode, tagging, write_offset_bytes);
        refuse!(
            input,
            website_redirect_location,
            object_lock_legal_hold_status,
            grant_full_control,
            grant_read
        );
        check_storage(input.storage_class.as_ref(), input.server_side_encryption.as_ref())?;
        let condition = condition(input.if_match.take(), input.if_none_match.take())?;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let body = input.body.take();
        let written = self.receive(body, claims!(input, trailers), &announced).await?;
        let etag = hex::encode(written.md5);
        let (put, record) = self
            .commit(&input.bucket, &input.key, written, etag, 0, headers!(input), condition)
            .await
            .map_err(to_s3)?;
        let mut output = PutObjectOutput {
            e_tag: strong(&record.etag),
            version_id: put.version,
            server_side_encryption: encryption(),
            checksum_type: Some(ChecksumType::from_static(ChecksumType::FULL_OBJECT)),
            ..Default::default()
        };
        set_checksums!(output, &record.checksums);
        Ok(S3Response::new(output))
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, part_number, sse_customer_key);
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        check_read(&found, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let Some(file) = &found.record.file else { return Err(marker_error()) };
        let whole = 0..found.record.size;
        let range = match &input.range {
            Some(range) => range
                .check(whole.end)
                .map_err(|_| s3_error!(InvalidRange, "The requested range is not satisfiable"))?,
            None => whole.clone(),
        };
        let content_range =
            input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, whole.end));
        let body = self.blobs.read(file, range.clone()).await.map_err(|error| to_s3(disk(error)))?;
        let versioning = self.bucket(&input.bucket).map_err(to_s3)?.versioning;
        let headers = found.record.headers.clone();
        let mut output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: size(range.end - range.start),
            body: Some(StreamingBlob::wrap(body)),
            e_tag: strong(&found.record.etag),
            last_modified: Some(timestamp(found.record.modified_ms)),
            version_id: told_version(&found, versioning),
            server_side_encryption: encryption(),
            content_type: headers.content_type,
            content_encoding: headers.content_encoding,
            content_disposition: headers.content_disposition,
            content_language: headers.content_language,
            cache_control: headers.cache_control,
            metadata: Some(headers.metadata.into_iter().collect()),
            ..Default::default()
        };
        // A part's bytes do not have the whole's checksum.
        if input.checksum_mode.is_some() && content_range.is_none() {
            set_checksums!(output, &found.record.checksums);
            output.checksum_type = checksum_type(&found.record);
        }
        let partial = content_range.is_some();
        output.content_range = content_range;
        let status = if partial { hyper::StatusCode::PARTIAL_CONTENT } else { hyper::StatusCode::OK };
        Ok(S3Response::with_status(output, status))
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, part_number, range, sse_customer_key);
        let found = self.object(&who, &input.bucket, &input.key, input.version_id.as_deref());
        let found = found.map_err(to_s3)?;
        if found.record.file.is_none() {
            return Err(marker_error());
        }
        check_read(&found, input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let versioning = self.bucket(&input.bucket).map_err(to_s3)?.versioning;
        let version_id = told_version(&found, versioning);
        let record = found.record;
        let mut output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: size(record.size),
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            version_id,
            server_side_encryption: encryption(),
            ..Default::default()
        };
        if input.checksum_mode.is_some() {
            set_checksums!(output, &record.checksums);
            output.checksum_type = checksum_type(&record);
        }
        output.content_type = record.headers.content_type;
        output.content_encoding = record.headers.content_encoding;
        output.content_disposition = record.headers.content_disposition;
        output.content_language = record.headers.content_language;
        output.cache_control = record.headers.cache_control;
        output.metadata = Some(record.headers.metadata.into_iter().collect());
        Ok(S3Response::new(output))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = req.input;
        refuse!(input, mfa, if_match);
        let version = input.version_id.as_deref();
        let deleted = self.delete(&input.bucket, &input.key, version).await.map_err(to_s3)?;
        let output = DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version,
            ..Default::default()
        };
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(
                MalformedXML,
                "The XML you provided was not well-formed or did not validate against our published schema"
            ));
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in input.delete.objects {
            let action =
                if object.version_id.is_some() { "s3:DeleteObjectVersion" } else { "s3:DeleteObject" };
            let arn = object_arn(&input.bucket, &object.key);
            let outcome = match self.cloud.authorize(&who, action, &arn, &Context::new()) {
                Ok(()) => self.delete(&input.bucket, &object.key, object.version_id.as_deref()).await,
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

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let who = caller(&req)?;
        let input = req.input;
        refuse!(input, acl, sse_customer_key, ssekms_key_id, object_lock_mode, tagging, tagging_directive);
        refuse!(input, copy_source_if_modified_since, copy_source_if_unmodified_since);
        check_storage(input.storage_class.as_ref(), input.server_side_encryption.as_ref())?;
        let CopySource::Bucket { bucket, key, version_id } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "The local cloud has no access points."));
        };
        let action = if version_id.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
        self.cloud.authorize(&who, action, &object_arn(bucket, key), &Context::new()).map_err(to_s3)?;
        let found = self.object(&who, bucket, key, version_id.as_deref()).map_err(to_s3)?;
        let Some(file) = &found.record.file else { return Err(marker_error()) };
        check_read(&found, input.copy_source_if_match.as_ref(), input.copy_source_if_none_match.as_ref())?;
        let replace = input.metadata_directive.as_ref().is_some_and(|d| d.as_str() == "REPLACE");
        if !replace && **bucket == *input.bucket && **key == *input.key && version_id.is_none() {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        }
        self.bucket(&input.bucket).map_err(to_s3)?;
        let hashes = match &input.checksum_algorithm {
            Some(algorithm) => hasher([algorithm.as_str()]),
            None => default_hashes(),
        };
        let written = self.blobs.concat(std::slice::from_ref(file), hashes).await;
        let written = written.map_err(|error| to_s3(disk(error)))?;
        let headers = if replace { headers!(input) } else { found.record.headers.clone() };
        let etag = hex::encode(written.md5);
        let (put, record) =
            self.commit(&input.bucket, &input.key, written, etag, 0, headers, None).await.map_err(to_s3)?;
        let mut result = CopyObjectResult {
            e_tag: strong(&record.etag),
            last_modified: Some(timestamp(record.modified_ms)),
            ..Default::default()
        };
        set_checksums!(result, &record.checksums);
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(result),
            version_id: put.version,
            copy_source_version_id: version_id.as_ref().map(|id| id.to_string()),
            server_side_encryption: encryption(),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let max = check_page(input.max_keys)?;
        let after = match &input.continuation_token {
            Some(token) => Some(read_token(token)?),
            None => input.start_after.clone().filter(|after| !after.is_empty()),
        };
        let page = self.page(&input.bucket, &input.prefix, &input.delimiter, after, max)?;
        let encoding = input.encoding_type.as_ref();
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encode(&input.prefix.unwrap_or_default(), encoding)),
            max_keys: Some(max),
            key_count: i32::try_from(page.versions.len() + page.prefixes.len()).ok(),
            continuation_token: input.continuation_token,
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next.as_ref().map(|next| token(&next.key)),
            contents: objects(&page, encoding),
            common_prefixes: prefixes(&page, encoding),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter, encoding)),
            start_after: input.start_after.map(|after| encode(&after, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let max = check_page(input.max_keys)?;
        let after = input.marker.clone().filter(|marker| !marker.is_empty());
        let page = self.page(&input.bucket, &input.prefix, &input.delimiter, after, max)?;
        let encoding = input.encoding_type.as_ref();
        // V1 tells where to go on only where a delimiter makes that hard to see.
        let next = page.next.as_ref().filter(|_| input.delimiter.is_some());
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(&input.prefix.unwrap_or_default(), encoding)),
            marker: Some(encode(&input.marker.unwrap_or_default(), encoding)),
            max_keys: Some(max),
            is_truncated: Some(page.next.is_some()),
            contents: objects(&page, encoding),
            common_prefixes: prefixes(&page, encoding),
            next_marker: next.map(|next| encode(&next.key, encoding)),
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn list_object_versions(
        &self,
        req: S3Request<ListObjectVersionsInput>,
    ) -> S3Result<S3Response<ListObjectVersionsOutput>> {
        let input = req.input;
        self.bucket(&input.bucket).map_err(to_s3)?;
        let max = check_page(input.max_keys)?;
        let prefix = input.prefix.unwrap_or_default();
        let version = input.version_id_marker.clone().filter(|marker| !marker.is_empty());
        let cursor =
            input.key_marker.clone().filter(|key| !key.is_empty()).map(|key| Cursor { key, version });
        let delimiter = input.delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let limit = usize::try_from(max).unwrap_or_default();
        let page = self
            .index
            .list(&input.bucket, &prefix, delimiter, cursor.as_ref(), limit, true)
            .map_err(to_s3)?;
        let encoding = input.encoding_type.as_ref();
        let (markers, versions): (Vec<_>, Vec<_>) =
            page.versions.iter().partition(|found| found.record.file.is_none());
        let versions = versions.into_iter().map(|found| ObjectVersion {
            key: Some(encode(&found.key, encoding)),
            version_id: Some(found.version.clone()),
            is_latest: Some(found.latest),
            size: size(found.record.size),
            e_tag: strong(&found.record.etag),
            last_modified: Some(timestamp(found.record.modified_ms)),
            storage_class: Some(ObjectVersionStorageClass::from_static(ObjectVersionStorageClass::STANDARD)),
            checksum_algorithm: algorithms(&found.record),
            ..Default::default()
        });
        let markers = markers.into_iter().map(|found| DeleteMarkerEntry {
            key: Some(encode(&found.key, encoding)),
            version_id: Some(found.version.clone()),
            is_latest: Some(found.latest),
            last_modified: Some(timestamp(found.record.modified_ms)),
            ..Default::default()
        });
        Ok(S3Response::new(ListObjectVersionsOutput {
            name: Some(input.bucket),
            prefix: Some(encode(&prefix, encoding)),
            max_keys: Some(max),
            is_truncated: Some(page.next.is_some()),
            next_key_marker: page.next.as_ref().map(|next| encode(&next.key, encoding)),
            next_version_id_marker: page.next.as_ref().and_then(|next| next.version.clone()),
            versions: Some(versions.collect()),
            delete_markers: Some(markers.collect()),
            common_prefixes: prefixes(&page, encoding),
            key_marker: input.key_marker.map(|key| encode(&key, encoding)),
            version_id_marker: input.version_id_marker,
            delimiter: input.delimiter.map(|delimiter| encode(&delimiter, encoding)),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = req.input;
        refuse!(input, acl, sse_customer_key, ssekms_key_id, object_lock_mode, tagging);
        check_storage(input.storage_class.as_ref(), input.server_side_encryption.as_ref())?;
        let algorithm = input.checksum_algorithm.as_ref().map(|algorithm| algorithm.as_str().to_owned());
        // S3's defaults: SHA sums cannot be joined, and CRC-64 only is.
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
        };
        let upload_id = self.start_upload(&upload).map_err(to_s3)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(upload_id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            server_side_encryption: encryption(),
            ..Default::default()
        }))
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let mut announced = announced(&req);
        let trailers = req.trailing_headers;
        let mut input = req.input;
        refuse!(input, sse_customer_key);
        if !(1..=10_000).contains(&input.part_number) {
            return Err(s3_error!(
                InvalidArgument,
                "Part number must be an integer between 1 and 10000, inclusive"
            ));
        }
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        announced.extend(upload.algorithm);
        let announced: Vec<&str> = announced.iter().map(String::as_str).collect();
        let body = input.body.take();
        let written = self.receive(body, claims!(input, trailers), &announced).await?;
        let record = self.keep_part(&input.upload_id, input.part_number, written).await.map_err(to_s3)?;
        let mut output = UploadPartOutput {
            e_tag: strong(&record.etag),
            server_side_encryption: encryption(),
            ..Default::default()
        };
        set_checksums!(output, &record.checksums);
        Ok(S3Response::new(output))
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = req.input;
        let condition = condition(input.if_match, input.if_none_match)?;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let (put, record) = self
            .complete_upload(&input.bucket, &input.key, &input.upload_id, &parts, condition)
            .await
            .map_err(to_s3)?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("{}/{}/{}", self.cloud.endpoint(), input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: strong(&record.etag),
            version_id: put.version,
            server_side_encryption: encryption(),
            checksum_type: checksum_type(&record),
            ..Default::default()
        };
        set_checksums!(output, &record.checksums);
        Ok(S3Response::new(output))
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = req.input;
        self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        self.forget_upload(&input.upload_id).await.map_err(to_s3)?;
        let output = AbortMultipartUploadOutput::default();
        Ok(S3Response::with_status(output, hyper::StatusCode::NO_CONTENT))
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let input = req.input;
        let upload = self.upload(&input.bucket, &input.key, &input.upload_id).map_err(to_s3)?;
        let after = input.part_number_marker.unwrap_or_default();
        let max = check_page(input.max_parts)?;
        let limit = usize::try_from(max).unwrap_or_default();
        let mut stored = self.index.parts(&input.upload_id).map_err(to_s3)?;
        stored.retain(|(number, _)| *number > after);
        let is_truncated = stored.len() > limit;
        stored.truncate(limit);
        let next = stored.last().map(|(number, _)| *number).filter(|_| is_truncated);
        let parts = stored.into_iter().map(|(number, record)| {
            let mut part = Part {
                part_number: Some(number),
                e_tag: strong(&record.etag),
                size: size(record.size),
                last_modified: Some(timestamp(record.modified_ms)),
                ..Default::default()
            };
            set_checksums!(part, &record.checksums);
            part
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            parts: Some(parts.collect()),
            max_parts: Some(max),
            part_number_marker: Some(after),
            next_part_number_marker: next,
            is_truncated: Some(is_truncated),
            checksum_algorithm: upload.algorithm.map(ChecksumAlgorithm::from),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..Default::default()
        }))
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        let input = req.input;
        refuse!(input, delimiter, key_marker, upload_id_marker);
        let prefix = input.prefix.unwrap_or_default();
        let mut all = self.uploads(&input.bucket).map_err(to_s3)?;
        all.retain(|(_, upload)| upload.key.starts_with(&prefix));
        let encoding = input.encoding_type.as_ref();
        let uploads = all.into_iter().map(|(id, upload)| MultipartUpload {
            upload_id: Some(id),
            key: Some(encode(&upload.key, encoding)),
            initiated: Some(timestamp(upload.started_ms)),
            storage_class: Some(StorageClass::from_static(StorageClass::STANDARD)),
            ..Default::default()
        });
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            uploads: Some(uploads.collect()),
            is_truncated: Some(false),
            prefix: Some(prefix),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

impl Objects {
    fn page(
        &self,
        bucket: &str,
        prefix: &Option<String>,
        delimiter: &Option<String>,
        after: Option<String>,
        max: i32,
    ) -> S3Result<Page> {
        let cursor = after.map(|key| Cursor { key, version: None });
        let delimiter = delimiter.as_deref().filter(|delimiter| !delimiter.is_empty());
        let prefix = prefix.as_deref().unwrap_or_default();
        let max = usize::try_from(max).unwrap_or_default();
        self.index.list(bucket, prefix, delimiter, cursor.as_ref(), max, false).map_err(to_s3)
    }
}

fn token(key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(key)
}

fn read_token(token: &str) -> S3Result<String> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| bad_token())?;
    String::from_utf8(bytes).map_err(|_| bad_token())
}

fn check_storage(class: Option<&StorageClass>, encryption: Option<&ServerSideEncryption>) -> S3Result<()> {
    if class.is_some_and(|class| class.as_str() != StorageClass::STANDARD) {
        return Err(s3_error!(NotImplemented, "The local cloud has the storage class STANDARD alone."));
    }
    if encryption.is_some_and(|kind| kind.as_str() != ServerSideEncryption::AES256) {
        return Err(s3_error!(NotImplemented, "The local cloud has no KMS: only AES256 is supported."));
    }
    Ok(())
}

/// A delete marker was asked for by its version id.
fn marker_error() -> s3s::S3Error {
    s3_error!(MethodNotAllowed, "The specified method is not allowed against this resource.")
}

fn checksum_type(record: &Record) -> Option<ChecksumType> {
    let composite = record.checksums.values().any(|sum| sum.contains('-'));
    Some(ChecksumType::from_static(if composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    }))
}

fn deleted_object(object: ObjectIdentifier, done: Deleted) -> DeletedObject {
    let made = object.version_id.is_none();
    DeletedObject {
        key: Some(object.key),
        delete_marker: done.marker.then_some(true),
        delete_marker_version_id: done.version.filter(|_| done.marker),
        version_id: object.version_id.filter(|_| !made),
    }
}
