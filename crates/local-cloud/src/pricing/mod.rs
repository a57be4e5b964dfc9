//! Pricing: the price list of instances, from the table that the engine estimates by.

mod operations;
mod product;
mod service;

use std::sync::LazyLock;

use crate::model::Model;
use crate::service::{Operation, Service, on_everything};

pub use service::Pricing;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<Pricing>] = &[
    Operation::new("DescribeServices", on_everything, operations::describe_services),
    Operation::new("GetAttributeValues", on_everything, operations::get_attribute_values),
    Operation::new("GetProducts", on_everything, operations::get_products),
];

impl Service for Pricing {
    const NAME: &'static str = "pricing";
    const TITLE: &'static str = "Pricing";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }
}
