//! What a run leaves for continuous integration: JUnit's XML on standard output, a summary in the file that
//! `GITHUB_STEP_SUMMARY` names, and annotations where `GITHUB_ACTIONS` says that GitHub reads the output.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::output;
use super::stop::Verdict;
use crate::ci::{self, Account, Costs, Gathered, Level, Place, Planned, Trouble};
use crate::cli::RunFormat;
use crate::costs;
use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::journal::{Observer, State};
use crate::runbook::Runbook;

/// What is gathered of one run.
pub struct Ci {
    format: RunFormat,
    gathered: Gathered,
    title: String,
    name: String,
    planned: Vec<Planned>,
    costs: Option<Costs>,
}

impl Ci {
    pub fn new(format: RunFormat, file: &Path) -> Self {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let (gathered, title) = (Gathered::default(), name.clone());
        Self { format, gathered, title, name, planned: Vec::new(), costs: None }
    }

    /// Whether anything reads what is gathered.
    fn is_read(&self) -> bool {
        self.format == RunFormat::Junit || summary_file().is_some() || reads_annotations()
    }

    pub fn knows(&mut self, runbook: &Runbook) {
        if !self.is_read() {
            return;
        }
        self.title = runbook.title().to_owned();
        let source = &runbook.source;
        let planned = runbook.steps.iter().map(|step| Planned {
            id: step.id.clone(),
            kind: step.kind.name.clone(),
            file: in_repository(source.path_at(step.id_span.start)),
            line: source.position(step.id_span.start).line,
        });
        self.planned = planned.collect();
    }

    /// Returns the observer of a run, which passes everything on to `shown`.
    pub fn observer(&mut self, shown: Box<dyn Observer>) -> Box<dyn Observer> {
        if !self.is_read() {
            return shown;
        }
        self.gathered = Gathered::beside(shown);
        Box::new(self.gathered.clone())
    }

    /// Takes note of what has been spent.
    pub fn spent(&mut self, state: &State, local: bool) {
        let now = jiff::Timestamp::now().as_millisecond();
        self.costs = costs::costs(state, now).ok().map(|costs| {
            let (spent, hourly) = costs::sums(&costs);
            Costs { spent, hourly, billing: costs::billing(&costs), local }
        });
    }

    /// Writes what the verdict makes of the run. What can't be written is complained about, and changes nothing else.
    pub fn tell(self, verdict: &Verdict) {
        if !self.is_read() {
            return;
        }
        let mut account = self.gathered.account(&self.title, &self.name, &self.planned);
        if let (Err(stop), None) = (verdict, account.failed()) {
            let (message, hints) = (stop.message().to_owned(), stop.all_hints().to_vec());
            account.trouble = Some(Trouble { message, hints, details: stop.details().to_vec() });
        }
        if self.format == RunFormat::Junit {
            output::document(&ci::junit(&account));
        }
        if let Some(path) = summary_file() {
            let summary = ci::summary(&account, self.costs.as_ref());
            let mut open = OpenOptions::new();
            let written = open.append(true).create(true).open(&path);
            if let Err(error) = written.and_then(|mut file| file.write_all(summary.as_bytes())) {
                output::complain(format_args!("no summary was written to {}: {error}", path.display()));
            }
        }
        if reads_annotations() {
            annotate(&account);
        }
    }
}

fn annotate(account: &Account) {
    let mut annotations = Vec::new();
    for step in &account.steps {
        let Some(failure) = &step.failure else { continue };
        let line = step.planned.line;
        let place = Place { file: step.planned.file.clone(), line, end_line: line, column: None };
        let hints: String = failure.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let (title, message) = (format!("step {}", step.planned.id), format!("{failure}{hints}"));
        annotations.push(ci::annotation(Level::Error, Some(&place), &title, &message));
    }
    // The problems of a runbook are annotated where they are found.
    if let Some(trouble) = account.trouble.as_ref().filter(|trouble| trouble.details.is_empty()) {
        let hints: String = trouble.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let message = format!("{}{hints}", trouble.message);
        annotations.push(ci::annotation(Level::Error, None, "opsml run", &message));
    }
    annotations.iter().for_each(output::complain);
}

/// Annotates the lines of a runbook with its problems, where GitHub reads the output: from both of its streams.
pub fn annotate_problems<'a>(source: &Source, problems: impl IntoIterator<Item = &'a Diagnostic>) {
    if !reads_annotations() {
        return;
    }
    for problem in problems {
        let (start, end) = (source.position(problem.span.start), source.position(problem.span.end));
        let place = Place {
            file: in_repository(source.path_at(problem.span.start)),
            line: start.line,
            end_line: end.line.max(start.line),
            column: Some(start.column),
        };
        let level = match problem.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        };
        let hints: String = problem.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let message = format!("{}{hints}", problem.message);
        output::complain(ci::annotation(level, Some(&place), "opsml check", &message));
    }
}

/// The file for the summary, if there is one.
fn summary_file() -> Option<PathBuf> {
    std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn reads_annotations() -> bool {
    std::env::var("GITHUB_ACTIONS").is_ok_and(|value| value == "true")
}

/// Returns a file's path from the root of the repository, by which GitHub finds it; else the path as it is.
fn in_repository(file: &Path) -> String {
    let root = std::env::var_os("GITHUB_WORKSPACE").and_then(|root| PathBuf::from(root).canonicalize().ok());
    let below = root.and_then(|root| Some(file.canonicalize().ok()?.strip_prefix(root).ok()?.to_owned()));
    below.unwrap_or_else(|| file.to_owned()).display().to_string()
}
