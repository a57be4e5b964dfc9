//! The prices of instances in AWS's price list.

use std::collections::BTreeMap;

use aws_sdk_pricing::types::{Filter, FilterType};
use serde_json::Value;

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};

/// What opsml uses SageMaker instances for. The price is the same for all, except for a few old types.
const COMPONENTS: [&str; 3] = ["Hosting", "Notebook", "Training"];

/// Returns the on-demand prices in US dollars an hour in the clients' region; for EC2, those of Linux on shared hardware.
/// Leaves out types that are not sold there. If the uses of a SageMaker instance differ in price, returns the highest.
pub async fn price_list(aws: &Aws, types: &[String]) -> Outcome<BTreeMap<String, f64>> {
    let mut prices = BTreeMap::new();
    for name in types {
        let (service, filters): (_, &[(&str, &str)]) = match name.starts_with("ml.") {
            true => ("AmazonSageMaker", &[("instanceName", name), ("productFamily", "ML Instance")]),
            false => (
                "AmazonEC2",
                &[
                    ("instanceType", name),
                    ("operatingSystem", "Linux"),
                    ("tenancy", "Shared"),
                    ("preInstalledSw", "NA"),
                    ("capacitystatus", "Used"),
                ],
            ),
        };
        let mut call = aws.pricing.get_products().service_code(service);
        for (field, value) in filters.iter().chain([&("regionCode", aws.region.as_str())]) {
            let filter = Filter::builder().r#type(FilterType::TermMatch).field(*field).value(*value).build();
            call = call.filters(filter.map_err(|error| Failure::new("InvalidFilter", error.to_string()))?);
        }
        let mut pages = call.into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| failure("GetProducts", error))?;
            for price in page.price_list().iter().filter_map(|product| hourly(product)) {
                let highest = prices.entry(name.clone()).or_insert(price);
                *highest = price.max(*highest);
            }
        }
    }
    Ok(prices)
}

/// Returns the price in an entry of the list, if it is the price of an hour.
fn hourly(product: &str) -> Option<f64> {
    let product: Value = serde_json::from_str(product).ok()?;
    let component = product.pointer("/product/attributes/component").and_then(Value::as_str);
    if component.is_some_and(|component| !COMPONENTS.contains(&component)) {
        return None;
    }
    let terms = product.pointer("/terms/OnDemand")?.as_object()?.values();
    let mut dimensions =
        terms.filter_map(|term| term["priceDimensions"].as_object()).flat_map(|all| all.values());
    let hour = dimensions.find(|one| one["unit"].as_str().is_some_and(|unit| unit.starts_with("Hr")))?;
    // The price is 0 if something else includes it.
    hour["pricePerUnit"]["USD"].as_str()?.parse().ok().filter(|price: &f64| price.is_finite() && *price > 0.0)
}
