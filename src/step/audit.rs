//! `audit`: finds what is insecure in the account. Each finding has a severity, a resource and a fix.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::context::{Context, Done};
use super::kind::{Kind, Problem, Reads};
use crate::action::audit::{CHECKS, Finding, Options, SeenRole, Severity, audit, glob};
use crate::failure::Outcome;
use crate::journal::Figure;
use crate::written::time;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// What to audit: `account`, all of it in this region; or `stack`, the roles, buckets, security groups and functions of
    /// this runbook.
    #[serde(default)]
    pub scope: Scope,
    /// Days without use after which a role or an access key counts as unused.
    #[serde(default = "ninety")]
    #[schemars(range(min = 0, max = 3650))]
    pub unused_days: i64,
    /// Days after which an access key is old.
    #[serde(default = "ninety")]
    #[schemars(range(min = 1, max = 3650))]
    pub key_days: i64,
    /// Findings that are accepted, and why.
    #[serde(default)]
    pub ignore: Vec<Ignore>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    #[default]
    Account,
    Stack,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// The check, such as `full-access`. The default is every check.
    pub check: Option<String>,
    /// A pattern for the resource's ARN, with `*` and `?`. The default is every resource.
    pub resource: Option<String>,
    /// Why it is accepted.
    #[schemars(length(min = 1))]
    pub reason: String,
}

fn ninety() -> i64 {
    90
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The findings, the worst first. What the caller may not read is a finding with `checked: false`.
    pub findings: Vec<Finding>,
    /// How many findings there are of each severity.
    pub counts: Counts,
    /// `critical`, `high`, `medium`, `low` or `none`.
    pub worst: String,
    /// 4 for critical, 3 for high, 2 for medium, 1 for low, 0 for none.
    pub worst_rank: u8,
    /// How many findings have `checked: false`.
    pub not_checked: usize,
    /// Findings that are accepted.
    pub ignored: Vec<Ignored>,
    /// The roles: what each may do, and when it was last used.
    pub roles: Vec<SeenRole>,
    /// How many resources of each kind were audited.
    pub looked_at: BTreeMap<String, usize>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Counts {
    pub critical: usize,
    pub high: usize,
    pub medium: usize,
    pub low: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Ignored {
    pub finding: Finding,
    /// Why it is accepted.
    pub reason: String,
}

impl Kind for Audit {
    const NAME: &'static str = "audit";
    const ABOUT: &'static str =
        "finds what is insecure in the account: root user, policies, roles, keys, ports, buckets";
    const OWNS: bool = false;
    const ROWS: &'static [&'static str] = &["worst", "counts", "looked_at"];
    const READS: Reads = Reads::Account;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (index, ignore) in self.ignore.iter().enumerate() {
            let field = |name: &str| format!("ignore.{index}.{name}");
            if let Some(check) = ignore.check.as_ref().filter(|check| !CHECKS.iter().any(|c| c.id == **check))
            {
                let mut problem = Problem::at(field("check"), format!("there is no check `{check}`"));
                let known: Vec<&str> = CHECKS.iter().map(|check| check.id).collect();
                problem.hints.push(format!("the checks are {}", known.join(", ")));
                problems.push(problem);
            }
            if ignore.check.is_none() && ignore.resource.is_none() {
                problems.push(Problem::at(
                    field("reason"),
                    "this would accept every finding: name a `check` or a `resource`",
                ));
            }
            if ignore.reason.trim().is_empty() {
                problems.push(Problem::at(field("reason"), "say why it is accepted"));
            }
        }
        problems
    }

    fn offers(outputs: &Value) -> Option<(&'static str, String)> {
        let counts = outputs.get("counts")?.as_object()?;
        let found = counts.iter().filter(|(_, count)| count.as_u64().is_some_and(|count| count > 0));
        let found: Vec<String> = found.map(|(severity, count)| format!("{count} {severity}")).collect();
        Some(("Audit findings", if found.is_empty() { "none".to_owned() } else { found.join(", ") }))
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let state = context.session.journal.state();
        let stack = || state.resources.live().map(|(id, _)| (id.kind.clone(), id.name.clone())).collect();
        let options = Options {
            only: (self.scope == Scope::Stack).then(stack),
            unused_days: self.unused_days,
            key_days: self.key_days,
            now: jiff::Timestamp::now().as_second(),
        };
        let audited = audit(context.aws(), &options).await?;
        let (mut findings, mut ignored) = (Vec::new(), Vec::new());
        for finding in audited.findings {
            match self.ignore.iter().find(|ignore| ignore.covers(&finding)) {
                Some(ignore) => ignored.push(Ignored { finding, reason: ignore.reason.clone() }),
                None => findings.push(finding),
            }
        }
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        let counts = Counts {
            critical: count(Severity::Critical),
            high: count(Severity::High),
            medium: count(Severity::Medium),
            low: count(Severity::Low),
        };
        let worst = findings.iter().map(|finding| finding.severity).max();
        let mut summary: Vec<String> = Severity::ALL
            .into_iter()
            .map(|severity| (severity.name(), count(severity)))
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        if summary.is_empty() {
            summary.push("no findings".to_owned());
        }
        if !ignored.is_empty() {
            summary.push(format!("{} accepted", ignored.len()));
        }
        let mut figures = vec![table(&findings, &ignored)];
        // An account may have hundreds.
        if self.scope == Scope::Stack && !audited.roles.is_empty() {
            figures.push(roles_table(&audited.roles));
        }
        let outputs = Outputs {
            counts,
            worst: worst.map_or("none", Severity::name).to_owned(),
            worst_rank: worst.map_or(0, Severity::rank),
            not_checked: findings.iter().filter(|finding| !finding.checked).count(),
            findings,
            ignored,
            roles: audited.roles,
            looked_at: audited.looked_at.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        };
        Ok(Done::new(outputs, summary.join(", ")).figures(figures))
    }
}

