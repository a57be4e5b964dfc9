//! The kinds of step. Each has a file with its fields, its outputs and its work.
//!
//! A kind's struct is at once what serde reads, what `check` checks and what `opsml schema` documents. To add a kind, add
//! a file and a line in [`kinds!`] below.

mod audit;
mod autoscale;
mod bucket;
mod choose_instance;
mod command;
mod common;
mod compare;
mod concurrency;
mod context;
mod dataset;
mod deploy;
mod ec2_train;
mod fields;
mod function;
mod images;
mod instance_type;
mod invoke;
mod kind;
mod least_privilege;
mod likeliest;
mod load;
mod notebook;
mod paths;
mod policy;
mod policy_outputs;
mod predict;
mod role;
mod sheet;
mod train;
mod trained;
mod training_figures;
mod tune;
mod upload;
mod version;

use std::sync::OnceLock;

use opsml_contract::worded;
use schemars::{JsonSchema, schema_for};
use serde_json::Value;

pub use common::{Common, common_keys, common_schema, duration};
pub use context::{Context, Done};
pub use instance_type::instance_problem;
pub use kind::{Kind, Local, LocalForm, Price, Problem, Reads};
pub use paths::Paths;

use crate::action;
use crate::failure::{Failure, Outcome};

/// A [`Kind`] as a value.
#[derive(Debug)]
pub struct KindInfo {
    pub name: &'static str,
    pub about: &'static str,
    pub owns: bool,
    pub reads: Reads,
    /// Whether it may run at the same time as its neighbours.
    pub beside: bool,
    /// The outputs that a report shows of it. None means all.
    pub rows: &'static [&'static str],
    /// Returns the JSON Schema of its fields.
    pub fields: fn() -> &'static Value,
    /// Returns the JSON Schema of its outputs.
    pub outputs: fn() -> &'static Value,
    pub problems: fn(Value) -> Vec<Problem>,
    pub locals: fn(&Value) -> Vec<Local>,
    pub keys: fn(&Value, &str) -> Option<Vec<String>>,
    pub missing: fn(&Value, &Paths) -> Option<String>,
    pub offers: fn(&Value) -> Option<(&'static str, String)>,
}

/// Computes a value at its first use. `check` uses a few schemas, and uses them often.
macro_rules! once {
    ($make:expr) => {{
        static VALUE: OnceLock<Value> = OnceLock::new();
        VALUE.get_or_init(|| $make)
    }};
}

macro_rules! kinds {
    ($($module:ident :: $Type:ident),* $(,)?) => {
        /// A step with its fields.
        pub enum Step { $($Type($module::$Type)),* }

        const KINDS: &[KindInfo] = &[$(KindInfo {
            name: <$module::$Type as Kind>::NAME,
            about: <$module::$Type as Kind>::ABOUT,
            owns: <$module::$Type as Kind>::OWNS,
            beside: <$module::$Type as Kind>::BESIDE,
            reads: <$module::$Type as Kind>::READS,
            rows: <$module::$Type as Kind>::ROWS,
            fields: || once!(schema::<$module::$Type>()),
            outputs: || once!(schema::<<$module::$Type as Kind>::Outputs>()),
            problems: problems_of::<$module::$Type>,
            locals: <$module::$Type as Kind>::locals,
            keys: <$module::$Type as Kind>::keys,
            missing: <$module::$Type as Kind>::missing,
            offers: <$module::$Type as Kind>::offers,
        }),*];

        impl Step {
            /// Reads the resolved fields of a step, which have passed `runbook::check`.
            pub fn read(kind: &str, fields: &Value) -> Outcome<Self> {
                $(if kind == <$module::$Type as Kind>::NAME {
                    return serde_json::from_value(fields.clone()).map(Self::$Type)
                        .map_err(|error| Failure::new("InvalidStep", worded(&error)));
                })*
                Err(Failure::new("InvalidStep", format!("there is no kind of step `{kind}`")))
            }

            pub fn files(&self) -> Vec<String> {
                match self { $(Self::$Type(step) => step.files()),* }
            }

            pub fn price(&self) -> Option<Price> {
                match self { $(Self::$Type(step) => step.price()),* }
            }

            pub async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Value>> {
                let done = match self {
                    $(Self::$Type(step) => Box::pin(step.run(context)).await.and_then(Done::into_value)),*
                };
                match done {
                    Err(failure) => Err(action::explain(context.aws(), failure).await),
                    done => done,
                }
            }
        }
    };
}

