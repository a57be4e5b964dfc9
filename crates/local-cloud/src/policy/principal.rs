//! Callers, and the principals that policies name.

use serde_json::Value;

use super::grammar::texts;

/// A caller, as it is compared with principals.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// `sagemaker.amazonaws.com`.
    Service(&'a str),
    /// The ARN of a user, of root or of a session. A session also has its role's ARN.
    Arn { arn: &'a str, role: Option<&'a str>, account: &'a str },
    /// The caller of an unsigned request.
    Anonymous,
}

/// How a policy that names principals includes a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    None,
    /// It names the caller's account, so the caller's own policies must allow the action too.
    Account,
    /// It names the caller's role, or everybody. The caller's own policies needn't allow the action, but boundaries
    /// must.
    Named,
    /// It names the user or session itself. No boundary limits this.
    Exact,
    Denied,
}

/// The principals of a statement.
#[derive(Clone, Debug, Default)]
pub struct Principals {
    /// Whether it is all principals but these.
    negated: bool,
    everybody: bool,
    aws: Vec<String>,
    services: Vec<String>,
}

impl Principals {
    /// Reads a statement's `Principal`, or, if `negated`, its `NotPrincipal`.
    pub fn new(negated: bool, written: &Value) -> Self {
        let listed = |kind: &str| -> Vec<String> {
            let list = written.get(kind).and_then(texts).unwrap_or_default();
            list.into_iter().map(str::to_owned).collect()
        };
        Self { negated, everybody: written == "*", aws: listed("AWS"), services: listed("Service") }
    }

    /// Returns the named principals with their kinds (`AWS`, `Service`). `*` without a kind isn't among them.
    pub fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        let aws = self.aws.iter().map(|each| ("AWS", each.as_str()));
        aws.chain(self.services.iter().map(|each| ("Service", each.as_str())))
    }

    /// Returns whether they include everybody, or everybody but some.
    pub fn are_open(&self) -> bool {
        self.everybody || self.negated || self.names("*")
    }

    /// Returns how they include a caller.
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
