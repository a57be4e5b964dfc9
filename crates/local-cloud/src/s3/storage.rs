//! Storage classes. They are kept and shown; the local cloud has one disk for all.

use s3s::dto::StorageClass;
use s3s::{S3Result, s3_error};

use super::error::to_s3;
use super::index::Record;
use crate::call::AwsError;

/// The header that has an object's class.
pub(super) const CLASS_HEADER: &str = "x-amz-storage-class";

/// The classes that an upload to a bucket may name.
const CLASSES: [&str; 8] = [
    StorageClass::STANDARD,
    StorageClass::STANDARD_IA,
    StorageClass::ONEZONE_IA,
    StorageClass::INTELLIGENT_TIERING,
    StorageClass::REDUCED_REDUNDANCY,
    StorageClass::GLACIER_IR,
    StorageClass::GLACIER,
    StorageClass::DEEP_ARCHIVE,
];

/// The classes whose objects can't be read until they are restored, which the local cloud doesn't do.
const ARCHIVES: [&str; 2] = [StorageClass::GLACIER, StorageClass::DEEP_ARCHIVE];

/// Returns the class that is kept with an object. None: `STANDARD`.
pub(super) fn kept_class(class: Option<&StorageClass>) -> S3Result<Option<String>> {
    match class.map(StorageClass::as_str) {
        None | Some(StorageClass::STANDARD) => Ok(None),
        Some(class) if CLASSES.contains(&class) => Ok(Some(class.to_owned())),
        Some(_) => Err(s3_error!(InvalidStorageClass, "The storage class you specified is not valid")),
    }
}

/// Returns the class of an object.
pub(super) fn class(record: &Record) -> &str {
    record.headers.storage_class.as_deref().unwrap_or(StorageClass::STANDARD)
}

/// Returns the class for the answer to a read, which names all but `STANDARD`.
pub(super) fn shown_class(record: &Record) -> Option<StorageClass> {
    record.headers.storage_class.clone().map(StorageClass::from)
}

/// Checks that an object's bytes can be read.
pub(super) fn check_readable(record: &Record) -> S3Result<()> {
    let class = class(record);
    if ARCHIVES.contains(&class) {
        let message = "The operation is not valid for the object's storage class";
        return Err(to_s3(AwsError::new(403, "InvalidObjectState", message).with(CLASS_HEADER, class)));
    }
    Ok(())
}

/// Checks that an object's bytes can be copied.
pub(super) fn check_copied(record: &Record) -> S3Result<()> {
    if ARCHIVES.contains(&class(record)) {
        let message = "The source object of the COPY operation is not in the active tier and is only stored in Amazon \
                       S3 Glacier.";
        return Err(to_s3(AwsError::new(403, "ObjectNotInActiveTierError", message)));
    }
    Ok(())
}
