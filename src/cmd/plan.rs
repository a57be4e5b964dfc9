//! `opsml plan`: what a run would do to each step, why, and what it costs. Calls nothing.

use serde_json::json;

use super::{Stop, Verdict, session};
use crate::cli::{Format, Plan};
use crate::diagnostic::printable;
use crate::exit;
use crate::files;
use crate::journal::State;
use crate::plan::{self, Decision};
use crate::price;
use crate::step;

pub fn run(arguments: &Plan) -> Verdict {
    let checked = session::checked(&arguments.file.file, &arguments.file.params)?;
    let runbook = &checked.runbook;
    let journal = session::read(&arguments.file.file, &arguments.target)?;
    let empty = State::default();
    let state = journal.as_ref().map_or(&empty, |journal| journal.state());
    let paths = session::paths(runbook, &checked.given);
    let digest = |path: &str| files::digest(&paths.resolve(path).ok()?).ok();
    let missing = |kind: &str, outputs: &serde_json::Value| {
        step::kind(kind).and_then(|kind| (kind.missing)(outputs, &paths))
    };
    let planned = plan::plan(runbook, &checked.params, state, &digest, &missing).map_err(|problems| {
        let shown: Vec<String> = problems.iter().map(|problem| runbook.source.render(problem)).collect();
        Stop::usage(shown.join("\n"))
    })?;
    let worst: f64 = planned.iter().filter_map(|step| Some(step.price.as_ref()?.0)).sum();
    if arguments.file.format == Format::Json {
        println!("{}", json!({"steps": planned, "worst_case_usd": worst, "prices_of": price::DATES}));
        return Ok(exit::DONE);
    }
    let width = planned.iter().map(|step| step.id.len()).max().unwrap_or_default();
    for step in &planned {
        let (verb, reason) = match &step.decision {
            Decision::Run(reason) if !step.leaves.is_empty() || reason.starts_with("delete") => {
                ("delete", reason.as_str())
            }
            Decision::Run(reason) => ("run", reason.as_str()),
            Decision::Cached => ("keep", "done, and nothing has changed"),
            Decision::Skip(reason) => ("skip", reason.as_str()),
            Decision::Open(reason) => ("may run", reason.as_str()),
        };
        println!("{:width$}  {:8} {verb:8} {}", step.id, step.kind, printable(reason));
        if let Some((usd, words)) = &step.price {
            println!("{:width$}  {:17} up to {usd:.2} USD on AWS: {words}", "", "");
        }
        step.leaves.iter().for_each(|left| println!("{:width$}  {:17} {left}", "", ""));
    }
    let worst = worst + 0.0;
    println!("At worst {worst:.2} USD on AWS, by prices of {}.", price::DATES);
    Ok(exit::DONE)
}
