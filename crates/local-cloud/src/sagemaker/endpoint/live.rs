//! The running endpoints, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::fleet::Fleet;
use crate::support::lock::locked;

/// The state of an endpoint's fleet.
#[derive(Clone, Debug)]
pub enum Serving {
    /// The fleet is being started after a restart of the server. Invocations wait.
    Starting,
    Fleet(Arc<Fleet>),
    Nothing,
}

/// A running endpoint.
#[derive(Debug)]
pub struct Live {
    pub serving: watch::Sender<Serving>,
}

impl Live {
    /// Returns the serving fleet.
    pub fn fleet(&self) -> Option<Arc<Fleet>> {
        fleet(&self.serving.borrow())
    }

    /// Returns the serving fleet. If it is being started after a restart, this waits for it.
    pub async fn settled(&self) -> Option<Arc<Fleet>> {
        let mut serving = self.serving.subscribe();
        let settled = serving.wait_for(|serving| !matches!(serving, Serving::Starting)).await;
        fleet(&*settled.ok()?)
    }

    /// Takes the fleet out of service, and returns it.
    pub fn take(&self) -> Option<Arc<Fleet>> {
        fleet(&self.serving.send_replace(Serving::Nothing))
    }
}

fn fleet(serving: &Serving) -> Option<Arc<Fleet>> {
    match serving {
        Serving::Fleet(fleet) => Some(Arc::clone(fleet)),
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

    /// Returns the endpoint of a name. If there is none, it is added without a fleet.
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
