//! The instances of a training job: how they share the images, and what they compute together.
//!
//! As with PyTorch's DistributedSampler and DistributedDataParallel, a job of N instances with `batch_size` B takes the same
//! steps as one instance with `batch_size` N × B, except for batch norm, which uses the statistics of the instance's own
//! batch in training. On a single instance, these functions do nothing.

use std::mem::ManuallyDrop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use tch::{Device, Kind, Tensor, no_grad};

use crate::container::{Container, Resources};
use crate::device::on;
use crate::error::{Error, Result};
use crate::layout::memory_order;
use crate::process_group::{Membership, ProcessGroup};

/// The environment variable with the first instance's address, as in PyTorch's launchers.
const HOST_ENV: &str = "MASTER_ADDR";
const PORT_ENV: &str = "MASTER_PORT";
/// The port that SageMaker's toolkits use. The instances of a job can reach each other on every port.
const DEFAULT_PORT: u16 = 7777;

/// How long an instance waits for the others: at the start for their download, later for their slowest batch. This is for an
/// instance that hangs or is disconnected. If one ends, its connections close, which the others notice at once.
const PATIENCE: Duration = Duration::from_secs(600);

/// The size of the buckets in which tensors are sent: that of DistributedDataParallel.
const BUCKET_BYTES: usize = 25 << 20;

/// All instances of this job, as one of them sees them.
pub struct Instances<'a> {
    /// This one's number, from 0.
    rank: usize,
    /// The names of all instances. This one's is at `rank`.
    hosts: Vec<String>,
    /// `None` for a single instance. It isn't dropped when the job fails: the others would see the connections close, and end
    /// before this instance has written its reason.
    group: Option<ManuallyDrop<ProcessGroup>>,
    stop: &'a AtomicBool,
}

impl<'a> Instances<'a> {
    /// Connects to the job's other instances, if there are any. SIGTERM sets `stop`.
    pub fn join(container: &Container, stop: &'a AtomicBool) -> Result<Self> {
        let resources = container.resources()?.filter(|resources| resources.hosts.len() > 1);
        let Some(Resources { current_host, hosts, network_interface_name }) = resources else {
            return Ok(Self { rank: 0, hosts: vec!["algo-1".to_owned()], group: None, stop });
        };
        let rank = hosts.iter().position(|host| *host == current_host).ok_or_else(|| {
            Error::new(format!(
                "resourceconfig.json names current_host {current_host:?}, and its hosts are {hosts:?}"
            ))
        })?;
        let member = Membership {
            host: std::env::var(HOST_ENV).unwrap_or_else(|_| hosts[0].clone()),
            port: match std::env::var(PORT_ENV) {
                Ok(port) => port.parse().map_err(|_| {
                    Error::new(format!("{PORT_ENV} is {port:?}, and must be a port's number"))
                })?,
                Err(_) => DEFAULT_PORT,
            },
            rank,
            size: hosts.len(),
            interface: network_interface_name,
            timeout: PATIENCE,
        };
        let mut instances = Self { rank, hosts, group: None, stop };
        let group = instances.join_group(member)?;
        instances.group = Some(ManuallyDrop::new(group));
        Ok(instances)
    }

