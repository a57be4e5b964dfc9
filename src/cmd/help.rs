//! `opsml help` and `opsml explain`: verbs, kinds of step and their fields, for people.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::output;
use super::stop::{Stop, Verdict};
use crate::cli::{self, Cli};
use crate::diagnostic::Source;
use crate::exit;
use crate::reference::{self, Entry, Found};
use crate::runbook::Runbook;
use crate::step::{self, KindInfo};

/// A runbook that has a block of each kind.
const EXAMPLES: &str = include_str!("../../templates/kinds.md");

/// The widest line.
const WIDTH: usize = 96;

pub fn run(arguments: &cli::Help) -> Verdict {
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    let (first, is_single) = (words.first().copied().unwrap_or_default(), words.len() < 2);
    if let Some(kind) = step::kind(first).filter(|_| is_single) {
        output::say(match arguments.markdown {
            true => page(kind),
            false => of_kind(kind),
        });
    } else if let Some((about, entries)) = reference::topic(first).filter(|_| is_single) {
        output::say(match arguments.markdown {
            true => format!("# {first}\n\n{}.\n\n{}", capital(about), table(&entries)),
            false => format!("{first}: {about}\n\n{}", listed(&entries)),
        });
    } else {
        return of_verb(&words);
    }
    Ok(exit::DONE)
}

pub fn explain(arguments: &cli::Explain) -> Verdict {
    let path = arguments.path.trim();
    if let Some(kind) = step::kind(path) {
        output::say(of_kind(kind));
    } else if let Some((about, entries)) = reference::topic(path) {
        output::say(format_args!("{path}: {about}\n\n{}", listed(&entries)));
    } else {
        let found = reference::find(path).map_err(|(message, hints)| Stop::usage(message).hints(hints))?;
        output::say(of_entry(&found));
    }
    Ok(exit::DONE)
}

/// Prints clap's help of a verb, or of all.
pub fn of_verb(words: &[&str]) -> Verdict {
    let mut command = Cli::command();
    for (depth, word) in words.iter().enumerate() {
        if command.find_subcommand(word).is_none() {
            let verbs = command.get_subcommands().map(|one| one.get_name().to_owned());
            let others = step::kind_names().chain(reference::topics()).filter(|_| depth == 0);
            let known: Vec<String> = verbs.chain(others.map(str::to_owned)).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let stop = Stop::usage(format!("there is no verb and no kind of step `{}`", words.join(" ")));
            return Err(stop.suggest(word, &known));
        }
        command = command.find_subcommand(word).cloned().unwrap_or_default();
    }
    let asked = std::iter::once("opsml").chain(words.iter().copied()).chain(std::iter::once("--help"));
    if let Err(help) = Cli::command().try_get_matches_from(asked) {
        help.print()?;
    }
    if words.is_empty() {
        let kinds: Vec<&str> = step::kind_names().collect();
        let about = format!("Kinds of step, of which `opsml help KIND` tells: {}.", kinds.join(", "));
        output::say(format_args!("\n{}", wrapped(&about, "", WIDTH)));
    }
    Ok(exit::DONE)
}

fn of_kind(kind: &KindInfo) -> String {
    let common = reference::topic(reference::BLOCK).map(|(_, entries)| entries).unwrap_or_default();
    let common: Vec<&str> = common.iter().map(|entry| entry.name.as_str()).collect();
    let more = format!("Any block may also have {}: `opsml help block` tells of them.", common.join(", "));
    let example: Vec<String> = example(kind).lines().map(|line| format!("  {line}")).collect();
    format!(
        "{}: {}\n\nFields\n\n{}\n{}\n\nOutputs, for prose and for later steps, as {{{{ ID.{} }}}}\n\n{}\nExample\n\n{}",
        kind.name,
        kind.about,
        listed(&reference::fields(kind)),
        wrapped(&more, "", WIDTH),
        reference::outputs(kind).first().map_or("OUTPUT", |entry| entry.name.as_str()),
        listed(&reference::outputs(kind)),
        example.join("\n").replace("\n  \n", "\n\n"),
    )
}

fn of_entry(found: &Found) -> String {
    let entry = &found.entry;
    let mut text = format!("{}: {}\n", entry.name, entry.form);
    if found.is_output {
        text.push_str("an output\n");
    }
    if !entry.presence.is_empty() {
        text.push_str(&format!("{}\n", entry.presence));
    }
    if !entry.about.is_empty() {
        text.push_str(&format!("\n{}\n", wrapped(&entry.about, "", WIDTH)));
    }
    if !found.below.is_empty() {
        text.push_str(&format!("\n{}", listed(&found.below)));
    }
    text.trim_end().to_owned()
}

/// Returns entries, each with its name, type and presence in a line and what it is for below.
fn listed(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let presence =
            if entry.presence.is_empty() { String::new() } else { format!("; {}", entry.presence) };
        let head = format!("{}: {}{presence}", entry.name, entry.form);
        text.push_str(&wrapped(&head, "  ", WIDTH));
        text.push('\n');
        if !entry.about.is_empty() {
            text.push_str(&wrapped(&entry.about, "      ", WIDTH));
            text.push('\n');
        }
    }
    text
}

/// Breaks text into lines, each with an indentation; of a paragraph, the lines after the first have more.
fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let mut line = indent.to_owned();
        for word in paragraph.split_whitespace() {
            if line.chars().count() + 1 + word.chars().count() > width && !line.trim().is_empty() {
                lines.push(std::mem::replace(&mut line, indent.to_owned()));
            }
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Returns the blocks of an example: that of the kind, behind those that it uses.
fn example(kind: &KindInfo) -> String {
    let (runbook, _) = Runbook::parse(Source::new("kinds.md", EXAMPLES));
    let Some(shown) = runbook.steps.iter().find(|step| step.kind.name == kind.name) else {
        return String::new();
    };
    let mut wanted = BTreeSet::from([shown.id.as_str()]);
    // A step uses only earlier ones.
    for step in runbook.steps.iter().rev() {
        if wanted.contains(step.id.as_str()) {
            wanted.extend(step.uses.steps.iter().map(String::as_str));
        }
    }
    let blocks = runbook.steps.iter().filter(|step| wanted.contains(step.id.as_str()));
    let blocks: Vec<&str> = blocks.map(|step| runbook.source.text[step.span.clone()].trim_end()).collect();
    blocks.join("\n\n")
}

/// Returns the page of a kind, in Markdown.
fn page(kind: &KindInfo) -> String {
    format!(
        "# {}\n\n{}.\n\n## Fields\n\n{}\nAny block may also have the keys of [every block](../block.md).\n\n## Outputs\n\n{}\n## Example\n\n{}",
        kind.name,
        capital(kind.about),
        table(&reference::fields(kind)),
        table(&reference::outputs(kind)),
        example(kind),
    )
}

fn table(entries: &[Entry]) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut text = String::from("| name | type | |\n| --- | --- | --- |\n");
    for entry in entries {
        let presence =
            if entry.presence.is_empty() { String::new() } else { format!("; {}", entry.presence) };
        text.push_str(&format!(
            "| `{}` | {}{} | {} |\n",
            entry.name,
            cell(&entry.form),
            cell(&presence),
            cell(&entry.about)
        ));
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
