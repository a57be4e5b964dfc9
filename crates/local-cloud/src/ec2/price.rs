//! The price of spot instances.
//!
//! Nobody else bids here, so a spot instance costs the least that AWS names, a tenth of the on-demand price, unless the
//! operator has set a price ([`Knobs`]).

use opsml_contract::INSTANCES;

use super::knobs::Knobs;

/// The share of the on-demand price that a spot instance costs at least: "up to a 90% discount".
/// <https://aws.amazon.com/ec2/spot/>
const LEAST: f64 = 0.1;

/// Returns the price of a spot instance in USD an hour. None: no price of its type is known, and every offer is enough.
pub fn spot_price(knobs: &Knobs, type_name: &str) -> Option<f64> {
    let listed = INSTANCES.iter().find(|instance| instance.name == type_name);
    knobs.spot_price.or_else(|| listed.map(|instance| instance.hourly * LEAST))
}
