//! `upload`: copies a local folder to a prefix of a bucket.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{Context, Done};
use super::fields::S3Uri;
use super::kind::{Kind, Local, LocalForm, Problem};
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::files::{digest_of, files_below, visible_below};
use crate::resource::{Objects, split_uri};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// The folder to upload, such as a dataset's `path`.
    pub source: String,
    /// The destination: `s3://BUCKET/PREFIX`. Only this step may use the prefix.
    pub to: S3Uri,
    /// Whether hidden files and folders go as well: those that begin with a dot, and `__MACOSX`, `Thumbs.db` and the like,
    /// which operating systems leave. Otherwise they are left out and named.
    #[serde(default)]
    pub hidden: bool,
}

/// How many of the files that are left out are named.
const NAMED: usize = 10;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// `s3://BUCKET/PREFIX/`.
    pub uri: String,
    /// How many files there are.
    pub files: u64,
    /// The bytes of all files.
    pub bytes: u64,
    /// How many hidden files and folders were left out.
    pub left_out: usize,
}

impl Kind for Upload {
    const NAME: &'static str = "upload";
    const ABOUT: &'static str = "syncs a folder to S3: in parallel, checksummed, only what differs";
    const OWNS: bool = true;
    const BESIDE: bool = true;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        match split_uri(&self.to.0) {
            Ok((_, key)) if key.trim_matches('/').is_empty() => {
                vec![Problem::at("to", "`to` needs a prefix after the bucket: s3://BUCKET/PREFIX")]
            }
            _ => Vec::new(),
        }
    }

    fn locals(fields: &Value) -> Vec<Local> {
        Local::of(fields, "source", LocalForm::Folder).into_iter().collect()
    }

    fn files(&self) -> Vec<String> {
        vec![self.source.clone()]
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let folder = context.paths.resolve(&self.source)?;
        context.apart(&self.to.0, true)?;
        let (bucket, key) = split_uri(&self.to.0)?;
        let (files, left_out) = match self.hidden {
            true => (files_below(&folder)?, Vec::new()),
            false => visible_below(&folder)?,
        };
        if files.is_empty() {
            let message = match left_out.len() {
                0 => "there is nothing in it to upload",
                _ => "there is nothing in it to upload that isn't hidden, and `hidden: true` isn't given",
            };
            return Err(Failure::file(&folder, message));
        }
        let wanted = Objects {
            bucket,
            prefix: format!("{}/", key.trim_matches('/')),
            digest: digest_of(&files)?,
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
            folder,
            hidden: self.hidden,
        };
        let (files, bytes) = (wanted.files, wanted.bytes);
        let held = context.ensure("objects", wanted).await?;
        let mut summary = format!("{}, {} at {}", counted(files, "file"), counted(bytes, "byte"), held.name);
        if !left_out.is_empty() {
            let named = left_out.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if left_out.len() > NAMED { ", \u{2026}" } else { "" };
            summary.push_str(&format!("; {} hidden left out: {named}{more}", left_out.len()));
        }
        Ok(Done::new(Outputs { uri: held.name, files, bytes, left_out: left_out.len() }, summary))
    }
}
