//! Settings that have no operation on AWS: quotas, capacity, interruptions. Tests and the local cloud's operator change
//! them.
//!
//! They are in the cloud's state file, so every process that can open it (`Store::open(DIR/state.db)`) can change them
//! while the server runs.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::host::{Folder, POWER};
use crate::call::AwsError;
use crate::store::Store;

const KNOBS: &str = "ec2.knobs";
const QUOTA: &str = "ec2.quota";

/// A quota in vCPUs, as Service Quotas names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances.
    OnDemandStandard,
    /// All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests.
    SpotStandard,
    /// Instances with GPUs, on demand and spot. The quota of a new account is 0.
    Gpu,
}

impl Quota {
    fn name(self) -> &'static str {
        match self {
            Self::OnDemandStandard => "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
            Self::SpotStandard => "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests",
            Self::Gpu => "Running On-Demand G, VT and P instances",
        }
    }

    /// Returns AWS's default. A new account starts with 5 vCPUs, and has 32 as soon as it is used.
    fn default(self) -> u64 {
        match self {
            Self::OnDemandStandard | Self::SpotStandard => 32,
            Self::Gpu => 0,
        }
    }

    /// Returns the quota's value, in vCPUs.
    pub(super) fn limit(self, store: &Store) -> Result<u64, AwsError> {
        Ok(store.get(QUOTA, self.name())?.unwrap_or_else(|| self.default()))
    }
}

/// Sets a quota, in vCPUs.
///
/// # Errors
/// The state file cannot be written.
pub fn set_quota(store: &Store, quota: Quota, vcpus: u64) -> Result<(), AwsError> {
    store.put(QUOTA, quota.name(), &vcpus)
}

/// The capacity and prices of EC2, and how instances run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Knobs {
    /// Whether there is capacity for on-demand instances (InsufficientInstanceCapacity otherwise).
    pub on_demand_capacity: bool,
    /// Whether there is capacity for spot instances.
    pub spot_capacity: bool,
    /// In USD an hour, for every type. A spot request with a lower MaxPrice is refused. None: a tenth of the on-demand price.
    pub spot_price: Option<f64>,
    /// Seconds from the notice of an interruption to the instance's end; AWS has 120.
    pub spot_notice_seconds: u64,
    /// Whether instances get namespaces of their own if the kernel allows it.
    pub namespaces: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            on_demand_capacity: true,
            spot_capacity: true,
            spot_price: None,
            spot_notice_seconds: 120,
            namespaces: true,
        }
    }
}

impl Knobs {
    pub(super) fn read(store: &Store) -> Result<Self, AwsError> {
        Ok(store.get(KNOBS, "")?.unwrap_or_default())
    }
}

/// Changes the knobs, for later requests.
///
/// # Errors
/// The state file cannot be written.
pub fn set_knobs(store: &Store, knobs: &Knobs) -> Result<(), AwsError> {
    store.put(KNOBS, "", knobs)
}

/// Interrupts a running spot instance: it gets a notice, and is terminated once the time of the notice is over. `dir`
/// is the cloud's folder.
///
/// # Errors
/// No such instance runs.
pub fn interrupt_spot(dir: &Path, instance_id: &str) -> std::io::Result<()> {
    let path = Folder::of(dir, instance_id).path(POWER);
    // With NONBLOCK, opening fails if no instance reads, instead of waiting.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = OpenOptions::new().write(true).custom_flags(nonblock).open(path)?;
    pipe.write_all(b"interrupt\n")
}
