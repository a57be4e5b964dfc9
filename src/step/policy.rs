//! `policy`: changes a role's policies: attaches or detaches a managed policy, writes an inline policy, or writes the
//! smallest policy for a function, from evidence.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::context::{Context, Done};
use super::fields::{FunctionName, RoleName, action_problems, managed_policy_problems};
use super::kind::{Kind, Problem, Reads};
use super::least_privilege::{Evidence, Subject, evidence, statements};
use super::policy_outputs::{Compared, Denied, Outputs, Services, figures, summary};
use crate::action::{Denial, caller, decisions, denial, managed_policy, simulate};
use crate::failure::{Failure, Outcome};
use crate::iam_actions;
use crate::resource::{Change, RolePolicy, Statement, managed_policy_arn, policy_document, role_arn};

/// The slot of the inline policy.
const INLINE: &str = "inline";

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The role's name, such as the `name` of a `role` step. With `least_privilege`, it is the function's role.
    pub role: Option<RoleName>,
    /// Managed policies to attach, by name (AWS managed policies) or ARN.
    #[serde(default)]
    pub attach: Vec<String>,
    /// Managed policies to detach, by name or ARN. The role must have them.
    #[serde(default)]
    pub detach: Vec<String>,
    /// Statements of an inline policy.
    #[serde(default)]
    pub allow: Vec<Statement>,
    /// A function. Its role gets the smallest inline policy that it needs, written from evidence.
    pub least_privilege: Option<FunctionName>,
    /// Messages of denials that are evidence, such as `{{ denied.error.message }}`. On AWS, the only other evidence is the
    /// function's declared endpoint.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// The only actions that `least_privilege` may allow, besides writing the log. If the function has requested others, the
    /// step fails and names them. By default, every requested action is allowed.
    #[serde(default)]
    pub only: Vec<String>,
    /// Actions that the policy must not allow, by IAM's policy simulator.
    #[serde(default)]
    pub denies: Vec<Statement>,
    /// Managed policies to compare with, by the number of actions that each allows. Those of `detach` are compared, too.
    #[serde(default)]
    pub compare_with: Vec<String>,
}

impl Kind for Policy {
    const NAME: &'static str = "policy";
    const ABOUT: &'static str =
        "changes what a role may do: attaches, detaches, or writes the smallest policy from evidence";
    const OWNS: bool = true;
    const READS: Reads = Reads::Names;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Statement::problems("allow", &self.allow);
        problems.extend(Statement::problems("denies", &self.denies));
        problems.extend(action_problems("only", &self.only));
        for (field, policies) in
            [("attach", &self.attach), ("detach", &self.detach), ("compare_with", &self.compare_with)]
        {
            problems.extend(managed_policy_problems(field, policies));
        }
        let named = self.least_privilege.is_some();
        if self.role.is_none() && !named {
            problems.push(Problem::whole("a policy needs `role`, or `least_privilege` with a function"));
        }
        if self.attach.is_empty() && self.detach.is_empty() && self.allow.is_empty() && !named {
            problems.push(Problem::whole(
                "nothing is changed: give `attach`, `detach`, `allow` or `least_privilege`",
            ));
        }
        if named && !self.allow.is_empty() {
            problems.push(Problem::at("allow", "`least_privilege` writes the statements itself"));
        }
        for (field, given) in [("evidence", !self.evidence.is_empty()), ("only", !self.only.is_empty())] {
            if !named && given {
                problems.push(Problem::at(field, "only `least_privilege` is written from evidence"));
            }
        }
        problems
    }

    fn offers(outputs: &Value) -> Option<(&'static str, String)> {
        let compared = outputs.get("compared")?.as_array()?.first()?;
        let (name, full) = (compared.get("policy")?.as_str()?, compared.get("actions")?.as_u64()?);
        Some((
            "Actions allowed",
            format!("{}, where {name} allows {full}", outputs.get("actions")?.as_u64()?),
        ))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let (role, evidence) = match &self.least_privilege {
            Some(function) => self.gather(context, &function.0).await?,
            None => (self.role.as_ref().map(|role| role.0.clone()).unwrap_or_default(), Vec::new()),
        };
        let statements =
            if self.least_privilege.is_some() { statements(&evidence) } else { self.allow.clone() };
        let document = (!statements.is_empty()).then(|| policy_document(&statements));
        let former = self.former(context);
        let (mut attached, mut detached) = (Vec::new(), Vec::new());
        // Attaches before it detaches, so that the role always has the rights of one of the policies.
        if let Some(document) = &document {
            let change = Change::Inline {
                name: format!("opsml-{}", context.session.step),
                document: document.clone(),
            };
            context.ensure(INLINE, RolePolicy { role: role.clone(), change }).await?;
        }
        for arn in self.attach.iter().map(|name| managed_policy_arn(name)) {
            let change = Change::Attached(arn.clone());
            context.ensure(&format!("attached {arn}"), RolePolicy { role: role.clone(), change }).await?;
            attached.push(arn);
        }
        for arn in self.detach.iter().map(|name| managed_policy_arn(name)) {
            self.detach(context, &role, &arn).await?;
            detached.push(arn);
        }
        let denied = self.ask(context, &role).await?;
        let mut documents: Vec<Value> = document.iter().cloned().collect();
        for arn in &attached {
            documents.push(managed_policy(context.aws(), arn).await?);
        }
        let own = iam_actions::allowed(&documents);
        let others = self.others(context).await?;
        let count = |services: &Services| services.values().sum();
        let outputs = Outputs {
            role,
            policy: document,
            attached,
            detached,
            evidence,
            actions: count(&own),
            compared: others
                .iter()
                .map(|(policy, services)| Compared { policy: policy.clone(), actions: count(services) })
                .collect(),
            denied,
        };
        let summary = summary(&outputs);
        let figures = figures(&outputs, former.as_ref(), &own, &others);
        Ok(Done::new(outputs, summary).figures(figures))
    }
}

