//! What the resources of a stack have cost, and what they cost now: by the journal's times and the price table.

use serde::Serialize;

use crate::failure::Outcome;
use crate::journal::{ResourceId, ResourceRow, ResourceStatus, State};
use crate::price;
use crate::resource::{AnyResource, Bills};

/// The cost of a resource that bills by the hour. On AWS, storage, requests and transfer come on top.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    pub step: String,
    #[serde(flatten)]
    pub id: ResourceId,
    pub instance_type: String,
    pub instance_count: i32,
    /// Of each instance.
    pub seconds: f64,
    /// US dollars so far. `None` if the price of the instance type is unknown.
    pub usd: Option<f64>,
    /// US dollars an hour from now on, until `down` or the end of the job.
    pub hourly: Option<f64>,
    /// Whether it bills now.
    pub bills: bool,
}

/// Returns the cost of each resource that has billed, in the order in which they were made. `now` is in milliseconds since
/// 1970.
pub fn costs(state: &State, now: i64) -> Outcome<Vec<Cost>> {
    let mut costs = Vec::new();
    for (id, row) in state.resources.past().chain(state.resources.iter()) {
        if let Some(bills) = AnyResource::read(&id.kind, &row.spec)?.bills(&row.facts) {
            costs.push(cost(id, row, bills, now));
        }
    }
    Ok(costs)
}

fn cost(id: &ResourceId, row: &ResourceRow, bills: Bills, now: i64) -> Cost {
    // Of an intent, nobody knows whether there is a resource behind it.
    let runs = row.is_live()
        && row.status != ResourceStatus::Intended
        && (bills.until_deleted || row.status != ResourceStatus::Ready);
    let ready = row.ready.filter(|_| !bills.until_deleted);
    let lived = (ready.or(row.deleted).unwrap_or(now) - row.created).max(0) as f64 / 1000.0;
    let seconds = if row.status == ResourceStatus::Intended { 0.0 } else { bills.seconds.unwrap_or(lived) };
    let hourly = price::hourly(&bills.instance_type).map(|hourly| hourly * f64::from(bills.instance_count));
    Cost {
        step: row.step.clone(),
        id: id.clone(),
        instance_type: bills.instance_type,
        instance_count: bills.instance_count,
        seconds,
        usd: hourly.map(|hourly| hourly * seconds / 3600.0),
        hourly: hourly.filter(|_| runs),
        bills: runs,
    }
}

/// Returns the sum so far, and the sum an hour from now on, in US dollars, of the resources whose price is known.
pub fn sums(costs: &[Cost]) -> (f64, f64) {
    let sum =
        |amount: fn(&Cost) -> Option<f64>| costs.iter().filter_map(amount).fold(0.0, |all, one| all + one);
    (sum(|cost| cost.usd), sum(|cost| cost.hourly))
}

/// Returns a line for each resource that bills now.
pub fn billing(costs: &[Cost]) -> Vec<String> {
    let live = costs.iter().filter(|cost| cost.bills);
    live.map(|cost| match cost.hourly {
        Some(hourly) => format!(
            "{} bills {hourly:.3} USD an hour on AWS ({} × {})",
            cost.id, cost.instance_count, cost.instance_type
        ),
        None => {
            format!("{} bills by the hour on AWS ({} × {})", cost.id, cost.instance_count, cost.instance_type)
        }
    })
    .collect()
}
