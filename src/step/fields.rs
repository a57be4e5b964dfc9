//! Types of fields that several kinds share: AWS's names, with AWS's rules as patterns, so that `check` refuses what AWS
//! would refuse.

use std::borrow::Cow;

use aws_sdk_sagemaker::types::{InstanceType, ProductionVariantInstanceType, TrainingInstanceType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::kind::Problem;
use crate::resource::Statement;
use crate::{aws_names, iam_actions};

macro_rules! text {
    ($(#[$doc:meta])* $Name:ident, $pattern:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Name(pub String);

        impl JsonSchema for $Name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($Name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "pattern": $pattern, "x-rule": $rule})
            }
        }
    };
}

text!(
    /// Bucket naming rules: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
    BucketName,
    r"^[a-z0-9]([a-z0-9-]|\.[a-z0-9]){1,61}[a-z0-9]$",
    "a bucket's name is 3 to 63 lowercase letters, digits, hyphens and single dots, and begins and ends with a letter or digit"
);
text!(S3Uri, r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$", "an S3 URI is s3://BUCKET/KEY");
text!(
    /// `iam:CreateRole`.
    RoleName,
    r"^[\w+=,.@-]{1,64}$",
    "a role's name is 1 to 64 letters, digits and the signs + = , . @ - _"
);
text!(
    RoleArn,
    r"^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$",
    "a role's ARN is arn:aws:iam::ACCOUNT:role/NAME, as the output `arn` of a `role` step"
);
text!(
    /// A model's or endpoint's name: `sagemaker:CreateEndpoint`.
    SageMakerName,
    r"^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$",
    "a name in SageMaker is 1 to 63 letters, digits and hyphens, and begins and ends with a letter or digit"
);
text!(
    /// An origin from which a worker may fetch images.
    Origin,
    r"^(https?://(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?)(:[0-9]{1,5})?|s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])$",
    "an origin is http or https, a host and perhaps a port, as https://images.example.com, and no path; or s3://BUCKET"
);

impl Statement {
    /// Returns the mistakes in the statements of a field.
    pub fn problems(field: &str, statements: &[Statement]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, statement) in statements.iter().enumerate() {
            problems.extend(action_problems(&format!("{field}.{index}.actions"), &statement.actions));
            for (at, resource) in statement.resources.iter().enumerate() {
                let field = format!("{field}.{index}.resources.{at}");
                if resource == "*" {
                    continue;
                } else if !resource.starts_with("arn:") {
                    let message = format!("`{resource}` is not a resource: an ARN, or *");
                    problems.push(Problem::at(field, message));
                } else {
                    problems.extend(aws_names::arn(resource).map(|wrong| Problem::of_name(field, wrong)));
                }
            }
        }
        problems
    }
}

/// Returns the mistakes in a list of actions.
pub(super) fn action_problems(field: &str, actions: &[String]) -> Vec<Problem> {
    let problem = |(at, action): (usize, &String)| {
        let field = format!("{field}.{at}");
        let is_named =
            action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty());
        match is_named {
            true => iam_actions::unknown(action).map(|wrong| Problem::of_name(field, wrong)),
            false if action == "*" => None,
            false => {
                let message = format!("`{action}` is not an action: SERVICE:ACTION, as s3:GetObject");
                Some(Problem::at(field, message))
            }
        }
    };
    actions.iter().enumerate().filter_map(problem).collect()
}

/// Returns the mistakes in a list of managed policies.
pub(super) fn managed_policy_problems(field: &str, policies: &[String]) -> Vec<Problem> {
    let problem = |(at, policy): (usize, &String)| {
        let wrong = aws_names::managed_policy(policy)?;
        Some(Problem::of_name(format!("{field}.{at}"), wrong))
    };
    policies.iter().enumerate().filter_map(problem).collect()
}

text!(
    /// `lambda:CreateFunction`.
    FunctionName,
    r"^[a-zA-Z0-9_-]{1,64}$",
    "a function's name is 1 to 64 letters, digits, hyphens and underscores"
);
text!(
    /// `lambda:CreateAlias`: not all digits, which would be a version.
    AliasName,
    r"^[a-zA-Z0-9_-]*[a-zA-Z_-][a-zA-Z0-9_-]*$",
    "an alias is letters, digits, hyphens and underscores, and not digits alone"
);
text!(
    /// A version or an alias.
    Qualifier,
    r"^[a-zA-Z0-9_-]{1,128}$",
    "a qualifier is a version's number or an alias; $LATEST is what no qualifier means"
);

macro_rules! instance {
    ($(#[$doc:meta])* $Name:ident, $Sdk:ty, $purpose:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Name(pub String);

        impl JsonSchema for $Name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($Name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "enum": <$Sdk>::values(), "x-instances": $purpose})
            }
        }
    };
}

instance!(
    /// An instance type that SageMaker trains on.
    TrainingInstance,
    TrainingInstanceType,
    "training"
);
instance!(
    /// An instance type that SageMaker serves on.
    EndpointInstance,
    ProductionVariantInstanceType,
    "endpoints"
);
instance!(
    /// An instance type that SageMaker has notebooks on.
    NotebookType,
    InstanceType,
    "notebooks"
);
