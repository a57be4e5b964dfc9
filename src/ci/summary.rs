//! A run as Markdown, for the summary of a job on GitHub: a table of the steps, why it failed, and what it costs.
//!
//! GitHub takes 1 MiB of each job, and shows nothing of a longer summary: so the table and the texts end somewhere.

use super::gathered::{Account, Mark, StepResult, Trouble};
use crate::diagnostic::counted;
use crate::failure::Failure;
use crate::report::{fenced, markdown_text};
use crate::secret::shown;
use crate::written;

/// The most rows of the table.
const ROWS: usize = 400;
/// The most characters of a cell.
const CELL: usize = 300;
/// The most characters of a failure's text.
const TEXT: usize = 20_000;
/// The most hints, and the most lines of what bills.
const LINES: usize = 50;

/// What the runbook's resources cost by AWS's prices.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// US dollars in all runs so far, and an hour from now on.
    pub spent: f64,
    pub hourly: f64,
    /// A line for each resource that bills now.
    pub billing: Vec<String>,
    /// Whether nobody pays: it is the local cloud.
    pub local: bool,
}

/// Returns the summary, which ends with a line break.
pub fn summary(account: &Account, costs: Option<&Costs>) -> String {
    let title = cell(&account.title);
    let mut lines = vec![match (account.failed(), &account.trouble) {
        (Some(step), _) => format!("### ❌ {title}: {} at {}", step.mark.word(), cell(&step.planned.id)),
        (None, Some(_)) => format!("### ❌ {title}"),
        (None, None) => format!("### ✅ {title}"),
    }];
    let mut facts = Vec::new();
    for (marks, word) in [
        (&[Mark::Done][..], "done"),
        (&[Mark::Kept], "kept"),
        (&[Mark::Skipped], "skipped"),
        (&[Mark::Failed], "failed"),
        (&[Mark::Interrupted], "interrupted"),
        (&[Mark::NotReached], "not reached"),
    ] {
        let count = account.count(marks);
        facts.extend((count > 0).then(|| format!("{count} {word}")));
    }
    let facts = facts.join(", ");
    if account.started.is_some() {
        let took = written::duration(account.milliseconds);
        lines.push(format!(
            "{}: {facts}, in {took}, on {}.",
            counted(account.steps.len(), "step"),
            cell(&account.at)
        ));
    }
    if let Some(step) = account.failed()
        && let Some(failure) = &step.failure
    {
        lines.push(failed(step, failure));
    }
    lines.extend(account.trouble.as_ref().map(trouble));
    if account.started.is_some() && !account.steps.is_empty() {
        lines.push(table(&account.steps));
    }
    lines.extend(costs.map(priced));
    lines.join("\n\n") + "\n"
}

fn failed(step: &StepResult, failure: &Failure) -> String {
    let place = format!("{}:{}", step.planned.file, step.planned.line);
    let text = format!("step `{}` ({place}): {failure}", step.planned.id);
    listed(&text, &failure.hints)
}

fn trouble(trouble: &Trouble) -> String {
    let lines: Vec<&str> =
        trouble.details.iter().chain([&trouble.message]).map(|line| line.trim_end()).collect();
    listed(&lines.join("\n\n"), &trouble.hints)
}

/// A text as it is, and the hints below it.
fn listed(text: &str, hints: &[String]) -> String {
    let text = crate::diagnostic::printable(&cut(&shown(text), TEXT));
    let hints = hints.iter().take(LINES).map(|hint| format!("\n- {}", cell(hint)));
    format!("{}\n{}", fenced("text", &text), hints.collect::<String>())
}

fn table(steps: &[StepResult]) -> String {
    let mut lines = vec![
        "| step | kind | state | time | result |".to_owned(),
        "| --- | --- | --- | ---: | --- |".to_owned(),
    ];
    // Of a long runbook, what isn't well comes first.
    let is_well = |step: &&StepResult| matches!(step.mark, Mark::Done | Mark::Kept | Mark::NotReached);
    let mut shown: Vec<&StepResult> = steps.iter().collect();
    if steps.len() > ROWS {
        shown.sort_by_key(is_well);
    }
    for step in shown.iter().take(ROWS) {
        let sign = match step.mark {
            Mark::Done => "✅ ",
            Mark::Failed => "❌ ",
            Mark::Interrupted => "⏸️ ",
            Mark::Kept | Mark::Skipped | Mark::NotReached => "",
        };
        let took = match step.mark {
            Mark::Done | Mark::Failed => written::duration(step.milliseconds),
            _ => String::new(),
        };
        let said = step.failure.as_ref().map_or(step.said.clone(), |failure| failure.to_string());
        lines.push(format!(
            "| {} | {} | {sign}{} | {took} | {} |",
            cell(&step.planned.id),
            cell(&step.planned.kind),
            step.mark.word(),
            cell(&said)
        ));
    }
    let more = steps.len().saturating_sub(ROWS);
    if more > 0 {
        lines.push(format!("\nand {more} more"));
    }
    lines.join("\n")
}

fn priced(costs: &Costs) -> String {
    let (spent, hourly) = (written::money(costs.spent), written::money(costs.hourly));
    let mut text = match costs.local {
        true => format!(
            "On AWS, this would have cost {spent} in all runs so far, and {hourly} an hour from now on."
        ),
        false => format!(
            "Its resources have cost {spent} in all runs so far, and cost {hourly} an hour from now on."
        ),
    };
    for (index, line) in costs.billing.iter().take(LINES).enumerate() {
        text.push_str(if index == 0 { "\n\n- " } else { "\n- " });
        text.push_str(&cell(line));
    }
    text
}

/// Text in which nothing is Markdown, on one line.
fn cell(text: &str) -> String {
    markdown_text(&cut(&shown(text), CELL))
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ci::{Gathered, Planned};

    fn account(steps: usize) -> Account {
        let planned =
            |n| Planned { id: format!("s{n}"), kind: "command".into(), file: "k.md".into(), line: n };
        let planned: Vec<Planned> = (0..steps).map(planned).collect();
        Account { started: Some(0), ..Gathered::default().account("K", "k", &planned) }
    }

    #[test]
    fn a_long_runbook_and_a_long_text_keep_below_what_github_takes() {
        let mut account = account(10_000);
        let failure = Failure::new("Odd", "|`é` ".repeat(1_000_000));
        for step in &mut account.steps {
            (step.mark, step.said) = (Mark::Done, "x|".repeat(10_000));
        }
        account.steps[9_999].mark = Mark::Failed;
        account.steps[9_999].failure = Some(failure);
        let summary = summary(&account, None);
        assert!(summary.len() < 1 << 20, "{}", summary.len());
        assert!(summary.contains("| s9999 |") && summary.contains("and 9600 more"));
    }

    #[test]
    fn no_result_ends_its_cell_or_its_fence() {
        let mut account = account(1);
        account.steps[0].said = "a | b\n# c <script> ![x](y)".into();
        let row = summary(&account, None);
        assert!(row.contains(r"a \| b \# c &lt;script&gt; !\[x\](y)"), "{row}");
        account.steps[0].failure = Some(Failure::new("Odd", "```\n# not a heading"));
        let text = summary(&account, None);
        assert!(text.contains("````text\nstep `s0` (k.md:0): Odd: ```\n# not a heading\n````"), "{text}");
    }
}
