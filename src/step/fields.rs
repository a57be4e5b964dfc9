//! Types of fields that several kinds share: AWS's names, with AWS's rules as patterns, so that `check` refuses
//! what AWS would.

use std::borrow::Cow;

use aws_sdk_sagemaker::types::{InstanceType, ProductionVariantInstanceType, TrainingInstanceType};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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
    /// What a worker may fetch images from.
    Origin,
    r"^https?://(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?)(:[0-9]{1,5})?$",
    "an origin is http or https, a host and perhaps a port, as https://images.example.com, and no path"
);

macro_rules! instance {
    ($(#[$doc:meta])* $Name:ident, $Sdk:ty) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Name(pub String);

        impl JsonSchema for $Name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($Name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "enum": <$Sdk>::values()})
            }
        }
    };
}

instance!(
    /// An instance type that SageMaker trains on.
    TrainingInstance,
    TrainingInstanceType
);
instance!(
    /// An instance type that SageMaker serves on.
    EndpointInstance,
    ProductionVariantInstanceType
);
instance!(
    /// An instance type that SageMaker has notebooks on.
    NotebookType,
    InstanceType
);
