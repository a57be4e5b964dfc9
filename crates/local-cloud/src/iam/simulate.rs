//! SimulatePrincipalPolicy and SimulateCustomPolicy: what policies would say, and which statements decide it.

use serde_json::{Value, json};

use super::evaluate::{Asker, Effect, Policies, Rule, Verdict};
use super::managed::{aws_managed, policy_name};
use super::model::{Grants, ROLE, Role, USER, User};
use super::service::{Request, no_such_entity, texts};
use super::{Context, Document, decisions};
use crate::call::{AwsError, Caller, Reply};
use crate::protocol::query;

/// A policy that takes part, and how the answer names it.
struct Input {
    id: String,
    /// As in the model of the Statement's SourcePolicyType.
    kind: &'static str,
    text: String,
    document: Document,
}

/// The principal whose policies are simulated.
struct Principal {
    grants: Grants,
    /// `role` or `user`, and the name.
    kind: &'static str,
    name: String,
    /// Its ARN where it is a role's.
    role: Option<String>,
    context: Context,
}

pub fn principal(request: &Request) -> Reply {
    let arn = request.text("PolicySourceArn")?;
    request.authorize(arn)?;
    let principal = find(request, arn)?;
    let mut inputs = held(request, &principal)?;
    inputs.extend(given(request, "PolicyInputList")?);
    let own = match &principal.grants.boundary {
        Some(policy) => request.cloud.iam.managed_document(policy)?.map(|text| (policy, text)),
        None => None,
    };
    let own =
        own.map(|(policy, text)| input(policy_name(policy).to_owned(), kind_of(policy), text)).transpose()?;
    let boundary = given(request, "PermissionsBoundaryPolicyInputList")?.into_iter().next().or(own);
    let caller = request.optional("CallerArn").unwrap_or(arn);
    simulated(request, &inputs, boundary.as_ref(), (caller, principal.role.as_deref()), principal.context)
}

pub fn custom(request: &Request) -> Reply {
    request.authorize("*")?;
    let inputs = given(request, "PolicyInputList")?;
    if inputs.is_empty() {
        request.text("PolicyInputList")?;
    }
    let boundary = given(request, "PermissionsBoundaryPolicyInputList")?.into_iter().next();
    let caller = request.optional("CallerArn").unwrap_or_default();
    simulated(request, &inputs, boundary.as_ref(), (caller, None), Context::new())
}

/// A result for each action on each resource.
fn simulated(
    request: &Request,
    inputs: &[Input],
    boundary: Option<&Input>,
    (caller, role): (&str, Option<&str>),
    principal: Context,
) -> Reply {
    let actions = texts(request.call.input.get("ActionNames"))?;
    if actions.is_empty() {
        request.text("ActionNames")?;
    }
    let unknown = |action: &&String| {
        action.contains('*') || action.split(':').filter(|part| !part.is_empty()).count() != 2
    };
    if let Some(action) = actions.iter().find(unknown) {
        return Err(invalid_input(format!("Invalid Action Name: {action}")));
    }
    let mut resources = texts(request.call.input.get("ResourceArns"))?;
    if resources.is_empty() {
        resources.push("*".to_owned());
    }
    let resource_policy = request.optional("ResourcePolicy").map(|text| {
        let document =
            Document::resource(text).map_err(|error| invalid_input(format!("ResourcePolicy: {error}")))?;
        Ok::<_, AwsError>(Input {
            id: "ResourcePolicy".to_owned(),
            kind: "resource",
            text: text.to_owned(),
            document,
        })
    });
    let resource_policy = resource_policy.transpose()?;
    let context = context(request)?.or(principal);
    let identity: Vec<Document> = inputs.iter().map(|input| input.document.clone()).collect();
    let policies = Policies {
        identity: &identity,
        boundary: boundary.map(|input| &input.document),
        session: None,
        resource: resource_policy.as_ref().map(|input| &input.document),
    };
    let who = Asker::Arn { arn: caller, role, account: &request.cloud.account };
    let all: Vec<(&Input, Option<Asker>)> = inputs
        .iter()
        .chain(boundary)
        .map(|input| (input, None))
        .chain(resource_policy.as_ref().map(|input| (input, Some(who))))
        .collect();
    let pairs = actions.iter().flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let results = pairs.enumerate().map(|(index, (action, resource))| {
        let verdict = policies.judge(who, action, resource, &context);
        let decision = decisions::outcome(verdict);
        let effect = match verdict {
            Verdict::Allowed => Some(Effect::Allow),
            Verdict::ExplicitDeny(_) => Some(Effect::Deny),
            Verdict::NoAllow(_) => None,
        };
        let matched: Vec<Value> = all
            .iter()
            .flat_map(|(input, who)| {
                let rules = input.document.about(*who, action, resource, &context);
                rules
                    .filter(|rule| Some(rule.effect) == effect)
                    .map(|rule| statement(input, rule))
                    .collect::<Vec<_>>()
            })
            .collect();
        let mut missing: Vec<&str> = Vec::new();
        for (input, who) in &all {
            for key in input.document.keys_wanted(*who, action, resource, &context) {
                if !context.has(key) && !missing.contains(&key) {
                    missing.push(key);
                }
            }
        }
        let mut result = json!({
            "EvalActionName": action,
            "EvalResourceName": resource,
            "EvalDecision": decision,
            "MatchedStatements": matched,
            "MissingContextValues": missing,
        });
        if let Some(boundary) = boundary {
            let mut rules = boundary.document.about(None, action, resource, &context);
            let allowed = rules.any(|rule| rule.effect == Effect::Allow);
            result["PermissionsBoundaryDecisionDetail"] = json!({"AllowedByPermissionsBoundary": allowed});
        }
        if resource != "*" {
            let specific = json!({
                "EvalResourceName": resource,
                "EvalResourceDecision": decision,
                "MatchedStatements": result["MatchedStatements"],
                "MissingContextValues": result["MissingContextValues"],
                "PermissionsBoundaryDecisionDetail": result.get("PermissionsBoundaryDecisionDetail"),
            });
            result["ResourceSpecificResults"] = json!([specific]);
        }
        (format!("{index:09}"), result)
    });
    request.page("EvaluationResults", results.collect())
}

