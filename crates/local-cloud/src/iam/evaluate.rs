//! What policies say about a request: identity, boundary, session and resource policies together.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>
//!
//! `awsim-iam-policy` judges actions and conditions. Statements are first brought into the form in which it judges as
//! AWS does: condition keys match without regard to case, ArnEquals is ArnLike, a negated comparison with several
//! numbers or dates is one with each of them, variables are in place (a statement with one that has no value says
//! nothing). Resources and principals are matched here. In a condition's pattern `${*}` is a wildcard, against AWS's rule.

use std::ops::Range;
use std::sync::LazyLock;

use awsim_iam_policy::{
    AuthzRequest, BaseOperator, Condition, Decision, EvalContext, PolicyDocument, SetQualifier, evaluate,
};
use serde_json::{Map, Value};

use super::context::{Context, context_key};
use super::document::{Document, parsed, texts};
use super::pattern::{Pattern, expanded};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Allow,
    Deny,
}

/// Which kind of policy decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Identity,
    Boundary,
    Session,
    Resource,
}

/// What policies say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    ExplicitDeny(Source),
    NoAllow(Source),
}

/// Who asks, to a policy that names principals.
#[derive(Clone, Copy, Debug)]
pub enum Asker<'a> {
    /// `sagemaker.amazonaws.com`.
    Service(&'a str),
    /// The ARN of a user, of root or of a session, and for a session its role's ARN too.
    Arn { arn: &'a str, role: Option<&'a str>, account: &'a str },
    /// Nobody signed.
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

/// One statement.
#[derive(Clone, Debug)]
pub struct Rule {
    pub effect: Effect,
    /// Its bytes in the document.
    pub place: Range<usize>,
    /// The condition keys as they are written.
    keys: Vec<String>,
    principals: Option<Principals>,
    resources: Option<Resources>,
    /// Its actions and conditions, for the evaluation crate.
    asked: PolicyDocument,
    /// Whether a condition has variables.
    template: bool,
}

#[derive(Clone, Debug)]
struct Resources {
    negated: bool,
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, Default)]
struct Principals {
    negated: bool,
    everybody: bool,
    aws: Vec<String>,
    services: Vec<String>,
}

/// All that may have a say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    pub identity: &'a [Document],
    pub boundary: Option<&'a Document>,
    /// They allow what one of them allows.
    pub session: Option<&'a [Document]>,
    pub resource: Option<&'a Document>,
}

/// What root's policies would be.
pub static EVERYTHING: LazyLock<[Document; 1]> = LazyLock::new(|| {
    let all =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    [Document::identity(all).expect("it is part of the program")]
});

impl Policies<'_> {
    /// Whether `who` may do `action` on `resource`, all of one account. An action without a resource of its own has `*`.
    pub fn judge(&self, who: Asker, action: &str, resource: &str, context: &Context) -> Verdict {
        let boundary = self.boundary.map(std::slice::from_ref);
        let limits = [(Source::Boundary, boundary), (Source::Session, self.session)];
        let say = |effect, documents: &[Document]| {
            documents.iter().any(|document| document.says(effect, action, resource, context))
        };
        for (source, documents) in [(Source::Identity, Some(self.identity))].into_iter().chain(limits) {
            if documents.is_some_and(|documents| say(Effect::Deny, documents)) {
                return Verdict::ExplicitDeny(source);
            }
        }
        let grant = self.resource.map_or(Grant::None, |it| it.grant(who, action, resource, context));
        match grant {
            Grant::Denied => return Verdict::ExplicitDeny(Source::Resource),
            Grant::Exact => return Verdict::Allowed,
            Grant::Named | Grant::Account | Grant::None => {}
        }
        if grant != Grant::Named && !say(Effect::Allow, self.identity) {
            return Verdict::NoAllow(match who {
                Asker::Arn { .. } => Source::Identity,
                Asker::Service(_) | Asker::Anonymous => Source::Resource,
            });
        }
        let silent = limits.into_iter().find(|(_, limit)| limit.is_some_and(|it| !say(Effect::Allow, it)));
        silent.map_or(Verdict::Allowed, |(source, _)| Verdict::NoAllow(source))
    }
}

