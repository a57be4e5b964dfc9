//! Policy documents and what they say about a request: the one place that knows the evaluation crate.
//!
//! `awsim-iam-policy` decides; documents are first brought into the form in which it decides as AWS does:
//! condition keys and variables match without regard to case, ArnEquals is ArnLike, and principals are
//! matched here, where services and role sessions are known.

use std::collections::HashMap;

use awsim_iam_policy::{
    ActionList, AuthzRequest, BaseOperator, ContextValue, Decision, Effect, EvalContext, PolicyDocument,
    Principal, ResourceList, Statement, evaluate, parse_value,
};

/// Kept apart from the names that the crate answers by itself, for users only.
const KEY_PREFIX: &str = "key:";

/// The context of a request: condition keys and their values.
#[derive(Clone, Debug, Default)]
pub struct Context(HashMap<String, ContextValue>);

impl Context {
    /// None of its own; what every request has (`aws:PrincipalArn`, …) is added by `authorize`.
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(context_key(key), ContextValue::String(value.into()));
        self
    }

    /// A key with several values, such as `aws:TagKeys`.
    pub fn with_list(mut self, key: &str, values: impl IntoIterator<Item = String>) -> Self {
        self.0.insert(context_key(key), ContextValue::StringList(values.into_iter().collect()));
        self
    }
}

fn context_key(key: &str) -> String {
    format!("{KEY_PREFIX}{}", key.to_ascii_lowercase())
}

/// What policies say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    ExplicitDeny,
    NoAllow,
}

/// Who asks to assume a role.
#[derive(Clone, Copy, Debug)]
pub enum Trustee<'a> {
    /// `sagemaker.amazonaws.com`.
    Service(&'a str),
    /// The ARN of a user, of root or of a session, and for a session its role's ARN too.
    Arn { arn: &'a str, role: Option<&'a str>, account: &'a str },
}

/// How a trust policy lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It names them: nothing more is needed.
    Named,
    /// It trusts their account: their own policies must allow it too.
    Account,
    Denied,
    None,
}

/// A parsed policy.
#[derive(Clone, Debug)]
pub struct Document(PolicyDocument);

impl Document {
    /// A policy of a user or role. The error is AWS's message for MalformedPolicyDocument.
    pub fn identity(json: &str) -> Result<Self, String> {
        let document = parse(json)?;
        for statement in &document.statements {
            if statement.principal.is_some() || statement.not_principal.is_some() {
                return Err("Policy document should not specify a principal.".to_owned());
            }
            if statement.resource.is_none() && statement.not_resource.is_none() {
                return Err("Policy statement must contain resources.".to_owned());
            }
        }
        Ok(Self(document))
    }

    /// The policy that says who may assume a role.
    pub fn trust(json: &str) -> Result<Self, String> {
        let document = parse(json)?;
        for statement in &document.statements {
            if statement.resource.is_some() || statement.not_resource.is_some() {
                return Err("Has prohibited field Resource".to_owned());
            }
            if statement.principal.is_none() && statement.not_principal.is_none() {
                return Err("Missing required field Principal".to_owned());
            }
            let mut actions = statement.action.iter().flat_map(ActionList::iter);
            if actions.any(|action| action != "*" && !action.to_ascii_lowercase().starts_with("sts:")) {
                return Err("AssumeRole policy may only specify STS AssumeRole actions.".to_owned());
            }
        }
        Ok(Self(document))
    }

