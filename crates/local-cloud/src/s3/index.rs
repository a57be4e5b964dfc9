//! The index of S3's objects: for each version of each key, the file with its bytes. An object exists if the index has
//! a row for it. A file without a row is a remainder of a crash.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::blobs::Blob;
use crate::call::AwsError;
use crate::store::Store;
use crate::support::clock::now_ms;
use crate::support::id;

/// The version id of objects that were written while versioning was off.
pub const NULL_VERSION: &str = "null";

/// The content type of an object that was uploaded without one.
pub const DEFAULT_TYPE: &str = "binary/octet-stream";

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Record {
    /// The name of the file with the bytes. None: this is a delete marker.
    pub file: Option<String>,
    pub size: u64,
    /// Without its quotes.
    pub etag: String,
    /// Milliseconds since 1970.
    pub modified_ms: i64,
    #[serde(flatten)]
    pub headers: Headers,
    /// In base64, by the algorithm's name in lower case: `crc32`, `crc64nvme`, `sha256`, …
    #[serde(default)]
    pub checksums: BTreeMap<String, String>,
    /// The sizes of the parts of a multipart upload. Empty: the object was uploaded whole.
    #[serde(default)]
    pub parts: Vec<u64>,
    /// The data key by which the file is encrypted under S3's managed key, as it is stored. None: it isn't encrypted.
    #[serde(default)]
    pub sealed: Option<String>,
    /// The id of the multipart upload that made it.
    #[serde(default)]
    pub upload: Option<String>,
}

impl Record {
    /// Returns where the bytes are. None: this is a delete marker.
    pub fn blob(&self) -> Option<Blob> {
        let (file, size, sealed) = (self.file.clone()?, self.size, self.sealed.clone());
        Some(Blob { file, size, sealed })
    }
}

/// What an upload says of its object and is returned with it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Headers {
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub content_disposition: Option<String>,
    pub content_language: Option<String>,
    pub cache_control: Option<String>,
    /// As HTTP writes times.
    #[serde(default)]
    pub expires: Option<String>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    /// None: `STANDARD`.
    #[serde(default)]
    pub storage_class: Option<String>,
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// Where a website would send its visitors. It is only kept and shown: the local cloud serves no websites.
    #[serde(default)]
    pub website_redirect: Option<String>,
}

/// A record with its key and version.
#[derive(Clone, Debug)]
pub struct Version {
    pub key: String,
    pub version: String,
    pub latest: bool,
    pub record: Record,
}

/// A bucket's versioning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Versioning {
    #[default]
    Off,
    Enabled,
    Suspended,
}

/// The condition of an upload or a deletion on the object that is there.
#[derive(Clone, Debug)]
pub enum Condition {
    /// There must be no object.
    Absent,
    /// The object must have this ETag (without quotes).
    Etag(String),
}

/// Why a conditional write was refused.
pub enum Refused {
    Failed,
    NoSuchKey,
}

/// The result of a delete.
#[derive(Default)]
pub struct Deleted {
    /// The version that was deleted, or the delete marker that was created.
    pub version: Option<String>,
    pub marker: bool,
    /// The files that have no row any more.
    pub files: Vec<String>,
}

/// One page of a listing.
#[derive(Default)]
pub struct Page {
    pub versions: Vec<Version>,
    pub prefixes: Vec<String>,
    /// Where the next page starts. None: this is the last page.
    pub next: Option<Cursor>,
}

/// A position in a listing: after a key, after one of its versions, or after a common prefix.
#[derive(Clone, Debug)]
pub struct Cursor {
    pub key: String,
    pub version: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Index {
    store: Store,
}

impl Index {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Returns the latest version, or the version that is named. It may be a delete marker.
    pub fn get(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<Option<Version>, AwsError> {
        self.store.with(|c| find(c, bucket, key, version))
    }

    /// Writes a version. Returns its id (None: versioning is off) and the files that it replaced.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        versioning: Versioning,
        condition: Option<&Condition>,
        record: &Record,
    ) -> Result<Result<Deleted, Refused>, AwsError> {
        self.store.transaction(|c| {
            match condition.map_or(Ok(None), |condition| unmet(c, bucket, key, condition))? {
                Some(refused) => Ok(Err(refused)),
                None => write(c, bucket, key, versioning, record).map(Ok),
            }
        })
    }

