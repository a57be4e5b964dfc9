//! The front matter: title, author, date, parameters, budget.

use indexmap::IndexMap;
use opsml_contract::worded;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::yaml::{Node, NodeKind};
use super::{shape, template};
use crate::diagnostic::Diagnostic;
use crate::secret;

/// The text between the `---` lines at the start of a runbook.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FrontMatter {
    /// The title of the runbook and of its report.
    pub title: Option<String>,
    /// Who has written it, as it is printed.
    pub author: Option<String>,
    /// The write-up's date, as it is printed.
    pub date: Option<String>,
    /// The parameters by name. `-p name=value` sets one.
    pub params: IndexMap<String, Param>,
    /// The most that all runs together may cost, in US dollars: `5 USD`. It holds on every target but the local cloud.
    #[schemars(regex(pattern = r"^\d+(\.\d+)? USD$"), extend("x-rule" = "an amount in US dollars, as `5 USD`"))]
    pub budget: Option<String>,
    /// Steps that have another id now, as `{old: new}`: what they made stays, and they don't run again for it.
    pub moved: IndexMap<String, String>,
    /// The same as written, for the places of its names.
    #[serde(skip)]
    pub moved_node: Option<Node>,
    /// The numbers that matter, for the first page of the write-up: five to eight. Without it, the kinds of step offer some.
    #[schemars(length(max = 12))]
    pub summary: Vec<SummaryLine>,
    /// The summary as written, for the places of its values.
    #[serde(skip)]
    pub summary_node: Option<Node>,
}

/// A number on the first page of the write-up.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SummaryLine {
    /// What the number is: `Test accuracy`.
    pub label: String,
    /// As in prose: `{{ train.metrics.test_accuracy | percent }}`.
    pub value: String,
}

/// A parameter of the runbook.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-wrap" = "default"))]
pub struct Param {
    /// The value if none is given. A parameter without a default must be given.
    pub default: Option<Value>,
    /// One line for `opsml check` and for messages.
    pub help: Option<String>,
    /// The type. It is that of the default, if it is left out.
    #[serde(rename = "type")]
    pub kind: Option<ParamType>,
    /// Whether it is a secret, which is text. It has no default, and its value is neither journaled nor shown. `-p`, `-f`
    /// or the environment variable `OPSML_PARAM_NAME` gives it, with the parameter's name in capitals.
    pub secret: bool,
    /// How the default is spelt, if it is a number that is spelt otherwise where it becomes text: 2.10.
    #[serde(skip)]
    pub spelt: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    String,
    Integer,
    Number,
    Boolean,
    List,
    Map,
}

impl Param {
    /// Returns the environment variable that may give a secret parameter.
    pub fn variable(name: &str) -> String {
        format!("OPSML_PARAM_{}", name.to_ascii_uppercase())
    }

    /// Returns a value that a file gives: as it is spelt, where the parameter is text.
    pub fn given(&self, node: &Node) -> Value {
        let is_text = self.secret || self.expected() == Some(ParamType::String);
        match node.as_text().filter(|_| is_text) {
            Some(spelt) => Value::from(spelt),
            None => node.to_value(),
        }
    }

    fn expected(&self) -> Option<ParamType> {
        let of_default = |default: &Value| match default {
            Value::String(_) => Some(ParamType::String),
            Value::Bool(_) => Some(ParamType::Boolean),
            Value::Number(number) if number.is_f64() => Some(ParamType::Number),
            Value::Number(_) => Some(ParamType::Integer),
            Value::Array(_) => Some(ParamType::List),
            Value::Object(_) => Some(ParamType::Map),
            Value::Null => None,
        };
        self.kind.or_else(|| self.default.as_ref().and_then(of_default))
    }

