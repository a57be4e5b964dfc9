//! What every kind of step has: the trait, its price and its problems.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::context::{Context, Done};
use super::paths::Paths;
use crate::diagnostic::{Diagnostic, Severity, Span, Unknown};
use crate::failure::Outcome;
use crate::price;

/// A kind of step: serde and schemars read its struct.
pub trait Kind: DeserializeOwned + JsonSchema + Send + Sync {
    const NAME: &'static str;
    /// Completes "NAME …" in one line, for `opsml schema`.
    const ABOUT: &'static str;
    /// Whether it creates resources that live until `down`.
    const OWNS: bool;
    /// The outputs that a report shows of it if it has no resource, in this order; the others fold away. None means all.
    const ROWS: &'static [&'static str] = &[];
    /// Whether it may run at the same time as its neighbours: it rests on nothing but what its fields name, and sets nothing on
    /// what another step made.
    const BESIDE: bool = false;
    /// Which changes behind the names in its fields make it stale.
    const READS: Reads = Reads::Content;
    /// The values that prose and later steps may refer to.
    type Outputs: Serialize + JsonSchema + Send;

    /// Returns the mistakes that the schema cannot express. All templates in the fields are resolved.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// Returns the local files and folders whose content the step depends on, relative to the runbook, and the names of the
    /// programs of opsml that it sends to AWS.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// Returns the local files and folders that fields name, for `check`. The fields may have templates in them.
    fn locals(_fields: &Value) -> Vec<Local> {
        Vec::new()
    }

    /// Returns the keys of an output that is a mapping, if the fields say them.
    fn keys(_fields: &Value, _output: &str) -> Option<Vec<String>> {
        None
    }

    /// Returns which local file that a done step left is missing now, so that the step must be redone.
    fn missing(_outputs: &Value, _paths: &Paths) -> Option<String> {
        None
    }

    /// Returns label and value of what a done step offers for the first page of a report that has no `summary`.
    fn offers(_outputs: &Value) -> Option<(&'static str, String)> {
        None
    }

    /// Returns the highest price of the step on AWS, unless it is free.
    fn price(&self) -> Option<Price> {
        None
    }

    fn run(&self, context: &mut Context<'_>) -> impl Future<Output = Outcome<Done<Self::Outputs>>>;
}

/// Which changes behind the names in a step's fields make it stale. Each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// None: it sets what its fields say, whatever is behind the names.
    Names,
    /// Those of the content of the resources that it names: the images of a training job.
    Content,
    /// Those of all that lies behind, and of the roles there: its outputs come from what these do.
    Results,
    /// Those, and all that earlier steps have made, named or not: it looks at the account.
    Account,
}

/// The highest price of a step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// US dollars. `None` if the price of the instance type is unknown.
    pub usd: Option<f64>,
    pub words: String,
}

impl Price {
    /// Returns the price of some hours of some instances of a type.
    pub fn of_instances(instance_type: &str, count: i32, hours: f64, how_long: &str) -> Self {
        match price::hourly(instance_type) {
            Some(hourly) => Self {
                usd: Some(hourly * f64::from(count) * hours),
                words: format!("{count} × {instance_type} at {hourly} USD an hour, {how_long}"),
            },
            None => Self {
                usd: None,
                words: format!("{count} × {instance_type}, whose price is unknown, {how_long}"),
            },
        }
    }

    pub fn times(self, times: u32, what: &str) -> Self {
        match times {
            1 => self,
            _ => Self {
                usd: self.usd.map(|usd| usd * f64::from(times)),
                words: format!("{times} {what}, each {}", self.words),
            },
        }
    }
}

/// A mistake in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field's path below the kind's key, as `a.b`.
    pub field: Option<String>,
    pub message: String,
    pub hints: Vec<String>,
    /// Whether the message is about the key, and not about its value.
    pub key: bool,
    pub severity: Severity,
}

impl Problem {
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::whole(message) }
    }

    /// A mistake in the step as a whole.
    pub fn whole(message: impl Into<String>) -> Self {
        let severity = Severity::Error;
        Self { field: None, message: message.into(), hints: Vec::new(), key: false, severity }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Returns the problem of a name of AWS's.
    pub fn of_name(field: impl Into<String>, unknown: Unknown) -> Self {
        let Diagnostic { severity, message, hints, .. } = unknown.located(0..0);
        Self { hints, severity, ..Self::at(field, message) }
    }

    /// Returns the problem as a message with its place in the document.
    pub fn located(self, span: Span) -> Diagnostic {
        Diagnostic { severity: self.severity, message: self.message, span, hints: self.hints }
    }
}

/// A local file or folder that a field names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The field's path below the kind's key.
    pub field: String,
    /// The path as the field has it, perhaps with a template in it.
    pub path: String,
    pub form: LocalForm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalForm {
    File,
    Folder,
    Either,
}

impl Local {
    /// Returns what a field names, if it is given.
    pub fn of(fields: &Value, field: &str, form: LocalForm) -> Option<Self> {
        let value = fields.pointer(&format!("/{}", field.replace('.', "/")))?;
        Some(Self { field: field.to_owned(), path: value.as_str()?.to_owned(), form })
    }
}
