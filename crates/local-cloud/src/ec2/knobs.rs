//! What an operator of the local cloud, or a test, turns: quotas, capacity, interruptions.
//!
//! They lie in the cloud's state file, so whoever can open that (`Store::open(DIR/state.db)`), from whatever process,
//! can set them while the server runs.

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
    /// Instances with GPUs, on demand and spot: a new account has none.
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

    /// A new account starts at 5 vCPUs and has 32 as soon as it is used.
    fn default(self) -> u64 {
        match self {
            Self::OnDemandStandard | Self::SpotStandard => 32,
            Self::Gpu => 0,
        }
    }

    /// vCPUs.
    pub(super) fn limit(self, store: &Store) -> Result<u64, AwsError> {
        Ok(store.get(QUOTA, self.name())?.unwrap_or_else(|| self.default()))
    }
}

/// Sets a quota, in vCPUs.
pub fn set_quota(store: &Store, quota: Quota, vcpus: u64) -> Result<(), AwsError> {
    store.put(QUOTA, quota.name(), &vcpus)
}

/// How the market is, and how instances are hosted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Knobs {
    /// Whether on-demand instances find room (InsufficientInstanceCapacity otherwise).
    pub on_demand_capacity: bool,
    /// Whether spot instances find room.
    pub spot_capacity: bool,
    /// USD an hour: a spot request with a lower MaxPrice is refused. None: any price will do.
    pub spot_price: Option<f64>,
    /// Seconds from the notice of an interruption to the instance's end; 120, as on AWS.
    pub spot_notice_seconds: u64,
    /// Whether instances get namespaces of their own where the kernel allows.
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

/// Turns the knobs, for what is asked from now on.
pub fn set_knobs(store: &Store, knobs: &Knobs) -> Result<(), AwsError> {
    store.put(KNOBS, "", knobs)
}

/// Takes a running spot instance's capacity away: it gets its notice, and is terminated at its end. `dir` is the
/// cloud's folder.
///
/// # Errors
/// No such instance runs.
pub fn interrupt_spot(dir: &Path, instance_id: &str) -> std::io::Result<()> {
    let path = Folder::of(dir, instance_id).path(POWER);
    // Without a reader it fails rather than waits.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = OpenOptions::new().write(true).custom_flags(nonblock).open(path)?;
    pipe.write_all(b"interrupt\n")
}