    /// Returns a value in the parameter's type. Text from the command line is read as that type.
    pub fn accept(&self, value: &Value) -> Result<Value, String> {
        if self.secret {
            let text = match value {
                Value::Array(_) | Value::Object(_) | Value::Null => return Err("must be text".into()),
                other => plain(other),
            };
            return match secret::is_maskable(&text) {
                true => Ok(Value::String(text)),
                false => {
                    Err("is secret, and too short or too common a word to be told from other text".into())
                }
            };
        }
        let Some(expected) = self.expected() else { return Ok(value.clone()) };
        let read = match value {
            Value::String(text) if expected != ParamType::String => {
                serde_json::from_str(text).unwrap_or_else(|_| value.clone())
            }
            other => other.clone(),
        };
        let (fits, words) = match expected {
            ParamType::String => (read.is_string(), "text"),
            ParamType::Integer => (read.is_i64() || read.is_u64(), "an integer"),
            ParamType::Number => (read.is_number(), "a number"),
            ParamType::Boolean => (read.is_boolean(), "true or false"),
            ParamType::List => (read.is_array(), "a list"),
            ParamType::Map => (read.is_object(), "a mapping"),
        };
        let how = match expected {
            ParamType::List => ", such as [1, 2]",
            ParamType::Map => r#", such as {"a": 1}"#,
            _ => "",
        };
        if fits { Ok(read) } else { Err(format!("must be {words}{how}, and `{}` is not", plain(value))) }
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// JSON Schema of the front matter.
pub fn front_matter_schema() -> Value {
    schema_for!(FrontMatter).to_value()
}

/// Reads the front matter from its tree.
pub fn read(node: &Node, problems: &mut Vec<Diagnostic>) -> FrontMatter {
    let before = problems.len();
    let schema = front_matter_schema();
    let mut node = node.clone();
    shape::make_texts(&mut node, &schema, &schema);
    text_defaults(&mut node);
    let node = &node;
    problems.extend(shape::check(node, &schema, &"the front matter"));
    for (key, value) in node.get("params").into_iter().flat_map(Node::entries) {
        if !template::is_identifier(&key.name) || template::RESERVED.contains(&key.name.as_str()) {
            problems.push(
                Diagnostic::error(key.span.clone(), format!("`{}` cannot name a parameter", key.name))
                    .hint("a name is letters, digits and _, and no word of the template language"),
            );
        }
        if value.entries().is_empty() && value.text().is_none() {
            continue;
        }
        let Ok(param) = serde_json::from_value::<Param>(value.to_value()) else { continue };
        let place = |name: &str| value.get(name).map_or(value.span.clone(), |node| node.span.clone());
        if param.secret {
            if let Some(default) = &param.default {
                secret::know(&plain(default));
                let message =
                    format!("`{}` is secret, and a default stands in the file for all to read", key.name);
                let way_out = format!(
                    "without it, -p, -f or the environment variable {} gives it",
                    Param::variable(&key.name)
                );
                problems.push(Diagnostic::error(place("default"), message).hint(way_out));
            }
            if param.kind.is_some_and(|kind| kind != ParamType::String) {
                let message = format!("`{}` is secret, and a secret is text", key.name);
                problems.push(Diagnostic::error(place("type"), message));
            }
        } else if let Some(default) = &param.default
            && let Err(message) = param.accept(default)
        {
            problems.push(Diagnostic::error(
                place("default"),
                format!("the default of `{}` {message}", key.name),
            ));
        }
    }
    if problems[before..].iter().any(|p| p.severity == crate::diagnostic::Severity::Error) {
        return FrontMatter::default();
    }
    match serde_json::from_value::<FrontMatter>(node.to_value()) {
        Ok(mut front) => {
            for (name, param) in &mut front.params {
                let default = node.get("params").and_then(|all| all.get(name)?.get("default")?.as_text());
                let value = param.default.as_ref().filter(|value| value.is_f64());
                let as_text = value.map(Value::to_string);
                let is_other = |spelt: &&str| {
                    !spelt.contains(['e', 'E']) && as_text.as_ref().is_some_and(|text| text != spelt)
                };
                param.spelt = default.filter(is_other).map(str::to_owned);
            }
            FrontMatter {
                summary_node: node.get("summary").cloned(),
                moved_node: node.get("moved").cloned(),
                ..front
            }
        }
        Err(error) => {
            problems.push(Diagnostic::error(
                node.span.clone(),
                format!("the front matter cannot be read: {}", worded(&error)),
            ));
            FrontMatter::default()
        }
    }
}

/// Makes text of the defaults of parameters whose type is text.
fn text_defaults(node: &mut Node) {
    let NodeKind::Map(members) = &mut node.kind else { return };
    let params = members.iter_mut().find(|(key, _)| key.name == "params");
    let Some(NodeKind::Map(params)) = params.map(|(_, params)| &mut params.kind) else { return };
    for (_, param) in params {
        if param.get("type").and_then(Node::text) != Some("string") {
            continue;
        }
        let NodeKind::Map(members) = &mut param.kind else { continue };
        for (_, default) in members.iter_mut().filter(|(key, _)| key.name == "default") {
            if let Some(spelt) = default.as_text() {
                default.kind = NodeKind::Text(spelt.to_owned());
            }
        }
    }
}
