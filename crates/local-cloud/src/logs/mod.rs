//! CloudWatch Logs: groups, streams and their events, in tables of their own.

mod error;
mod events;
mod filter;
mod groups;
mod place;
mod policies;
mod retention;
mod rows;
mod service;
mod sink;
mod streams;

use std::sync::LazyLock;

use opsml_contract::DECISIONS_LOG_GROUP;

use crate::model::Model;
use crate::service::{Operation, Service};

pub use service::Logs;
pub use sink::LogSink;

static MODEL: LazyLock<Model> =
    LazyLock::new(|| Model::read(include_str!("model.json")).with_members(include_str!("members.txt")));

const OPERATIONS: &[Operation<Logs>] = &[
    Operation::new("CreateLogGroup", place::on_place, groups::create),
    Operation::new("DeleteLogGroup", place::on_place, groups::delete),
    Operation::new("DescribeLogGroups", place::on_all_groups, groups::describe),
    Operation::new("PutRetentionPolicy", place::on_place, policies::put),
    Operation::new("DeleteRetentionPolicy", place::on_place, policies::delete),
    Operation::new("CreateLogStream", place::on_place, streams::create),
    Operation::new("DeleteLogStream", place::on_place, streams::delete),
    Operation::new("DescribeLogStreams", place::on_place, streams::describe),
    Operation::new("PutLogEvents", place::on_place, events::put),
    Operation::new("GetLogEvents", place::on_place, events::get),
    Operation::new("FilterLogEvents", place::on_place, filter::filter),
];

impl Service for Logs {
    const NAME: &'static str = "logs";
    const TITLE: &'static str = "CloudWatch Logs";

    fn model() -> &'static Model {
        &MODEL
    }

    fn operations() -> &'static [Operation<Self>] {
        OPERATIONS
    }

    /// The log of IAM's decisions doesn't count, since the local cloud itself creates it.
    fn is_empty(&self) -> bool {
        let sql = "SELECT NOT EXISTS (SELECT * FROM log_group WHERE name <> ?1)";
        let empty = self.cloud.store.with(|c| c.query_row(sql, [DECISIONS_LOG_GROUP], |row| row.get(0)));
        empty.unwrap_or(false)
    }
}