fn find(request: &Request, arn: &str) -> Result<Principal, AwsError> {
    let cloud = request.cloud;
    let name = arn.rsplit('/').next().unwrap_or_default();
    let missing = |kind: &str| no_such_entity(format!("The {kind} with name {name} cannot be found."));
    let (caller, kind, grants) = if arn.contains(":role/") {
        let role: Option<Role> = cloud.store.get(ROLE, name)?;
        let role = role.filter(|role| role.arn == arn).ok_or_else(|| missing("role"))?;
        let session = format!("arn:aws:sts::{}:assumed-role/{name}/simulated", cloud.account);
        (Caller::new(session, format!("{}:simulated", role.id)), "role", role.grants)
    } else if arn.contains(":user/") {
        let user: Option<User> = cloud.store.get(USER, name)?;
        let user = user.filter(|user| user.arn == arn).ok_or_else(|| missing("user"))?;
        (Caller::new(user.arn, user.id), "user", user.grants)
    } else {
        return Err(invalid_input(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        )));
    };
    let held = cloud.iam.held_by(&caller)?;
    let context = cloud.principal_context(&caller, &held);
    Ok(Principal { grants, kind, name: name.to_owned(), role: held.role.clone(), context })
}

/// The principal's own policies, named as AWS names them: `role_NAME_POLICY`, or by a managed policy's name.
fn held(request: &Request, principal: &Principal) -> Result<Vec<Input>, AwsError> {
    let Principal { grants, kind, name, .. } = principal;
    let mut inputs = Vec::new();
    for (policy, text) in &grants.inline {
        inputs.push(input(format!("{kind}_{name}_{policy}"), kind, text.clone())?);
    }
    for arn in &grants.attached {
        if let Some(text) = request.cloud.iam.managed_document(arn)? {
            inputs.push(input(policy_name(arn).to_owned(), kind_of(arn), text)?);
        }
    }
    Ok(inputs)
}

fn kind_of(arn: &str) -> &'static str {
    if aws_managed(arn).is_some() { "aws-managed" } else { "user-managed" }
}

fn input(id: String, kind: &'static str, text: String) -> Result<Input, AwsError> {
    let document = Document::identity(&text).map_err(AwsError::internal)?;
    Ok(Input { id, kind, text, document })
}

/// The policies that the request brings along.
fn given(request: &Request, member: &str) -> Result<Vec<Input>, AwsError> {
    let given = texts(request.call.input.get(member))?;
    let inputs = given.into_iter().enumerate().map(|(index, text)| {
        let id = format!("{member}.{}", index + 1);
        let document = Document::identity(&text).map_err(|error| invalid_input(format!("{id}: {error}")))?;
        Ok(Input { id, kind: "none", text, document })
    });
    inputs.collect()
}

fn context(request: &Request) -> Result<Context, AwsError> {
    let entries = request.call.input.get("ContextEntries").cloned().unwrap_or_default();
    let entries: Vec<Value> = query::list(entries).map_err(|error| invalid_input(error.to_string()))?;
    let mut context = Context::new();
    for entry in entries {
        let name = entry["ContextKeyName"].as_str().unwrap_or_default();
        let mut values = texts(entry.get("ContextKeyValues"))?;
        let kind = entry["ContextKeyType"].as_str().unwrap_or("string");
        if name.is_empty() || (!kind.ends_with("List") && values.len() != 1) {
            return Err(invalid_input(format!("The context key {name} of type {kind} must have one value.")));
        }
        context = match values.pop() {
            Some(value) if !kind.ends_with("List") => context.with(name, value),
            last => context.with_list(name, values.into_iter().chain(last)),
        };
    }
    Ok(context)
}

/// Where a statement lies in its policy: from its first character to the one behind its last, counted from 1.
fn statement(input: &Input, rule: &Rule) -> Value {
    let place = |offset: usize| {
        let before = &input.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.matches('\n').count() + 1;
        json!({"Line": line, "Column": before[line_start..].chars().count() + 1})
    };
    json!({
        "SourcePolicyId": input.id,
        "SourcePolicyType": input.kind,
        "StartPosition": place(rule.place.start),
        "EndPosition": place(rule.place.end),
    })
}

fn invalid_input(message: impl Into<String>) -> AwsError {
    AwsError::new(400, "InvalidInput", message)
}
