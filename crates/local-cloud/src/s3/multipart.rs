//! Multipart uploads. Parts are stored as files, which are joined when the upload is completed.

use std::collections::BTreeMap;

use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{ChecksumType, CompletedPart};
use serde::{Deserialize, Serialize};

use super::blobs::{Blob, Written};
use super::checksums::{by_name, composite, default_hasher, hasher};
use super::error::disk;
use super::index::{Condition, Deleted, Headers, Record};
use super::store::ObjectStore;
use super::wire::shown_version;
use crate::call::AwsError;
use crate::support::clock::now_ms;
use crate::support::id;

const UPLOAD: &str = "s3.upload";
/// The smallest size of every part but the last, in bytes.
const MIN_PART: u64 = 5 << 20;

/// An upload that isn't completed yet.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    pub bucket: String,
    pub key: String,
    pub started_ms: i64,
    pub headers: Headers,
    /// The algorithm that the client chose for the object's checksum: `CRC32`, …
    pub algorithm: Option<String>,
    /// Whether it is a checksum of the parts' checksums, instead of one of all bytes.
    pub composite: bool,
    /// Whether the object is encrypted under S3's managed key, and its parts until then.
    #[serde(default)]
    pub encrypted: bool,
    /// The ARN of whoever started it. None: it was started before this was kept.
    #[serde(default)]
    pub initiator: Option<String>,
}

impl Upload {
    /// Returns what the object's checksum will be of. None: the client chose no algorithm.
    pub fn checksum_type(&self) -> Option<ChecksumType> {
        let name = if self.composite { ChecksumType::COMPOSITE } else { ChecksumType::FULL_OBJECT };
        self.algorithm.as_ref().map(|_| ChecksumType::from_static(name))
    }
}

impl ObjectStore {
    pub(super) fn start_upload(&self, upload: &Upload) -> Result<String, AwsError> {
        self.bucket(&upload.bucket)?;
        let id = id::hex::<16>();
        self.cloud.store.put(UPLOAD, &id, upload)?;
        Ok(id)
    }

    pub(super) fn upload(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, AwsError> {
        self.bucket(bucket)?;
        let found: Option<Upload> = self.cloud.store.get(UPLOAD, id)?;
        found.filter(|upload| upload.bucket == bucket && upload.key == key).ok_or_else(no_such_upload)
    }

    pub(super) fn uploads(&self, bucket: &str) -> Result<Vec<(String, Upload)>, AwsError> {
        self.bucket(bucket)?;
        let mut all: Vec<(String, Upload)> = self.cloud.store.list(UPLOAD)?;
        all.retain(|(_, upload)| upload.bucket == bucket);
        all.sort_by(|a, b| a.1.key.cmp(&b.1.key).then(a.1.started_ms.cmp(&b.1.started_ms)));
        Ok(all)
    }

    pub(super) async fn keep_part(
        &self,
        id: &str,
        number: i32,
        written: Written,
    ) -> Result<Record, AwsError> {
        let record = Record {
            file: Some(written.file.clone()),
            size: written.size,
            etag: hex::encode(written.md5),
            modified_ms: now_ms(),
            checksums: by_name(written.checksums),
            sealed: written.sealed,
            ..Record::default()
        };
        match self.index.put_part(id, number, &record) {
            Ok(replaced) => {
                self.blobs.remove(replaced.into_iter().collect()).await;
                Ok(record)
            }
            Err(error) => {
                self.blobs.remove(vec![written.file]).await;
                Err(error)
            }
        }
    }

    pub(super) async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        listed: &[CompletedPart],
        whole: &Whole,
        condition: Option<Condition>,
    ) -> Result<(Deleted, Record), AwsError> {
        let upload = match self.upload(bucket, key, id) {
            // Whoever asks again, since the answer was lost, gets it again.
            Err(error) => return self.completed(bucket, key, id)?.ok_or(error),
            found => found?,
        };
        let parts = self.chosen_parts(id, listed)?;
        whole.check_parts(&upload, &parts)?;
        let mut md5 = Md5::new();
        for part in &parts {
            md5.update(&hex::decode(&part.etag).unwrap_or_default());
        }
        let etag = format!("{}-{}", hex::encode(md5.finalize()), parts.len());
        let hashes = match &upload.algorithm {
            Some(_) if upload.composite => ChecksumHasher::default(),
            Some(algorithm) => hasher([algorithm.as_str()]),
            None => default_hasher(),
        };
        let files: Vec<Blob> = parts.iter().filter_map(Record::blob).collect();
        let mut written = self.blobs.concat(&files, hashes, upload.encrypted).await.map_err(disk)?;
        if let (true, Some(algorithm)) = (upload.composite, &upload.algorithm) {
            written.checksums = composite(algorithm, &parts);
        }
        if let Err(error) = whole.check_sums(&by_name(written.checksums.clone())) {
            self.blobs.remove(vec![written.file]).await;
            return Err(error);
        }
        let sizes = parts.iter().map(|part| part.size).collect();
        let made =
            self.commit_parts(bucket, key, (written, sizes, Some(id)), etag, upload.headers, condition);
        let done = made.await?;
        self.forget_upload(id).await?;
        Ok(done)
    }