impl Document {
    /// Whether a statement of this effect is about the request, whoever makes it.
    fn says(&self, effect: Effect, action: &str, resource: &str, context: &Context) -> bool {
        self.rules.iter().any(|rule| rule.effect == effect && rule.matches(action, resource, context))
    }

    /// The statements about the request; where principals are named, those that cover `who`.
    pub fn about<'a>(
        &'a self,
        who: Option<Asker<'a>>,
        action: &'a str,
        resource: &'a str,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a Rule> {
        let covers = move |rule: &&Rule| who.is_none_or(|who| rule.covers(who) != Grant::None);
        self.rules.iter().filter(covers).filter(move |rule| rule.matches(action, resource, context))
    }

    /// The condition keys of the statements that would be about the request if their conditions held.
    pub fn keys_wanted<'a>(
        &'a self,
        who: Option<Asker<'a>>,
        action: &'a str,
        resource: &'a str,
        context: &'a Context,
    ) -> impl Iterator<Item = &'a str> {
        let covers = move |rule: &&Rule| who.is_none_or(|who| rule.covers(who) != Grant::None);
        let concerned = self.rules.iter().filter(covers);
        let concerned = concerned.filter(move |rule| rule.concerns(action, resource, context));
        concerned.flat_map(|rule| rule.keys.iter().map(String::as_str))
    }

    /// How a policy that names principals lets `who` do `action` on `resource`; a trust policy's is empty.
    pub fn grant(&self, who: Asker, action: &str, resource: &str, context: &Context) -> Grant {
        let grants = self.rules.iter().filter_map(|rule| {
            let grant = rule.covers(who);
            let about = grant != Grant::None && rule.matches(action, resource, context);
            about.then_some(if rule.effect == Effect::Deny { Grant::Denied } else { grant })
        });
        grants.max().unwrap_or(Grant::None)
    }
}

impl Rule {
    /// From a statement that has been checked, at its place in the document.
    pub(super) fn new(
        statement: &Map<String, Value>,
        variables: bool,
        place: Range<usize>,
    ) -> Result<Self, String> {
        let listed = |name: &str| statement.get(name).and_then(texts);
        let resources = listed("Resource").map(|list| (false, list));
        let resources = resources.or_else(|| Some((true, listed("NotResource")?))).map(|(negated, list)| {
            Resources { negated, patterns: list.iter().map(|each| Pattern::new(each, variables)).collect() }
        });
        let named = statement.get("Principal").map(|principal| (false, principal));
        let principals = named
            .or_else(|| Some((true, statement.get("NotPrincipal")?)))
            .map(|(negated, principal)| Principals::new(negated, principal));
        let mut judged = statement.clone();
        judged.retain(|name, _| ["Effect", "Action", "NotAction", "Condition"].contains(&name.as_str()));
        let mut asked = parsed(judged)?;
        let (mut keys, mut template) = (Vec::new(), false);
        for block in asked.statements.iter_mut().filter_map(|it| it.condition.as_mut()) {
            keys.extend(block.conditions.iter().map(|condition| condition.key.clone()));
            let mut values = block.conditions.iter().flat_map(|condition| &condition.values);
            template = variables && values.any(|value| value.contains("${"));
            block.conditions =
                std::mem::take(&mut block.conditions).into_iter().flat_map(normalised).collect();
        }
        let effect = if statement["Effect"] == "Deny" { Effect::Deny } else { Effect::Allow };
        Ok(Self { effect, place, keys, principals, resources, asked, template })
    }

    /// Whether it is about `action` on `resource`, and its conditions hold.
    fn matches(&self, action: &str, resource: &str, context: &Context) -> bool {
        if !self.about_resource(resource, context) {
            return false;
        }
        match self.template {
            true => self.filled(context).is_some_and(|asked| agrees(&asked, action, context)),
            false => agrees(&self.asked, action, context),
        }
    }

    /// Whether it is about `action` on `resource`, should its conditions hold.
    fn concerns(&self, action: &str, resource: &str, context: &Context) -> bool {
        let mut unconditional = self.asked.clone();
        unconditional.statements.iter_mut().for_each(|statement| statement.condition = None);
        self.about_resource(resource, context) && agrees(&unconditional, action, context)
    }

