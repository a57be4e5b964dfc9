//! One statement of a policy.

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

/// One statement.
#[derive(Clone, Debug)]
pub struct Rule {
    pub effect: Effect,
    /// Its bytes in the document.
    pub place: Range<usize>,
    pub conditions: Vec<Condition>,
    principals: Option<Principals>,
    actions: Listed<WildMatch>,
    /// None: a trust policy's, which is about its role alone.
    resources: Option<Listed<Pattern>>,
}

/// The patterns of a list, or with `negated` of all but a list (`NotAction`).
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
    /// Reads a statement at its place in the document. Policies of version 2012-10-17 have variables. None: it is not one
    /// that the grammar allows.
    pub fn read(statement: &Map<String, Value>, variables: bool, place: Range<usize>) -> Option<Self> {
        let principals = match statement.get("Principal") {
            Some(named) => Some(Principals::new(false, named)),
            None => statement.get("NotPrincipal").map(|named| Principals::new(true, named)),
        };
        let mut conditions = Vec::new();
        for (operator, block) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
            let operator = Operator::parse(operator)?;
            for (key, values) in block.as_object()? {
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

    /// Returns whether it is about `action` on `resource`, and its conditions hold.
    pub fn matches(&self, action: &str, resource: &str, context: &Context) -> bool {
        self.concerns(action, resource, context) && self.conditions.iter().all(|it| it.holds(context))
    }

    /// Returns whether it is about `action` on `resource`, if its conditions hold.
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
                // Nobody can say what all but an unknown resource is.
                None if resources.negated => return false,
                None => {}
            }
        }
        listed != resources.negated
    }

    /// Returns how its principals include somebody; they don't where it names none.
    pub fn covers(&self, who: Asker) -> Grant {
        self.principals.as_ref().map_or(Grant::None, |principals| principals.include(who))
    }

    /// Returns the principals that it names, each after its kind (`AWS`, `Service`).
    pub fn principals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.principals.iter().flat_map(Principals::named)
    }

    /// Returns whether it allows something to everybody, or to everybody but some.
    pub fn is_for_everybody(&self) -> bool {
        self.effect == Effect::Allow && self.principals.as_ref().is_some_and(Principals::are_open)
    }
}

/// Returns a condition's value as text: `true` and `1` may be written without quotes.
fn written(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
