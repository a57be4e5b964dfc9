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
    let is_certain = |step: &&Planned| !matches!(step.decision, Decision::Open(_));
    let certain =
        planned.iter().filter(is_certain).filter_map(|step| step.price.as_ref()?.usd).fold(0.0, |a, b| a + b);
    if arguments.format == Format::Json {
        output::json(&json!({
            "steps": planned, "worst_case_usd": worst, "certain_usd": certain, "prices_unknown_of": unknown,
            "prices_of": price::source(),
        }));
        return Ok(exit::DONE);
    }
    planned_lines(&planned).into_iter().for_each(output::say);
    output::say(format_args!("At worst {}.", in_words(worst, &unknown)));
    if worst - certain >= 0.005 {
        output::say(format_args!(
            "Of that, {:.2} USD are for steps that may be kept: what they wait for decides.",
            worst - certain
        ));
    }
    if let Some(out) = &arguments.out {
        output::say(format_args!("kept; this does what it says: opsml run {}", out.display()));
    }
    Ok(exit::DONE)
}

/// Returns the steps in columns that are as wide as what is in them, each with its price and what it leaves below.
fn planned_lines(planned: &[Planned]) -> Vec<String> {
    let verb = |step: &Planned| match &step.decision {
        Decision::Delete(_) => "delete",
        Decision::Run(_) => "run",
        Decision::Keep(_) => "keep",
        Decision::Skip(_) => "skip",
        Decision::Open(_) => "may run",
    };
    let width = |text: &dyn Fn(&Planned) -> usize| planned.iter().map(text).max().unwrap_or_default();
    let (ids, kinds) = (width(&|step| step.id.len()), width(&|step| step.kind.len()));
    let verbs = width(&|step| verb(step).len());
    let mut lines = Vec::new();
    for step in planned {
        let reason = step.decision.reason().unwrap_or("done, and nothing has changed").replace('\n', " ");
        lines.push(format!("{:ids$}  {:kinds$}  {:verbs$}  {reason}", step.id, step.kind, verb(step)));
        let mut below =
            |text: String| lines.push(format!("{:indent$}{text}", "", indent = ids + kinds + verbs + 6));
        match &step.price {
            Some(Price { usd: Some(usd), words }) => below(format!("up to {usd:.2} USD on AWS: {words}")),
            Some(Price { usd: None, words }) => below(format!("on AWS: {words}")),
            None if step.reuses => below("reuses what it has made".to_owned()),
            None => {}
        }
        step.leaves.iter().for_each(|left| below(left.clone()));
    }
    lines
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
