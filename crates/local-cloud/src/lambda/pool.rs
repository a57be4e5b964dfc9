//! The environments that wait for invocations, and the number of running invocations.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::environment::Environment;
use super::host::Host;
use super::record::{FUNCTION, Function};
use crate::support::lock::locked;

/// How long an idle on-demand environment is kept.
const IDLE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a stopping server waits for processes that are just being started.
const STOP: Duration = Duration::from_secs(10);
/// The greatest number of simultaneous initialisations for provisioned concurrency. More would only slow each other
/// down.
const PROVISIONS: usize = 4;

/// The pools of all functions.
pub struct Pools {
    pub host: Arc<Host>,
    /// Limits the initialisations for provisioned concurrency. It is never closed.
    pub provisions: Semaphore,
    /// The newest generation of all reserves.
    pub generation: AtomicU64,
    /// By the function's name.
    pools: Mutex<HashMap<String, Pool>>,
}

/// The environments and running invocations of one function.
#[derive(Default)]
pub struct Pool {
    /// The number of running invocations.
    pub busy: u64,
    /// The number of those that run on demand.
    pub on_demand: u64,
    /// The idle on-demand environments, and when each became idle. The latest is at the end.
    pub idle: Vec<(Environment, Instant)>,
    /// By qualifier.
    pub reserves: HashMap<String, Reserve>,
}

/// The environments of provisioned concurrency.
#[derive(Default)]
pub struct Reserve {
    /// A number that grows with each change of the version. Environments of an older generation are ended.
    pub generation: u64,
    /// The revision of the version that they run.
    pub revision: String,
    /// The number of initialised environments, idle or busy.
    pub ready: u64,
    /// The number of environments that are being initialised.
    pub starting: u64,
    pub idle: Vec<Environment>,
    /// Why there are fewer than requested.
    pub failure: Option<String>,
}

impl Pools {
    pub fn new(host: Arc<Host>) -> Self {
        Self {
            host,
            provisions: Semaphore::new(PROVISIONS),
            generation: AtomicU64::new(0),
            pools: Mutex::default(),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, HashMap<String, Pool>> {
        locked(&self.pools)
    }

    /// Returns the revisions of the versions that a function has now.
    pub fn revisions(&self, name: &str) -> Vec<String> {
        let function: Option<Function> = self.host.cloud.store.get(FUNCTION, name).ok().flatten();
        let versions = function.iter().flat_map(Function::versions);
        versions.map(|version| version.revision.clone()).collect()
    }

    /// Ends the idle on-demand environments whose version the function no longer has.
    pub async fn retire(&self, name: &str) {
        let current = self.revisions(name);
        let mut retired = Vec::new();
        if let Some(pool) = self.lock().get_mut(name) {
            let is_old = |environment: &Environment| !current.contains(&environment.spec.version.revision);
            let old = pool.idle.extract_if(.., |(environment, _)| is_old(environment));
            retired.extend(old.map(|(environment, _)| environment));
        }
        end_all(retired).await;
    }

    /// Ends on-demand environments that have been idle for too long. It never returns.
    pub async fn end_idle(&self) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let mut over = Vec::new();
            for pool in self.lock().values_mut() {
                let old = pool.idle.extract_if(.., |(_, since)| since.elapsed() > IDLE);
                over.extend(old.map(|(environment, _)| environment));
            }
            end_all(over).await;
        }
    }

    /// Ends all environments, and allows no new ones.
    pub async fn stop(&self) {
        self.host.begin_stop();
        self.host.watched.kill(None);
        let mut idle = Vec::new();
        for pool in self.lock().values_mut() {
            idle.extend(pool.idle.drain(..).map(|(environment, _)| environment));
            idle.extend(pool.reserves.drain().flat_map(|(_, reserve)| reserve.idle));
        }
        end_all(idle).await;
        let deadline = Instant::now() + STOP;
        // A process that is just being started is killed as soon as it runs.
        while !self.host.watched.is_empty() && Instant::now() < deadline {
            self.host.watched.kill(None);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Ends environments, one after the other.
pub async fn end_all(environments: Vec<Environment>) {
    for environment in environments {
        environment.end().await;
    }
}
