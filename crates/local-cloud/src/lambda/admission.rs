//! Decides which invocations may run, and in which environment. This enforces the limits of concurrency.

use std::sync::Arc;

use tokio::time::Instant;

use super::environment::{Environment, Spec};
use super::errors::{service_failed, throttled};
use super::pool::{Pools, end_all};
use super::quota::{Quota, taken};
use super::record::{FUNCTION, Function, Version};
use crate::call::AwsError;

/// The greatest number of idle on-demand environments, of all functions together.
const MOST_IDLE: usize = 32;

/// How many of a reserve's environments are in use, and how many there are, with this invocation.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    pub busy: u64,
    pub ready: u64,
    /// Whether this invocation had to run on demand, since all are in use.
    pub spilled: bool,
}

/// An admitted invocation. It counts as running until this is dropped.
pub struct Place {
    pools: Arc<Pools>,
    function: String,
    /// The qualifier and the generation of the reserve that the environment belongs to. None: it runs on demand.
    reserve: Option<(String, u64)>,
    /// None: nothing is provisioned for what was invoked.
    pub provisioned: Option<Use>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(pool) = self.pools.lock().get_mut(&self.function) {
            pool.busy -= 1;
            pool.on_demand -= u64::from(self.reserve.is_none());
        }
    }
}

impl Pools {
    /// Admits an invocation, and returns an idle environment for it if there is one.
    ///
    /// # Errors
    /// It is throttled; the store's.
    pub fn admit(
        self: &Arc<Self>,
        function: &Function,
        version: &Version,
        qualifier: Option<&str>,
    ) -> Result<(Place, Option<Environment>), AwsError> {
        let store = &self.host.cloud.store;
        let all: Vec<(String, Function)> = store.list(FUNCTION)?;
        let limit = Quota::ConcurrentExecutions.limit(store)?;
        let left = limit.saturating_sub(taken(all.iter().map(|(_, function)| function)));
        let place = |reserve, provisioned| Place {
            pools: Arc::clone(self),
            function: function.name.clone(),
            reserve,
            provisioned,
        };
        let mut spilled = None;
        // Dropped after the lock, since dropping an environment takes some time.
        let mut dead = Vec::new();
        let mut pools = self.lock();
        let shared = all.iter().filter(|(_, function)| function.reserved.is_none());
        let in_use: u64 = shared.filter_map(|(name, _)| pools.get(name)).map(|pool| pool.on_demand).sum();
        let pool = pools.entry(function.name.clone()).or_default();
        if let Some(qualifier) = qualifier
            && let Some(reserve) = pool.reserves.get_mut(qualifier)
            && reserve.revision == version.revision
        {
            while let Some(mut environment) = reserve.idle.pop() {
                if environment.is_alive() {
                    let lender = (qualifier.to_owned(), reserve.generation);
                    let (ready, idle) = (reserve.ready, reserve.idle.len() as u64);
                    let in_use = Use { busy: ready.saturating_sub(idle), ready, spilled: false };
                    pool.busy += 1;
                    return Ok((place(Some(lender), Some(in_use)), Some(environment)));
                }
                reserve.ready -= 1;
                dead.push(environment);
            }
            // Before the first is ready, nothing is provisioned yet.
            let ready = reserve.ready;
            spilled = (ready > 0).then_some(Use { busy: ready, ready, spilled: true });
        }
        let waiting: usize = pool.reserves.values().map(|reserve| reserve.idle.len()).sum();
        match function.reserved {
            Some(reserved) if pool.busy + waiting as u64 >= reserved => {
                return Err(throttled("ReservedFunctionConcurrentInvocationLimitExceeded"));
            }
            None if in_use >= left => return Err(throttled("ConcurrentInvocationLimitExceeded")),
            _ => {}
        }
        let mut lent = None;
        while let Some((mut environment, _)) = pool.idle.pop() {
            if environment.spec.version.revision == version.revision && environment.is_alive() {
                lent = Some(environment);
                break;
            }
            dead.push(environment);
        }
        pool.busy += 1;
        pool.on_demand += 1;
        drop(pools);
        Ok((place(None, spilled), lent))
    }

    /// Creates an environment for an on-demand invocation, which also initialises it.
    ///
    /// # Errors
    /// The server is being stopped; those of [`Environment::open`].
    pub async fn open(&self, function: &str, version: &Version) -> Result<Environment, AwsError> {
        if self.host.is_stopping() {
            return Err(service_failed("The local cloud is being stopped."));
        }
        let spec = Spec { function: function.to_owned(), version: version.clone(), provisioned: false };
        Environment::open(&self.host, spec).await
    }

    /// Takes an environment back after its invocation, or ends it.
    pub async fn give_back(self: &Arc<Self>, place: Place, mut environment: Environment) {
        let is_alive = environment.is_alive() && !self.host.is_stopping();
        let current = self.revisions(&place.function);
        let mut over = Vec::new();
        let mut lacks_one = false;
        {
            let mut pools = self.lock();
            let pool = pools.entry(place.function.clone()).or_default();
            match &place.reserve {
                Some((qualifier, generation)) => {
                    match pool.reserves.get_mut(qualifier).filter(|reserve| reserve.generation == *generation)
                    {
                        Some(reserve) if is_alive => reserve.idle.push(environment),
                        Some(reserve) => {
                            reserve.ready -= 1;
                            lacks_one = true;
                            over.push(environment);
                        }
                        None => over.push(environment),
                    }
                }
                None if is_alive && current.contains(&environment.spec.version.revision) => {
                    pool.idle.push((environment, Instant::now()));
                }
                None => over.push(environment),
            }
            let idle: usize = pools.values().map(|pool| pool.idle.len()).sum();
            if idle > MOST_IDLE {
                let oldest =
                    pools.values_mut().filter(|pool| !pool.idle.is_empty()).min_by_key(|pool| pool.idle[0].1);
                over.extend(oldest.map(|pool| pool.idle.remove(0).0));
            }
        }
        let refill =
            place.reserve.clone().filter(|_| lacks_one).map(|reserve| (place.function.clone(), reserve));
        drop(place);
        end_all(over).await;
        if let Some((function, (qualifier, generation))) = refill {
            self.refill(&function, &qualifier, generation);
        }
    }
}
