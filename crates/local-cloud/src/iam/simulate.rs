//! SimulatePrincipalPolicy and SimulateCustomPolicy: what policies would decide, and by which statements.

use serde_json::{Value, json};

use super::decisions::outcome;
use super::entity::Entity;
use super::error::invalid_input;
use super::managed::{aws_managed, policy_name};
use super::request::Request;
use super::stored::{Grants, ROLE, Role, USER, User};
use crate::call::{AwsError, Caller, Reply};
use crate::policy::{Asker, Context, Document, Effect, Policies, Rule, Verdict};

/// A policy of the simulation, with its name in the answer.
struct Input {
    id: String,
    /// The answer's `SourcePolicyType`.
    kind: &'static str,
    text: String,
    document: Document,
}

/// The user or role whose policies are simulated.
struct Simulated {
    grants: Grants,
    /// `role` or `user`, and the name.
    kind: &'static str,
    name: String,
    /// A role's ARN. None: it is a user.
    role: Option<String>,
    context: Context,
}

pub fn principal(request: &Request) -> Reply {
    let arn = request.text("PolicySourceArn");
    let principal = find(request, arn)?;
    let mut inputs = own(request, &principal)?;
    inputs.extend(given(request, "PolicyInputList")?);
    let own = match &principal.grants.boundary {
        Some(arn) => managed(request, arn)?,
        None => None,
    };
    let boundary = given(request, "PermissionsBoundaryPolicyInputList")?.into_iter().next().or(own);
    let caller = request.optional("CallerArn").unwrap_or(arn);
    simulated(request, &inputs, boundary.as_ref(), (caller, principal.role.as_deref()), principal.context)
}

pub fn custom(request: &Request) -> Reply {
    let inputs = given(request, "PolicyInputList")?;
    let boundary = given(request, "PermissionsBoundaryPolicyInputList")?.into_iter().next();
    let caller = request.optional("CallerArn").unwrap_or_default();
    simulated(request, &inputs, boundary.as_ref(), (caller, None), Context::new())
}

/// Returns a result for each action on each resource.
fn simulated(
    request: &Request,
    inputs: &[Input],
    boundary: Option<&Input>,
    (caller, role): (&str, Option<&str>),
    principal: Context,
) -> Reply {
    let actions = request.texts("ActionNames");
    let unknown = |action: &&&str| {
        action.contains('*') || action.split(':').filter(|part| !part.is_empty()).count() != 2
    };
    if let Some(action) = actions.iter().find(unknown) {
        return Err(invalid_input(format!("Invalid Action Name: {action}")));
    }
    let mut resources = request.texts("ResourceArns");
    if resources.is_empty() {
        resources.push("*");
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
    let who = Asker::Arn { arn: caller, role, account: &request.service.cloud.account };
    let all: Vec<(&Input, Option<Asker>)> = inputs
        .iter()
        .chain(boundary)
        .map(|input| (input, None))
        .chain(resource_policy.as_ref().map(|input| (input, Some(who))))
        .collect();
    let pairs = actions.iter().flat_map(|action| resources.iter().map(move |resource| (action, resource)));
    let results = pairs.enumerate().map(|(index, (action, resource))| {
        let verdict = policies.judge(who, action, resource, &context);
        let decision = outcome(verdict);
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
        if *resource != "*" {
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

fn find(request: &Request, arn: &str) -> Result<Simulated, AwsError> {
    let iam = request.service;
    let name = arn.rsplit('/').next().unwrap_or_default();
    let (caller, kind, grants) = if arn.contains(":role/") {
        let role: Option<Role> = request.store().get(ROLE, name)?;
        let role = role.filter(|role| role.arn == arn).ok_or_else(|| Role::missing(name))?;
        let session = format!("arn:aws:sts::{}:assumed-role/{name}/simulated", iam.cloud.account);
        (Caller::new(session, format!("{}:simulated", role.id)), Role::KIND, role.grants)
    } else if arn.contains(":user/") {
        let user: Option<User> = request.store().get(USER, name)?;
        let user = user.filter(|user| user.arn == arn).ok_or_else(|| User::missing(name))?;
        (Caller::new(user.arn, user.id), User::KIND, user.grants)
    } else {
        return Err(invalid_input(format!(
            "Invalid Entity Arn: {arn} does not clearly define entity type and name."
        )));
    };
    let principal = iam.principal_of(&caller)?;
    let context = iam.principal_context(&caller, &principal);
    Ok(Simulated { grants, kind, name: name.to_owned(), role: principal.role.clone(), context })
}

/// Returns the principal's own policies, named as AWS names them: `role_NAME_POLICY`, or by a managed policy's name.
fn own(request: &Request, principal: &Simulated) -> Result<Vec<Input>, AwsError> {
    let Simulated { grants, kind, name, .. } = principal;
    let mut inputs = Vec::new();
    for (policy, text) in &grants.inline {
        inputs.push(input(format!("{kind}_{name}_{policy}"), kind, text.clone())?);
    }
    for arn in &grants.attached {
        inputs.extend(managed(request, arn)?);
    }
    Ok(inputs)
}

/// Returns a managed policy. None: it was deleted.
fn managed(request: &Request, arn: &str) -> Result<Option<Input>, AwsError> {
    let kind = if aws_managed(arn).is_some() { "aws-managed" } else { "user-managed" };
    let text = request.service.managed_document(arn)?;
    text.map(|text| input(policy_name(arn).to_owned(), kind, text)).transpose()
}

fn input(id: String, kind: &'static str, text: String) -> Result<Input, AwsError> {
    let document = Document::identity(&text).map_err(AwsError::internal)?;
    Ok(Input { id, kind, text, document })
}

/// Returns the policies in the input.
fn given(request: &Request, member: &str) -> Result<Vec<Input>, AwsError> {
    let inputs = request.texts(member).into_iter().enumerate().map(|(index, text)| {
        let id = format!("{member}.{}", index + 1);
        let document = Document::identity(text).map_err(|error| invalid_input(format!("{id}: {error}")))?;
        Ok(Input { id, kind: "none", text: text.to_owned(), document })
    });
    inputs.collect()
}

/// Returns the condition keys in the input.
fn context(request: &Request) -> Result<Context, AwsError> {
    let mut context = Context::new();
    for entry in request.items("ContextEntries") {
        let name = entry["ContextKeyName"].as_str().unwrap_or_default();
        let kind = entry["ContextKeyType"].as_str().unwrap_or("string");
        let values = entry["ContextKeyValues"].as_array().into_iter().flatten();
        let values: Vec<String> = values.filter_map(Value::as_str).map(str::to_owned).collect();
        context = match <[String; 1]>::try_from(values) {
            _ if name.is_empty() => return Err(invalid_input("A context key must have a name.")),
            Ok([value]) if !kind.ends_with("List") => context.with(name, value),
            Ok(values) => context.with_list(name, values),
            Err(values) if kind.ends_with("List") => context.with_list(name, values),
            Err(_) => {
                let message = format!("The context key {name} of type {kind} must have one value.");
                return Err(invalid_input(message));
            }
        };
    }
    Ok(context)
}

/// Describes the position of a statement in its policy: that of its first character, and that after its last, counted
/// from 1.
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
