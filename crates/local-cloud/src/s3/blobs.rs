//! The bytes of S3's objects. Each object is a file with a random name, so that keys never become paths. A file is
//! written in another folder, and moved to its place once it is complete.

use std::collections::HashSet;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Md5};
use tempfile::NamedTempFile;

use crate::folder::private_dir;
use crate::support::id;

/// How many bytes are read or written at a time. An object up to this size needs only one call on a blocking thread.
const CHUNK: usize = 1 << 20;

/// The files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: Arc<Path>,
}

/// A file that was written and moved to its place.
pub struct Written {
    pub file: String,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksums: s3s::dto::Checksum,
}

/// Why a body was not stored.
pub enum WriteError {
    /// The client's fault: the body broke off, or its signature is wrong.
    Body(s3s::StdError),
    /// A fault of this machine, such as a full disk.
    Disk(io::Error),
}

/// An object that is being written. If this is dropped before the end, the file is deleted.
struct Writer {
    file: NamedTempFile,
    size: u64,
    md5: Md5,
    hashes: ChecksumHasher,
}

impl Blobs {
    /// Creates the folders in the cloud's folder, and deletes what a crash has left there: half-written files, and
    /// files that aren't in `live`, the names that the index has.
    pub fn open(dir: &Path, live: &HashSet<String>) -> io::Result<Self> {
        let root = dir.join("s3");
        for (folder, keep) in [("new", &HashSet::new()), ("objects", live)] {
            private_dir(&root.join(folder))?;
            for entry in std::fs::read_dir(root.join(folder))? {
                let entry = entry?;
                if !entry.file_name().to_str().is_some_and(|name| keep.contains(name)) {
                    std::fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(Self { root: root.into() })
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.root.join("objects").join(file)
    }

    /// Returns the folder for files that are renamed into place later.
    fn scratch(&self) -> PathBuf {
        self.root.join("new")
    }

    /// Stores a stream. It uses as much memory as [`CHUNK`] and the stream's own pieces.
    pub async fn write<S>(&self, body: Option<S>, hashes: ChecksumHasher) -> Result<Written, WriteError>
    where
        S: Stream<Item = Result<Bytes, s3s::StdError>> + Unpin,
    {
        let mut body = body;
        let mut held: Vec<Bytes> = Vec::new();
        let mut held_bytes = 0;
        let mut writer = None;
        let mut hashes = Some(hashes);
        loop {
            let piece = match &mut body {
                Some(body) => body.next().await.transpose().map_err(WriteError::Body)?,
                None => None,
            };
            let ended = piece.is_none();
            if let Some(piece) = piece {
                held_bytes += piece.len();
                held.push(piece);
            }
            if held_bytes < CHUNK && !ended {
                continue;
            }
            let blobs = self.clone();
            let chunk = std::mem::take(&mut held);
            held_bytes = 0;
            let hashes = hashes.take();
            let old = writer.take();
            let step = move || -> io::Result<Result<Writer, Written>> {
                let mut writer = match old {
                    Some(writer) => writer,
                    None => Writer {
                        file: NamedTempFile::new_in(blobs.scratch())?,
                        size: 0,
                        md5: Md5::new(),
                        hashes: hashes.unwrap_or_default(),
                    },
                };
                for piece in chunk {
                    writer.file.write_all(&piece)?;
                    writer.size += piece.len() as u64;
                    writer.md5.update(&piece);
                    writer.hashes.update(&piece);
                }
                if ended { blobs.place(writer).map(Err) } else { Ok(Ok(writer)) }
            };
            match blocking(step).await.map_err(WriteError::Disk)? {
                Ok(more) => writer = Some(more),
                Err(written) => return Ok(written),
            }
        }
    }

    /// Joins stored files into one, for a multipart upload. The MD5 and the checksums are those of all bytes.
    pub async fn concat(&self, files: &[String], hashes: ChecksumHasher) -> io::Result<Written> {
        self.join(files.iter().map(|file| (self.path(file), 0..u64::MAX)).collect(), hashes).await
    }

    /// Stores a copy of another file.
    pub async fn copy_in(&self, from: PathBuf, hashes: ChecksumHasher) -> io::Result<Written> {
        self.join(vec![(from, 0..u64::MAX)], hashes).await
    }

    /// Stores a copy of a range of a stored file.
    pub async fn cut(&self, file: &str, range: Range<u64>, hashes: ChecksumHasher) -> io::Result<Written> {
        self.join(vec![(self.path(file), range)], hashes).await
    }

    /// Stores ranges of files as one file. A range may be longer than its file.
    async fn join(&self, files: Vec<(PathBuf, Range<u64>)>, hashes: ChecksumHasher) -> io::Result<Written> {
        let blobs = self.clone();
        blocking(move || {
            let mut writer =
                Writer { file: NamedTempFile::new_in(blobs.scratch())?, size: 0, md5: Md5::new(), hashes };
            let mut buffer = vec![0; CHUNK];
            for (path, range) in files {
                let mut part = std::fs::File::open(path)?;
                part.seek(SeekFrom::Start(range.start))?;
                let mut part = part.take(range.end - range.start);
                loop {
                    let n = part.read(&mut buffer)?;
                    if n == 0 {
                        break;
                    }
                    writer.file.write_all(&buffer[..n])?;
                    writer.size += n as u64;
                    writer.md5.update(&buffer[..n]);
                    writer.hashes.update(&buffer[..n]);
                }
            }
            blobs.place(writer)
        })
        .await
    }

    fn place(&self, writer: Writer) -> io::Result<Written> {
        let file = id::hex::<16>();
        writer.file.persist(self.path(&file)).map_err(|error| error.error)?;
        Ok(Written {
            file,
            size: writer.size,
            md5: writer.md5.finalize(),
            checksums: writer.hashes.finalize(),
        })
    }

    /// Returns the bytes of a range as a stream. The file is opened at once, so it may be deleted meanwhile.
    pub async fn read(
        &self,
        file: &str,
        range: Range<u64>,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<>> {
        let path = self.path(file);
        let first = blocking(move || {
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(range.start))?;
            next_chunk(file, range.end - range.start)
        })
        .await?;
        Ok(stream::try_unfold(Some(first), |state| async {
            let Some((chunk, file, left)) = state else { return Ok(None) };
            if chunk.is_empty() {
                return Ok(None);
            }
            let next = if left == 0 { None } else { Some(blocking(move || next_chunk(file, left)).await?) };
            Ok(Some((chunk, next)))
        }))
    }

    /// Deletes files. A missing file is no error.
    pub async fn remove(&self, files: Vec<String>) {
        if files.is_empty() {
            return;
        }
        let blobs = self.clone();
        // A file that can't be deleted now is deleted at the next start, since the index doesn't have it.
        let _ = blocking(move || {
            files.iter().for_each(|file| drop(std::fs::remove_file(blobs.path(file))));
            Ok(())
        })
        .await;
    }
}

fn next_chunk(mut file: std::fs::File, left: u64) -> io::Result<(Bytes, std::fs::File, u64)> {
    let size = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
    let mut buffer = vec![0; size];
    file.read_exact(&mut buffer)?;
    Ok((buffer.into(), file, left - size as u64))
}

/// Runs blocking work on a separate thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
