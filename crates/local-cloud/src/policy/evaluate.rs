//! Decides on a request by all its policies: identity policies, boundary, session policies and resource policy.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use std::sync::LazyLock;

use super::context::Context;
use super::document::Document;
use super::principal::{Asker, Grant};
use super::rule::Effect;

/// The kind of policy that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Identity,
    Boundary,
    Session,
    Resource,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    ExplicitDeny(Source),
    NoAllow(Source),
}

/// The policies of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    pub identity: &'a [Document],
    pub boundary: Option<&'a Document>,
    /// The session policies. An action is allowed if one of them allows it. None: the caller isn't a session, or has
    /// none.
    pub session: Option<&'a [Document]>,
    pub resource: Option<&'a Document>,
}

/// The policies of root, which allow everything.
pub static EVERYTHING: LazyLock<[Document; 1]> = LazyLock::new(|| {
    let all =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    [Document::identity(all).expect("it is part of the program")]
});

impl Policies<'_> {
    /// Decides whether `who` may do `action` on `resource`. Both must be of the same account. If an action has no
    /// resource, `resource` is `*`.
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
        // A role's session has no user name, so the statement doesn't apply.
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