    /// Returns the object that an upload became, if it is the latest version still.
    fn completed(&self, bucket: &str, key: &str, id: &str) -> Result<Option<(Deleted, Record)>, AwsError> {
        let found = self.index.get(bucket, key, None)?;
        let Some(found) = found.filter(|found| found.record.upload.as_deref() == Some(id)) else {
            return Ok(None);
        };
        let version = shown_version(&found, self.bucket(bucket)?.versioning);
        Ok(Some((Deleted { version, ..Deleted::default() }, found.record)))
    }

    /// Returns the parts that the client lists, after it has compared each with the uploaded part.
    fn chosen_parts(&self, id: &str, listed: &[CompletedPart]) -> Result<Vec<Record>, AwsError> {
        if listed.is_empty() {
            let message =
                "The XML you provided was not well-formed or did not validate against our published schema";
            return Err(AwsError::new(400, "MalformedXML", message));
        }
        if !listed.is_sorted_by(|a, b| a.part_number < b.part_number) {
            let message =
                "The list of parts was not in ascending order. Parts must be ordered by part number.";
            return Err(AwsError::new(400, "InvalidPartOrder", message));
        }
        let stored: BTreeMap<i32, Record> = self.index.parts(id)?.into_iter().collect();
        let mut chosen = Vec::with_capacity(listed.len());
        for part in listed {
            let found = stored.get(&part.part_number.unwrap_or_default());
            let wanted = part.e_tag.as_ref().map(s3s::dto::ETag::value);
            match found {
                Some(found) if wanted.is_none_or(|etag| etag == found.etag) && has_sums(found, part) => {
                    chosen.push(found.clone());
                }
                _ => {
                    let message = "One or more of the specified parts could not be found.  The part may not have \
                                   been uploaded, or the specified entity tag may not match the part's entity tag.";
                    return Err(AwsError::new(400, "InvalidPart", message));
                }
            }
        }
        if chosen.iter().rev().skip(1).any(|part| part.size < MIN_PART) {
            let message = "Your proposed upload is smaller than the minimum allowed size";
            return Err(AwsError::new(400, "EntityTooSmall", message));
        }
        Ok(chosen)
    }

    pub(super) async fn forget_upload(&self, id: &str) -> Result<(), AwsError> {
        let files = self.index.parts(id)?.into_iter().filter_map(|(_, part)| part.file).collect();
        self.cloud.store.delete(UPLOAD, id)?;
        self.index.delete_parts(id)?;
        self.blobs.remove(files).await;
        Ok(())
    }
}

/// Returns whether an uploaded part has the checksums that the client lists for it.
fn has_sums(found: &Record, listed: &CompletedPart) -> bool {
    let sums = [
        ("crc32", &listed.checksum_crc32),
        ("crc32c", &listed.checksum_crc32c),
        ("crc64nvme", &listed.checksum_crc64nvme),
        ("sha1", &listed.checksum_sha1),
        ("sha256", &listed.checksum_sha256),
    ];
    sums.into_iter().all(|(name, sum)| sum.is_none() || found.checksums.get(name) == sum.as_ref())
}

/// What the client says of the whole object, which S3 compares with what the parts make.
#[derive(Debug, Default)]
pub struct Whole {
    /// By the names of the algorithms, in lower case.
    pub sums: Vec<(&'static str, String)>,
    /// In bytes.
    pub size: Option<i64>,
    pub checksum_type: Option<ChecksumType>,
}

impl Whole {
    fn check_parts(&self, upload: &Upload, parts: &[Record]) -> Result<(), AwsError> {
        let invalid = |message: String| Err(AwsError::new(400, "InvalidRequest", message));
        let size: u64 = parts.iter().map(|part| part.size).sum();
        if self.size.is_some_and(|asked| u64::try_from(asked).ok() != Some(size)) {
            return invalid(format!(
                "The x-amz-mp-object-size header does not match the size of the parts, which is {size} bytes."
            ));
        }
        match (&self.checksum_type, upload.checksum_type()) {
            (Some(asked), Some(kind)) if *asked != kind => invalid(format!(
                "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
                kind.as_str()
            )),
            _ => Ok(()),
        }
    }

    fn check_sums(&self, computed: &BTreeMap<String, String>) -> Result<(), AwsError> {
        // Some clients leave out the number of parts, which follows the checksum of their checksums.
        let same = |sum: &String, asked: &str| sum == asked || sum.split('-').next() == Some(asked);
        let wrong =
            self.sums.iter().find(|(name, asked)| !computed.get(*name).is_some_and(|sum| same(sum, asked)));
        match wrong {
            Some((name, _)) => {
                let name = name.to_uppercase();
                let message = format!("The {name} you specified did not match the calculated checksum.");
                Err(AwsError::new(400, "BadDigest", message))
            }
            None => Ok(()),
        }
    }
}

fn no_such_upload() -> AwsError {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                   aborted or completed.";
    AwsError::new(404, "NoSuchUpload", message)
}