    fn about_resource(&self, resource: &str, context: &Context) -> bool {
        let Some(resources) = &self.resources else { return true };
        let mut any = false;
        for pattern in &resources.patterns {
            match pattern.fits(resource, context) {
                Some(fits) => any |= fits,
                // Of a statement that names what it doesn't cover, nothing is known to be left.
                None if resources.negated => return false,
                None => {}
            }
        }
        any != resources.negated
    }

    /// What is asked, with the variables in place. None: one of them has no value.
    fn filled(&self, context: &Context) -> Option<PolicyDocument> {
        let mut asked = self.asked.clone();
        let blocks = asked.statements.iter_mut().filter_map(|it| it.condition.as_mut());
        for value in blocks.flat_map(|it| &mut it.conditions).flat_map(|it| &mut it.values) {
            *value = expanded(value, context)?;
        }
        Some(asked)
    }
    /// Who is named, after their kind; `*` is nobody by name.
    pub fn principals(&self) -> impl Iterator<Item = (&str, &str)> {
        let (aws, services): (&[String], &[String]) =
            self.principals.as_ref().map_or((&[], &[]), |it| (&it.aws, &it.services));
        let aws = aws.iter().map(|each| ("AWS", each.as_str()));
        aws.chain(services.iter().map(|each| ("Service", each.as_str())))
    }

    /// Whether it allows something to everybody, or to everybody but some.
    pub fn is_for_everybody(&self) -> bool {
        let everybody = |it: &Principals| it.everybody || it.negated || it.aws.iter().any(|each| each == "*");
        self.effect == Effect::Allow && self.principals.as_ref().is_some_and(everybody)
    }

    /// Its conditions, as the crate judges them.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.asked.statements.iter().filter_map(|it| it.condition.as_ref()).flat_map(|it| &it.conditions)
    }

    fn covers(&self, who: Asker) -> Grant {
        match &self.principals {
            Some(principals) if principals.negated => match principals.grant(who) {
                Grant::None => Grant::Named,
                _ => Grant::None,
            },
            Some(principals) => principals.grant(who),
            None => Grant::None,
        }
    }
}

impl Principals {
    fn new(negated: bool, written: &Value) -> Self {
        let listed = |kind: &str| -> Vec<String> {
            let list = written.get(kind).and_then(texts).unwrap_or_default();
            list.into_iter().map(str::to_owned).collect()
        };
        Self { negated, everybody: written == "*", aws: listed("AWS"), services: listed("Service") }
    }

    fn grant(&self, who: Asker) -> Grant {
        let found = |wanted: &dyn Fn(&str) -> bool| self.aws.iter().any(|each| wanted(each));
        let everybody = self.everybody || found(&|each| each == "*");
        match who {
            Asker::Service(name) if self.services.iter().any(|each| each == name) => Grant::Exact,
            Asker::Service(_) if self.everybody => Grant::Named,
            Asker::Service(_) => Grant::None,
            Asker::Anonymous => {
                if everybody {
                    Grant::Named
                } else {
                    Grant::None
                }
            }
            Asker::Arn { arn, role, account } => {
                let root = format!("arn:aws:iam::{account}:root");
                if found(&|each| each == arn && arn != root) {
                    Grant::Exact
                } else if everybody || found(&|each| Some(each) == role) {
                    Grant::Named
                } else if found(&|each| each == account || each == root) {
                    Grant::Account
                } else {
                    Grant::None
                }
            }
        }
    }
}

/// Whether the crate finds that actions and conditions hold.
fn agrees(asked: &PolicyDocument, action: &str, context: &Context) -> bool {
    // The crate knows the principal only for variables and resource policies, which are answered here.
    let request = AuthzRequest {
        principal_arn: "",
        principal_account: "",
        action,
        resource_arn: "",
        context: context.values(),
    };
    let policies = EvalContext { identity_policies: std::slice::from_ref(asked), ..EvalContext::default() };
    evaluate(&request, &policies) != Decision::ImplicitDeny
}