impl Ignore {
    fn covers(&self, finding: &Finding) -> bool {
        self.check.as_ref().is_none_or(|check| *check == finding.check)
            && self.resource.as_ref().is_none_or(|pattern| glob(pattern, &finding.resource))
    }
}

fn roles_table(roles: &[SeenRole]) -> Figure {
    let row = |role: &SeenRole| {
        let managed = role.managed_policies.iter().map(|policy| format!("managed policy {policy}"));
        let allows: Vec<String> = role.allows.iter().cloned().chain(managed).collect();
        let allows = if allows.is_empty() { "nothing".to_owned() } else { allows.join("; ") };
        let used = role.last_used.as_deref().and_then(|at| at.parse::<jiff::Timestamp>().ok());
        let used = used.map_or_else(|| "never".into(), |at| time(at.as_millisecond()));
        vec![role.name.clone(), role.trusts.join(", "), allows, used]
    };
    Figure::Table {
        caption: "The roles, what each may do, and when it was last used".into(),
        columns: ["role", "assumed by", "may", "last used"].map(str::to_owned).into(),
        rows: roles.iter().map(row).collect(),
    }
}

fn table(findings: &[Finding], ignored: &[Ignored]) -> Figure {
    let row = |finding: &Finding, severity: String, remedy: &str| {
        let control = finding.control.as_ref().map(|control| format!(" ({control})")).unwrap_or_default();
        vec![
            severity,
            format!("{}{control}", finding.check),
            finding.resource.clone(),
            finding.problem.clone(),
            remedy.to_owned(),
        ]
    };
    let open = findings.iter().map(|finding| row(finding, finding.severity.name().to_owned(), &finding.fix));
    let accepted = ignored.iter().map(|one| {
        row(
            &one.finding,
            format!("{}, accepted", one.finding.severity.name()),
            &format!("accepted: {}", one.reason),
        )
    });
    Figure::Table {
        caption: "Findings of the audit".into(),
        columns: ["severity", "check", "resource", "what is wrong", "what to do"].map(str::to_owned).into(),
        rows: open.chain(accepted).collect(),
    }
}
