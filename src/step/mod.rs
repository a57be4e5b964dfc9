//! The kinds of step: one file each, with its fields, its outputs and what it does.
//!
//! A kind is a struct that serde and schemars read; the structs are the documentation, `opsml schema` and the
//! check at once. Adding one is a file here, and its line in [`kinds!`] below.

mod audit;
mod autoscale;
mod bucket;
mod choose_instance;
mod command;
mod compare;
mod concurrency;
mod context;
mod dataset;
mod deploy;
mod ec2_train;
mod fields;
mod function;
mod images;
mod invoke;
mod least_privilege;
mod load;
mod notebook;
mod policy;
mod predict;
mod role;
mod train;
mod trained;
mod tune;
mod upload;
mod version;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use context::{Context, Done, Paths};

use crate::action;
use crate::failure::{Failure, Outcome};
use crate::price;

/// A kind of step.
pub trait Kind: DeserializeOwned + JsonSchema + Send + Sync {
    const NAME: &'static str;
    /// One line for `opsml schema` and the documentation.
    const ABOUT: &'static str;
    /// Whether it leaves resources that live until `down`.
    const OWNS: bool;
    /// What prose and later steps may refer to.
    type Outputs: Serialize + JsonSchema + Send;

    /// Mistakes that the schema cannot express. Every template is resolved by then.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The local files and folders whose content the step depends on, relative to the runbook.
    fn files(&self) -> Vec<String> {
        Vec::new()
    }

    /// Why what the step left on this machine is not there any more, if so. It is asked before the step is
    /// taken for done.
    fn missing(_outputs: &Value, _paths: &Paths) -> Option<String> {
        None
    }

    /// What it costs on AWS at worst; nothing for what costs nothing.
    fn price(&self) -> Option<Price> {
        None
    }

    fn run(&self, context: &mut Context<'_>) -> impl Future<Output = Outcome<Done<Self::Outputs>>>;
}

/// The worst case of a step's costs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// US dollars; `None` where the price table doesn't know the instance type.
    pub usd: Option<f64>,
    pub words: String,
}

impl Price {
    /// So many hours of so many instances of a type.
    pub fn of_instances(instance_type: &str, count: i32, hours: f64, how_long: &str) -> Self {
        match price::hourly(instance_type) {
            Some(hourly) => Self {
                usd: Some(hourly * f64::from(count) * hours),
                words: format!("{count} × {instance_type} at {hourly} USD an hour, {how_long}"),
            },
            None => Self {
                usd: None,
                words: format!("{count} × {instance_type}, whose price the table doesn't know, {how_long}"),
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
    /// `a.b`, below the kind's key.
    pub field: Option<String>,
    pub message: String,
    pub hints: Vec<String>,
    /// It is the key that is wrong, and not its value.
    pub key: bool,
}

impl Problem {
    pub fn at(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), message: message.into(), hints: Vec::new(), key: false }
    }
}

/// What the rest of opsml knows of a kind.
pub struct KindInfo {
    pub name: &'static str,
    pub about: &'static str,
    pub owns: bool,
    /// JSON Schema of its fields.
    pub fields: fn() -> &'static Value,
    /// JSON Schema of its outputs.
    pub outputs: fn() -> &'static Value,
    pub problems: fn(Value) -> Vec<Problem>,
    pub missing: fn(&Value, &Paths) -> Option<String>,
}

/// A value that is made when it is first asked for: `check` asks for a few schemas, and often.
macro_rules! once {
    ($make:expr) => {{
        static VALUE: OnceLock<Value> = OnceLock::new();
        VALUE.get_or_init(|| $make)
    }};
}

macro_rules! kinds {
    ($($module:ident :: $Type:ident),* $(,)?) => {
        /// A step whose fields are read.
        pub enum Step { $($Type($module::$Type)),* }

        const KINDS: &[KindInfo] = &[$(KindInfo {
            name: <$module::$Type as Kind>::NAME,
            about: <$module::$Type as Kind>::ABOUT,
            owns: <$module::$Type as Kind>::OWNS,
            fields: || once!(schema::<$module::$Type>()),
            outputs: || once!(schema::<<$module::$Type as Kind>::Outputs>()),
            problems: problems_of::<$module::$Type>,
            missing: <$module::$Type as Kind>::missing,
        }),*];

        impl Step {
            /// Reads the resolved fields of a step; they have passed `runbook::check`.
            pub fn read(kind: &str, fields: &Value) -> Outcome<Self> {
                $(if kind == <$module::$Type as Kind>::NAME {
                    return serde_json::from_value(fields.clone()).map(Self::$Type)
                        .map_err(|error| Failure::new("InvalidStep", error.to_string()));
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
                    $(Self::$Type(step) => step.run(context).await.and_then(Done::into_value)),*
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
        // What the schema let through and serde does not is a mistake of ours: the test over all kinds finds it.
        Err(error) => {
            vec![Problem { field: None, message: error.to_string(), hints: Vec::new(), key: false }]
        }
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

/// The keys that any step may have beside its kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Common {
    /// Steps that must be done before, beside those that the fields refer to.
    pub needs: Vec<String>,
    /// An expression; where it is false the step is skipped, and with it the steps that use it.
    pub when: Option<String>,
    /// How long the step may take, as `90s`, `20m` or `2h`.
    pub timeout: Option<String>,
    /// How many times a failed step is tried again at once, 0 at first.
    #[schemars(range(max = 10))]
    pub retry: u32,
    /// Expressions over the step's own outputs that must hold.
    pub expect: Vec<String>,
    /// The error code that the step must fail with; its message and code are then its outputs.
    pub expect_error: Option<String>,
    /// The caption of its figure in the report.
    pub caption: Option<String>,
    /// AWS tags for what it makes.
    pub tags: BTreeMap<String, String>,
}

pub fn common_schema() -> &'static Value {
    once!(schema::<Common>())
}

pub fn common_keys() -> &'static [String] {
    static KEYS: OnceLock<Vec<String>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let schema = common_schema();
        let properties = schema.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(|properties| properties.keys().cloned()).collect()
    })
}

/// Reads `90s`, `20m`, `2h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let error = || format!("`{text}` is not a duration: 90s, 20m, 2h");
    let unit = text.trim().chars().last().ok_or_else(error)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(error()),
    };
    let number: u64 = text.trim().trim_end_matches(unit).trim().parse().map_err(|_| error())?;
    number
        .checked_mul(seconds)
        .filter(|all| (1..=30 * 24 * 3600).contains(all))
        .map(Duration::from_secs)
        .ok_or_else(error)
}

/// A path that a runbook names, below its folder. What would lead out of it is refused.
pub fn inside(base: &Path, path: &str) -> Outcome<std::path::PathBuf> {
    let outside = || {
        Failure::new("OutsidePath", format!("`{path}` leads out of the runbook's folder"))
            .hint("paths in a runbook stay below its folder; -p NAME=PATH on the command line may name any")
    };
    let relative = Path::new(path);
    if relative.is_absolute() || relative.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(outside());
    }
    let joined = base.join(relative);
    // Links could lead out of it too.
    let (real, root) = match (joined.canonicalize(), base.canonicalize()) {
        (Ok(real), Ok(root)) => (real, root),
        (Err(error), _) => return Err(Failure::file(&joined, error)),
        (_, Err(error)) => return Err(Failure::file(base, error)),
    };
    if real.starts_with(&root) { Ok(joined) } else { Err(outside()) }
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

    #[test]
    fn durations() {
        assert_eq!(duration("20m"), Ok(Duration::from_secs(1200)));
        for wrong in ["", "20", "m", "-1s", "0s", "1d", "99999999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
