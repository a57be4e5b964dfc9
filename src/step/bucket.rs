//! `bucket`: an S3 bucket, private, encrypted, versioned.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::context::{Context, Done};
use super::fields::BucketName;
use super::kind::{Kind, Problem, Reads};
use crate::failure::Outcome;
use crate::resource;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bucket {
    /// The bucket's name. By default it is generated from the runbook's name and the stack.
    pub name: Option<BucketName>,
    /// Keep earlier versions of objects.
    #[serde(default)]
    pub versioning: bool,
    /// The name of an existing bucket. It is used, and never changed or deleted.
    pub existing: Option<BucketName>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The bucket's name.
    pub name: String,
    /// The bucket's ARN.
    pub arn: String,
    /// `s3://NAME`.
    pub uri: String,
    /// The bucket's region.
    pub region: String,
}

impl Kind for Bucket {
    const NAME: &'static str = "bucket";
    const ABOUT: &'static str = "makes an S3 bucket: private, encrypted, versioned where asked";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        match (&self.existing, self.name.is_some() || self.versioning) {
            (Some(_), true) => {
                vec![Problem::at("existing", "an existing bucket is used as it is: it takes no other key")]
            }
            _ => Vec::new(),
        }
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let wanted = resource::Bucket {
            name: self.name.as_ref().map(|name| name.0.clone()),
            base: context.base(),
            versioning: self.versioning,
        };
        let held = match &self.existing {
            Some(existing) => context.existing(&wanted, &existing.0).await?,
            None => context.ensure("bucket", wanted).await?,
        };
        let uri = format!("s3://{}", held.name);
        let outputs =
            Outputs { arn: held.text("arn"), uri: uri.clone(), region: held.text("region"), name: held.name };
        Ok(Done::new(outputs, uri))
    }
}
