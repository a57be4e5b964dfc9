//! Prints a run's events and progress: with live lines on a terminal, as plain lines elsewhere, or as JSON lines.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::costs;
use crate::diagnostic::{counted, printable, printable_line};
use crate::journal::{Event, Observer, Progress, Record, ResourceId, State, StepStatus};
use crate::secret::{shown, shown_value};

/// How often plain lines report the progress of a count.
const QUIET: Duration = Duration::from_secs(5);

/// Prints text: on a terminal a live line for each step that runs, below what has happened; plain lines elsewhere.
#[derive(Default)]
pub struct Text {
    screen: Option<Screen>,
    /// Plain lines go to standard error, since standard output is a document.
    beside_a_document: bool,
    /// What plain lines have said of each step that runs.
    said: HashMap<String, Said>,
}

/// The live lines of a terminal.
struct Screen {
    lines: MultiProgress,
    steps: HashMap<String, ProgressBar>,
    /// The last line: the run, and what bills.
    run: ProgressBar,
}

/// What the last plain line about a step said.
struct Said {
    at: Instant,
    message: String,
    /// The resource that was named last.
    named: Option<ResourceId>,
}

impl Default for Said {
    fn default() -> Self {
        Self { at: Instant::now(), message: String::new(), named: None }
    }
}

impl Text {
    /// Prints for a terminal if standard error is one.
    pub fn new() -> Self {
        let screen = std::io::stderr().is_terminal().then(Screen::new);
        Self { screen, ..Self::default() }
    }

    /// As [`new`](Self::new), for a run whose standard output is a document.
    pub fn beside_a_document() -> Self {
        Self { beside_a_document: true, ..Self::new() }
    }

    fn line(&mut self, line: &str) {
        match &self.screen {
            // An error is ignored, as below.
            Some(screen) => drop(screen.lines.println(line)),
            // If the output is closed, the run continues.
            None if self.beside_a_document => drop(writeln!(std::io::stderr(), "{line}")),
            None => drop(writeln!(std::io::stdout(), "{line}")),
        }
    }

    fn start(&mut self, step: &str) {
        self.said.insert(step.to_owned(), Said::default());
        if let Some(screen) = &mut self.screen {
            screen.start(step);
        }
    }

    fn stop(&mut self, step: &str) {
        self.said.remove(step);
        if let Some(bar) = self.screen.as_mut().and_then(|screen| screen.steps.remove(step)) {
            bar.finish_and_clear();
        }
    }
}

impl Screen {
    fn new() -> Self {
        let lines = MultiProgress::new();
        let run = lines.add(ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("  {wide_msg} {elapsed}") {
            run.set_style(style);
        }
        run.enable_steady_tick(Duration::from_secs(1));
        Self { lines, steps: HashMap::new(), run }
    }

    fn start(&mut self, step: &str) {
        let bar = ProgressBar::new_spinner().with_prefix(step.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}") {
            bar.set_style(style);
        }
        let bar = self.lines.insert_before(&self.run, bar);
        bar.enable_steady_tick(Duration::from_millis(120));
        self.steps.insert(step.to_owned(), bar);
    }

    /// Says in the last line what is live, and what that bills.
    fn show_run(&self, state: &State) {
        let run = state.runs.last().map_or(0, |run| run.run);
        let live = counted(state.resources.live().count(), "live resource");
        let now = jiff::Timestamp::now().as_millisecond();
        // A price that can't be known is none that can be shown.
        let hourly = costs::costs(state, now).map(|costs| costs::sums(&costs).1).unwrap_or_default();
        let bills = if hourly > 0.0 { format!(", {hourly:.3} USD an hour on AWS") } else { String::new() };
        self.run.set_message(format!("run {run}: {live}{bills}"));
    }
}

