//! The spot market: DescribeSpotPriceHistory and RequestSpotInstances.
//!
//! A request is fulfilled at once or refused, as RunInstances does it. On AWS, one
//! that can't be fulfilled stays open.

use jiff::Timestamp;
use opsml_contract::INSTANCES;
use serde_json::{Value, json};

use super::error::missing;
use super::knobs::Knobs;
use super::launch::Launch;
use super::network;
use super::price::spot_price;
use super::request::{Filters, Needed, Request};
use super::run::launched;
use super::spot;
use super::types::Type;
use crate::call::{AwsError, Call, Reply};
use crate::support::clock::milliseconds;

const PRODUCTS: [&str; 2] = ["Linux/UNIX", "Linux/UNIX (Amazon VPC)"];

const FILTERS: Filters = &[
    ("availability-zone", "AvailabilityZone"),
    ("instance-type", "InstanceType"),
    ("product-description", "ProductDescription"),
    ("spot-price", "SpotPrice"),
    ("timestamp", "Timestamp"),
];

/// Returns the price of each type in each zone. It doesn't change with time, so each has one entry: the price that was in
/// effect when the asked time began.
pub fn history(request: &Request) -> Reply {
    request.dry_run()?;
    let (cloud, input) = (request.cloud(), request.input());
    let knobs = Knobs::read(&cloud.store)?;
    let (from, to) = (milliseconds(&input["StartTime"]), milliseconds(&input["EndTime"]));
    let now = Timestamp::now();
    let at = from.or(to).map_or(Ok(now), Timestamp::from_millisecond).unwrap_or(now).min(now);
    let (types, products) = (request.texts("InstanceTypes"), request.texts("ProductDescriptions"));
    let is_asked = |asked: &[&str], value: &str| asked.is_empty() || asked.contains(&value);
    let zone = request.given("AvailabilityZone");
    let mut entries: Vec<Value> = Vec::new();
    let sold = INSTANCES.iter().filter(|one| Type::of(one.name).is_some() && is_asked(&types, one.name));
    for (name, price) in sold.filter_map(|one| Some((one.name, spot_price(&knobs, one.name)?))) {
        for subnet in network::subnets(cloud).iter().filter(|it| zone.is_none_or(|zone| zone == it.zone)) {
            for product in PRODUCTS.iter().filter(|product| is_asked(&products, product)) {
                entries.push(json!({
                    "AvailabilityZone": subnet.zone, "InstanceType": name, "ProductDescription": product,
                    "SpotPrice": format!("{price:.6}"), "Timestamp": at.to_string(),
                }));
            }
        }
    }
    request.listed("SpotPriceHistory", entries, FILTERS)
}

/// Returns the call of RunInstances that launches what a spot request asks for, under the request's own name.
fn as_launch(request: &Request) -> Result<Call, AwsError> {
    let input = request.input();
    let mut launch = input["LaunchSpecification"].clone();
    if !launch.is_object() {
        return Err(missing("LaunchSpecification"));
    }
    let mut spot = json!({"SpotInstanceType": input["Type"].as_str().unwrap_or("one-time")});
    for (from, to) in
        [("SpotPrice", "MaxPrice"), ("InstanceInterruptionBehavior", "InstanceInterruptionBehavior")]
    {
        if let Some(value) = input[from].as_str() {
            spot[to] = json!(value);
        }
    }
    launch["InstanceMarketOptions"] = json!({"MarketType": "spot", "SpotOptions": spot});
    let count = input["InstanceCount"].as_i64().unwrap_or(1);
    (launch["MinCount"], launch["MaxCount"]) = (json!(count), json!(count));
    for member in ["ClientToken", "DryRun", "TagSpecifications"] {
        if !input[member].is_null() {
            launch[member] = input[member].clone();
        }
    }
    Ok(Call { input: launch, ..request.call.clone() })
}

/// Returns the access that RequestSpotInstances needs: its action on everything that the launch uses, except for what only
/// the launch creates.
pub fn needs(request: &Request) -> Needed {
    let call = as_launch(request)?;
    let request = Request { service: request.service, call: &call };
    let mut needed = Launch::read(&request)?.needs(&request);
    needed.retain(|access| ![":instance/", ":volume/"].iter().any(|kind| access.resource.contains(kind)));
    Ok(needed)
}

pub fn request(request: &Request) -> Reply {
    let call = as_launch(request)?;
    let launching = Request { service: request.service, call: &call };
    let instances = launched(&launching)?;
    let ids = instances.iter().filter_map(|instance| instance.spot.as_ref());
    let described = ids.map(|id| spot::get(request.cloud(), id)?.described(request.cloud()));
    Ok(json!({"SpotInstanceRequests": described.collect::<Result<Vec<_>, _>>()?}))
}
