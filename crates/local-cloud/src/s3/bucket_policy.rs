//! Checks bucket policies, and decides whether they make their bucket public.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>

use serde_json::Value;

use super::arn::bucket_arn;
use crate::authority::Authority;
use crate::call::AwsError;
use crate::policy::{Document, limits_everybody};

/// The greatest size of a bucket policy, in bytes.
const SIZE_LIMIT: usize = 20 << 10;

/// Reads a policy, and checks that S3 would accept it for this bucket.
///
/// # Errors
/// `MalformedPolicy`.
pub fn check(authority: &dyn Authority, bucket: &str, text: &str) -> Result<Document, AwsError> {
    let malformed = |message: String| AwsError::new(400, "MalformedPolicy", message);
    if text.len() > SIZE_LIMIT {
        return Err(malformed(format!(
            "Policy exceeds the maximum allowed document size of {SIZE_LIMIT} bytes"
        )));
    }
    let document = Document::resource(text).map_err(malformed)?;
    for (kind, principal) in document.principals() {
        if !authority.knows_principal(kind, principal)? {
            return Err(malformed("Invalid principal in policy".to_owned()));
        }
    }
    let written: Value = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    let statements = match &written["Statement"] {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    for statement in statements {
        let actions = listed(statement, "Action");
        if actions.iter().any(|action| *action != "*" && !action.to_lowercase().starts_with("s3:")) {
            return Err(malformed("Policy has invalid action".to_owned()));
        }
        let (whole, inside) = (bucket_arn(bucket), format!("{}/", bucket_arn(bucket)));
        let resources = listed(statement, "Resource");
        let ours =
            |resource: &&str| **resource == whole || resource.starts_with(&inside) || is_wild(resource);
        if !resources.iter().all(ours) {
            return Err(malformed("Policy has invalid resource".to_owned()));
        }
        let objects = |resource: &&str| resource.contains('/') || is_wild(resource);
        let applies = actions.iter().any(|action| match is_of_objects(action) {
            None => true,
            Some(true) => resources.iter().any(objects),
            Some(false) => resources.iter().any(|resource| !resource.contains('/') || is_wild(resource)),
        });
        if !actions.is_empty() && !resources.is_empty() && !applies {
            return Err(malformed("Action does not apply to any resource(s) in statement".to_owned()));
        }
    }
    Ok(document)
}

/// Returns whether a policy allows something to everybody, without a condition on fixed values.
pub fn is_public(document: &Document) -> bool {
    limits_everybody(document).any(|limited| !limited)
}

fn is_wild(resource: &str) -> bool {
    let bucket = resource.splitn(6, ':').nth(5).unwrap_or("*");
    bucket.split('/').next().is_some_and(|name| name.contains(['*', '?']))
}

/// Returns whether an action is one on objects. None: it has wildcards, so it may be on buckets too.
fn is_of_objects(action: &str) -> Option<bool> {
    let name = action.to_lowercase();
    if name.contains(['*', '?']) {
        return None;
    }
    let uploads = ["s3:abortmultipartupload", "s3:listmultipartuploadparts"].contains(&name.as_str());
    Some(uploads || (name.contains("object") && !name.contains("bucket")))
}

fn listed<'a>(statement: &'a Value, member: &str) -> Vec<&'a str> {
    match &statement[member] {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
