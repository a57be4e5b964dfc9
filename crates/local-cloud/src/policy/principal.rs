//! Who asks, and what a policy that names principals says of them.

use serde_json::Value;

use super::grammar::texts;

/// Who asks, to a policy that names principals.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// `sagemaker.amazonaws.com`.
    Service(&'a str),
    /// The ARN of a user, of root or of a session, and for a session its role's ARN too.
    Arn { arn: &'a str, role: Option<&'a str>, account: &'a str },
    /// Somebody who didn't sign.
    Anonymous,
}

/// How a policy that names principals lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    None,
    /// It trusts their account: their own policies must allow it too.
    Account,
    /// It names their role, or everybody: their own policies needn't allow it, but boundaries must.
    Named,
    /// It names the very user or session, which no boundary limits.
    Exact,
    Denied,
}

/// The principals of a statement.
#[derive(Clone, Debug, Default)]
pub struct Principals {
    /// All but these.
    negated: bool,
    everybody: bool,
    aws: Vec<String>,
    services: Vec<String>,
}

impl Principals {
    /// Reads a statement's `Principal`, or its `NotPrincipal`, which is `negated`.
    pub fn new(negated: bool, written: &Value) -> Self {
        let listed = |kind: &str| -> Vec<String> {
            let list = written.get(kind).and_then(texts).unwrap_or_default();
            list.into_iter().map(str::to_owned).collect()
        };
        Self { negated, everybody: written == "*", aws: listed("AWS"), services: listed("Service") }
    }

    /// Returns the named ones, each after its kind (`AWS`, `Service`); `*` without a kind is none.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        let aws = self.aws.iter().map(|each| ("AWS", each.as_str()));
        aws.chain(self.services.iter().map(|each| ("Service", each.as_str())))
    }

    /// Returns whether everybody is among them, or everybody but some.
    pub fn are_open(&self) -> bool {
        self.everybody || self.negated || self.names("*")
    }

    /// Returns how they include somebody.
    pub fn include(&self, who: Asker) -> Grant {
        match (self.negated, self.list(who)) {
            (false, grant) => grant,
            (true, Grant::None) => Grant::Named,
            (true, _) => Grant::None,
        }
    }

    fn names(&self, principal: &str) -> bool {
        self.aws.iter().any(|each| each == principal)
    }

    fn list(&self, who: Asker) -> Grant {
        let everybody = self.everybody || self.names("*");
        match who {
            Asker::Service(name) if self.services.iter().any(|each| each == name) => Grant::Exact,
            Asker::Service(_) if self.everybody => Grant::Named,
            Asker::Anonymous if everybody => Grant::Named,
            Asker::Service(_) | Asker::Anonymous => Grant::None,
            Asker::Arn { arn, role, account } => {
                let root = format!("arn:aws:iam::{account}:root");
                if arn != root && self.names(arn) {
                    Grant::Exact
                } else if everybody || role.is_some_and(|role| self.names(role)) {
                    Grant::Named
                } else if self.names(account) || self.names(&root) {
                    Grant::Account
                } else {
                    Grant::None
                }
            }
        }
    }
}
