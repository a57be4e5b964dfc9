//! Systems Manager: only its public parameters, which name the newest machine images.

mod parameters;
mod service;

use std::sync::LazyLock;

use crate::model::Model;
use crate::service::{Operation, Service};
pub use service::Ssm;

const OPERATIONS: &[Operation<Ssm>] = &[
    Operation::new("GetParameter", parameters::get_one_needs, parameters::get_one),
    Operation::new("GetParameters", parameters::get_several_needs, parameters::get_several),
];

impl Service for Ssm {
    const NAME: &'static str = "ssm";
    const TITLE: &'static str = "SSM";

    fn model() -> &'static Model {
        static MODEL: LazyLock<Model> = LazyLock::new(|| {
            Model::read(include_str!("model.json")).with_members(include_str!("members.txt"))
        });
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }
}
