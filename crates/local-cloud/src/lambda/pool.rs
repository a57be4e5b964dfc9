//! The environments that wait for requests, and who may have one: where concurrency is enforced.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::concurrency::{Quota, taken};
use super::environment::{Environment, Spec};
use super::model::{FUNCTION, Function, Version};
use super::{locked, locked_out, provisioned};
use crate::call::AwsError;
use crate::cloud::Cloud;

/// How long an environment is kept warm, and how many there are at most.
const IDLE: Duration = Duration::from_secs(60);
const MOST_IDLE: usize = 32;
const LOOK: Duration = Duration::from_secs(1);

/// What one function has running.
#[derive(Default)]
pub struct Pool {
    /// Invocations under way, and those of them that run on demand.
    busy: u64,
    on_demand: u64,
    /// Warm ones, the last used at the end.
    idle: Vec<(Environment, Instant)>,
    /// By qualifier.
    pub reserves: HashMap<String, Reserve>,
}

/// Environments started ahead of requests.
#[derive(Default)]
pub struct Reserve {
    /// Another one after each change: what was started for an older one is of no use.
    pub generation: u64,
    /// Of the version that they run.
    pub revision: String,
    /// Idle or busy.
    pub ready: u64,
    /// On their way.
    pub starting: u64,
    pub idle: Vec<Environment>,
    /// Why there are not as many as wanted.
    pub failure: Option<String>,
}

/// Why an invocation is not admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Throttle {
    Reserved,
    Account,
}

impl Throttle {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Reserved => "ReservedFunctionConcurrentInvocationLimitExceeded",
            Self::Account => "ConcurrentInvocationLimitExceeded",
        }
    }
}

/// A place among the invocations under way, held until dropped.
pub struct Place {
    cloud: Arc<Cloud>,
    function: String,
    /// The reserve, by qualifier and generation, that it was lent from. None: on demand.
    reserve: Option<(String, u64)>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut pools = locked(&self.cloud.lambda.pools);
        if let Some(pool) = pools.get_mut(&self.function) {
            pool.busy -= 1;
            pool.on_demand -= u64::from(self.reserve.is_none());
        }
    }
}

/// Admits an invocation, and lends it an environment that waits, if there is one.
pub fn admit(
    cloud: &Arc<Cloud>,
    function: &Function,
    version: &Version,
    qualifier: Option<&str>,
) -> Result<Result<(Place, Option<Environment>), Throttle>, AwsError> {
    let all: Vec<(String, Function)> = cloud.store.list(FUNCTION)?;
    let limit = Quota::ConcurrentExecutions.limit(&cloud.store)?;
    let left = limit.saturating_sub(taken(all.iter().map(|(_, function)| function)));
    let place = |reserve| Place { cloud: Arc::clone(cloud), function: function.name.clone(), reserve };
    // Kept until the lock is gone: to drop one takes a while.
    let mut dead = Vec::new();
    let mut pools = locked(&cloud.lambda.pools);
    let shared = all.iter().filter(|(_, function)| function.reserved.is_none());
    let in_use: u64 = shared.filter_map(|(name, _)| pools.get(name)).map(|pool| pool.on_demand).sum();
    let pool = pools.entry(function.name.clone()).or_default();
    if let Some((qualifier, reserve)) =
        qualifier.and_then(|qualifier| Some((qualifier, pool.reserves.get_mut(qualifier)?)))
        && reserve.revision == version.revision
    {
        while let Some(mut environment) = reserve.idle.pop() {
            if environment.is_alive() {
                let lent = (qualifier.to_owned(), reserve.generation);
                pool.busy += 1;
                return Ok(Ok((place(Some(lent)), Some(environment))));
            }
            reserve.ready -= 1;
            dead.push(environment);
        }
    }
    let waiting: usize = pool.reserves.values().map(|reserve| reserve.idle.len()).sum();
    match function.reserved {
        Some(reserved) if pool.busy + waiting as u64 >= reserved => return Ok(Err(Throttle::Reserved)),
        None if in_use >= left => return Ok(Err(Throttle::Account)),
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
    Ok(Ok((place(None), lent)))
}

/// Takes an environment back after its invocation, or ends it.
pub async fn give_back(cloud: &Arc<Cloud>, place: Place, mut environment: Environment) {
    let is_alive = environment.is_alive() && !locked_out(cloud);
    let mut over = Vec::new();
    let mut refill = None;
    let current = revisions(cloud, &place.function);
    {
        let mut pools = locked(&cloud.lambda.pools);
        let pool = pools.entry(place.function.clone()).or_default();
        match &place.reserve {
            Some((qualifier, generation)) => {
                match pool.reserves.get_mut(qualifier).filter(|reserve| reserve.generation == *generation) {
                    Some(reserve) if is_alive => reserve.idle.push(environment),
                    Some(reserve) => {
                        reserve.ready -= 1;
                        over.push(environment);
                        refill = Some((place.function.clone(), qualifier.clone(), *generation));
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
    drop(place);
    for environment in over {
        environment.end().await;
    }
    if let Some((function, qualifier, generation)) = refill {
        provisioned::refill(cloud, &function, &qualifier, generation);
    }
}

/// The revisions that a function still has.
fn revisions(cloud: &Cloud, name: &str) -> Vec<String> {
    let function: Option<Function> = cloud.store.get(FUNCTION, name).ok().flatten();
    let versions = function.iter().flat_map(|function| function.published.values().chain([&function.latest]));
    versions.map(|version| version.revision.clone()).collect()
}

/// Ends the waiting environments, on demand, of what a function was: all of them if it is gone.
pub async fn retire(cloud: &Arc<Cloud>, name: &str) {
    let current = revisions(cloud, name);
    let mut over = Vec::new();
    {
        let mut pools = locked(&cloud.lambda.pools);
        if let Some(pool) = pools.get_mut(name) {
            let is_old = |environment: &Environment| !current.contains(&environment.spec.version.revision);
            over.extend(
                pool.idle.extract_if(.., |(environment, _)| is_old(environment)).map(|(each, _)| each),
            );
        }
    }
    for environment in over {
        environment.end().await;
    }
}

/// Ends what has been idle for long, again and again. It never returns.
pub async fn reap(cloud: &Arc<Cloud>) {
    loop {
        tokio::time::sleep(LOOK).await;
        let mut over = Vec::new();
        for pool in locked(&cloud.lambda.pools).values_mut() {
            over.extend(pool.idle.extract_if(.., |(_, since)| since.elapsed() > IDLE).map(|(each, _)| each));
        }
        for environment in over {
            environment.end().await;
        }
    }
}

/// Ends all that waits and kills all that works, at the server's stop.
pub async fn end_all(cloud: &Arc<Cloud>) {
    cloud.lambda.watched.kill(None);
    let mut over = Vec::new();
    for (_, pool) in locked(&cloud.lambda.pools).iter_mut() {
        over.extend(pool.idle.drain(..).map(|(environment, _)| environment));
        over.extend(pool.reserves.drain().flat_map(|(_, reserve)| reserve.idle));
    }
    for environment in over {
        environment.end().await;
    }
}

/// A new environment for an invocation on demand, whose first initialisation comes with it.
pub async fn start(cloud: &Arc<Cloud>, function: &str, version: &Version) -> Result<Environment, AwsError> {
    if locked_out(cloud) {
        return Err(AwsError::new(500, "ServiceException", "The local cloud is being stopped."));
    }
    let spec = Spec { function: function.to_owned(), version: version.clone(), provisioned: false };
    Environment::open(cloud, spec).await
}
