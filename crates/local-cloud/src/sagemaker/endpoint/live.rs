//! The running endpoints, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::fleet::Fleet;
use crate::support::lock::locked;

/// The state of an endpoint's fleets.
#[derive(Clone, Debug)]
pub enum Serving {
    /// The fleets are being started after a restart of the server. Invocations wait.
    Starting,
    /// One for each production variant.
    Fleets(Fleets),
    Nothing,
}

/// The fleets of a deployment, in the order of its variants.
pub type Fleets = Arc<[Arc<Fleet>]>;

/// Returns the fleet of a variant.
pub fn of_variant<'a>(fleets: &'a Fleets, variant: &str) -> Option<&'a Arc<Fleet>> {
    fleets.iter().find(|fleet| fleet.variant == variant)
}

/// A running endpoint.
#[derive(Debug)]
pub struct Live {
    pub serving: watch::Sender<Serving>,
}

impl Live {
    /// Returns the serving fleets.
    pub fn fleets(&self) -> Option<Fleets> {
        fleets(&self.serving.borrow())
    }

    /// Returns the serving fleets. If they are being started after a restart, this waits for them.
    pub async fn settled(&self) -> Option<Fleets> {
        let mut serving = self.serving.subscribe();
        let settled = serving.wait_for(|serving| !matches!(serving, Serving::Starting)).await;
        fleets(&*settled.ok()?)
    }

    /// Takes the fleets out of service, and returns them.
    pub fn take(&self) -> Option<Fleets> {
        fleets(&self.serving.send_replace(Serving::Nothing))
    }
}

fn fleets(serving: &Serving) -> Option<Fleets> {
    match serving {
        Serving::Fleets(fleets) => Some(Arc::clone(fleets)),
        _ => None,
    }
}

/// All running endpoints. After a restart of the server, there are none until SageMaker is started.
#[derive(Debug, Default)]
pub struct LiveEndpoints(Mutex<HashMap<String, Arc<Live>>>);

impl LiveEndpoints {
    pub fn get(&self, name: &str) -> Option<Arc<Live>> {
        locked(&self.0).get(name).cloned()
    }

    /// Returns the endpoint of a name. If there is none, it is added without fleets.
    pub fn get_or_add(&self, name: &str) -> Arc<Live> {
        let new = || Arc::new(Live { serving: watch::Sender::new(Serving::Nothing) });
        Arc::clone(locked(&self.0).entry(name.to_owned()).or_insert_with(new))
    }

    pub fn remove(&self, name: &str) -> Option<Arc<Live>> {
        locked(&self.0).remove(name)
    }

    /// Removes all, and returns them.
    pub fn take_all(&self) -> Vec<(String, Arc<Live>)> {
        locked(&self.0).drain().collect()
    }
}