    /// Every principal that the policy names, after its kind (`AWS`, `Service`, …).
    pub fn principals(&self) -> Vec<(&'static str, &str)> {
        let mut named: Vec<(&'static str, &str)> = Vec::new();
        for principal in
            self.0.statements.iter().flat_map(|each| [&each.principal, &each.not_principal]).flatten()
        {
            match principal {
                Principal::Wildcard => {}
                Principal::Aws(list) => named.extend(list.iter().map(|each| ("AWS", each.as_str()))),
                Principal::Service(list) => named.extend(list.iter().map(|each| ("Service", each.as_str()))),
                Principal::Mixed { aws, service, .. } => {
                    named.extend(aws.iter().map(|each| ("AWS", each.as_str())));
                    named.extend(service.iter().map(|each| ("Service", each.as_str())));
                }
                Principal::Federated(_) | Principal::CanonicalUser(_) => {}
            }
        }
        named
    }

    /// Whether the trust policy lets `who` do `action` (`sts:AssumeRole`).
    pub fn trusts(&self, who: Trustee, action: &str, context: &Context) -> Trust {
        let ask = |effect, matches: &dyn Fn(&Statement) -> bool| {
            let statements = self
                .0
                .statements
                .iter()
                .filter(|statement| statement.effect == effect && matches(statement))
                .cloned()
                .collect();
            let document = [Self(PolicyDocument { statements, ..self.0.clone() })];
            judge(&document, action, "", context)
        };
        let any = |statement: &Statement| principal_match(statement, who).is_some();
        let named = |statement: &Statement| principal_match(statement, who) == Some(Trust::Named);
        if ask(Effect::Deny, &any) == Verdict::ExplicitDeny {
            Trust::Denied
        } else if ask(Effect::Allow, &named) == Verdict::Allowed {
            Trust::Named
        } else if ask(Effect::Allow, &any) == Verdict::Allowed {
            Trust::Account
        } else {
            Trust::None
        }
    }
}

/// What the identity policies `documents` say about `action` on `resource`. An action without a resource of
/// its own has `*`.
pub fn judge(documents: &[Document], action: &str, resource: &str, context: &Context) -> Verdict {
    // The crate knows the principal only for variables and resource policies, which are answered here.
    let request = AuthzRequest {
        principal_arn: "",
        principal_account: "",
        action,
        resource_arn: resource,
        context: &context.0,
    };
    let mut verdict = Verdict::NoAllow;
    for document in documents {
        let policies = std::slice::from_ref(&document.0);
        match evaluate(&request, &EvalContext { identity_policies: policies, ..EvalContext::default() }) {
            Decision::ExplicitDeny => return Verdict::ExplicitDeny,
            Decision::Allow => verdict = Verdict::Allowed,
            Decision::ImplicitDeny => {}
        }
    }
    verdict
}

fn parse(json: &str) -> Result<PolicyDocument, String> {
    let value = serde_json::from_str(json).map_err(|_| "Syntax errors in policy.".to_owned())?;
    let mut document = parse_value(&value).map_err(|error| format!("Syntax errors in policy: {error}."))?;
    if document.statements.is_empty() {
        return Err("Syntax errors in policy: no statement.".to_owned());
    }
    for statement in &mut document.statements {
        check_actions(statement)?;
        normalise(statement);
    }
    Ok(document)
}

fn check_actions(statement: &Statement) -> Result<(), String> {
    let lists = [&statement.action, &statement.not_action];
    let mut actions = lists.into_iter().flatten().flat_map(ActionList::iter).peekable();
    if actions.peek().is_none() {
        return Err("Policy statement must contain actions.".to_owned());
    }
    for action in actions {
        if action != "*"
            && !action.split_once(':').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty())
        {
            return Err(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".to_owned()
            );
        }
    }
    let resources = [&statement.resource, &statement.not_resource];
    for resource in resources.into_iter().flatten().flat_map(ResourceList::iter) {
        if resource != "*" && !resource.starts_with("arn:") && !resource.starts_with("${") {
            return Err(format!("Resource {resource} must be in ARN format or \"*\"."));
        }
    }
    Ok(())
}

fn normalise(statement: &mut Statement) {
    for resources in [&mut statement.resource, &mut statement.not_resource].into_iter().flatten() {
        match resources {
            ResourceList::Single(resource) => *resource = rename_variables(resource),
            ResourceList::Multiple(list) => list.iter_mut().for_each(|each| *each = rename_variables(each)),
        }
    }
    for condition in statement.condition.iter_mut().flat_map(|block| &mut block.conditions) {
        condition.key = context_key(&condition.key);
        condition.values.iter_mut().for_each(|each| *each = rename_variables(each));
        condition.operator.base = match condition.operator.base {
            BaseOperator::ArnEquals => BaseOperator::ArnLike,
            BaseOperator::ArnNotEquals => BaseOperator::ArnNotLike,
            other => other,
        };
    }
}

/// `${aws:UserName}` becomes the name under which the context holds it; `${*}` and the like stay.
fn rename_variables(template: &str) -> String {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 2..start + length];
        out.push_str(&rest[..start]);
        out.push_str("${");
        if name.contains(':') {
            out.push_str(&context_key(name));
        } else {
            out.push_str(name);
        }
        out.push('}');
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    out
}

/// None: the statement is not about `who`.
fn principal_match(statement: &Statement, who: Trustee) -> Option<Trust> {
    match (&statement.principal, &statement.not_principal) {
        (Some(principal), _) => principal_list_match(principal, who),
        (None, Some(excluded)) => principal_list_match(excluded, who).is_none().then_some(Trust::Account),
        (None, None) => None,
    }
}

fn principal_list_match(principal: &Principal, who: Trustee) -> Option<Trust> {
    let (aws, services): (&[String], &[String]) = match principal {
        Principal::Wildcard => return Some(Trust::Account),
        Principal::Aws(aws) => (aws, &[]),
        Principal::Service(services) => (&[], services),
        Principal::Mixed { aws, service, .. } => (aws, service),
        Principal::Federated(_) | Principal::CanonicalUser(_) => (&[], &[]),
    };
    match who {
        Trustee::Service(name) => services.iter().any(|each| each == name).then_some(Trust::Named),
        Trustee::Arn { arn, role, account } => {
            let root = format!("arn:aws:iam::{account}:root");
            if aws.iter().any(|each| (each == arn && arn != root) || Some(each.as_str()) == role) {
                Some(Trust::Named)
            } else {
                aws.iter()
                    .any(|each| each == "*" || each == account || *each == root)
                    .then_some(Trust::Account)
            }
        }
    }
}
