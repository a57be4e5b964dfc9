//! Batches of images. Threads prepare them during the training steps; their order doesn't depend on the threads.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

use opsml_contract::Transform;
use opsml_pictures::{Picture, dimensions, read_file};
use rand::seq::SliceRandom;
use tch::{Kind, Tensor};

use crate::augment::{augmented, random_for};
use crate::dataset::{Sample, unusable};
use crate::error::{Error, Result};

/// The most bytes of decoded images that a job keeps in memory, for all splits together.
pub const CACHE_BYTES: u64 = 512 << 20;

/// How many batches each thread prepares ahead.
const AHEAD: usize = 2;

/// The purposes of `random_for`'s numbers.
const SHUFFLE: u64 = 1;
const AUGMENT: u64 = 2;

/// A split's images. They are decoded only once if they fit into memory.
pub struct Split {
    samples: Vec<Sample>,
    transform: Option<Transform>,
    size: u32,
    cache: Option<Vec<Picture>>,
}

/// Images (batch × 3 × size × size, 0…1, channels last) and their labels.
pub struct Batch {
    pub images: Tensor,
    pub labels: Tensor,
}

/// A batch as a thread sends it. Only the receiver creates tensors.
struct RawBatch {
    rgb: Vec<u8>,
    labels: Vec<i64>,
}

impl Split {
    /// Checks every image's header. Decodes the images if they fit into the rest of `cache_bytes`. `transform` is `None` for
    /// a split that is only resized.
    pub fn open(
        samples: Vec<Sample>,
        transform: Option<Transform>,
        size: u32,
        cache_bytes: &mut u64,
    ) -> Result<Self> {
        let dimensions = in_parallel(&samples, |sample| {
            let bytes = read_image(sample)?;
            dimensions(&bytes).map_err(|error| unusable(&sample.path, &error))
        })?;
        // A random crop needs the whole image each time. Every other transform begins with the resize.
        let whole = transform == Some(Transform::RandomResizedCrop);
        let bytes: u64 = dimensions
            .iter()
            .map(|(width, height)| {
                if whole { u64::from(*width) * u64::from(*height) } else { u64::from(size) * u64::from(size) }
            })
            .sum::<u64>()
            * 3;
        let mut split = Self::unread(samples, transform, size);
        if bytes <= *cache_bytes {
            *cache_bytes -= bytes;
            split.cache = Some(in_parallel(&split.samples, |sample| split.decode(sample))?);
        }
        Ok(split)
    }

    /// Returns a split of whose images none is read before it is asked for: their features are known.
    pub fn unread(samples: Vec<Sample>, transform: Option<Transform>, size: u32) -> Self {
        Self { samples, transform, size, cache: None }
    }

    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Returns the classes of the images, in their order.
    ///
    /// # Errors
    /// libtorch's.
    pub fn labels(&self) -> Result<Tensor> {
        let labels: Vec<i64> = self.samples.iter().map(|sample| sample.label as i64).collect();
        Ok(Tensor::f_from_slice(&labels)?)
    }

