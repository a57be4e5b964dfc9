//! Provisioned concurrency: starts environments before there are requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;

use super::environment::{Environment, Spec};
use super::pool::{Pools, Reserve, end_all};
use super::record::{FUNCTION, Function, Version};

/// How long an initialisation may take. As on AWS, a longer time-out of the function extends it.
const INIT: Duration = Duration::from_secs(130);

impl Pools {
    /// Starts as many environments as the function's record says, and ends those of another version.
    pub fn provision(self: &Arc<Self>, name: &str, qualifier: &str) {
        let Ok(Some(function)) = self.host.cloud.store.get::<Function>(FUNCTION, name) else { return };
        let Some(version) = function.qualified(Some(qualifier)) else { return };
        let wanted = function.provisioned.get(qualifier).map_or(0, |config| config.requested);
        let (generation, over) = {
            let mut pools = self.lock();
            let pool = pools.entry(name.to_owned()).or_default();
            let reserve = pool.reserves.entry(qualifier.to_owned()).or_default();
            reserve.failure = None;
            let mut over = Vec::new();
            if reserve.revision == version.revision {
                while reserve.ready > wanted {
                    let Some(environment) = reserve.idle.pop() else { break };
                    reserve.ready -= 1;
                    over.push(environment);
                }
            } else {
                let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
                let revision = version.revision.clone();
                let new = Reserve { generation, revision, ..Reserve::default() };
                over = std::mem::replace(reserve, new).idle;
            }
            (reserve.generation, over)
        };
        tokio::spawn(end_all(over));
        self.refill(name, qualifier, generation);
    }

    /// Ends the environments of a qualifier.
    pub fn withdraw(&self, name: &str, qualifier: &str) {
        let reserve = self.lock().get_mut(name).and_then(|pool| pool.reserves.remove(qualifier));
        tokio::spawn(end_all(reserve.map(|reserve| reserve.idle).unwrap_or_default()));
    }

    /// Starts the missing environments.
    pub fn refill(self: &Arc<Self>, name: &str, qualifier: &str, generation: u64) {
        let (pools, name, qualifier) = (Arc::clone(self), name.to_owned(), qualifier.to_owned());
        tokio::spawn(async move {
            while let Some((missing, version)) = pools.claim_missing(&name, &qualifier, generation) {
                let starts = (0..missing).map(|_| pools.start_ahead(&name, &version));
                for started in join_all(starts).await {
                    pools.add(&name, &qualifier, generation, started).await;
                }
            }
        });
    }

    /// Returns how many environments are missing, and their version. The caller must start them. None: none is missing.
    fn claim_missing(&self, name: &str, qualifier: &str, generation: u64) -> Option<(u64, Version)> {
        let function: Function = self.host.cloud.store.get(FUNCTION, name).ok()??;
        let wanted = function.provisioned.get(qualifier)?.requested;
        let version = function.qualified(Some(qualifier))?;
        let mut pools = self.lock();
        let reserve = pools.get_mut(name)?.reserves.get_mut(qualifier)?;
        let is_current = reserve.generation == generation && reserve.failure.is_none();
        let missing = wanted.saturating_sub(reserve.ready + reserve.starting);
        if !is_current || self.host.is_stopping() || missing == 0 {
            return None;
        }
        reserve.starting += missing;
        Some((missing, version.clone()))
    }

    /// Starts one environment. The error is the configuration's StatusReason.
    async fn start_ahead(&self, name: &str, version: &Version) -> Result<Environment, String> {
        let _turn = self.provisions.acquire().await.map_err(|error| error.to_string())?;
        let spec = Spec { function: name.to_owned(), version: version.clone(), provisioned: true };
        let mut environment = Environment::open(&self.host, spec).await.map_err(|error| error.message)?;
        let limit = INIT.max(Duration::from_secs(version.settings.timeout));
        match environment.provision(limit).await {
            Ok(()) => Ok(environment),
            Err(_) => {
                environment.end().await;
                Err("FUNCTION_ERROR_INIT_FAILURE".to_owned())
            }
        }
    }

    /// Adds a started environment to its reserve, if it is still needed.
    async fn add(&self, name: &str, qualifier: &str, generation: u64, started: Result<Environment, String>) {
        let over = {
            let mut pools = self.lock();
            let reserve = pools.get_mut(name).and_then(|pool| pool.reserves.get_mut(qualifier));
            match (reserve.filter(|reserve| reserve.generation == generation), started) {
                (Some(reserve), Ok(environment)) => {
                    reserve.starting -= 1;
                    reserve.idle.push(environment);
                    reserve.ready += 1;
                    None
                }
                (Some(reserve), Err(why)) => {
                    reserve.starting -= 1;
                    reserve.failure = Some(why);
                    None
                }
                (None, started) => started.ok(),
            }
        };
        if let Some(environment) = over {
            environment.end().await;
        }
    }
}
