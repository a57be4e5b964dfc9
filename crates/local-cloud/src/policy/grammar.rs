//! Checks the grammar of statements. Errors are in AWS's words.
//!
//! IAM has one parser for the policies of users and roles, and a newer one, with other messages, for those that name
//! principals (trust policies, bucket policies, function policies). The messages here are copied from AWS's answers.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::condition::{Comparison, Operator};

/// The kind of a policy, which decides what members its statements must and must not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Identity,
    Trust,
    Resource,
}

const MEMBERS: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];
pub const SYNTAX: &str = "Syntax errors in policy.";
const LEGACY: &str = "The policy failed legacy parsing";
const PARTITIONS: [&str; 9] =
    ["*", "aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];
/// The beginnings of the resource in IAM's ARNs.
const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// Checks the names, types and combinations of a statement's members.
///
/// # Errors
/// AWS's message.
pub fn check_members(statement: &Map<String, Value>, kind: Kind) -> Result<(), String> {
    let refuse = |message: String| Err(if kind == Kind::Identity { SYNTAX.to_owned() } else { message });
    if let Some(field) = statement.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return refuse(format!("Unknown field {field}"));
    }
    for (one, other) in [("Action", "NotAction"), ("Resource", "NotResource"), ("Principal", "NotPrincipal")]
    {
        if statement.contains_key(one) && statement.contains_key(other) {
            return refuse(format!("Statement/policy already has instance of {one}"));
        }
    }
    if statement.get("Sid").is_some_and(|sid| !sid.is_string()) {
        return refuse("Sid must be a string".to_owned());
    }
    match statement.get("Effect").map(|effect| effect.as_str().unwrap_or_default()) {
        Some("Allow" | "Deny") => {}
        // The older parser refuses it later.
        Some(effect) if kind == Kind::Identity && ["allow", "deny"].contains(&&*effect.to_lowercase()) => {}
        Some(effect) => return refuse(format!("Invalid effect: {effect}")),
        None => return refuse("Missing required field Effect".to_owned()),
    }
    for name in ["Action", "NotAction", "Resource", "NotResource"] {
        if statement.get(name).is_some_and(|value| texts(value).is_none()) {
            return refuse(format!("Policy has invalid {}", name.trim_start_matches("Not").to_lowercase()));
        }
    }
    if let Some(condition) = statement.get("Condition") {
        let blocks: Option<BTreeMap<&str, &Map<String, Value>>> = condition.as_object().and_then(|all| {
            all.iter().map(|(name, block)| Some((name.as_str(), block.as_object()?))).collect()
        });
        let Some(blocks) = blocks else { return refuse("Conditions must be a JSON object".to_owned()) };
        // Without keys, nobody asks what the operator means.
        let meant = blocks.iter().filter(|(_, block)| !block.is_empty()).map(|(name, _)| name);
        if let Some(operator) = meant.into_iter().find(|name| Operator::parse(name).is_none()) {
            return refuse(format!("Invalid Condition type : {operator}"));
        }
        let scalar = |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
        let fits =
            |value: &Value| value.as_array().map_or_else(|| scalar(value), |list| list.iter().all(scalar));
        if !blocks.values().flat_map(|block| block.values()).all(fits) {
            return refuse("Condition values must be strings".to_owned());
        }
    }
    Ok(())
}

/// Checks what IAM's older parser wants of a policy of a user or role, before anything is missed in it.
///
/// # Errors
/// AWS's message.
pub fn check_legacy(statement: &Map<String, Value>) -> Result<(), String> {
    let effect = statement.get("Effect").and_then(Value::as_str).unwrap_or_default();
    let listed = |name: &str| statement.get(name).and_then(texts).into_iter().flatten();
    let resources = listed("Resource").chain(listed("NotResource"));
    let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let compared = conditions.filter(|(operator, _)| {
        Operator::parse(operator).is_some_and(|operator| matches!(operator.comparison, Comparison::Date(_)))
    });
    let values =
        compared.flat_map(|(_, block)| block.as_object().into_iter().flatten().map(|(_, value)| value));
    let mut dates =
        values.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    let is_date =
        |value: &Value| value.as_str().map_or(value.is_i64(), |text| text.contains("${") || is_date(text));
    let good =
        ["Allow", "Deny"].contains(&effect) && !resources.into_iter().any(cut_short) && dates.all(is_date);
    if good { Ok(()) } else { Err(LEGACY.to_owned()) }
}

/// Whether an ARN ends before its resource, though it has left out its region or its account.
fn cut_short(resource: &str) -> bool {
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let known = parts.len() > 2 && parts[0] == "arn" && PARTITIONS.contains(&parts[1]);
    known && (parts[2].is_empty() || (parts.len() < 6 && resource.contains("::")))
}

/// Whether a text is a date: a number of seconds, or ISO 8601, of which the end may be missing.
fn is_date(text: &str) -> bool {
    static ISO: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let time = r"([01]?\d|2[0-3])(:[0-5]?\d(:[0-5]?\d(\.\d{1,9})?(z|[+-]([01]\d|2[0-3])(:[0-5]\d)?)?)?)?";
        Regex::new(&format!(r"^(?i)-?\d{{1,9}}(-(0?[1-9]|1[0-2])(-(0?[1-9]|[12]\d|3[01]))?)?(t({time})?)?$"))
            .ok()
    });
    text.parse::<i64>().is_ok() || ISO.as_ref().is_some_and(|iso| iso.is_match(text))
}

