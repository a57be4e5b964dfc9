//! The operations on the price list.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::product::{Product, SERVICES, products};
use super::service::Pricing;
use crate::call::{AwsError, Reply};
use crate::support::page;
use crate::support::value::text;

type Request<'a> = crate::service::Request<'a, Pricing>;

/// The most entries of a page.
const PAGE: usize = 100;

/// Returns the products of the service that a request names.
///
/// # Errors
/// The local cloud has no prices of it.
fn listed(request: &Request<'_>) -> Result<(&'static str, Vec<Product>), AwsError> {
    let code = request.text("ServiceCode");
    let service = SERVICES.into_iter().find(|service| *service == code);
    let service = service.ok_or_else(|| request.unsupported(&format!("the prices of {code}")))?;
    if request.optional("FormatVersion").is_some_and(|version| version != "aws_v1") {
        return Err(AwsError::new(
            400,
            "InvalidParameterException",
            "Invalid format version. Valid version is aws_v1",
        ));
    }
    Ok((service, products(service)))
}

fn page(request: &Request<'_>, list: &str, entries: Vec<Value>) -> Reply {
    let size = page::size(&request.input()["MaxResults"], PAGE, PAGE);
    let page = page::page(entries, request.optional("NextToken"), size);
    let page = page.ok_or_else(|| AwsError::new(400, "InvalidNextTokenException", "Invalid NextToken"))?;
    let mut answer = page.answer(list, "NextToken");
    answer["FormatVersion"] = json!("aws_v1");
    Ok(answer)
}

pub fn get_products(request: &Request<'_>) -> Reply {
    let (service, products) = listed(request)?;
    let filters = request.items("Filters");
    let known = |filter: &&Value| ["TERM_MATCH", "EQUALS"].contains(&text(filter, "Type"));
    if let Some(other) = filters.iter().find(|filter| !known(filter)) {
        return Err(request.unsupported(&format!("the filter type {}", text(other, "Type"))));
    }
    let found = products.iter().filter(|product| {
        filters.iter().all(|filter| {
            let value = product.attribute(text(filter, "Field"));
            value.is_some_and(|value| value.eq_ignore_ascii_case(text(filter, "Value")))
        })
    });
    page(request, "PriceList", found.map(|product| json!(product.entry(service))).collect())
}

pub fn get_attribute_values(request: &Request<'_>) -> Reply {
    let (_, products) = listed(request)?;
    let name = request.text("AttributeName");
    let values: BTreeSet<&str> = products.iter().filter_map(|product| product.attribute(name)).collect();
    if values.is_empty() {
        let message = format!("The attribute {name} does not exist");
        return Err(AwsError::new(400, "NotFoundException", message));
    }
    let mut answer =
        page(request, "AttributeValues", values.into_iter().map(|value| json!({"Value": value})).collect())?;
    if let Some(members) = answer.as_object_mut() {
        members.shift_remove("FormatVersion");
    }
    Ok(answer)
}

pub fn describe_services(request: &Request<'_>) -> Reply {
    let described = |service: &str| {
        let products = products(service);
        let names: BTreeSet<&str> = products.iter().flat_map(Product::names).collect();
        json!({"ServiceCode": service, "AttributeNames": names})
    };
    let entries = match request.optional("ServiceCode") {
        Some(_) => vec![described(listed(request)?.0)],
        None => SERVICES.into_iter().map(described).collect(),
    };
    page(request, "Services", entries)
}
