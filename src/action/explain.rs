//! Explains why a call was denied and what would allow it, by IAM's policy simulator.

use aws_sdk_iam::types::{EvaluationResult, PolicyEvaluationDecisionType as Decided};

use crate::aws::{Aws, failure};
use crate::failure::{Failure, Outcome};
use crate::resource::role_arn;

/// A denial in AWS's words: `User: ARN is not authorized to perform: ACTION on resource: ARN because …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    pub principal: String,
    pub action: String,
    /// `*` if the message names none.
    pub resource: String,
}

/// Returns the denial that a message quotes, if there is one.
pub fn denial(message: &str) -> Option<Denial> {
    let (_, denial) = message.split_once("User: ")?;
    let (principal, denial) = denial.split_once(" is not authorized to perform: ")?;
    let word = |text: &str| {
        let end = text.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(text.len());
        text[..end].trim_end_matches(['.', ',']).to_owned()
    };
    let resource =
        denial.split_once(" on resource: ").map(|(_, resource)| word(resource.trim_start_matches('"')));
    Some(Denial {
        principal: word(principal),
        action: word(denial),
        resource: resource.filter(|arn| !arn.is_empty()).unwrap_or_else(|| "*".into()),
    })
}

/// Adds hints to a denial: the principal, the action and the resource, and the statement that decided, or the smallest
/// statement that is missing. If the simulator fails, the failure stays as it was.
pub async fn explain(aws: &Aws, failure: Failure) -> Failure {
    let Some(denial) = denial(&failure.message) else { return failure };
    match why(aws, &denial).await {
        Ok(why) => failure.hint(why),
        Err(_) => failure,
    }
}

async fn why(aws: &Aws, denial: &Denial) -> Outcome<String> {
    let source = source_arn(aws, &denial.principal).await?;
    let result = simulate(aws, &source, &denial.action, &denial.resource).await?;
    let Denial { action, resource, .. } = denial;
    let statements: Vec<String> = result
        .matched_statements()
        .iter()
        .map(|one| {
            let line = one.start_position().map(|position| position.line()).unwrap_or_default();
            format!("the statement at line {line} of {}", one.source_policy_id().unwrap_or("a policy"))
        })
        .collect();
    Ok(match result.eval_decision() {
        Decided::ExplicitDeny => {
            format!("{source} is denied {action} on {resource} by {}", statements.join(", "))
        }
        Decided::Allowed => format!(
            "the policies of {source} allow {action} on {resource} by now: where it is still denied, a resource policy \
             or a boundary does so"
        ),
        _ => format!(
            "no statement of the policies of {source} allows {action} on {resource}; the smallest that does is \
             {{\"Effect\": \"Allow\", \"Action\": \"{action}\", \"Resource\": \"{resource}\"}}"
        ),
    })
}

/// Returns the simulator's decision.
pub async fn simulate(aws: &Aws, source: &str, action: &str, resource: &str) -> Outcome<EvaluationResult> {
    let simulated = aws.iam.simulate_principal_policy().policy_source_arn(source).action_names(action);
    let simulated = simulated.resource_arns(resource).send().await;
    let simulated = simulated.map_err(|error| failure("SimulatePrincipalPolicy", error))?;
    simulated
        .evaluation_results
        .and_then(|results| results.into_iter().next())
        .ok_or_else(|| Failure::new("BadAnswer", "SimulatePrincipalPolicy: no result"))
}

/// Returns the user or role that has the policies: for a session, its role.
async fn source_arn(aws: &Aws, principal: &str) -> Outcome<String> {
    let Some((_, session)) = principal.split_once(":assumed-role/") else { return Ok(principal.to_owned()) };
    let role = session.split('/').next().unwrap_or_default();
    role_arn(aws, role).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denial_is_found_in_aws_words() {
        let said = "An error occurred (AccessDeniedException) when calling the InvokeEndpoint operation: User: \
            arn:aws:sts::123456789012:assumed-role/r/f is not authorized to perform: sagemaker:InvokeEndpoint on \
            resource: arn:aws:sagemaker:us-east-1:123456789012:endpoint/e because no identity-based policy allows it";
        let found = denial(said).unwrap();
        assert_eq!(found.principal, "arn:aws:sts::123456789012:assumed-role/r/f");
        assert_eq!(found.action, "sagemaker:InvokeEndpoint");
        assert_eq!(found.resource, "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e");
        let quoted =
            "User: u is not authorized to perform: s3:ListBucket on resource: \"arn:aws:s3:::b\" because";
        assert_eq!(denial(quoted).unwrap().resource, "arn:aws:s3:::b");
        assert_eq!(
            denial("User: u is not authorized to perform: s3:ListAllMyBuckets").unwrap().resource,
            "*"
        );
        assert_eq!(denial("is not authorized to perform: x"), None);
    }
}