kinds!(
    dataset::Dataset,
    bucket::Bucket,
    choose_instance::ChooseInstance,
    upload::Upload,
    role::Role,
    notebook::Notebook,
    train::Train,
    tune::Tune,
    deploy::Deploy,
    autoscale::Autoscale,
    predict::Predict,
    load::Load,
    audit::Audit,
    ec2_train::Ec2Train,
    compare::Compare,
    function::Function,
    invoke::Invoke,
    policy::Policy,
    version::Version,
    concurrency::Concurrency,
    command::Command,
);

fn schema<T: JsonSchema>() -> Value {
    schema_for!(T).to_value()
}

fn problems_of<K: Kind>(fields: Value) -> Vec<Problem> {
    match serde_json::from_value::<K>(fields) {
        Ok(step) => step.problems(),
        // If the schema accepts what serde does not, the kind is wrong.
        Err(error) => {
            vec![Problem::whole(worded(&error))]
        }
    }
}

/// Returns the field by which a kind of step names what another step has made, where the two may not go together.
pub fn rests_on(kind: &str) -> Option<&'static str> {
    match kind {
        "deploy" => Some("model_data"),
        "autoscale" => Some("endpoint_name"),
        _ => None,
    }
}

/// Returns the problem of a step with the step that makes what its field of [`rests_on`] names: each a kind and its fields, which may
/// have templates in them. `scripts` returns the text of the Python files of a folder.
pub fn unfit(
    step: (&str, &Value),
    maker: (&str, &Value),
    scripts: &dyn Fn(&str) -> Option<String>,
) -> Option<Problem> {
    match step.0 {
        "deploy" => deploy::unserved(step.1, maker, scripts),
        "autoscale" => autoscale::unscalable(maker),
        _ => None,
    }
}

pub fn kinds() -> &'static [KindInfo] {
    KINDS
}

pub fn kind(name: &str) -> Option<&'static KindInfo> {
    KINDS.iter().find(|kind| kind.name == name)
}

pub fn kind_names() -> impl Iterator<Item = &'static str> {
    KINDS.iter().map(|kind| kind.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runbook::shape;

    #[test]
    fn every_schema_is_one_that_the_check_reads() {
        for kind in kinds() {
            for schema in [(kind.fields)(), (kind.outputs)(), common_schema()] {
                assert_eq!(schema["type"], "object", "{}", kind.name);
                let text = schema.to_string();
                for unread in ["allOf", "patternProperties", "dependentRequired", "prefixItems"] {
                    assert!(!text.contains(unread), "{}: {unread} is not checked", kind.name);
                }
                for (_, pattern) in patterns(schema) {
                    regex::Regex::new(&pattern).unwrap();
                }
            }
            let fields = (kind.fields)();
            assert_eq!(fields["additionalProperties"], false, "{}: unknown keys must be refused", kind.name);
            for (name, field) in shape::members(fields, fields).unwrap() {
                let resolved = shape::resolve(fields, field);
                assert!(
                    field.get("description").or(resolved.get("description")).is_some(),
                    "{}.{name} has no documentation",
                    kind.name
                );
            }
        }
    }

    fn patterns(schema: &Value) -> Vec<(String, String)> {
        match schema {
            Value::Object(map) => map
                .iter()
                .flat_map(|(key, value)| match (key.as_str(), value) {
                    ("pattern", Value::String(pattern)) => vec![(key.clone(), pattern.clone())],
                    _ => patterns(value),
                })
                .collect(),
            Value::Array(items) => items.iter().flat_map(patterns).collect(),
            _ => Vec::new(),
        }
    }
}
