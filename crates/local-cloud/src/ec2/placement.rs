//! Whether there is room for an instance: quotas, the market, the machine.

use std::sync::MutexGuard;

use super::instance::{self, State};
use super::knobs::{Knobs, Quota};
use super::network::{Subnet, subnets};
use super::request::error;
use super::types::Type;
use crate::call::AwsError;
use crate::cloud::Cloud;

/// What is to be placed.
pub struct Wanted<'a> {
    /// `m5.xlarge`.
    pub name: &'a str,
    pub kind: Type,
    pub subnet: &'a Subnet,
    /// At least and at most.
    pub count: (u64, u64),
    /// Of a spot request: the price that it would pay, in USD an hour; None: any.
    pub spot: Option<Option<f64>>,
}

/// How many of the wanted instances can run now. `_admission` keeps others from taking the same room.
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
        return Err(unsupported(&format!("this machine lends no GPU to a {}", wanted.name)));
    }
    if let (Some(Some(offered)), Some(price)) = (wanted.spot, knobs.spot_price)
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

/// A fault of the service's, on AWS too.
fn no_capacity(message: &str) -> AwsError {
    AwsError::new(500, "InsufficientInstanceCapacity", message)
}

/// EC2's words, and why it is so here.
pub fn unsupported(why: &str) -> AwsError {
    let message = format!(
        "The requested configuration is currently not supported. Please check the documentation for supported \
         configurations. (local cloud: {why})"
    );
    error("Unsupported", message)
}
