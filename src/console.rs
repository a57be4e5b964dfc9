//! Prints a run's events and progress: with a spinner on a terminal, as plain lines elsewhere, or as JSON lines.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::diagnostic::{printable, printable_line};
use crate::journal::{Event, Observer, Progress, Record, ResourceId, State, StepStatus};
use crate::secret::{shown, shown_value};

/// How often plain lines report the progress of a count.
const QUIET: Duration = Duration::from_secs(5);

/// Prints text: a spinner on a terminal, plain lines elsewhere.
pub struct Text {
    bar: Option<ProgressBar>,
    last: Instant,
    message: String,
    /// The resource that a plain line has named last.
    named: Option<ResourceId>,
}

impl Default for Text {
    fn default() -> Self {
        Self { bar: None, last: Instant::now(), message: String::new(), named: None }
    }
}

impl Text {
    fn line(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            // If the output is closed, the run continues.
            None => drop(writeln!(std::io::stdout(), "{line}")),
        }
    }

    fn start(&mut self, step: &str) {
        self.last = Instant::now();
        self.message.clear();
        self.named = None;
        if std::io::stderr().is_terminal() {
            let bar = ProgressBar::new_spinner().with_prefix(step.to_owned());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {wide_msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            self.bar = Some(bar);
        }
    }

    fn stop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Text {
    fn event(&mut self, record: &Record, state: &State) {
        let took = |step: &str| {
            let row = state.steps.get(step);
            let took = row.and_then(|row| Some(row.ended? - row.started)).unwrap_or_default();
            (row, duration_words(took))
        };
        match &record.event {
            Event::StepStarted { step, kind, reason, .. } => {
                self.stop();
                self.line(&format!("▶ {step} ({kind}): {}", line(reason)));
                self.start(step);
            }
            Event::StepDone { step, summary, .. } => {
                self.stop();
                self.line(&format!("✓ {step}: {} ({})", line(summary), took(step).1));
            }
            Event::StepFailed { step, failure } => {
                self.stop();
                self.line(&format!(
                    "✗ {step}: {} ({})",
                    printable(&shown(&failure.to_string())),
                    took(step).1
                ));
                failure
                    .hints
                    .iter()
                    .for_each(|hint| self.line(&format!("  hint: {}", printable(&shown(hint)))));
            }
            Event::StepSkipped { step, reason, .. } => {
                self.line(&format!("- {step}: skipped, {}", line(reason)))
            }
            Event::Created { id, adopted } => {
                let id_line = line(&id.to_string());
                match adopted {
                    true => self.line(&format!("  adopted {id_line}, which an earlier run made")),
                    false => self.line(&format!("  created {id_line}")),
                }
                self.named = Some(id.clone());
            }
            Event::Deleted { id } => self.line(&format!("  deleted {}", line(&id.to_string()))),
            Event::RunEnded { .. } => self.stop(),
            _ => {}
        }
    }

    fn progress(&mut self, step: &str, progress: &Progress) {
        let part = progress.part.map(|(done, total)| format!(" {done}/{total}")).unwrap_or_default();
        if let Some(bar) = &self.bar {
            bar.set_message(line(&(in_full(progress) + &part)));
            return;
        }
        let is_new = progress.message != self.message;
        let news = match &progress.resource {
            Some(id) if self.named.as_ref() == Some(id) => changed(&self.message, &progress.message),
            _ => in_full(progress),
        };
        let is_due = progress.part.is_some() && self.last.elapsed() >= QUIET;
        if (is_new && !news.is_empty()) || is_due {
            drop(writeln!(std::io::stdout(), "  {step}: {}{part}", line(&news)));
            self.last = Instant::now();
        }
        self.named = progress.resource.clone().or(self.named.take());
        self.message.clone_from(&progress.message);
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
