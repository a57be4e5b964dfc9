//! The smallest policy for a function, from evidence of what it needs: only the actions that it has requested, on exact
//! ARNs.

use std::collections::BTreeMap;

use opsml_contract::{Decision, ENDPOINT_NAME_ENV};
use schemars::JsonSchema;
use serde::Serialize;

use crate::action::Denial;
use crate::failure::{Failure, Outcome};
use crate::resource::Statement;

/// The actions of Lambda, with the function's role, to write the function's log.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html>
const LOG_ACTIONS: [&str; 3] = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"];

/// The source of this evidence.
const LOG: &str = "Lambda writes a function's log as its role";

/// The actions of Lambda, with the role of a function in a VPC. EC2's Describe actions have no resources.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html>
const VPC_ACTIONS: [&str; 3] =
    ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"];

/// The reason for a part of the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Evidence {
    pub action: String,
    pub resource: String,
    /// Its source.
    pub source: String,
}

impl Evidence {
    /// Refuses a name that would be a pattern in a policy: a function that requests the object `*` needs only that object.
    ///
    /// # Errors
    /// `BadEvidence`.
    pub fn must_be_exact(&self) -> Outcome<()> {
        let pattern = |text: &str| text.contains(['*', '?']) || text.contains("${");
        // EC2's actions without resources, and the streams of the function's log, need a pattern.
        let known = self.is_for_the_log() || VPC_ACTIONS.contains(&self.action.as_str());
        match !known && (pattern(&self.action) || pattern(&self.resource)) {
            true => {
                let message = format!(
                    "{} on {} is no exact ARN: a policy would read it as a pattern ({})",
                    self.action, self.resource, self.source
                );
                Err(Failure::new("BadEvidence", message)
                    .hint("write this part yourself: a `policy` step with `allow`"))
            }
            false => Ok(()),
        }
    }

    /// Whether Lambda needs it to write the function's log.
    pub fn is_for_the_log(&self) -> bool {
        self.source == LOG
    }
}

/// A function, with its account and region.
pub struct Subject<'a> {
    pub function: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub environment: &'a BTreeMap<String, String>,
    pub in_vpc: bool,
}

/// Returns what a function needs, by IAM's decisions, by denials, and by its declared endpoint.
pub fn evidence(subject: &Subject<'_>, decisions: &[Decision], denials: &[Denial]) -> Vec<Evidence> {
    let Subject { function, region, account, .. } = subject;
    let mut found: Vec<Evidence> = Vec::new();
    let mut see = |action: &str, resource: &str, source: &str| match found
        .iter_mut()
        .find(|one| one.action == action && one.resource == resource)
    {
        Some(one) if one.source.contains(source) => {}
        Some(one) => one.source = format!("{}; {source}", one.source),
        None => {
            found.push(Evidence { action: action.into(), resource: resource.into(), source: source.into() });
        }
    };
    if let Some(endpoint) = subject.environment.get(ENDPOINT_NAME_ENV) {
        // The names in SageMaker's ARNs are in lower case.
        let arn = format!("arn:aws:sagemaker:{region}:{account}:endpoint/{}", endpoint.to_lowercase());
        see("sagemaker:InvokeEndpoint", &arn, &format!("the function's environment: {ENDPOINT_NAME_ENV}"));
    }
    for denial in denials {
        see(&denial.action, &denial.resource, "the message of a denial");
    }
    let log = format!("arn:aws:logs:{region}:{account}:log-group:/aws/lambda/{function}:");
    for decision in decisions.iter().filter(|decision| !decision.resource.starts_with(&log)) {
        see(&decision.action, &decision.resource, &format!("IAM's decision: {}", decision.outcome));
    }
    for action in LOG_ACTIONS {
        see(action, &format!("{log}*"), LOG);
    }
    if subject.in_vpc {
        for action in VPC_ACTIONS {
            see(action, "*", "the function's configuration: it is in a VPC");
        }
    }
    found
}

/// Returns a statement for each set of resources, in the order of the evidence.
pub fn statements(evidence: &[Evidence]) -> Vec<Statement> {
    let mut statements: Vec<Statement> = Vec::new();
    for one in evidence {
        match statements.iter_mut().find(|statement| statement.resources == [one.resource.clone()]) {
            Some(statement) => statement.actions.push(one.action.clone()),
            None => statements
                .push(Statement { actions: vec![one.action.clone()], resources: vec![one.resource.clone()] }),
        }
    }
    statements
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(action: &str, resource: &str, outcome: &str) -> Decision {
        Decision {
            principal: "arn:aws:sts::1:assumed-role/r/f".into(),
            action: action.into(),
            resource: resource.into(),
            outcome: outcome.into(),
        }
    }

    #[test]
    fn it_is_what_was_asked_for_and_the_log() {
        let environment = BTreeMap::from([(ENDPOINT_NAME_ENV.to_owned(), "E-1".to_owned())]);
        let subject = Subject {
            function: "f",
            region: "us-east-1",
            account: "1",
            environment: &environment,
            in_vpc: false,
        };
        let endpoint = "arn:aws:sagemaker:us-east-1:1:endpoint/e-1";
        let log = "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/f:";
        let decisions = [
            decision("sagemaker:InvokeEndpoint", endpoint, "implicitDeny"),
            decision("logs:CreateLogGroup", &format!("{log}log-stream:"), "implicitDeny"),
            decision("logs:PutLogEvents", &format!("{log}log-stream:x"), "allowed"),
        ];
        let found = evidence(&subject, &decisions, &[]);
        assert_eq!(
            found[0].source,
            "the function's environment: ENDPOINT_NAME; IAM's decision: implicitDeny"
        );
        let statements = statements(&found);
        let found: Vec<(String, String)> =
            statements.iter().map(|one| (one.actions.join(" "), one.resources.join(" "))).collect();
        let expected = [
            ("sagemaker:InvokeEndpoint", endpoint.to_owned()),
            ("logs:CreateLogGroup logs:CreateLogStream logs:PutLogEvents", format!("{log}*")),
        ];
        assert_eq!(found, expected.map(|(actions, on)| (actions.to_owned(), on)));
    }

    #[test]
    fn another_functions_log_is_no_log_of_its_own() {
        let environment = BTreeMap::new();
        let subject =
            Subject { function: "f", region: "r", account: "1", environment: &environment, in_vpc: true };
        let other = decision("s3:GetObject", "arn:aws:s3:::b/k", "implicitDeny");
        let log = decision(
            "logs:GetLogEvents",
            "arn:aws:logs:r:1:log-group:/aws/lambda/f2:log-stream:s",
            "allowed",
        );
        let denial = crate::action::Denial {
            principal: String::new(),
            action: "s3:GetObject".into(),
            resource: "arn:aws:s3:::b/k".into(),
        };
        let found = evidence(&subject, &[other, log], &[denial]);
        assert_eq!(found.iter().filter(|one| one.action == "s3:GetObject").count(), 1);
        assert!(found.iter().any(|one| one.action == "logs:GetLogEvents"));
        assert!(found.iter().all(|one| one.must_be_exact().is_ok()));
        for (action, resource) in [
            ("s3:GetObject", "arn:aws:s3:::b/*"),
            ("*", "*"),
            ("s3:GetObject", "arn:aws:s3:::b/${aws:username}"),
        ] {
            let asked = evidence(&subject, &[decision(action, resource, "implicitDeny")], &[]);
            assert!(asked.iter().any(|one| one.must_be_exact().is_err()), "{action} {resource}");
        }
        assert!(statements(&found).iter().any(|one| one.resources == ["*"] && one.actions.len() == 3));
    }
}
