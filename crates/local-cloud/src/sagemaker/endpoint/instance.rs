//! One instance of a fleet, as requests find it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use tokio::sync::{Notify, watch};

/// An instance. Its worker says where it serves; the fleet chooses it by the requests that it has under way.
#[derive(Debug)]
pub struct Instance {
    /// 0 while it does not serve.
    port: AtomicU16,
    /// The process, and its group; 0 while there is none.
    leader: AtomicU32,
    outstanding: watch::Sender<usize>,
    /// Notified when a request may find a place here.
    freed: Arc<Notify>,
}

impl Instance {
    /// Returns an instance that does not serve yet. It notifies `freed` when it gets a place for a request.
    pub fn new(freed: Arc<Notify>) -> Self {
        Self { port: AtomicU16::new(0), leader: AtomicU32::new(0), outstanding: watch::Sender::new(0), freed }
    }

    /// Says where it serves from now on. 0, 0: it serves no more.
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

    /// Returns how many requests it has under way.
    pub fn outstanding(&self) -> usize {
        *self.outstanding.borrow()
    }

    /// Returns once it has no request under way.
    pub async fn drained(&self) {
        let mut outstanding = self.outstanding.subscribe();
        // The sender is this instance's own, so the wait cannot fail.
        let _ = outstanding.wait_for(|outstanding| *outstanding == 0).await;
    }

    /// Gives it one more request, when `serving` instances serve.
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
    /// How many instances served when this one was chosen, itself included.
    pub serving: usize,
}

impl Busy {
    /// Nothing listens there any more: no further request goes to it until it is started again.
    pub fn is_dead(&self) {
        // Only if it has not been started again, at another port.
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