impl Observer for Text {
    fn event(&mut self, record: &Record, state: &State) {
        let took = |step: &str| {
            let row = state.steps.get(step);
            let took = row.and_then(|row| Some(row.ended? - row.started)).unwrap_or_default();
            duration_words(took)
        };
        match &record.event {
            Event::StepStarted { step, kind, reason, .. } => {
                self.stop(step);
                self.line(&format!("▶ {step} ({kind}): {}", line(reason)));
                self.start(step);
            }
            Event::StepDone { step, summary, .. } => {
                self.stop(step);
                self.line(&format!("✓ {step}: {} ({})", line(summary), took(step)));
            }
            Event::StepFailed { step, failure, .. } => {
                self.stop(step);
                self.line(&format!("✗ {step}: {} ({})", printable(&shown(&failure.to_string())), took(step)));
                failure
                    .hints
                    .iter()
                    .for_each(|hint| self.line(&format!("  hint: {}", printable(&shown(hint)))));
            }
            Event::StepSkipped { step, reason, .. } => {
                self.line(&format!("- {step}: skipped, {}", line(reason)))
            }
            Event::StepMoved { from, to } => self.line(&format!("= {to}: was `{from}`")),
            Event::Created { id, adopted } => {
                let id_line = line(&id.to_string());
                match adopted {
                    true => self.line(&format!("  adopted {id_line}, which an earlier run made")),
                    false => self.line(&format!("  created {id_line}")),
                }
                let step = state.resources.get(id).and_then(|row| self.said.get_mut(&row.step));
                step.into_iter().for_each(|said| said.named = Some(id.clone()));
            }
            Event::Deleted { id } => self.line(&format!("  deleted {}", line(&id.to_string()))),
            Event::RunEnded { .. } => {
                if let Some(screen) = self.screen.take() {
                    screen.steps.values().chain([&screen.run]).for_each(ProgressBar::finish_and_clear);
                }
            }
            _ => {}
        }
        let of_resource =
            matches!(record.event, Event::Created { .. } | Event::Ready { .. } | Event::Deleted { .. });
        if let Some(screen) =
            self.screen.as_ref().filter(|_| of_resource || matches!(record.event, Event::RunStarted { .. }))
        {
            screen.show_run(state);
        }
    }

    fn progress(&mut self, step: &str, progress: &Progress) {
        let part = progress.part.map(|(done, total)| format!(" {done}/{total}")).unwrap_or_default();
        if let Some(bar) = self.screen.as_ref().and_then(|screen| screen.steps.get(step)) {
            bar.set_message(line(&(in_full(progress) + &part)));
            return;
        }
        let said = self.said.entry(step.to_owned()).or_default();
        let is_new = progress.message != said.message;
        let news = match &progress.resource {
            Some(id) if said.named.as_ref() == Some(id) => changed(&said.message, &progress.message),
            _ => in_full(progress),
        };
        let is_due = progress.part.is_some() && said.at.elapsed() >= QUIET;
        let is_told = (is_new && !news.is_empty()) || is_due;
        if is_told {
            said.at = Instant::now();
        }
        said.named = progress.resource.clone().or(said.named.take());
        said.message.clone_from(&progress.message);
        if is_told {
            self.line(&format!("  {step}: {}{part}", line(&news)));
        }
    }

    fn note(&mut self, step: &str, text: &str) {
        self.line(&format!("= {step}: {}", line(text)));
    }
}

/// Returns the message with the resource that it is about.
fn in_full(progress: &Progress) -> String {
    let resource = progress.resource.as_ref().map(|id| format!("{id}: ")).unwrap_or_default();
    resource + &progress.message
}

/// Returns the parts of a status, as commas separate them, that the status before it did not have.
fn changed(before: &str, now: &str) -> String {
    let known: Vec<&str> = before.split(", ").collect();
    let news: Vec<&str> = now.split(", ").filter(|part| !known.contains(part)).collect();
    news.join(", ")
}

/// Returns untrusted text as a part of a line.
fn line(text: &str) -> String {
    printable_line(&shown(text))
}

/// Prints each event as a line of JSON.
pub struct Json;

impl Json {
    fn line(value: &serde_json::Value) {
        // If the output is closed, the run continues.
        let _ = writeln!(std::io::stdout(), "{}", shown_value(value));
    }
}

impl Observer for Json {
    fn event(&mut self, record: &Record, _state: &State) {
        Self::line(&json!({"seq": record.seq, "at": record.at, "event": record.event}));
    }

    fn progress(&mut self, step: &str, progress: &Progress) {
        Self::line(&json!({"step": step, "progress": in_full(progress), "part": progress.part}));
    }

    fn note(&mut self, step: &str, text: &str) {
        Self::line(&json!({"step": step, "note": text}));
    }
}

/// Returns milliseconds in words: `0.4 s`, `12 s`, `3 min 5 s`.
pub fn duration_words(milliseconds: i64) -> String {
    match milliseconds.max(0) {
        ms @ 0..10_000 => format!("{:.1} s", ms as f64 / 1000.0),
        ms @ 10_000..60_000 => format!("{} s", ms / 1000),
        ms => format!("{} min {} s", ms / 60_000, ms / 1000 % 60),
    }
}

pub fn status_word(status: StepStatus) -> &'static str {
    match status {
        StepStatus::Running => "running",
        StepStatus::Done => "done",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::changed;

    #[test]
    fn of_a_status_only_what_is_new_is_told() {
        let before = "Training, train_loss 0.8, valid_accuracy 0.79";
        assert_eq!(changed("", before), before);
        assert_eq!(changed("Training", before), "train_loss 0.8, valid_accuracy 0.79");
        assert_eq!(changed(before, "Training, train_loss 0.4, valid_accuracy 0.79"), "train_loss 0.4");
        assert_eq!(changed(before, "Uploading, train_loss 0.8, valid_accuracy 0.79"), "Uploading");
        assert_eq!(changed(before, "Training"), "");
    }
}
