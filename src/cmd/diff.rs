//! `opsml diff`: two runs of a runbook side by side, in the terminal or as a page.

use std::path::Path;

use minijinja::value::Serde;
use minijinja::{AutoEscape, context};
use serde_json::json;

use super::output;
use super::session;
use super::stop::{Stop, Verdict};
use crate::cli::{Diff, Format};
use crate::diagnostic::printable_line;
use crate::exit;
use crate::journal::{Journal, RunRow};
use crate::report::Templates;
use crate::run_diff::{After, Row, RunDiff};

pub fn run(arguments: &Diff) -> Verdict {
    let journal = session::must_read(&arguments.journaled.file, &arguments.journaled.target)?;
    let runs = [run_of(&journal, &arguments.first)?, run_of(&journal, &arguments.second)?];
    let states = [journal.state_after(runs[0].run)?, journal.state_after(runs[1].run)?];
    let [first, second] = [0, 1].map(|index| After { run: runs[index], state: &states[index] });
    let diff = RunDiff::of([first, second])?;
    if let Some(page) = &arguments.html {
        write_page(page, &diff)?;
        output::say(page.display());
        return Ok(exit::DONE);
    }
    if arguments.journaled.format == Format::Json {
        output::json(&json!(diff));
        return Ok(exit::DONE);
    }
    output::say(format_args!("{}\n{}", diff.runs[0], diff.runs[1]));
    if diff.sections.is_empty() {
        output::say("nothing differs");
    }
    for section in &diff.sections {
        output::say(format_args!("\n{}", section.title));
        table(&section.rows).iter().for_each(output::say);
    }
    Ok(exit::DONE)
}

/// Returns the run that a number names, or the last one.
fn run_of<'a>(journal: &'a Journal, text: &str) -> Result<&'a RunRow, Stop> {
    let runs = &journal.state().runs;
    let found = match text {
        "last" => runs.last(),
        number => number.parse().ok().and_then(|number: u64| runs.iter().find(|run| run.run == number)),
    };
    found.ok_or_else(|| {
        let last = runs.last().map_or(0, |run| run.run);
        Stop::usage(format!("there is no run `{text}`: the last is {last}")).hint("opsml history lists them")
    })
}

/// Returns the rows with aligned columns.
fn table(rows: &[Row]) -> Vec<String> {
    let cells = rows.iter().map(|row| {
        let name = if row.step.is_empty() { row.name.clone() } else { format!("{}: {}", row.step, row.name) };
        [name, row.values[0].clone(), row.values[1].clone(), row.change.clone()]
            .map(|cell| printable_line(&cell))
    });
    let cells: Vec<[String; 4]> = cells.collect();
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2].map(width);
    let line = |[name, first, second, change]: &[String; 4]| {
        let line = format!("  {name:0$}  {first:1$}  {second:2$}  {change}", widths[0], widths[1], widths[2]);
        line.trim_end().to_owned()
    };
    cells.iter().map(line).collect()
}

fn write_page(path: &Path, diff: &RunDiff) -> Result<(), Stop> {
    let failed = |error: &dyn std::fmt::Display| {
        Stop::new(exit::STEP_FAILED, format!("{}: the page can't be written: {error}", path.display()))
    };
    let templates = Templates::default();
    let environment = templates.environment(AutoEscape::Html).map_err(|error| failed(&error))?;
    let template = environment.get_template("diff.html.j2").map_err(|error| failed(&error))?;
    let page = template.render(context! { diff => Serde(diff) }).map_err(|error| failed(&error))?;
    std::fs::write(path, page).map_err(|error| failed(&error))
}