/// Checks that a statement has what its kind of policy must have, and nothing else.
///
/// # Errors
/// AWS's message.
pub fn check_statement(statement: &Map<String, Value>, kind: Kind) -> Result<(), String> {
    let listed = |one: &str, other: &str| -> Option<Vec<&str>> {
        statement.get(one).or_else(|| statement.get(other)).and_then(texts).filter(|list| !list.is_empty())
    };
    let principal = statement.get("Principal").or_else(|| statement.get("NotPrincipal"));
    let Some(actions) = listed("Action", "NotAction") else {
        return Err(match kind {
            Kind::Identity => "Policy statement must contain actions.",
            _ => "Missing required field Action",
        }
        .to_owned());
    };
    let resources = listed("Resource", "NotResource");
    match kind {
        Kind::Identity => {
            if principal.is_some() {
                return Err("Policy document should not specify a principal.".to_owned());
            }
            let sid = statement.get("Sid").and_then(Value::as_str).unwrap_or_default();
            if !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
                return Err(
                    "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
                     [0-9A-Za-z]*"
                        .to_owned(),
                );
            }
            resources.iter().flatten().copied().try_for_each(check_resource)?;
            actions.iter().copied().try_for_each(check_action)?;
            resources.ok_or("Policy statement must contain resources.")?;
        }
        Kind::Trust | Kind::Resource => {
            let principal = principal.ok_or("Missing required field Principal")?;
            check_principal(principal)?;
            match (kind, resources) {
                (Kind::Trust, _) if statement.keys().any(|name| name.ends_with("Resource")) => {
                    return Err("Has prohibited field Resource".to_owned());
                }
                (Kind::Resource, None) => return Err("Missing required field Resource".to_owned()),
                (_, resources) => resources.into_iter().flatten().try_for_each(|resource| {
                    check_resource(resource).map_err(|_| "Policy has invalid resource".to_owned())
                })?,
            }
            let mut others =
                actions.iter().filter(|action| **action != "*" && !action.to_lowercase().starts_with("sts:"));
            if kind == Kind::Trust && others.next().is_some() {
                return Err("AssumeRole policy may only specify STS AssumeRole actions.".to_owned());
            }
        }
    }
    actions.into_iter().try_for_each(check_action)
}

fn check_principal(principal: &Value) -> Result<(), String> {
    let invalid = || format!("Invalid principal in policy: {principal}");
    let Some(kinds) = principal.as_object() else {
        return if principal == "*" { Ok(()) } else { Err(invalid()) };
    };
    for (kind, named) in kinds {
        let known = ["AWS", "Service", "Federated", "CanonicalUser"].contains(&kind.as_str());
        if !known || texts(named).is_none_or(|list| list.is_empty()) {
            return Err(invalid());
        }
    }
    if kinds.is_empty() { Err(invalid()) } else { Ok(()) }
}

fn check_action(action: &str) -> Result<(), String> {
    let Some((vendor, name)) = action.split_once(':') else {
        let any = action == "*";
        let message = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
        return if any { Ok(()) } else { Err(message.to_owned()) };
    };
    if name.contains(':') {
        return Err("Actions/Condition can contain only one colon.".to_owned());
    }
    if vendor != "*" && !vendor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
        return Err(format!("Vendor {vendor} is not valid"));
    }
    if vendor.is_empty() || name.is_empty() { Err(LEGACY.to_owned()) } else { Ok(()) }
}

/// Checks that a resource is `*`, or an ARN whose service has no wildcard. Missing segments at its end match anything.
fn check_resource(resource: &str) -> Result<(), String> {
    if resource == "*" {
        return Ok(());
    }
    let parts: Vec<&str> = resource.splitn(6, ':').collect();
    let out_of_form = || Err(format!("Resource {resource} must be in ARN format or \"*\"."));
    if parts.len() < 2 {
        return out_of_form();
    }
    let part = |index: usize| parts.get(index).copied().unwrap_or("*");
    let (partition, service, region, rest) = (part(1), part(2), part(3), part(5));
    if !PARTITIONS.contains(&partition) {
        let whole = format!("arn:{partition}:{service}:{region}:{}:{rest}", part(4));
        return Err(format!("Partition \"{partition}\" is not valid for resource \"{whole}\"."));
    }
    if parts[0] != "arn" {
        return out_of_form();
    }
    if parts.len() < 3 || service.contains(['*', '?']) {
        return Err("Resource vendor must be fully qualified and cannot contain regexes.".to_owned());
    }
    if cut_short(resource) {
        return Err(LEGACY.to_owned());
    }
    match service {
        "iam" if !region.is_empty() && parts.len() > 3 => {
            Err(format!("IAM resource {resource} cannot contain region information."))
        }
        "s3" if !region.is_empty() && parts.len() > 3 && !rest.starts_with("accesspoint/") => {
            Err(format!("Resource {resource} can not contain region information."))
        }
        "iam" if rest != "*" && !IAM_PATHS.iter().any(|path| rest.starts_with(path)) => {
            Err(format!("IAM resource path must either be \"*\" or start with {}.", IAM_PATHS.join(", ")))
        }
        _ => Ok(()),
    }
}

/// Returns the texts of a member, which is a text or a list of texts. None: it is neither.
pub fn texts(value: &Value) -> Option<Vec<&str>> {
    match value {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        _ => None,
    }
}
