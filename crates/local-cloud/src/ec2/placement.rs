//! Decides how many instances there is capacity for, by quotas, EC2's capacity and prices, and this machine's
//! processors.

use std::sync::MutexGuard;

use super::error::{error, unsupported};
use super::instance;
use super::knobs::{Knobs, Quota};
use super::network::{Subnet, subnets};
use super::price::spot_price;
use super::state::State;
use super::types::Type;
use crate::call::AwsError;
use crate::cloud::Cloud;

/// The instances that a request asks for.
pub struct Wanted<'a> {
    /// `m5.xlarge`.
    pub name: &'a str,
    pub kind: Type,
    pub subnet: &'a Subnet,
    /// How many at least, and at most.
    pub count: (u64, u64),
    /// None: on demand. Otherwise the spot request's highest price in USD an hour, if it has one.
    pub spot: Option<Option<f64>>,
}

/// Returns how many of the wanted instances can run now. The caller holds the lock `_admission`, so that no other
/// request takes the same capacity.
///
/// # Errors
/// VcpuLimitExceeded, MaxSpotInstanceCountExceeded, SpotMaxPriceTooLow, InsufficientInstanceCapacity.
pub fn admit(cloud: &Cloud, wanted: &Wanted, _admission: &MutexGuard<()>) -> Result<u64, AwsError> {
    let knobs = Knobs::read(&cloud.store)?;
    let spot = wanted.spot.is_some();
    let quota = match (wanted.kind.has_gpus(), spot) {
        (true, _) => Quota::Gpu,
        (false, true) => Quota::SpotStandard,
        (false, false) => Quota::OnDemandStandard,
    };
    let limit = quota.limit(&cloud.store)?;
    let counts = |each: &instance::Instance| {
        !matches!(each.state, State::Terminated | State::Stopped)
            && each.spot.is_some() == spot
            && Type::of(&each.kind).is_some_and(|kind| kind.has_gpus() == wanted.kind.has_gpus())
    };
    let used: u64 = instance::all(cloud)?.iter().filter(|each| counts(each)).map(|each| each.vcpus).sum();
    let room = limit.saturating_sub(used) / wanted.kind.vcpus;
    if room < wanted.count.0 {
        return Err(if spot {
            error("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        } else {
            error(
                "VcpuLimitExceeded",
                format!(
                    "You have requested more vCPU capacity than your current vCPU limit of {limit} allows for the \
                     instance bucket that the specified instance type belongs to. Please visit \
                     http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
                ),
            )
        });
    }
    if wanted.kind.has_gpus() {
        return Err(unsupported(&format!("it has no GPU for a {}", wanted.name)));
    }
    if let (Some(Some(offered)), Some(price)) = (wanted.spot, spot_price(&knobs, wanted.name))
        && offered < price
    {
        let message = format!(
            "Your Spot request price of {offered} is lower than the minimum required Spot request fulfillment price of \
             {price}."
        );
        return Err(error("SpotMaxPriceTooLow", message));
    }
    if spot && !knobs.spot_capacity {
        return Err(no_capacity("There is no Spot capacity available that matches your request."));
    }
    if !spot && !knobs.on_demand_capacity {
        let (kind, zone) = (wanted.name, &wanted.subnet.zone);
        let others: Vec<String> =
            subnets(cloud).into_iter().map(|subnet| subnet.zone).filter(|other| other != zone).collect();
        return Err(no_capacity(&format!(
            "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). Our \
             system will be working on provisioning additional capacity. You can currently get {kind} capacity by not \
             specifying an Availability Zone in your request or choosing {}.",
            others.join(", ")
        )));
    }
    Ok(room.min(wanted.count.1))
}

/// Returns the error for too little capacity, which has a server error's status, as on AWS.
fn no_capacity(message: &str) -> AwsError {
    AwsError::new(500, "InsufficientInstanceCapacity", message)
}
