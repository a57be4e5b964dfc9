//! A statement of a policy.

use std::ops::Range;

use serde_json::{Map, Value};
use wildmatch::WildMatch;

use super::condition::{Condition, Operator};
use super::context::Context;
use super::grammar::texts;
use super::pattern::{Pattern, Reach};
use super::principal::{Asker, Grant, Principals};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Rule {
    pub effect: Effect,
    /// The range of its bytes in the document.
    pub place: Range<usize>,
    pub conditions: Vec<Condition>,
    principals: Option<Principals>,
    actions: Listed<WildMatch>,
    /// None: it is a trust policy's statement, which applies only to its role.
    resources: Option<Listed<Pattern>>,
}

/// A list of patterns. If `negated`, everything matches that none of them matches (`NotAction`).
#[derive(Clone, Debug)]
struct Listed<T> {
    negated: bool,
    patterns: Vec<T>,
}

impl<T> Listed<T> {
    fn read(statement: &Map<String, Value>, member: &str, pattern: impl Fn(&str) -> T) -> Option<Self> {
        let (negated, listed) = match statement.get(member) {
            Some(listed) => (false, listed),
            None => (true, statement.get(&format!("Not{member}"))?),
        };
        Some(Self { negated, patterns: texts(listed)?.into_iter().map(pattern).collect() })
    }
}

impl Rule {
    /// Reads a statement, which is at `place` in the document. Variables are only read in policies of version
    /// 2012-10-17. None: the grammar doesn't allow it.
    pub fn read(statement: &Map<String, Value>, variables: bool, place: Range<usize>) -> Option<Self> {
        let principals = match statement.get("Principal") {
            Some(named) => Some(Principals::new(false, named)),
            None => statement.get("NotPrincipal").map(|named| Principals::new(true, named)),
        };
        let mut conditions = Vec::new();
        for (operator, block) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
            for (key, values) in block.as_object()? {
                let operator = Operator::parse(operator)?;
                let values = match values {
                    Value::Array(list) => list.iter().map(written).collect(),
                    one => vec![written(one)],
                };
                conditions.push(Condition { operator, key: key.clone(), values, variables });
            }
        }
        Some(Self {
            effect: if statement.get("Effect")? == "Deny" { Effect::Deny } else { Effect::Allow },
            place,
            conditions,
            principals,
            actions: Listed::read(statement, "Action", WildMatch::new_case_insensitive)?,
            resources: Listed::read(statement, "Resource", |resource| {
                Pattern::new(resource, variables, Reach::Resource)
            }),
        })
    }

    /// Returns whether it applies to `action` on `resource`, and its conditions are true.
    pub fn matches(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.concerns(action, resource, context) && self.conditions.iter().all(|it| it.holds(context))
    }

    /// Returns whether it applies to `action` on `resource`, apart from its conditions.
    pub fn concerns(&self, action: &str, resource: &str, context: &Context) -> bool {
        let listed = self.actions.patterns.iter().any(|pattern| pattern.matches(action));
        listed != self.actions.negated && self.concerns_resource(resource, context)
    }

    fn concerns_resource(&self, resource: &str, context: &Context) -> bool {
        let Some(resources) = &self.resources else { return true };
        let mut listed = false;
        for pattern in &resources.patterns {
            match pattern.fits(resource, context) {
                Some(fits) => listed |= fits,
                // If a variable of NotResource has no value, the statement doesn't apply.
                None if resources.negated => return false,
                None => {}
            }
        }
        listed != resources.negated
    }

    /// Returns how its principals include a caller. If it names no principals, they don't.
    pub fn covers(&self, who: Asker) -> Grant {
        self.principals.as_ref().map_or(Grant::None, |principals| principals.include(who))
    }

    /// Returns the principals that it names, with their kinds (`AWS`, `Service`).
    pub fn principals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.principals.iter().flat_map(Principals::named)
    }

    /// Returns whether it allows something to everybody, or to everybody but some.
    pub fn is_for_everybody(&self) -> bool {
        self.effect == Effect::Allow && self.principals.as_ref().is_some_and(Principals::are_open)
    }
}

/// Returns a condition's value as text, since `true` and `1` may be written without quotes.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