impl Policy {
    /// Returns a function's role, and the evidence of what the function needs.
    async fn gather(&self, context: &mut Context<'_>, function: &str) -> Outcome<(String, Vec<Evidence>)> {
        let caller = caller(context.aws(), function).await?;
        if let Some(role) = self.role.as_ref().filter(|role| role.0 != caller.role) {
            let message = format!("the role of {function} is {}, not {}", caller.role, role.0);
            return Err(Failure::new("OtherRole", message));
        }
        let account = context.aws().account.clone();
        let principal = format!("arn:aws:sts::{account}:assumed-role/{}/{}", caller.role, caller.function);
        let decided = decisions(context.aws(), &caller, &principal).await?;
        let mut denials: Vec<Denial> = Vec::new();
        for message in &self.evidence {
            let said = denial(message).filter(|one| one.principal == principal);
            // The function could have made up the message, so IAM's decisions must confirm it if there is a log of them.
            let borne_out = said.filter(|said| {
                decided.as_ref().is_none_or(|all| {
                    all.iter().any(|one| one.action == said.action && one.resource == said.resource)
                })
            });
            denials.push(borne_out.ok_or_else(|| {
                Failure::new("BadEvidence", format!("this is no denial of {principal}: {message}"))
                    .hint("evidence is a message in AWS's words: User: … is not authorized to perform: …")
            })?);
        }
        let decided = decided.unwrap_or_default();
        let aws = context.aws();
        let subject = Subject {
            function: &caller.function,
            region: &aws.region,
            account: &aws.account,
            environment: &caller.environment,
            in_vpc: caller.in_vpc,
        };
        let evidence = evidence(&subject, &decided, &denials);
        for one in &evidence {
            one.must_be_exact()?;
        }
        let more: Vec<&str> = evidence
            .iter()
            .filter(|one| !self.only.is_empty() && !one.is_for_the_log() && !self.only.contains(&one.action))
            .map(|one| one.action.as_str())
            .collect();
        match more.is_empty() {
            true => Ok((caller.role, evidence)),
            false => {
                let message = format!("{function} has requested more than `only` names: {}", more.join(", "));
                Err(Failure::new("AskedForMore", message)
                    .hint("look at why it does; what it may have is for `only` to say"))
            }
        }
    }

    /// Returns the inline policy that an earlier run of this step has written.
    fn former(&self, context: &Context<'_>) -> Option<Value> {
        let session = &context.session;
        let state = session.journal.state();
        let (_, row) = state.resources.in_slot(&session.step, INLINE)?;
        serde_json::from_str(row.facts.get("document")?.as_str()?).ok()
    }

    /// Returns the managed policies to compare with, by name, with the actions of each service that they allow.
    async fn others(&self, context: &Context<'_>) -> Outcome<Vec<(String, Services)>> {
        let mut others: Vec<(String, Services)> = Vec::new();
        for name in self.compare_with.iter().chain(&self.detach) {
            let short = name.rsplit('/').next().unwrap_or(name);
            if !others.iter().any(|(known, _)| known == short) {
                let policy = managed_policy(context.aws(), &managed_policy_arn(name)).await?;
                others.push((short.to_owned(), iam_actions::allowed(&[policy])));
            }
        }
        Ok(others)
    }

    /// Detaches a managed policy. The role must have it: otherwise `down` would attach a policy that it did not have.
    async fn detach(&self, context: &mut Context<'_>, role: &str, arn: &str) -> Outcome<()> {
        let wanted = RolePolicy { role: role.to_owned(), change: Change::Detached(arn.to_owned()) };
        let slot = format!("detached {arn}");
        let known = context.session.journal.state().resources.in_slot(&context.session.step, &slot).is_some();
        if !known && wanted.attached(context.aws(), arn).await? != Some(true) {
            let message = format!("{arn} is not attached to the role {role}");
            return Err(Failure::new("NotAttached", message));
        }
        context.ensure(&slot, wanted).await.map(|_| ())
    }

    /// Checks with IAM's policy simulator that `denies` is denied.
    async fn ask(&self, context: &mut Context<'_>, role: &str) -> Outcome<Vec<Denied>> {
        let mut denied = Vec::new();
        if self.denies.is_empty() {
            return Ok(denied);
        }
        let arn = role_arn(context.aws(), role).await?;
        for statement in &self.denies {
            for (action, resource) in
                statement.actions.iter().flat_map(|a| statement.resources.iter().map(move |r| (a, r)))
            {
                let result = simulate(context.aws(), &arn, action, resource).await?;
                let decision = result.eval_decision().as_str().to_owned();
                if decision == "allowed" {
                    let message =
                        format!("the role {role} must not be allowed {action} on {resource}, and is");
                    return Err(Failure::expectation(message));
                }
                denied.push(Denied { action: action.clone(), resource: resource.clone(), decision });
            }
        }
        Ok(denied)
    }
}
