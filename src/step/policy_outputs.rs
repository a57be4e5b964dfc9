//! What a `policy` step puts out and shows: the policy and what it is written from, how it differs from what it replaces, and what stays
//! denied.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::least_privilege::Evidence;
use crate::iam_actions;
use crate::journal::Figure;
use crate::written;

/// The most services with a row of their own. What the others allow is summed in one row.
const SERVICES: usize = 6;

/// How many actions of each service a policy allows.
pub type Services = BTreeMap<&'static str, u64>;

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The role's name.
    pub role: String,
    /// The inline policy's document, or nothing if only managed policies changed.
    pub policy: Option<Value>,
    /// ARNs of the managed policies that were attached.
    pub attached: Vec<String>,
    /// ARNs of the managed policies that were detached.
    pub detached: Vec<String>,
    /// The evidence for the policy.
    pub evidence: Vec<Evidence>,
    /// How many of AWS's actions it allows, on any resource.
    pub actions: u64,
    /// How many actions the compared and the detached policies allow.
    pub compared: Vec<Compared>,
    /// The actions of `denies` with the simulator's decisions.
    pub denied: Vec<Denied>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Compared {
    /// The managed policy's name.
    pub policy: String,
    /// How many actions it allows.
    pub actions: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Denied {
    pub action: String,
    pub resource: String,
    /// `implicitDeny` or `explicitDeny`.
    pub decision: String,
}

/// Returns the step's result in one line.
pub fn summary(outputs: &Outputs) -> String {
    let plural = |count: u64| if count == 1 { "action" } else { "actions" };
    let mut parts = vec![format!("{} {} allowed", outputs.actions, plural(outputs.actions))];
    parts.extend(outputs.compared.iter().map(|one| format!("{} allows {}", one.policy, one.actions)));
    if !outputs.detached.is_empty() {
        parts.push(format!("{} detached", outputs.detached.join(", ")));
    }
    format!("{}: {}", outputs.role, parts.join("; "))
}

/// Returns the step's figures. `former` is the inline policy of an earlier run; `own` is what the policy allows, and
/// `others` is what those allow that it is compared with.
pub fn figures(
    outputs: &Outputs,
    former: Option<&Value>,
    own: &Services,
    others: &[(String, Services)],
) -> Vec<Figure> {
    let table = |caption: &str, columns: &[&str], rows: Vec<Vec<String>>| Figure::Table {
        caption: caption.to_owned(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        rows,
    };
    let mut figures = Vec::new();
    if let Some(document) = &outputs.policy {
        figures.push(Figure::json(format!("The policy of {}", outputs.role), document));
        let changed =
            former.map(|former| written::difference(&written::json(former), &written::json(document)));
        if let Some(changed) = changed.filter(|changed| !changed.is_empty()) {
            let caption = format!("What changed in the policy of {}", outputs.role);
            figures.push(Figure::code(caption, "diff", changed));
        }
    }
    if !outputs.evidence.is_empty() {
        let rows = evidence_rows(&outputs.evidence);
        figures.push(table(
            "The evidence that it is written from",
            &["actions", "resource", "seen in"],
            rows,
        ));
    }
    if !others.is_empty() {
        let columns: Vec<&str> = ["service", "this policy"]
            .into_iter()
            .chain(others.iter().map(|(name, _)| name.as_str()))
            .collect();
        let caption = format!("How many actions each allows, by {}", iam_actions::source());
        figures.push(table(&caption, &columns, by_service(own, others)));
    }
    if !outputs.denied.is_empty() {
        let row = |one: &Denied| vec![one.action.clone(), one.resource.clone(), one.decision.clone()];
        let rows = outputs.denied.iter().map(row).collect();
        figures.push(table(
            "What stays denied, by IAM's simulator",
            &["action", "resource", "decision"],
            rows,
        ));
    }
    figures
}

/// Returns a row for each resource and source, with the actions that follow each other.
fn evidence_rows(evidence: &[Evidence]) -> Vec<Vec<String>> {
    let alike =
        |one: &Evidence, next: &Evidence| (&one.resource, &one.source) == (&next.resource, &next.source);
    let rows = evidence.chunk_by(alike).map(|all| {
        let actions: Vec<&str> = all.iter().map(|one| one.action.as_str()).collect();
        vec![actions.join(", "), all[0].resource.clone(), all[0].source.clone()]
    });
    rows.collect()
}

/// Returns a row for each service of the policy itself and for those of which the others allow most, and the sums.
fn by_service(own: &Services, others: &[(String, Services)]) -> Vec<Vec<String>> {
    let all: Vec<&Services> =
        std::iter::once(own).chain(others.iter().map(|(_, services)| services)).collect();
    let count = |service: &str, services: &Services| services.get(service).copied().unwrap_or_default();
    let most = |service: &str| all.iter().map(|services| count(service, services)).max();
    let names: BTreeSet<&str> = all.iter().flat_map(|services| services.keys().copied()).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| (!own.contains_key(name), std::cmp::Reverse(most(name))));
    // A row for the rest would not be shorter than the only row that it stands for.
    let shown = if names.len() <= SERVICES + 1 { names.len() } else { SERVICES.max(own.len()) };
    let (shown, rest) = names.split_at(shown);
    let row = |title: String, of: &[&str]| {
        let sum = |services: &&Services| of.iter().map(|name| count(name, services)).sum::<u64>().to_string();
        std::iter::once(title).chain(all.iter().map(sum)).collect()
    };
    let mut rows: Vec<Vec<String>> = shown.iter().map(|name| row((*name).to_owned(), &[name])).collect();
    if !rest.is_empty() {
        rows.push(row(format!("{} others", rest.len()), rest));
    }
    rows.push(row("all".to_owned(), &names));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_with_the_same_evidence_share_a_row() {
        let one = |action: &str, resource: &str| Evidence {
            action: action.into(),
            resource: resource.into(),
            source: "s".into(),
        };
        let rows = evidence_rows(&[one("a", "r"), one("b", "log"), one("c", "log")]);
        assert_eq!(rows, [["a", "r", "s"], ["b, c", "log", "s"]]);
    }

    #[test]
    fn the_policys_own_services_come_first_and_the_rest_is_summed() {
        let own = Services::from([("logs", 3), ("sagemaker", 1)]);
        let many: Vec<String> = (0..20).map(|n| format!("s{n}")).collect();
        let mut full: Services =
            many.iter().map(|name| (&*Box::leak(name.clone().into_boxed_str()), 2)).collect();
        full.extend([("sagemaker", 300), ("zz", 9)]);
        let rows = by_service(&own, &[("Full".into(), full)]);
        let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
        assert_eq!(rows[..4], ["sagemaker 1 300", "logs 3 0", "zz 0 9", "s0 0 2"]);
        assert_eq!(rows[6..], ["17 others 0 34", "all 4 349"]);
        let few = by_service(&own, &[("One".into(), Services::from([("s3", 1)]))]);
        assert_eq!(few.len(), 4, "{few:?}");
    }
}