    /// Changes the tags of a version. None: there is no such version.
    pub fn set_tags(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: &[(String, String)],
    ) -> Result<Option<Version>, AwsError> {
        self.store.transaction(|c| {
            let Some(mut found) = find(c, bucket, key, version)? else { return Ok(None) };
            found.record.headers.tags = tags.to_vec();
            c.prepare_cached(
                "UPDATE s3_object SET record = ?4 WHERE bucket = ?1 AND key = ?2 AND version = ?3",
            )?
            .execute(params![bucket, key.as_bytes(), found.version, encode(&found.record)?])?;
            Ok(Some(found))
        })
    }

    /// Deletes a version for ever. Without a version, deletes or hides the object, by the bucket's versioning. The condition
    /// is on the latest version.
    pub fn delete(
        &self,
        bucket: &str,
        key: &str,
        versioning: Versioning,
        version: Option<&str>,
        condition: Option<&Condition>,
    ) -> Result<Result<Deleted, Refused>, AwsError> {
        self.store.transaction(|c| {
            if let Some(refused) = condition.map_or(Ok(None), |condition| unmet(c, bucket, key, condition))? {
                return Ok(Err(refused));
            }
            Ok(Ok(match (version, versioning) {
                (Some(version), _) => remove(c, bucket, key, version)?,
                (None, Versioning::Off) => Deleted { version: None, ..remove(c, bucket, key, NULL_VERSION)? },
                (None, _) => {
                    let marker = Record { modified_ms: now_ms(), ..Record::default() };
                    Deleted { marker: true, ..write(c, bucket, key, versioning, &marker)? }
                }
            }))
        })
    }

    /// Returns whether the bucket has no version of any object.
    pub fn is_empty(&self, bucket: &str) -> Result<bool, AwsError> {
        self.store.with(|c| {
            c.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM s3_object WHERE bucket = ?1)")?
                .query_row([bucket], |row| row.get(0))
        })
    }

