//! The service, and its state in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

use super::state::End;
use crate::authority::Authority;
use crate::cloud::Cloud;

/// The service principal that a role's trust policy must allow to assume the role.
pub const PRINCIPAL: &str = "ec2.amazonaws.com";

/// EC2.
#[derive(Debug)]
pub struct Ec2 {
    pub(super) cloud: Arc<Cloud>,
    pub(super) iam: Arc<dyn Authority>,
    /// The instances that run, by id. Empty after a restart until the service starts.
    pub(super) machines: Mutex<HashMap<String, Machine>>,
    /// Locked while a request is checked and recorded, so that two requests can't both take the last capacity, or use
    /// one client token twice.
    pub(super) admission: Mutex<()>,
}

impl Ec2 {
    /// Opens the service on the cloud's state.
    pub fn new(cloud: &Arc<Cloud>, iam: Arc<dyn Authority>) -> Self {
        Self { cloud: cloud.clone(), iam, machines: Mutex::default(), admission: Mutex::default() }
    }
}

/// The handle of a running instance.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) orders: UnboundedSender<End>,
    pub(super) task: JoinHandle<()>,
}
