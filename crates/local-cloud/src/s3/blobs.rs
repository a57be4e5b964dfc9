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

use super::managed_key::{DataKey, ManagedKey, TAG};
use crate::folder::private_dir;
use crate::support::id;

/// How many bytes are read or written at a time. An object up to this size needs only one call on a blocking thread.
const CHUNK: usize = 1 << 20;

/// The files. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    root: Arc<Path>,
    pub key: Arc<ManagedKey>,
}

/// Where the bytes of an object are, and how they are read.
#[derive(Clone, Debug)]
pub struct Blob {
    pub file: String,
    pub size: u64,
    /// The object's data key, as it is stored. None: the file isn't encrypted.
    pub sealed: Option<String>,
}

/// A file that was written and moved to its place.
pub struct Written {
    pub file: String,
    pub size: u64,
    pub md5: [u8; 16],
    pub checksums: s3s::dto::Checksum,
    /// The data key by which the file is encrypted, as it is stored.
    pub sealed: Option<String>,
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
    sealing: Option<Sealing>,
}

/// The encryption of an object that is being written, in pieces of [`CHUNK`] bytes.
struct Sealing {
    key: DataKey,
    stored: String,
    /// What isn't written yet: less than a piece.
    held: Vec<u8>,
    pieces: u64,
}

impl Writer {
    fn new(blobs: &Blobs, hashes: ChecksumHasher, encrypted: bool) -> io::Result<Self> {
        let sealing = match encrypted {
            true => {
                let (key, stored) = blobs.key.data_key()?;
                Some(Sealing { key, stored, held: Vec::new(), pieces: 0 })
            }
            false => None,
        };
        let file = NamedTempFile::new_in(blobs.scratch())?;
        Ok(Self { file, size: 0, md5: Md5::new(), hashes, sealing })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size += bytes.len() as u64;
        self.md5.update(bytes);
        self.hashes.update(bytes);
        let Some(sealing) = &mut self.sealing else { return self.file.write_all(bytes) };
        sealing.held.extend_from_slice(bytes);
        while sealing.held.len() >= CHUNK {
            let rest = sealing.held.split_off(CHUNK);
            let piece = std::mem::replace(&mut sealing.held, rest);
            self.file.write_all(&sealing.next(piece)?)?;
        }
        Ok(())
    }

    /// Writes what is held, and returns the object's key as it is stored.
    fn finish(&mut self) -> io::Result<Option<String>> {
        let Some(mut sealing) = self.sealing.take() else { return Ok(None) };
        if !sealing.held.is_empty() {
            let piece = std::mem::take(&mut sealing.held);
            self.file.write_all(&sealing.next(piece)?)?;
        }
        Ok(Some(sealing.stored))
    }
}

impl Sealing {
    fn next(&mut self, mut piece: Vec<u8>) -> io::Result<Vec<u8>> {
        self.key.seal(self.pieces, &mut piece)?;
        self.pieces += 1;
        Ok(piece)
    }
}

/// A file that is being read, from one place to another.
struct Reader {
    file: std::fs::File,
    key: Option<DataKey>,
    size: u64,
    at: u64,
    end: u64,
}