    /// Returns up to `max` keys and common prefixes after `cursor`, in the order of their bytes. A key has its latest
    /// version, unless that is a delete marker, or, if `all`, all versions, newest first.
    pub fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        cursor: Option<&Cursor>,
        max: usize,
        all: bool,
    ) -> Result<Page, AwsError> {
        self.store.with(|c| {
            let mut page = Page::default();
            let end = successor(prefix.as_bytes());
            // Reading continues at this key, with its versions that are older than `older_than`.
            let (mut from, mut older_than) = match cursor {
                None => (prefix.as_bytes().to_vec(), None),
                Some(at) => start_after(c, bucket, prefix, delimiter, at, all)?,
            };
            if from.as_slice() < prefix.as_bytes() {
                (from, older_than) = (prefix.as_bytes().to_vec(), None);
            }
            let mut last: Option<Cursor> = None;
            'pages: loop {
                let sql = if all {
                    "SELECT key, version, latest, record, seq FROM s3_object WHERE bucket = ?1 AND key >= ?2
                     AND (?3 IS NULL OR key < ?3) AND (?4 IS NULL OR key > ?2 OR seq < ?4)
                     ORDER BY key, seq DESC LIMIT 1001"
                } else {
                    "SELECT key, version, latest, record, seq FROM s3_object WHERE bucket = ?1 AND key >= ?2
                     AND (?3 IS NULL OR key < ?3) AND ?4 IS NULL AND latest ORDER BY key LIMIT 1001"
                };
                let mut statement = c.prepare_cached(sql)?;
                let mut rows = statement.query(params![bucket, from, end, older_than])?;
                let mut seen = 0;
                while let Some(row) = rows.next()? {
                    seen += 1;
                    let found = read(row)?;
                    let place = (found.key.clone().into_bytes(), row.get::<_, i64>(4)?);
                    let common = delimiter.and_then(|d| {
                        let rest = &found.key[prefix.len()..];
                        rest.find(d).map(|at| found.key[..prefix.len() + at + d.len()].to_owned())
                    });
                    let hidden = !all && found.record.file.is_none();
                    if !hidden {
                        if page.versions.len() + page.prefixes.len() == max {
                            page.next = last;
                            return Ok(page);
                        }
                        last = Some(match &common {
                            Some(common) => Cursor { key: common.clone(), version: None },
                            None => Cursor { key: found.key.clone(), version: Some(found.version.clone()) },
                        });
                        match common {
                            Some(common) => {
                                // All other keys with this prefix are skipped.
                                let Some(behind) = successor(common.as_bytes()) else { return Ok(page) };
                                page.prefixes.push(common);
                                (from, older_than) = (behind, None);
                                continue 'pages;
                            }
                            None => page.versions.push(found),
                        }
                    }
                    (from, older_than) = if all { (place.0, Some(place.1)) } else { (after(&place.0), None) };
                }
                if seen < 1001 {
                    return Ok(page);
                }
            }
        })
    }

    pub fn put_part(&self, upload: &str, number: i32, record: &Record) -> Result<Option<String>, AwsError> {
        self.store.transaction(|c| {
            let old: Option<String> = c
                .prepare_cached("SELECT record FROM s3_part WHERE upload = ?1 AND number = ?2")?
                .query_row(params![upload, number], |row| row.get(0))
                .optional()?;
            c.prepare_cached("INSERT OR REPLACE INTO s3_part VALUES (?1, ?2, ?3)")?.execute(params![
                upload,
                number,
                encode(record)?
            ])?;
            Ok(old.map(|json| decode(&json)).transpose()?.and_then(|old: Record| old.file))
        })
    }

    /// Returns the parts of an upload, by their numbers.
    pub fn parts(&self, upload: &str) -> Result<Vec<(i32, Record)>, AwsError> {
        self.store.with(|c| {
            c.prepare_cached("SELECT number, record FROM s3_part WHERE upload = ?1 ORDER BY number")?
                .query_map([upload], |row| Ok((row.get(0)?, decode(&row.get::<_, String>(1)?)?)))?
                .collect()
        })
    }

    pub fn delete_parts(&self, upload: &str) -> Result<(), AwsError> {
        self.store.with(|c| c.execute("DELETE FROM s3_part WHERE upload = ?1", [upload]))?;
        Ok(())
    }

    /// Returns the names of all files that have a row.
    pub fn files(&self) -> Result<std::collections::HashSet<String>, AwsError> {
        self.store.with(|c| {
            c.prepare(
                "SELECT json_extract(record, '$.file') FROM s3_object UNION ALL
                 SELECT json_extract(record, '$.file') FROM s3_part",
            )?
            .query_map([], |row| row.get::<_, Option<String>>(0))?
            .filter_map(Result::transpose)
            .collect()
        })
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Version> {
    let key: Vec<u8> = row.get(0)?;
    Ok(Version {
        key: String::from_utf8_lossy(&key).into_owned(),
        version: row.get(1)?,
        latest: row.get(2)?,
        record: decode(&row.get::<_, String>(3)?)?,
    })
}

fn find(c: &Connection, bucket: &str, key: &str, version: Option<&str>) -> rusqlite::Result<Option<Version>> {
    let key = key.as_bytes();
    match version {
        None => c
            .prepare_cached(
                "SELECT key, version, latest, record FROM s3_object WHERE bucket = ?1 AND key = ?2 AND latest",
            )?
            .query_row(params![bucket, key], read),
        Some(version) => c
            .prepare_cached(
                "SELECT key, version, latest, record FROM s3_object
                 WHERE bucket = ?1 AND key = ?2 AND version = ?3",
            )?
            .query_row(params![bucket, key, version], read),
    }
    .optional()
}

/// Returns why the latest version of an object doesn't meet a condition. None: it does.
fn unmet(
    c: &Connection,
    bucket: &str,
    key: &str,
    condition: &Condition,
) -> rusqlite::Result<Option<Refused>> {
    let there = find(c, bucket, key, None)?.filter(|found| found.record.file.is_some());
    Ok(match (condition, there) {
        (Condition::Absent, None) => None,
        (Condition::Etag(_), None) => Some(Refused::NoSuchKey),
        (Condition::Etag(etag), Some(found)) if *etag == found.record.etag => None,
        _ => Some(Refused::Failed),
    })
}

fn write(
    c: &Connection,
    bucket: &str,
    key: &str,
    versioning: Versioning,
    record: &Record,
) -> rusqlite::Result<Deleted> {
    let (version, mut files) = match versioning {
        Versioning::Enabled => (id::hex::<16>(), vec![]),
        _ => (NULL_VERSION.to_owned(), remove(c, bucket, key, NULL_VERSION)?.files),
    };
    c.prepare_cached("UPDATE s3_object SET latest = 0 WHERE bucket = ?1 AND key = ?2 AND latest")?
        .execute(params![bucket, key.as_bytes()])?;
    c.prepare_cached(
        "INSERT INTO s3_object (bucket, key, version, latest, record) VALUES (?1, ?2, ?3, 1, ?4)",
    )?
    .execute(params![bucket, key.as_bytes(), version, encode(record)?])?;
    files.dedup();
    Ok(Deleted { version: (versioning != Versioning::Off).then_some(version), marker: false, files })
}

fn remove(c: &Connection, bucket: &str, key: &str, version: &str) -> rusqlite::Result<Deleted> {
    let Some(found) = find(c, bucket, key, Some(version))? else {
        return Ok(Deleted { version: Some(version.to_owned()), ..Deleted::default() });
    };
    c.prepare_cached("DELETE FROM s3_object WHERE bucket = ?1 AND key = ?2 AND version = ?3")?
        .execute(params![bucket, key.as_bytes(), version])?;
    if found.latest {
        c.prepare_cached(
            "UPDATE s3_object SET latest = 1 WHERE seq =
             (SELECT max(seq) FROM s3_object WHERE bucket = ?1 AND key = ?2)",
        )?
        .execute(params![bucket, key.as_bytes()])?;
    }
    Ok(Deleted {
        version: Some(version.to_owned()),
        marker: found.record.file.is_none(),
        files: found.record.file.into_iter().collect(),
    })
}

/// Returns the key at which a listing continues after `at`, and the number that the key's versions must be older than.
fn start_after(
    c: &Connection,
    bucket: &str,
    prefix: &str,
    delimiter: Option<&str>,
    at: &Cursor,
    all: bool,
) -> rusqlite::Result<(Vec<u8>, Option<i64>)> {
    let rest = at.key.strip_prefix(prefix);
    let is_common = delimiter.is_some_and(|d| rest.is_some_and(|rest| rest.ends_with(d)));
    if is_common && let Some(behind) = successor(at.key.as_bytes()) {
        return Ok((behind, None));
    }
    if let (true, Some(version)) = (all, &at.version) {
        let seq = c
            .prepare_cached("SELECT seq FROM s3_object WHERE bucket = ?1 AND key = ?2 AND version = ?3")?
            .query_row(params![bucket, at.key.as_bytes(), version], |row| row.get(0))
            .optional()?;
        // If the version was deleted meanwhile, the key's versions are listed again, so that none is lost.
        return Ok((at.key.clone().into_bytes(), seq));
    }
    Ok((after(at.key.as_bytes()), None))
}

/// Returns the first key after this one.
fn after(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

/// Returns the first key after all keys with this prefix. None: there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

fn encode(record: &Record) -> rusqlite::Result<Value> {
    let json = serde_json::to_string(record)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(Value::Text(json))
}

fn decode(json: &str) -> rusqlite::Result<Record> {
    serde_json::from_str(json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}
