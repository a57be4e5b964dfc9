//! Spot requests. RunInstances and RequestSpotInstances create them, and either fulfil one at once or refuse it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{error, missing};
use super::instance::{self, Instance};
use super::request::{Filters, Needed, Request};
use super::state::Reason;
use super::tags;
use crate::call::{AwsError, Reply};
use crate::cloud::Cloud;
use crate::policy::Context;

const REQUEST: &str = "ec2.spot-request";

/// A spot request, stored under its id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpotRequest {
    /// `sir-…`
    pub id: String,
    pub instance: String,
    pub image: String,
    pub kind: String,
    pub zone: String,
    /// The highest price in USD an hour, as the request gave it.
    pub max_price: Option<String>,
    pub created: Timestamp,
    /// `active`, `closed` or `cancelled`.
    state: String,
    /// A code of <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-request-status.html>.
    status: String,
    updated: Timestamp,
}

impl SpotRequest {
    pub fn fulfilled(id: String, instance: &Instance, max_price: Option<String>) -> Self {
        Self {
            id,
            instance: instance.id.clone(),
            image: instance.image.clone(),
            kind: instance.kind.clone(),
            zone: instance.zone.clone(),
            max_price,
            created: instance.launched,
            state: "active".to_owned(),
            status: "fulfilled".to_owned(),
            updated: instance.launched,
        }
    }

    fn enter(&mut self, state: &str, status: &str) {
        self.state = state.to_owned();
        self.status = status.to_owned();
        self.updated = Timestamp::now();
    }

    /// Returns the request as DescribeSpotInstanceRequests describes it.
    pub fn described(&self, cloud: &Cloud) -> Reply {
        let message = match self.status.as_str() {
            "fulfilled" => "Your Spot request is fulfilled.",
            "marked-for-termination" => "Your Spot Instance is marked for termination.",
            "instance-terminated-no-capacity" => {
                "Your Spot Instance was terminated because there is no longer enough Spot capacity available."
            }
            "instance-terminated-by-user" => "Your Spot Instance was terminated by a user.",
            "request-canceled-and-instance-running" => {
                "Your Spot request was canceled, and its instance is still running."
            }
            _ => "Your Spot Instance has ended.",
        };
        Ok(json!({
            "CreateTime": self.created.to_string(),
            "InstanceId": self.instance,
            "InstanceInterruptionBehavior": "terminate",
            "LaunchSpecification": {"ImageId": self.image, "InstanceType": self.kind},
            "LaunchedAvailabilityZone": self.zone,
            "ProductDescription": "Linux/UNIX",
            "SpotInstanceRequestId": self.id,
            "SpotPrice": self.max_price.as_deref().map(price),
            "State": self.state,
            "Status": {"Code": self.status, "Message": message, "UpdateTime": self.updated.to_string()},
            "Tags": tags::of(cloud, &self.id)?,
            "Type": "one-time",
        }))
    }
}

/// Returns a price as EC2 writes it, with six decimals.
fn price(text: &str) -> String {
    text.parse::<f64>().map_or_else(|_| text.to_owned(), |price| format!("{price:.6}"))
}

pub fn put(cloud: &Cloud, request: &SpotRequest) -> Result<(), AwsError> {
    cloud.store.put(REQUEST, &request.id, request)
}

pub fn get(cloud: &Cloud, id: &str) -> Result<SpotRequest, AwsError> {
    let message = || format!("The spot instance request ID '{id}' does not exist");
    cloud.store.get(REQUEST, id)?.ok_or_else(|| error("InvalidSpotInstanceRequestID.NotFound", message()))
}

pub fn forget(cloud: &Cloud, id: &str) -> Result<(), AwsError> {
    cloud.store.delete(REQUEST, id).map(drop)
}

/// Stores that a request's instance will be interrupted.
pub fn marked(cloud: &Cloud, id: &str) -> Result<(), AwsError> {
    cloud
        .store
        .update(REQUEST, id, |request: &mut SpotRequest| {
            if request.state == "active" {
                request.enter("active", "marked-for-termination");
            }
            Ok(())
        })
        .map(drop)
}

/// Closes the request of an instance that has ended.
pub fn ended(cloud: &Cloud, instance_id: &str) -> Result<(), AwsError> {
    let instance = instance::get(cloud, instance_id)?;
    let Some(id) = &instance.spot else { return Ok(()) };
    let status = match instance.reason {
        Some(Reason::Spot) => "instance-terminated-no-capacity",
        Some(Reason::User | Reason::Itself) => "instance-terminated-by-user",
        Some(Reason::Internal) | None => "system-error",
    };
    let close = |request: &mut SpotRequest| {
        let state = if request.state == "cancelled" { "cancelled" } else { "closed" };
        request.enter(state, status);
        Ok(())
    };
    cloud.store.update(REQUEST, id, close).map(drop)
}

const FILTERS: Filters = &[
    ("spot-instance-request-id", "SpotInstanceRequestId"),
    ("instance-id", "InstanceId"),
    ("state", "State"),
    ("status-code", "Status.Code"),
    ("type", "Type"),
    ("launched-availability-zone", "LaunchedAvailabilityZone"),
    ("launch.instance-type", "LaunchSpecification.InstanceType"),
];

pub fn describe(request: &Request) -> Reply {
    request.dry_run()?;
    let cloud = request.cloud();
    let ids = request.texts("SpotInstanceRequestIds");
    let requests: Vec<SpotRequest> = if ids.is_empty() {
        cloud.store.list(REQUEST)?.into_iter().map(|(_, each)| each).collect()
    } else {
        ids.iter().map(|id| get(cloud, id)).collect::<Result<_, _>>()?
    };
    let items = requests.iter().map(|each| each.described(cloud)).collect::<Result<_, _>>()?;
    request.listed("SpotInstanceRequests", items, FILTERS)
}

pub fn cancel_needs(request: &Request) -> Needed {
    let ids = request.texts("SpotInstanceRequestIds");
    if ids.is_empty() {
        return Err(missing("SpotInstanceRequestId"));
    }
    let access = |id: &str| {
        get(request.cloud(), id)?;
        Ok(request.access(request.arn("spot-instances-request", id), Context::new()))
    };
    ids.into_iter().map(access).collect()
}

/// Cancels requests. As on AWS, their instances keep running.
pub fn cancel(request: &Request) -> Reply {
    let cloud = request.cloud();
    let ids = request.texts("SpotInstanceRequestIds");
    request.dry_run()?;
    let cancel = |id: &&str| -> Reply {
        let state = cloud.store.update(REQUEST, id, |request: &mut SpotRequest| {
            if request.state == "active" {
                request.enter("cancelled", "request-canceled-and-instance-running");
            }
            Ok(request.state.clone())
        })?;
        Ok(json!({"SpotInstanceRequestId": id, "State": state}))
    };
    let cancelled: Vec<Value> = ids.iter().map(cancel).collect::<Result<_, _>>()?;
    Ok(json!({"CancelledSpotInstanceRequests": cancelled}))
}
