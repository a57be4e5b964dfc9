//! What stands before the text: the numbers that matter, where and when it was, and a diagram of what was built.

use super::background::Background;
use super::closing::filling_run;
use super::prose::{self, Known};
use super::token::one_line;
use super::veil::Veil;
use super::view::{Diagram, FirstPage};
use crate::journal::State;
use crate::runbook::Runbook;
use crate::written;

/// The most numbers of the steps on a first page without a `summary`.
const OFFERED: usize = 6;

pub fn page(
    runbook: &Runbook,
    state: &State,
    background: &Background,
    (known, veil): (&Known, &Veil),
    diagram: Option<Diagram>,
) -> FirstPage {
    let own = &runbook.front.summary;
    let mut summary: Vec<(String, String)> = own
        .iter()
        .map(|line| (veil.text(&line.label), prose::line(&veil.text(&line.value), known)))
        .collect();
    if summary.is_empty() {
        summary.extend(offered(runbook, known).into_iter().map(|(label, value)| (veil.text(&label), value)));
    }
    let spent: f64 = background.spent.iter().map(|(_, usd)| usd).sum();
    if own.is_empty() && !state.runs.is_empty() {
        let cost = format!("{}, then {} an hour", written::money(spent), written::money(background.hourly));
        summary.push(("Cost by AWS's prices".into(), cost));
    }
    let file = runbook.source.path.file_name().unwrap_or_default().to_string_lossy();
    let short: String = background.digest.chars().take(12).collect();
    let mut facts = vec![
        ("runbook", file.into_owned()),
        ("commit", background.commit.clone().unwrap_or_default()),
        ("SHA-256", short),
        ("target", state.target.clone()),
        ("region", state.region.clone()),
        ("run", filling_run(state).map(|run| written::date(run.started)).unwrap_or_default()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    FirstPage {
        summary,
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), veil.text(&value))).collect(),
        diagram,
    }
}

/// What the kinds of step offer, in the order of the document.
fn offered(runbook: &Runbook, known: &Known) -> Vec<(String, String)> {
    let outputs = runbook.steps.iter().zip(&known.steps);
    let offers = outputs.filter_map(|(step, (id, outputs))| {
        let outputs = outputs.as_ref().ok().filter(|_| step.common.expect_error.is_none())?;
        let (label, value) = (step.info.offers)(outputs)?;
        Some((format!("{label} ({id})"), one_line(&value)))
    });
    offers.take(OFFERED).collect()
}
