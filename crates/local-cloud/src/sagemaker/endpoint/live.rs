//! The endpoints that run now, by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::fleet::Fleet;
use crate::support::lock::locked;

/// What answers invocations.
#[derive(Clone, Debug)]
pub enum Serving {
    /// It comes back after a restart of the server: wait.
    Starting,
    Fleet(Arc<Fleet>),
    Nothing,
}

/// An endpoint as it runs.
#[derive(Debug)]
pub struct Live {
    pub serving: watch::Sender<Serving>,
}

impl Live {
    /// Returns the fleet that serves now.
    pub fn fleet(&self) -> Option<Arc<Fleet>> {
        fleet(&self.serving.borrow())
    }

    /// Returns the fleet that serves; an endpoint that comes back after a restart is waited for.
    pub async fn settled(&self) -> Option<Arc<Fleet>> {
        let mut serving = self.serving.subscribe();
        let settled = serving.wait_for(|serving| !matches!(serving, Serving::Starting)).await;
        fleet(&*settled.ok()?)
    }

    /// Takes the fleet out of service.
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

/// All of them. There is none after a restart of the server until SageMaker is started.
#[derive(Debug, Default)]
pub struct LiveEndpoints(Mutex<HashMap<String, Arc<Live>>>);

impl LiveEndpoints {
    pub fn get(&self, name: &str) -> Option<Arc<Live>> {
        locked(&self.0).get(name).cloned()
    }

    /// Returns the endpoint of a name; a new one, with no fleet, where there is none.
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
