//! `opsml plan`: what a run would do to each step, why, and what it costs. It makes no call.

use serde_json::json;

use super::chosen::Chosen;
use super::kept_plan::KeptPlan;
use super::output;
use super::prices;
use super::session::{self, Checked};
use super::stop::{Stop, Verdict};
use crate::cli::{Format, Plan};
use crate::decide::Decision;
use crate::exit;
use crate::journal::State;
use crate::plan::{self, Planned};
use crate::price;
use crate::step::{self, Price};

pub fn run(arguments: &Plan) -> Verdict {
    let checked = session::checked(&arguments.file.file, &arguments.file.params)?;
    let journal = session::read(&arguments.file.file, &arguments.target)?;
    if let Some(journal) = journal.as_ref().filter(|_| arguments.target.target == "aws") {
        prices::prefer_cached(&arguments.file.file, &journal.state().region);
    }
    let chosen = Chosen::of(&checked.runbook, &arguments.steps)?;
    let state = session::state_as_moved(&checked.runbook, journal.as_ref())?;
    chosen.must_be_runnable(&checked.runbook, &state)?;
    let planned = planned(&checked, &state, &chosen)?;
    let (worst, unknown) = worst(&planned);
    if let Some(out) = &arguments.out {
        KeptPlan::new(arguments, &checked, &state, &planned)?.write(out)?;
    }
    if arguments.format == Format::Json {
        output::json(
            &json!({"steps": planned, "worst_case_usd": worst, "prices_unknown_of": unknown, "prices_of": price::source()}),
        );
        return Ok(exit::DONE);
    }
    let width = planned.iter().map(|step| step.id.len()).max().unwrap_or_default();
    for step in &planned {
        let (verb, reason) = match &step.decision {
            Decision::Delete(reason) => ("delete", reason.as_str()),
            Decision::Run(reason) => ("run", reason.as_str()),
            Decision::Keep(_) => ("keep", "done, and nothing has changed"),
            Decision::Skip(reason) => ("skip", reason.as_str()),
            Decision::Open(reason) => ("may run", reason.as_str()),
        };
        output::say(format_args!("{:width$}  {:8} {verb:8} {reason}", step.id, step.kind));
        match &step.price {
            Some(Price { usd: Some(usd), words }) => {
                output::say(format_args!("{:width$}  {:17} up to {usd:.2} USD on AWS: {words}", "", ""));
            }
            Some(Price { usd: None, words }) => {
                output::say(format_args!("{:width$}  {:17} on AWS: {words}", "", ""));
            }
            None => {}
        }
        step.leaves.iter().for_each(|left| output::say(format_args!("{:width$}  {:17} {left}", "", "")));
    }
    output::say(format_args!("At worst {}.", in_words(worst, &unknown)));
    if let Some(out) = &arguments.out {
        output::say(format_args!("kept; this does what it says: opsml run {}", out.display()));
    }
    Ok(exit::DONE)
}

/// Returns the plan, from the journal and the local files.
pub fn planned(checked: &Checked, state: &State, chosen: &Chosen) -> Result<Vec<Planned>, Stop> {
    let runbook = &checked.runbook;
    let paths = session::paths(runbook, &checked.given);
    let digest = |path: &str| paths.digest(path).map_err(|failure| failure.message);
    let missing = |kind: &str, outputs: &serde_json::Value| {
        step::kind(kind).and_then(|kind| (kind.missing)(outputs, &paths))
    };
    let Chosen { selection, force } = chosen;
    let machine = plan::Machine { digest: &digest, missing: &missing, force, selection };
    plan::plan(runbook, &checked.params, state, &machine).map_err(|problems| {
        let shown: Vec<String> = problems.iter().map(|problem| runbook.source.render(problem)).collect();
        Stop::usage(format!("the runbook cannot be planned\n{}", shown.join("\n")))
    })
}

/// Returns the highest price in US dollars, and the steps whose price is unknown.
pub fn worst(planned: &[Planned]) -> (f64, Vec<&str>) {
    let prices = || planned.iter().filter_map(|step| Some((step, step.price.as_ref()?)));
    let worst = prices().filter_map(|(_, price)| price.usd).fold(0.0, |all, one| all + one);
    let unknown = prices().filter(|(_, price)| price.usd.is_none()).map(|(step, _)| step.id.as_str());
    (worst, unknown.collect())
}

pub fn in_words(worst: f64, unknown: &[&str]) -> String {
    let known = format!("{worst:.2} USD on AWS, by prices of {}", price::source());
    match unknown {
        [] => known,
        steps => format!("{known}, and an unknown price for {}", steps.join(", ")),
    }
}
