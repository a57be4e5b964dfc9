//! The actions and resources that operations need to be allowed.

use super::permissions;
use super::record::{FUNCTION, Function};
use super::service::Request;
use super::tags::tagged;
use crate::authority::Access;
use crate::call::AwsError;
use crate::policy::Context;

type Needs = Result<Vec<Access>, AwsError>;

/// Returns the operation's action on the function, without the qualifier that the request may name.
pub fn on_function(request: &Request<'_>) -> Needs {
    Ok(vec![request.on_with(request.target()?.function_arn(&request.service.cloud), tags(request))])
}

/// Returns the operation's action on the function, with the kind of URL that the request sets.
pub fn on_url(request: &Request<'_>) -> Needs {
    let context = request.optional("AuthType").map_or_else(Context::new, auth_type);
    Ok(vec![request.on_with(request.target()?.function_arn(&request.service.cloud), context)])
}

/// Returns the condition key for the kind of a URL, `NONE` or `AWS_IAM`.
pub fn auth_type(kind: &str) -> Context {
    Context::new().with("lambda:FunctionUrlAuthType", kind)
}

/// Returns the operation's action on the version or the alias that the request names.
pub fn on_qualifier(request: &Request<'_>) -> Needs {
    Ok(vec![request.on(request.target()?.arn(&request.service.cloud))])
}

/// Returns the operation's action on the function whose ARN the request names.
pub fn on_tagged(request: &Request<'_>) -> Needs {
    Ok(vec![request.on_with(tagged(request)?.function_arn(&request.service.cloud), tags(request))])
}

/// Returns the action CreateFunction, and TagResource as well for a function with tags.
pub fn to_create(request: &Request<'_>) -> Needs {
    let mut accesses = on_function(request)?;
    if request.input()["Tags"].as_object().is_some_and(|tags| !tags.is_empty()) {
        let arn = request.target()?.function_arn(&request.service.cloud);
        accesses.push(Access::new("lambda:TagResource", arn).with(tags(request)));
    }
    Ok(accesses)
}

/// Returns the action InvokeFunction, which the function's resource policy can allow too.
pub fn to_invoke(request: &Request<'_>) -> Needs {
    let cloud = &request.service.cloud;
    let target = request.target()?;
    let function: Option<Function> = cloud.store.get(FUNCTION, &target.name)?;
    let policy = permissions::document(function.as_ref())?;
    Ok(vec![Access::new("lambda:InvokeFunction", target.arn(cloud)).with_policy(policy)])
}

/// Returns the condition keys for the tags that a request sets or removes.
fn tags(request: &Request<'_>) -> Context {
    let mut context = Context::new();
    if let Some(tags) = request.input()["Tags"].as_object() {
        for (key, value) in tags {
            context = context.with(&format!("aws:RequestTag/{key}"), value.as_str().unwrap_or_default());
        }
        context = context.with_list("aws:TagKeys", tags.keys().cloned());
    }
    let removed = request.texts("TagKeys");
    if removed.is_empty() {
        return context;
    }
    context.with_list("aws:TagKeys", removed.into_iter().map(str::to_owned))
}
