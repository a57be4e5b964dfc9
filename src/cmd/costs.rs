//! `opsml costs`: what each step's resources have cost, and what they cost an hour.

use serde_json::json;

use super::output;
use super::session;
use super::stop::Verdict;
use crate::cli::{Format, Journaled};
use crate::console::duration_words;
use crate::costs;
use crate::diagnostic::printable_line;
use crate::exit;
use crate::price;

pub fn run(arguments: &Journaled) -> Verdict {
    let journal = session::must_read(&arguments.file, &arguments.target)?;
    let now = jiff::Timestamp::now();
    let costs = costs::costs(journal.state(), now.as_millisecond())?;
    let (spent, hourly) = costs::sums(&costs);
    if arguments.format == Format::Json {
        let at = now.as_millisecond();
        let prices = price::source();
        output::json(
            &json!({"at": at, "resources": costs, "usd": spent, "usd_an_hour": hourly, "prices_of": prices}),
        );
        return Ok(exit::DONE);
    }
    let width = costs.iter().map(|cost| cost.step.len()).max().unwrap_or_default();
    for cost in &costs {
        let usd = cost.usd.map_or("price unknown".to_owned(), |usd| format!("{usd:.4} USD"));
        let rate = cost.hourly.map(|hourly| format!(", and {hourly:.3} USD an hour now")).unwrap_or_default();
        output::say(format_args!(
            "{:width$}  {usd:>14}{rate}: {}, {} × {}, {}",
            cost.step,
            printable_line(&cost.id.to_string()),
            cost.instance_count,
            cost.instance_type,
            duration_words((cost.seconds * 1000.0) as i64)
        ));
    }
    output::say(format_args!(
        "{spent:.4} USD so far, {hourly:.3} USD an hour now, on AWS by prices of {}; storage, requests and transfer come on top",
        price::source()
    ));
    Ok(exit::DONE)
}