    pub fn len(&self) -> usize {
        self.samples.len()
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Returns the order of the images in an epoch.
    pub fn shuffled(&self, seed: u64, epoch: u32) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut random_for(seed, SHUFFLE, epoch, 0));
        order
    }

    /// Returns an image as the cache has it.
    fn decode(&self, sample: &Sample) -> Result<Picture> {
        let picture =
            Picture::decode(&read_image(sample)?).map_err(|error| unusable(&sample.path, &error))?;
        match self.transform {
            Some(Transform::RandomResizedCrop) => Ok(picture),
            _ => picture.resize(self.size).map_err(|error| unusable(&sample.path, &error)),
        }
    }

    /// Writes what the network sees of an image into `out`.
    fn write(&self, index: usize, seed: u64, epoch: u32, out: &mut [u8]) -> Result<()> {
        let sample = &self.samples[index];
        let wrong = |why: String| unusable(&sample.path, &why);
        let decoded;
        let picture = match &self.cache {
            Some(pictures) => &pictures[index],
            None => {
                decoded = Picture::decode(&read_image(sample)?).map_err(wrong)?;
                &decoded
            }
        };
        let view = match self.transform {
            None => picture.whole(),
            Some(transform) => augmented(
                transform,
                picture.width,
                picture.height,
                &mut random_for(seed, AUGMENT, epoch, index),
            ),
        };
        picture.show_in(view, self.size, out).map_err(wrong)
    }

    /// Starts threads that prepare the batches, given as indices of images, and returns the batches in that order. The
    /// threads end when the result is dropped.
    pub fn batches<'scope, 'env>(
        &'env self,
        scope: &'scope Scope<'scope, 'env>,
        batches: &'env [&'env [usize]],
        seed: u64,
        epoch: u32,
    ) -> impl Iterator<Item = Result<Batch>> + use<'env> {
        let threads = threads().min(batches.len()).max(1);
        // Thread k prepares the batches k, k + threads, …: receiving from each thread in turn keeps the order.
        let receivers: Vec<Receiver<Result<RawBatch>>> = (0..threads)
            .map(|first| {
                let (sender, receiver) = sync_channel(AHEAD);
                scope.spawn(move || {
                    for batch in batches.iter().skip(first).step_by(threads) {
                        if sender.send(self.raw_batch(batch, seed, epoch)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        (0..batches.len()).map(move |number| {
            let raw =
                receivers[number % threads].recv().map_err(|_| Error::new("a decoding thread died"))??;
            Ok(Batch { images: self.images(&raw)?, labels: Tensor::f_from_slice(&raw.labels)? })
        })
    }

    /// Returns the first images of a split, `count` or all, as [`Batch::images`] has them.
    ///
    /// # Errors
    /// An image can't be read.
    pub fn first(&self, count: usize) -> Result<Tensor> {
        let places: Vec<usize> = (0..count.min(self.len())).collect();
        self.images(&self.raw_batch(&places, 0, 0)?)
    }

    fn images(&self, raw: &RawBatch) -> Result<Tensor> {
        let (count, size) = (raw.labels.len() as i64, i64::from(self.size));
        Ok(Tensor::f_from_data_size(&raw.rgb, &[count, size, size, 3], Kind::Uint8)?
            .f_to_kind(Kind::Float)?
            .f_div_scalar_(255.0)?
            .f_permute([0, 3, 1, 2])?)
    }

    fn raw_batch(&self, batch: &[usize], seed: u64, epoch: u32) -> Result<RawBatch> {
        let mut rgb = vec![0; batch.len() * 3 * (self.size * self.size) as usize];
        let places = rgb.chunks_exact_mut(3 * (self.size * self.size) as usize);
        for (index, place) in batch.iter().zip(places) {
            self.write(*index, seed, epoch, place)?;
        }
        Ok(RawBatch { rgb, labels: batch.iter().map(|index| self.samples[*index].label as i64).collect() })
    }
}

/// Reads an image's file.
pub fn read_image(sample: &Sample) -> Result<Vec<u8>> {
    read_file(&sample.path).map_err(|why| unusable(&sample.path, &why))
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Maps samples on all cores. Returns the results in the order of the samples, or the error of the first sample that
/// failed.
fn in_parallel<T: Send>(samples: &[Sample], map: impl Fn(&Sample) -> Result<T> + Sync) -> Result<Vec<T>> {
    const CHUNK: usize = 16;
    let next = AtomicUsize::new(0);
    let mut parts: Vec<(usize, Result<Vec<T>>)> = thread::scope(|scope| {
        let work = || {
            let mut parts = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(chunk) = samples.chunks(CHUNK).nth(number) else {
                    return parts;
                };
                let part: Result<Vec<T>> = chunk.iter().map(&map).collect();
                let failed = part.is_err();
                parts.push((number, part));
                if failed {
                    next.fetch_max(samples.len(), Ordering::Relaxed);
                }
            }
        };
        let workers: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    parts.sort_by_key(|(number, _)| *number);
    let mut all = Vec::with_capacity(samples.len());
    for (_, part) in parts {
        all.extend(part?);
    }
    Ok(all)
}
