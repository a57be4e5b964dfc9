//! Copies between files and S3, as `aws s3 cp` and `aws s3 sync` do, for the AWS CLI of the local cloud's instances.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::tls;
use futures::StreamExt;
use futures::stream;
use tokio::io::AsyncWriteExt;

use crate::aws::failure;
use crate::failure::{Failure, Outcome};
use crate::files::files_below;
use crate::resource::split_uri;

/// How many files are copied at the same time. This is the AWS CLI's default for `max_concurrent_requests`.
const PARALLEL: usize = 10;

/// Returns a client that is configured by the environment: by `AWS_*` variables, or by the instance's metadata.
pub async fn s3_client(region: Option<String>) -> aws_sdk_s3::Client {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    let config = loader.load().await;
    let path_style = config.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(path_style).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The source or the destination of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `s3://bucket/key`.
    Object { bucket: String, key: String },
    /// A file or folder.
    File(PathBuf),
}

impl Place {
    pub fn read(text: &str) -> Outcome<Self> {
        Ok(match text {
            uri if uri.starts_with("s3://") => {
                let (bucket, key) = split_uri(uri)?;
                Self::Object { bucket, key }
            }
            path => Self::File(path.into()),
        })
    }
}

/// Copies one object or file.
pub async fn copy(s3: &aws_sdk_s3::Client, from: &Place, to: &Place) -> Outcome<()> {
    match (from, to) {
        (Place::Object { bucket, key }, Place::File(path)) => {
            let name = key.rsplit('/').next().unwrap_or_default();
            let folder = path.is_dir() || path.as_os_str().to_string_lossy().ends_with('/');
            download(s3, bucket, key, &if folder { path.join(name) } else { path.clone() }).await
        }
        (Place::File(path), Place::Object { bucket, key }) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let key = if key.is_empty() || key.ends_with('/') { format!("{key}{name}") } else { key.clone() };
            upload(s3, path, bucket, &key).await
        }
        _ => Err(Failure::new("Unsupported", "a copy goes from S3 to here, or from here to S3")),
    }
}

/// Copies every object below a prefix, or every file below a folder. With `missing_only`, copies those that are missing or
/// have another size, as `sync` does.
pub async fn copy_all(s3: &aws_sdk_s3::Client, from: &Place, to: &Place, missing_only: bool) -> Outcome<()> {
    match (from, to) {
        (Place::Object { bucket, key }, Place::File(folder)) => {
            let prefix = as_folder(key);
            let mut wanted = Vec::new();
            for (key, size) in list(s3, bucket, &prefix).await? {
                let name = &key[prefix.len()..];
                // S3's console creates such an object for a folder.
                if name.is_empty() || name.ends_with('/') {
                    continue;
                }
                let path = below(folder, name)?;
                let same = path.metadata().is_ok_and(|there| there.len() == size);
                if !(missing_only && same) {
                    wanted.push((key.clone(), path));
                }
            }
            let mut copies = stream::iter(wanted)
                .map(|(key, path)| async move { download(s3, bucket, &key, &path).await })
                .buffer_unordered(PARALLEL);
            while let Some(copied) = copies.next().await {
                copied?;
            }
            Ok(())
        }
        (Place::File(folder), Place::Object { bucket, key }) => {
            let prefix = as_folder(key);
            let there = if missing_only { list(s3, bucket, &prefix).await? } else { BTreeMap::new() };
            let wanted: Vec<_> = files_below(folder)?
                .into_iter()
                .map(|file| (format!("{prefix}{}", file.key), file))
                .filter(|(key, file)| there.get(key) != Some(&file.bytes))
                .collect();
            let mut copies = stream::iter(wanted)
                .map(|(key, file)| async move { upload(s3, &file.path, bucket, &key).await })
                .buffer_unordered(PARALLEL);
            while let Some(copied) = copies.next().await {
                copied?;
            }
            Ok(())
        }
        _ => Err(Failure::new("Unsupported", "a copy goes from S3 to here, or from here to S3")),
    }
}

fn as_folder(key: &str) -> String {
    if key.is_empty() || key.ends_with('/') { key.to_owned() } else { format!("{key}/") }
}

/// Returns the path for a key, and refuses a key that leads out of the folder.
fn below(folder: &Path, name: &str) -> Outcome<PathBuf> {
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    match Path::new(name).components().all(plain) {
        true => Ok(folder.join(name)),
        false => {
            Err(Failure::new("OutsidePath", format!("the key `{name}` leads out of {}", folder.display())))
        }
    }
}

/// Returns the key and the size in bytes of every object below a prefix.
async fn list(s3: &aws_sdk_s3::Client, bucket: &str, prefix: &str) -> Outcome<BTreeMap<String, u64>> {
    let mut found = BTreeMap::new();
    let mut pages = s3.list_objects_v2().bucket(bucket).prefix(prefix).into_paginator().send();
    while let Some(page) = pages.next().await {
        for object in page.map_err(|error| failure("ListObjectsV2", error))?.contents() {
            let size = u64::try_from(object.size().unwrap_or_default()).unwrap_or_default();
            found.insert(object.key().unwrap_or_default().to_owned(), size);
        }
    }
    Ok(found)
}

async fn download(s3: &aws_sdk_s3::Client, bucket: &str, key: &str, path: &Path) -> Outcome<()> {
    let failed = |error: std::io::Error| Failure::file(path, error);
    if let Some(folder) = path.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(failed)?;
    }
    let object = s3.get_object().bucket(bucket).key(key).send().await;
    let mut body = object.map_err(|error| failure("GetObject", error))?.body.into_async_read();
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    tokio::io::copy(&mut body, &mut file).await.map_err(failed)?;
    file.flush().await.map_err(failed)
}

async fn upload(s3: &aws_sdk_s3::Client, path: &Path, bucket: &str, key: &str) -> Outcome<()> {
    let body = ByteStream::from_path(path).await.map_err(|error| Failure::file(path, error))?;
    let sent = s3.put_object().bucket(bucket).key(key).body(body).send().await;
    sent.map(|_| ()).map_err(|error| failure("PutObject", error))
}