impl Reader {
    /// Returns the next bytes, up to [`CHUNK`]. None: all were read.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.at >= self.end {
            return Ok(None);
        }
        const PIECE: u64 = CHUNK as u64;
        let bytes = match &self.key {
            None => {
                (&self.file).seek(SeekFrom::Start(self.at))?;
                self.exactly((self.end - self.at).min(PIECE))?
            }
            Some(key) => {
                let number = self.at / PIECE;
                let start = number * PIECE;
                let length = (self.size - start).min(PIECE);
                (&self.file).seek(SeekFrom::Start(number * (PIECE + TAG as u64)))?;
                let piece = key.open(number, self.exactly(length + TAG as u64)?)?;
                let within = |place: u64| usize::try_from(place - start).unwrap_or(CHUNK).min(piece.len());
                piece[within(self.at)..within(self.end)].to_vec()
            }
        };
        self.at += bytes.len() as u64;
        Ok(Some(bytes))
    }

    fn exactly(&self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        (&self.file).read_exact(&mut bytes)?;
        Ok(bytes)
    }
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
        let key = Arc::new(ManagedKey::open(&root.join("aws-s3.key"))?);
        Ok(Self { root: root.into(), key })
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.join("objects").join(file)
    }

    /// Returns the folder for files that are renamed into place later.
    fn scratch(&self) -> PathBuf {
        self.root.join("new")
    }

    /// Stores a stream. It uses as much memory as [`CHUNK`] and the stream's own pieces.
    pub async fn write<S>(
        &self,
        body: Option<S>,
        hashes: ChecksumHasher,
        encrypted: bool,
    ) -> Result<Written, WriteError>
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
                    None => Writer::new(&blobs, hashes.unwrap_or_default(), encrypted)?,
                };
                for piece in chunk {
                    writer.write(&piece)?;
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
    pub async fn concat(
        &self,
        blobs: &[Blob],
        hashes: ChecksumHasher,
        encrypted: bool,
    ) -> io::Result<Written> {
        let ranges = blobs.iter().map(|blob| (blob.clone(), 0..blob.size));
        self.join(ranges.collect(), hashes, encrypted).await
    }

    /// Stores a copy of a range of a stored file.
    pub async fn cut(
        &self,
        blob: &Blob,
        range: Range<u64>,
        hashes: ChecksumHasher,
        encrypted: bool,
    ) -> io::Result<Written> {
        self.join(vec![(blob.clone(), range)], hashes, encrypted).await
    }

    async fn join(
        &self,
        ranges: Vec<(Blob, Range<u64>)>,
        hashes: ChecksumHasher,
        encrypted: bool,
    ) -> io::Result<Written> {
        let blobs = self.clone();
        blocking(move || {
            let mut writer = Writer::new(&blobs, hashes, encrypted)?;
            for (blob, range) in ranges {
                let mut reader = blobs.reader(&blob, range)?;
                while let Some(bytes) = reader.next()? {
                    writer.write(&bytes)?;
                }
            }
            blobs.place(writer)
        })
        .await
    }

    /// Stores a copy of another file.
    pub async fn copy_in(
        &self,
        from: PathBuf,
        hashes: ChecksumHasher,
        encrypted: bool,
    ) -> io::Result<Written> {
        let blobs = self.clone();
        blocking(move || {
            let mut writer = Writer::new(&blobs, hashes, encrypted)?;
            let mut file = std::fs::File::open(from)?;
            let mut buffer = vec![0; CHUNK];
            loop {
                match file.read(&mut buffer)? {
                    0 => return blobs.place(writer),
                    n => writer.write(&buffer[..n])?,
                }
            }
        })
        .await
    }

    /// Writes an object's bytes to a file.
    pub async fn copy_out(&self, blob: Blob, to: PathBuf) -> io::Result<()> {
        let blobs = self.clone();
        blocking(move || {
            if blob.sealed.is_none() {
                return std::fs::copy(blobs.path(&blob.file), to).map(drop);
            }
            let mut reader = blobs.reader(&blob, 0..blob.size)?;
            let mut file = std::fs::File::create(to)?;
            while let Some(bytes) = reader.next()? {
                file.write_all(&bytes)?;
            }
            Ok(())
        })
        .await
    }

    fn reader(&self, blob: &Blob, range: Range<u64>) -> io::Result<Reader> {
        let key = blob.sealed.as_deref().map(|sealed| self.key.unsealed(sealed)).transpose()?;
        let file = std::fs::File::open(self.path(&blob.file))?;
        Ok(Reader { file, key, size: blob.size, at: range.start, end: range.end })
    }

    fn place(&self, mut writer: Writer) -> io::Result<Written> {
        let sealed = writer.finish()?;
        let file = id::hex::<16>();
        writer.file.persist(self.path(&file)).map_err(|error| error.error)?;
        Ok(Written {
            file,
            size: writer.size,
            md5: writer.md5.finalize(),
            checksums: writer.hashes.finalize(),
            sealed,
        })
    }

    /// Returns the bytes of a range as a stream. The file is opened at once, so it may be deleted meanwhile.
    pub async fn read(
        &self,
        blob: &Blob,
        range: Range<u64>,
    ) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<>> {
        let (blobs, blob) = (self.clone(), blob.clone());
        let first = blocking(move || next_chunk(blobs.reader(&blob, range)?)).await?;
        Ok(stream::try_unfold(first, |state| async {
            let Some((chunk, reader)) = state else { return Ok(None) };
            let next =
                if reader.at >= reader.end { None } else { blocking(move || next_chunk(reader)).await? };
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

fn next_chunk(mut reader: Reader) -> io::Result<Option<(Bytes, Reader)>> {
    Ok(reader.next()?.map(|bytes| (Bytes::from(bytes), reader)))
}

/// Runs blocking work on a separate thread.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
