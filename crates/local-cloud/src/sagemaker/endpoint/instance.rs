//! An instance of a fleet: where it serves, and the number of its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use tokio::sync::{Notify, watch};

/// An instance. Its worker sets where it serves. The fleet chooses it by the number of its requests.
#[derive(Debug)]
pub struct Instance {
    /// 0 while it doesn't serve.
    port: AtomicU16,
    /// The process, which is the leader of its group. 0: there is none.
    leader: AtomicU32,
    outstanding: watch::Sender<usize>,
    /// Notified when a place becomes free here.
    freed: Arc<Notify>,
}

impl Instance {
    /// Returns an instance that doesn't serve yet. It notifies `freed` when it has a free place for a request.
    pub fn new(freed: Arc<Notify>) -> Self {
        Self { port: AtomicU16::new(0), leader: AtomicU32::new(0), outstanding: watch::Sender::new(0), freed }
    }

    /// Sets where it serves from now on. 0 and 0: it doesn't serve any more.
    pub fn serves_at(&self, port: u16, leader: u32) {
        self.leader.store(leader, Ordering::Relaxed);
        self.port.store(port, Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    pub fn serves(&self) -> bool {
        self.port.load(Ordering::Relaxed) != 0
    }

    /// Returns the leader of its process group.
    pub fn leader(&self) -> u32 {
        self.leader.load(Ordering::Relaxed)
    }

    /// Returns the number of its requests.
    pub fn outstanding(&self) -> usize {
        *self.outstanding.borrow()
    }

    /// Returns once it has no requests.
    pub async fn drained(&self) {
        let mut outstanding = self.outstanding.subscribe();
        // The sender belongs to this instance, so waiting can't fail.
        let _ = outstanding.wait_for(|outstanding| *outstanding == 0).await;
    }

    /// Counts one more request, and returns a guard for it. `serving` is the number of serving instances.
    pub fn take(self: &Arc<Self>, serving: usize) -> Busy {
        self.outstanding.send_modify(|outstanding| *outstanding += 1);
        let port = self.port.load(Ordering::Relaxed);
        Busy { instance: Arc::clone(self), port, serving }
    }
}

/// An instance while it works on a request.
#[derive(Debug)]
pub struct Busy {
    instance: Arc<Instance>,
    pub port: u16,
    /// The number of serving instances when this one was chosen, including itself.
    pub serving: usize,
}

impl Busy {
    /// Records that nothing listens at its port any more. It gets no more requests until it is started again.
    pub fn is_dead(&self) {
        // Unless it was started again, at another port.
        let _ = self.instance.port.compare_exchange(self.port, 0, Ordering::Relaxed, Ordering::Relaxed);
        self.instance.freed.notify_waiters();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.instance.outstanding.send_modify(|outstanding| *outstanding -= 1);
        self.instance.freed.notify_one();
    }
}