/// A condition in the forms in which the crate judges it as AWS does.
fn normalised(mut condition: Condition) -> Vec<Condition> {
    condition.key = context_key(&condition.key);
    condition.operator.base = match condition.operator.base {
        BaseOperator::ArnEquals => BaseOperator::ArnLike,
        BaseOperator::ArnNotEquals => BaseOperator::ArnNotLike,
        other => other,
    };
    let unequal =
        matches!(condition.operator.base, BaseOperator::NumericNotEquals | BaseOperator::DateNotEquals);
    if !unequal || condition.operator.set_qualifier == SetQualifier::ForAnyValue {
        return vec![condition];
    }
    let each = |value: &String| Condition { values: vec![value.clone()], ..condition.clone() };
    condition.values.iter().map(each).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NO_ALLOW: Verdict = Verdict::NoAllow(Source::Identity);
    const DENIED: Verdict = Verdict::ExplicitDeny(Source::Identity);

    fn document(statements: Value) -> Document {
        Document::identity(&json!({"Version": "2012-10-17", "Statement": statements}).to_string()).unwrap()
    }

    fn ask(statements: Value, action: &str, resource: &str, context: &Context) -> Verdict {
        together(&[document(statements)], action, resource, context)
    }

    fn together(identity: &[Document], action: &str, resource: &str, context: &Context) -> Verdict {
        let who = Asker::Arn { arn: "", role: None, account: "" };
        Policies { identity, ..Policies::default() }.judge(who, action, resource, context)
    }

    #[test]
    fn allows_are_needed_and_denies_win() {
        let none = Context::new();
        let allow = json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"});
        let deny = json!({"Effect": "Deny", "Action": "s3:*", "Resource": "arn:aws:s3:::b/secret"});
        assert_eq!(ask(allow.clone(), "s3:GetObject", "arn:aws:s3:::b/k/l", &none), Verdict::Allowed);
        assert_eq!(ask(allow.clone(), "S3:getobject", "arn:aws:s3:::b/k", &none), Verdict::Allowed);
        assert_eq!(ask(allow.clone(), "s3:GetObject", "arn:aws:s3:::B/k", &none), NO_ALLOW);
        assert_eq!(ask(allow.clone(), "s3:PutObject", "arn:aws:s3:::b/k", &none), NO_ALLOW);
        let both = [document(allow), document(deny)];
        assert_eq!(together(&both, "s3:GetObject", "arn:aws:s3:::b/secret", &none), DENIED);
        assert_eq!(together(&[], "s3:GetObject", "arn:aws:s3:::b/k", &none), NO_ALLOW);
    }

    #[test]
    fn not_action_and_not_resource_are_all_the_others() {
        let none = Context::new();
        let not_iam = json!({"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "Resource": "*"});
        assert_eq!(ask(not_iam.clone(), "sagemaker:CreateModel", "arn:x", &none), Verdict::Allowed);
        assert_eq!(ask(not_iam, "iam:PassRole", "arn:x", &none), NO_ALLOW);
        let elsewhere = json!({"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::b/*"});
        assert_eq!(ask(elsewhere.clone(), "s3:GetObject", "arn:aws:s3:::c/k", &none), Verdict::Allowed);
        assert_eq!(ask(elsewhere, "s3:GetObject", "arn:aws:s3:::b/k", &none), NO_ALLOW);
    }

    #[test]
    fn conditions_hold_whatever_the_case_of_their_key() {
        let conditional = |operator: &str, key: &str, value: Value| json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {key: value}}});
        let passed = Context::new().with("iam:PassedToService", "sagemaker.amazonaws.com");
        let cases = [
            ("StringEquals", "iam:passedtoservice", json!("sagemaker.amazonaws.com"), Verdict::Allowed),
            (
                "StringEquals",
                "iam:PassedToService",
                json!(["a", "sagemaker.amazonaws.com"]),
                Verdict::Allowed,
            ),
            ("StringEquals", "iam:PassedToService", json!("ec2.amazonaws.com"), NO_ALLOW),
            ("StringLike", "iam:PassedToService", json!("*.amazonaws.com"), Verdict::Allowed),
            ("StringNotEquals", "iam:PassedToService", json!("ec2.amazonaws.com"), Verdict::Allowed),
            ("StringEquals", "aws:Absent", json!("x"), NO_ALLOW),
            ("StringEqualsIfExists", "aws:Absent", json!("x"), Verdict::Allowed),
            ("Null", "aws:Absent", json!("true"), Verdict::Allowed),
            ("Null", "iam:PassedToService", json!("true"), NO_ALLOW),
        ];
        for (operator, key, value, expected) in cases {
            let verdict = ask(conditional(operator, key, value), "iam:PassRole", "arn:x", &passed);
            assert_eq!(verdict, expected, "{operator} {key}");
        }
        let arn = Context::new().with("aws:SourceArn", "arn:aws:s3:::b");
        let like = conditional("ArnEquals", "aws:SourceArn", json!("arn:aws:s3:::*"));
        assert_eq!(ask(like, "a:b", "*", &arn), Verdict::Allowed);
        let tags = Context::new().with_list("aws:TagKeys", ["a".to_owned(), "z".to_owned()]);
        let all = conditional("ForAllValues:StringEquals", "aws:TagKeys", json!(["a", "b"]));
        assert_eq!(ask(all, "a:b", "*", &tags), NO_ALLOW);
        let any = conditional("ForAnyValue:StringEquals", "aws:TagKeys", json!(["a", "b"]));
        assert_eq!(ask(any, "a:b", "*", &tags), Verdict::Allowed);
        let time = Context::new().with("aws:CurrentTime", "2026-01-01T00:00:00Z");
        let before = |day: &str| conditional("DateLessThan", "aws:CurrentTime", json!(day));
        assert_eq!(ask(before("2026-01-02T00:00:00Z"), "a:b", "*", &time), Verdict::Allowed);
        assert_eq!(ask(before("2025-12-31T00:00:00Z"), "a:b", "*", &time), NO_ALLOW);
    }

    #[test]
    fn variables_stand_for_the_context() {
        let home =
            json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b/${AWS:username}/*"});
        let alice = Context::new().with("aws:username", "alice");
        assert_eq!(ask(home.clone(), "s3:GetObject", "arn:aws:s3:::b/alice/k", &alice), Verdict::Allowed);
        assert_eq!(ask(home.clone(), "s3:GetObject", "arn:aws:s3:::b/bob/k", &alice), NO_ALLOW);
        // A role's session has no user name, so the statement is about nothing.
        assert_eq!(ask(home, "s3:GetObject", "arn:aws:s3:::b//k", &Context::new()), NO_ALLOW);
    }

    #[test]
    fn trust_tells_services_users_and_accounts_apart() {
        let trusts = |principal: Value, who: Asker| {
            let statement = json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
            let document = Document::trust(&json!({"Statement": statement}).to_string()).unwrap();
            document.grant(who, "sts:AssumeRole", "", &Context::new())
        };
        let (user, role) = ("arn:aws:iam::123456789012:user/u", "arn:aws:iam::123456789012:role/r");
        let session = "arn:aws:sts::123456789012:assumed-role/r/s";
        let by_user = Asker::Arn { arn: user, role: None, account: "123456789012" };
        let by_session = Asker::Arn { arn: session, role: Some(role), account: "123456789012" };
        let sagemaker = Asker::Service("sagemaker.amazonaws.com");
        let both = json!({"Service": ["sagemaker.amazonaws.com", "lambda.amazonaws.com"], "AWS": user});
        assert_eq!(trusts(both.clone(), sagemaker), Grant::Exact);
        assert_eq!(trusts(both.clone(), Asker::Service("ec2.amazonaws.com")), Grant::None);
        assert_eq!(trusts(both.clone(), by_user), Grant::Exact);
        assert_eq!(trusts(both, by_session), Grant::None);
        assert_eq!(trusts(json!({"AWS": role}), by_session), Grant::Named);
        assert_eq!(trusts(json!({"AWS": session}), by_session), Grant::Exact);
        assert_eq!(trusts(json!({"AWS": "*"}), by_user), Grant::Named);
        assert_eq!(trusts(json!({"AWS": "*"}), Asker::Anonymous), Grant::Named);
        assert_eq!(trusts(json!({"AWS": user}), Asker::Anonymous), Grant::None);
        for account in ["123456789012", "arn:aws:iam::123456789012:root"] {
            assert_eq!(trusts(json!({"AWS": account}), by_user), Grant::Account);
            assert_eq!(trusts(json!({"AWS": account}), sagemaker), Grant::None);
        }
        let denied = json!({"Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
            {"Effect": "Deny", "Principal": {"AWS": user}, "Action": "sts:*"},
        ]});
        let document = Document::trust(&denied.to_string()).unwrap();
        assert_eq!(document.grant(by_user, "sts:AssumeRole", "", &Context::new()), Grant::Denied);
        assert_eq!(document.grant(by_session, "sts:AssumeRole", "", &Context::new()), Grant::Named);
    }
}
