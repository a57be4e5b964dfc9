//! Reads policy documents, and finds the statements of one that apply to a request.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::context::Context;
use super::grammar::{Kind, SYNTAX, check_legacy, check_members, check_statement};
use super::principal::{Asker, Grant};
use super::rule::{Effect, Rule};

/// A parsed policy.
#[derive(Clone, Debug)]
pub struct Document {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Written<'a> {
    version: Option<String>,
    #[serde(rename = "Id")]
    _id: Option<String>,
    #[serde(borrow)]
    statement: Option<&'a RawValue>,
}

impl Document {
    /// Reads a policy of a user or role.
    ///
    /// # Errors
    /// AWS's message for MalformedPolicyDocument.
    pub fn identity(json: &str) -> Result<Self, String> {
        Self::read(json, Kind::Identity)
    }

    /// Reads a role's trust policy.
    ///
    /// # Errors
    /// AWS's message for MalformedPolicyDocument.
    pub fn trust(json: &str) -> Result<Self, String> {
        Self::read(json, Kind::Trust)
    }

    /// Reads the policy of a resource: a bucket's, a function's.
    ///
    /// # Errors
    /// AWS's message for MalformedPolicy.
    pub fn resource(json: &str) -> Result<Self, String> {
        Self::read(json, Kind::Resource)
    }

    /// Returns a policy without statements, which can't be written as a document.
    pub fn empty() -> Self {
        Self { rules: Vec::new() }
    }

    /// Returns its statements.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Returns every principal that the policy names, with its kind (`AWS`, `Service`). `*` without a kind isn't among
    /// them.
    pub fn principals(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().flat_map(Rule::principals)
    }

    /// Returns whether a statement with this effect applies to the request, whoever the caller is.
    pub fn says(&self, effect: Effect, action: &str, resource: &str, context: &Context) -> bool {
        self.rules.iter().any(|rule| rule.effect == effect && rule.matches(action, resource, context))
    }

    /// Returns the statements that apply to the request. If the policy names principals, they must include `who`.
    pub fn about<'a>(
        &'a self,
        who: Option<Asker<'a>>,
        action: &'a str,
        resource: &'a str,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a Rule> {
        self.covering(who).filter(move |rule| rule.matches(action, resource, context))
    }

    /// Returns the condition keys of the statements that would apply to the request if their conditions were true.
    pub fn keys_wanted<'a>(
        &'a self,
        who: Option<Asker<'a>>,
        action: &'a str,
        resource: &'a str,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a str> {
        let concerned = self.covering(who).filter(move |rule| rule.concerns(action, resource, context));
        concerned.flat_map(|rule| rule.conditions.iter().map(|condition| condition.key.as_str()))
    }

    fn covering<'a>(&'a self, who: Option<Asker<'a>>) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |rule| who.is_none_or(|who| rule.covers(who) != Grant::None))
    }

    /// Returns how a policy that names principals allows `who` to do `action` on `resource`. A trust policy applies to
    /// its role, whatever `resource` is.
    pub fn grant(&self, who: Asker, action: &str, resource: &str, context: &Context) -> Grant {
        let about = self.about(Some(who), action, resource, context);
        let grants = about.map(|rule| match rule.effect {
            Effect::Deny => Grant::Denied,
            Effect::Allow => rule.covers(who),
        });
        grants.max().unwrap_or(Grant::None)
    }

    fn read(json: &str, kind: Kind) -> Result<Self, String> {
        let legacy = kind == Kind::Identity;
        let broken = |error: serde_json::Error| match error.to_string() {
            _ if legacy => SYNTAX.to_owned(),
            message => match message.strip_prefix("unknown field `").and_then(|rest| rest.split_once('`')) {
                Some((field, _)) => format!("Unknown field {field}"),
                None if kind == Kind::Resource && !json.starts_with('{') => {
                    "Policies must be valid JSON and the first byte must be '{'".to_owned()
                }
                None => "This policy contains invalid Json".to_owned(),
            },
        };
        let written: Written = serde_json::from_str(json).map_err(broken)?;
        let version = written.version.as_deref().unwrap_or("2008-10-17");
        if !["2008-10-17", "2012-10-17"].contains(&version) {
            return Err(if legacy {
                SYNTAX.to_owned()
            } else {
                "The policy must contain a valid version string".to_owned()
            });
        }
        let statements: Vec<&RawValue> = match written.statement {
            Some(list) if list.get().starts_with('[') => serde_json::from_str(list.get()).map_err(broken)?,
            Some(one) => vec![one],
            None => Vec::new(),
        };
        if statements.is_empty() {
            return Err(
                if legacy { SYNTAX } else { "Could not parse the policy: Statement is empty!" }.to_owned()
            );
        }
        let values: Vec<Map<String, Value>> = statements
            .iter()
            .map(|raw| serde_json::from_str(raw.get()).map_err(broken))
            .collect::<Result<_, _>>()?;
        for statement in &values {
            check_members(statement, kind)?;
        }
        if legacy && version != "2012-10-17" {
            return Err("Policy document must be version 2012-10-17 or greater.".to_owned());
        }
        if legacy {
            values.iter().try_for_each(check_legacy)?;
        }
        let mut sids = HashSet::new();
        let mut named = values.iter().filter_map(|statement| statement.get("Sid")).filter_map(Value::as_str);
        if !named.all(|sid| sid.is_empty() || sids.insert(sid)) {
            return Err("Statement IDs (SID) in a single policy must be unique.".to_owned());
        }
        for statement in &values {
            check_statement(statement, kind)?;
        }
        let rules = statements.iter().zip(&values).map(|(raw, value)| {
            // The statement is a part of the text, so its position is the distance from the text's start.
            let start = raw.get().as_ptr().addr() - json.as_ptr().addr();
            Rule::read(value, version == "2012-10-17", start..start + raw.get().len())
        });
        Ok(Self { rules: rules.collect::<Option<_>>().ok_or(SYNTAX)? })
    }
}