    fn join_group(&self, member: Membership) -> Result<ProcessGroup> {
        let place = format!("{}:{}", member.host, member.port);
        let (sender, receiver) = sync_channel(1);
        // On another thread, because SIGTERM must end the job while it waits for an instance that hasn't started.
        thread::spawn(move || sender.send(ProcessGroup::join(&member)));
        loop {
            match receiver.recv_timeout(Duration::from_millis(50)) {
                Ok(joined) => {
                    return joined.map_err(|why| {
                        Error::new(format!("{self} could not join the other instances at {place}: {why}"))
                    });
                }
                Err(RecvTimeoutError::Timeout) if self.stopping() => return Err(Error::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Error::new(format!("{self}: the thread that joins the others died")));
                }
            }
        }
    }

    /// Whether this instance writes the model, the metrics and the checkpoints.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    pub fn count(&self) -> usize {
        self.hosts.len()
    }

    /// Whether this instance got SIGTERM. [`Self::sum`] informs the others.
    pub fn stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Returns this instance's share of an epoch's order: every Nth image. All shares have the same length, so that all
    /// instances have the same number of batches. If necessary, the first images are used twice.
    pub fn share(&self, order: &[usize]) -> Vec<usize> {
        let length = order.len().div_ceil(self.count());
        order.iter().cycle().skip(self.rank).step_by(self.count()).take(length).copied().collect()
    }

    /// Returns this instance's share of images that are evaluated exactly once.
    pub fn part<T>(&self, all: Vec<T>) -> Vec<T> {
        all.into_iter().skip(self.rank).step_by(self.count()).collect()
    }

    /// Returns the sums over all instances, or on each [`Error::Stopped`] if any got SIGTERM.
    pub fn sum<const N: usize>(&self, values: [f64; N]) -> Result<[f64; N]> {
        let mut all = [0.0; N];
        let mut sums = values.to_vec();
        sums.push(f64::from(u8::from(self.stopping())));
        if let Some(group) = &self.group {
            let tensor = Tensor::f_from_slice(&sums)?;
            self.done(group.sum(std::slice::from_ref(&tensor)))?;
            tensor.f_copy_data(&mut sums, N + 1)?;
        }
        if sums[N] > 0.0 {
            return Err(Error::Stopped);
        }
        all.copy_from_slice(&sums[..N]);
        Ok(all)
    }

    /// Adds up values over all instances, as many as there are.
    pub fn add_up(&self, values: &mut [f64]) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        let tensor = Tensor::f_from_slice(values)?;
        self.done(group.sum(std::slice::from_ref(&tensor)))?;
        tensor.f_copy_data(values, values.len())?;
        Ok(())
    }

    /// Returns where this instance's part of some images lies among all of them: see [`Self::part`].
    pub fn place(&self, index: usize) -> usize {
        self.rank + index * self.count()
    }

    /// Replaces gradients by their means over all instances.
    pub fn average(&self, gradients: &[Tensor]) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        in_buckets(gradients, |buckets| {
            self.done(group.sum(buckets))?;
            for bucket in buckets {
                let _ = bucket.shallow_clone().f_div_scalar_(self.count() as f64)?;
            }
            Ok(())
        })
    }

    /// Replaces tensors by the first instance's.
    pub fn follow_first(&self, tensors: &[Tensor]) -> Result<()> {
        let Some(group) = &self.group else { return Ok(()) };
        in_buckets(tensors, |buckets| self.done(group.broadcast(buckets)))
    }

    /// Returns the first instance's numbers.
    pub fn of_first<const N: usize>(&self, mut numbers: [i64; N]) -> Result<[i64; N]> {
        let tensor = Tensor::f_from_slice(&numbers)?;
        self.follow_first(std::slice::from_ref(&tensor))?;
        tensor.f_copy_data(&mut numbers, N)?;
        Ok(numbers)
    }

    /// Refuses instances whose jobs differ, by the SHA-256 over what a job depends on.
    pub fn check_same_job(&self, digest: &[u8; 32]) -> Result<()> {
        let tensor = Tensor::f_from_slice(digest)?;
        self.follow_first(std::slice::from_ref(&tensor))?;
        let mut first = [0; 32];
        tensor.f_copy_data(&mut first, digest.len())?;
        match first == *digest {
            true => Ok(()),
            false => Err(Error::new(format!(
                "{self} has other hyperparameters, images or weights than {}: every instance needs the whole of each \
                 channel (S3DataDistributionType FullyReplicated)",
                self.hosts[0]
            ))),
        }
    }

    /// Waits for all instances, and ends the work together.
    pub fn leave(mut self) -> Result<()> {
        let Some(group) = self.group.take() else { return Ok(()) };
        self.done(group.barrier())?;
        drop(ManuallyDrop::into_inner(group));
        Ok(())
    }

    fn done(&self, result: std::result::Result<(), String>) -> Result<()> {
        result.map_err(|why| match self.stopping() {
            // The others got SIGTERM too, and one of them was killed because it did not end in time.
            true => Error::Stopped,
            false => Error::new(format!(
                "{self} lost the other instances ({why}): the log of the one that ended first says why"
            )),
        })
    }
}

/// Returns `rank 1 of 2 (algo-2)`.
impl std::fmt::Display for Instances<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "rank {} of {} ({})", self.rank, self.count(), self.hosts[self.rank])
    }
}

/// Packs tensors into flat ones in the processor's memory, lets `act` change those, and unpacks them into the tensors.
/// Tensors of a GPU pass through there because Gloo sends from nowhere else.
fn in_buckets(tensors: &[Tensor], act: impl Fn(&[Tensor]) -> Result<()>) -> Result<()> {
    let mut buckets: Vec<(Kind, usize, Vec<Tensor>)> = Vec::new();
    for tensor in tensors {
        let (kind, bytes) = (tensor.f_kind()?, tensor.numel() * tensor.f_kind()?.elt_size_in_bytes());
        let tensor = memory_order(&tensor.f_detach()?)?;
        match buckets.iter_mut().rev().find(|(other, ..)| *other == kind) {
            Some((_, filled, bucket)) if *filled + bytes <= BUCKET_BYTES => {
                *filled += bytes;
                bucket.push(tensor);
            }
            _ => buckets.push((kind, bytes, vec![tensor])),
        }
    }
    no_grad(|| {
        let mut flat = Vec::new();
        for (.., bucket) in &buckets {
            let parts: Vec<Tensor> =
                bucket.iter().map(|tensor| tensor.f_reshape([-1])).collect::<std::result::Result<_, _>>()?;
            flat.push(on(Device::Cpu, &Tensor::f_cat(&parts, 0)?)?);
        }
        act(&flat)?;
        for ((.., bucket), flat) in buckets.iter_mut().zip(&flat) {
            let (mut start, flat) = (0, on(bucket[0].device(), flat)?);
            for tensor in bucket {
                let length = tensor.numel() as i64;
                tensor.f_copy_(&flat.f_narrow(0, start, length)?.f_view(&tensor.size()[..])?)?;
                start += length;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_one_length_and_cover_all_and_parts_overlap_nowhere() {
        let stop = AtomicBool::new(false);
        for (images, count) in [(10, 2), (10, 3), (7, 4), (2, 5), (1, 3), (9, 1)] {
            let hosts: Vec<String> = (1..=count).map(|number| format!("algo-{number}")).collect();
            let (mut shared, mut parted) = (Vec::new(), Vec::new());
            for rank in 0..count {
                let instance = Instances { rank, hosts: hosts.clone(), group: None, stop: &stop };
                let order: Vec<usize> = (0..images).rev().collect();
                let share = instance.share(&order);
                assert_eq!(share.len(), images.div_ceil(count), "{images} images, rank {rank} of {count}");
                shared.extend(share);
                parted.extend(instance.part(order));
            }
            shared.sort_unstable();
            shared.dedup();
            parted.sort_unstable();
            let all: Vec<usize> = (0..images).collect();
            assert_eq!((shared, parted), (all.clone(), all), "{images} images, {count} instances");
        }
    }
}
