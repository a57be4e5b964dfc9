//! What a job wrote to S3, and what its step answers for: the objects below a prefix that has the job's own name.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket::empty;
use super::objects::{self, Object, content, split_uri};
use super::traits::{GONE, Live, Naming, Report, Resource, Status, Tags, facts};
use crate::aws::Aws;
use crate::failure::{Failure, Outcome};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// `s3://BUCKET/PREFIX/`.
    pub uri: String,
    /// The key below the prefix without which the output is worth nothing.
    pub main: String,
}

impl Resource for Output {
    const TYPE: &'static str = "output";
    const ROWS: &'static [&'static str] = &["uri", "files", "bytes"];
    const IS_LEFT_BY_ANOTHER: bool = true;

    fn naming(&self) -> Naming {
        Naming::Unique(self.uri.clone())
    }

    fn replaces(&self, _old: &Self) -> bool {
        true
    }

    async fn describe(&self, aws: &Aws, _name: &str) -> Outcome<Option<Live>> {
        let (bucket, prefix) = split_uri(&self.uri)?;
        let Some(content) = content(aws, &bucket, &prefix).await? else { return Ok(None) };
        let main = format!("{}{}", self.uri, self.main);
        let gone = matches!(objects::look(aws, &main).await?, Object::Gone).then_some(main);
        let facts = facts([
            ("uri", json!(self.uri)),
            ("files", json!(content.files)),
            ("bytes", json!(content.bytes)),
            ("revision", json!(content.revision)),
            (GONE, json!(gone)),
        ]);
        Ok(Some(Live { status: Status::Ready, facts }))
    }

    async fn create(&self, _aws: &Aws, _name: &str, _tags: &Tags, _progress: Report<'_>) -> Outcome<()> {
        Err(Failure::new("OutputGone", format!("the job has left nothing below {}", self.uri)))
    }

    async fn delete(&self, aws: &Aws, _name: &str) -> Outcome<()> {
        let (bucket, prefix) = split_uri(&self.uri)?;
        empty(aws, &bucket, &prefix).await
    }
}
