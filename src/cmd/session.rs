//! Opens what several verbs need: the runbook, its parameters, the target and the journal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};
use tokio::sync::watch;

use super::ci;
use super::cloud;
use super::local_files;
use super::output;
use super::stop::Stop;
use crate::aws::{self, Aws};
use crate::aws_names;
use crate::cli;
use crate::diagnostic::{Diagnostic, Severity, Source, counted};
use crate::exit;
use crate::failure::Failure;
use crate::files;
use crate::journal::{Event, Journal, JournalError, Record, State};
use crate::moved;
use crate::runbook::yaml::NodeKind;
use crate::runbook::{self, Param, Runbook};
use crate::secret;
use crate::step::Paths;

/// The most bytes of a runbook: a hundred times the longest one known.
pub const MAX_RUNBOOK: u64 = 8 << 20;

/// The most bytes of a script that are searched.
const MAX_SCRIPT: u64 = 1 << 20;

/// The most problems to print of a runbook.
pub const MAX_SHOWN: usize = 100;

pub fn read_source(file: &Path) -> Result<Source, Stop> {
    let failed = |error: std::io::Error| Stop::usage(format!("{}: {error}", file.display()));
    let mut bytes = Vec::new();
    let opened = files::open(file).map_err(|error| {
        let begins =
            error.kind() == std::io::ErrorKind::NotFound && file.extension().is_some_and(|it| it == "md");
        match begins {
            true => failed(error).hint(format!("opsml new {} writes one to start from", file.display())),
            false => failed(error),
        }
    });
    opened?.take(MAX_RUNBOOK + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MAX_RUNBOOK {
        return Err(Stop::usage(format!("{} is larger than {MAX_RUNBOOK} bytes", file.display())));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(file, text)),
        Err(error) => {
            let valid =
                String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()]).into_owned();
            let line = valid.matches('\n').count() + 1;
            Err(Stop::usage(format!("{}:{line}: a runbook must be UTF-8 text", file.display())))
        }
    }
}

/// Reads a runbook with the files that it includes.
pub fn parsed(file: &Path) -> Result<(Runbook, Vec<Diagnostic>), Stop> {
    Ok(Runbook::parse(with_included(read_source(file)?)))
}

/// Adds the files that a document includes to its text.
fn with_included(mut source: Source) -> Source {
    let file = source.path().to_owned();
    let base = folder(&file);
    for name in runbook::included_files(&source) {
        let path = file.with_file_name(&name);
        let room = MAX_RUNBOOK as usize;
        let text = match runbook_path(&base, &name) {
            Err(failure) => Err(failure.message),
            Ok(path) => match read_source(&path) {
                Ok(read) if source.text.len() + read.text.len() <= room => Ok(read.text),
                Ok(_) => Err(format!("with {name}, the runbook is larger than {MAX_RUNBOOK} bytes")),
                Err(stop) => Err(stop.message().to_owned()),
            },
        };
        source = source.include(name, path, text);
    }
    source
}

/// Returns the path of a file that a runbook names. It lies below the runbook's folder.
fn runbook_path(base: &Path, name: &str) -> Result<PathBuf, Failure> {
    let paths = Paths {
        base: base.to_owned(),
        cache: PathBuf::new(),
        allowed: Vec::new(),
        worker: None,
        handler: None,
    };
    paths.resolve(name)
}

/// A runbook with its problems, and the parameters as far as they are known.
pub struct Checked {
    pub runbook: Runbook,
    pub params: Map<String, Value>,
    pub diagnostics: Vec<Diagnostic>,
    /// Mistakes in parameters.
    pub wrong_params: Vec<String>,
    /// The parameters of the command line. A path among them may be anywhere.
    pub given: BTreeMap<String, Value>,
}

impl Checked {
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|problem| problem.severity == Severity::Error)
    }
}

pub fn check(file: &Path, params: &cli::Params) -> Result<Checked, Stop> {
    let (runbook, problems) = parsed(file)?;
    let given = given(params, &runbook)?;
    Ok(examined(runbook, problems, given))
}

/// As [`check`], of text that an editor has, without parameters.
pub fn check_text(source: Source) -> Checked {
    let (runbook, problems) = Runbook::parse(with_included(source));
    let mut checked = examined(runbook, problems, BTreeMap::new());
    let source = &checked.runbook.source;
    checked.diagnostics.iter_mut().for_each(|problem| show_in_own_text(source, problem));
    checked
}

/// Moves a problem of an included file to where the document names the file: an editor has the document's own text alone.
fn show_in_own_text(source: &Source, problem: &mut Diagnostic) {
    let own = source.own();
    if problem.span.start < own.end {
        return;
    }
    let name = source.included_files().find(|name| source.line_in_words(problem.span.start).ends_with(name));
    let at = name.and_then(|name| Some((source.text[own.clone()].find(name)?, name.len())));
    problem.message = format!("{}: {}", source.line_in_words(problem.span.start), problem.message);
    problem.span = at.map_or(own.end..own.end, |(at, length)| at..at + length);
}

fn examined(runbook: Runbook, mut diagnostics: Vec<Diagnostic>, given: BTreeMap<String, Value>) -> Checked {
    let (params, wrong_params) = match runbook.params(&given) {
        Ok(params) => (params, Vec::new()),
        // Only a run needs every parameter: the others are checked.
        Err(wrong) => {
            let known = runbook.front.params.iter();
            let known = known.filter_map(|(name, param)| {
                let fits = |value| param.accept(value).ok();
                Some((name.clone(), given.get(name).map_or_else(|| param.default.clone(), fits)?))
            });
            (known.collect(), wrong)
        }
    };
    // A parameter that has the name of a secret is kept as one, though a run journals its mask.
    secret::know_fields(&[Value::Object(params.clone())]);
    let paths = paths(&runbook, &given);
    let scripts = |name: &str| scripts(&paths.resolve(name).ok()?);
    diagnostics.extend(runbook::check(&runbook, &params, &scripts));
    diagnostics.extend(local_files::problems(&runbook, &params, &paths));
    diagnostics.sort_by_key(|problem| problem.span.start);
    Checked { runbook, params, diagnostics, wrong_params, given }
}

/// Returns the text of the Python files below a folder, or nothing if there are none or they can't be read.
fn scripts(folder: &Path) -> Option<String> {
    let (files, _) = files::visible_below(folder).ok()?;
    let mut text = String::new();
    for file in files.iter().filter(|file| file.key.ends_with(".py")) {
        let mut bytes = Vec::new();
        files::open(&file.path).ok()?.take(MAX_SCRIPT).read_to_end(&mut bytes).ok()?;
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    (!text.is_empty()).then_some(text)
}

/// As [`check`], but prints the problems, and returns an error if there are errors among them.
pub fn checked(file: &Path, params: &cli::Params) -> Result<Checked, Stop> {
    let checked = check(file, params)?;
    // A wrong parameter makes the fields wrong that use it, so only the parameter is reported.
    if !checked.wrong_params.is_empty() {
        return Err(Stop::usage(checked.wrong_params.join("; ")));
    }
    // If not all problems are printed, the errors are.
    let mut shown: Vec<&Diagnostic> = checked.diagnostics.iter().collect();
    if shown.len() > MAX_SHOWN {
        shown.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    }
    shown.truncate(MAX_SHOWN);
    let source = &checked.runbook.source;
    let rendered: Vec<String> = shown.iter().map(|problem| source.render(problem)).collect();
    rendered.iter().for_each(output::complain);
    ci::annotate_problems(source, shown);
    if checked.diagnostics.len() > MAX_SHOWN {
        output::complain(format_args!("and {} more\n", checked.diagnostics.len() - MAX_SHOWN));
    }
    if checked.has_errors() {
        let errors = checked.diagnostics.iter().filter(|p| p.severity == Severity::Error).count();
        return Err(Stop::usage(format!(
            "{} has {}; nothing was run",
            file.display(),
            counted(errors, "error")
        ))
        .with_details(rendered));
    }
    Ok(checked)
}

/// Returns the values of `-f`, overridden by those of `-p`, and of secret parameters from the environment if neither has
/// them. From here on, no value of a secret parameter is printed.
fn given(params: &cli::Params, runbook: &Runbook) -> Result<BTreeMap<String, Value>, Stop> {
    let mut given = BTreeMap::new();
    let secrets = || runbook.front.params.iter().filter(|(_, param)| param.secret).map(|(name, _)| name);
    for name in secrets() {
        if let Ok(value) = std::env::var(Param::variable(name)) {
            given.insert(name.clone(), Value::String(value));
        }
    }
    given.extend(params.kept.clone());
    if let Some(file) = &params.params_file {
        let source = read_source(file)?;
        let mut problems = Vec::new();
        let node = runbook::yaml::parse(&source.text, 0..source.text.len(), &mut problems);
        if let Some(problem) = problems.first() {
            return Err(Stop::usage(source.render(problem)));
        }
        if let Some(other) = node.as_ref().filter(|node| !matches!(node.kind, NodeKind::Map(_))) {
            let message =
                format!("parameters are a mapping of names to values, and this is {}", other.describe());
            return Err(Stop::usage(source.render(&Diagnostic::error(other.span.clone(), message))));
        }
        let entries = node.iter().flat_map(|node| node.entries());
        given.extend(entries.map(|(key, value)| {
            let param = runbook.front.params.get(&key.name);
            let value = param.map_or_else(|| value.to_value(), |param| param.given(value));
            (key.name.clone(), value)
        }));
    }
    for one in &params.param {
        let (name, value) = one.split_once('=').ok_or_else(|| {
            Stop::usage(format!("`{one}` is not NAME=VALUE"))
                .hint("for example: -p instance_type=ml.m5.large")
        })?;
        given.insert(name.to_owned(), Value::String(value.to_owned()));
    }
    for value in secrets().filter_map(|name| given.get(name)) {
        secret::know(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    Ok(given)
}

/// Returns the folders and programs of a run.
pub fn paths(runbook: &Runbook, given: &BTreeMap<String, Value>) -> Paths {
    let base = base(runbook);
    let allowed =
        given.values().filter_map(Value::as_str).map(PathBuf::from).filter(|path| path.exists()).collect();
    Paths {
        base,
        cache: PathBuf::from(".opsml/cache"),
        allowed,
        worker: cloud::worker(),
        handler: cloud::handler(),
    }
}

fn base(runbook: &Runbook) -> PathBuf {
    folder(&runbook.source.path)
}

fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Returns `.opsml/k` for `k.md`, and `.opsml/k.markdown` for `k.markdown`.
pub fn state_folder(file: &Path) -> PathBuf {
    let stem = match file.extension() {
        Some(ending) if ending != "md" => file.file_name().unwrap_or_default(),
        _ => file.file_stem().unwrap_or_default(),
    };
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    folder.join(".opsml").join(stem)
}

/// Returns the target's name in the journal's file name: letters, digits and hyphens.
fn target_name(target: &str) -> String {
    target.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// A flag that nothing sets: Ctrl-C ends the process at once.
pub fn uninterrupted() -> watch::Receiver<bool> {
    watch::channel(false).1
}

/// Connects to the target, and starts the local cloud if necessary.
pub async fn connect(target: &cli::Target, interrupted: watch::Receiver<bool>) -> Result<Aws, Stop> {
    if let Some(misspelt) = target.region.as_deref().and_then(aws_names::region)
        && target.target != "local"
        && let Some(meant) = misspelt.meant
    {
        return Err(Stop::usage(misspelt.message).hint(format!("did you mean `{meant}`?")));
    }
    let aws = match target.target.as_str() {
        "aws" => {
            let (profile, region) = (target.profile.as_deref(), target.region.as_deref());
            Aws::connect(aws::Target::Aws, profile, region, interrupted).await?
        }
        "local" => {
            let running = cloud::start()?;
            if let Some(other) = target.region.as_ref().filter(|region| **region != running.record.region) {
                let message = format!("the local cloud is {}, and not {other}", running.record.region);
                return Err(Stop::usage(message).hint("leave --region out, or run with --target aws"));
            }
            let at = aws::Target::Local {
                url: running.record.endpoint(),
                access_key_id: running.keys.access_key_id.clone(),
                secret_access_key: running.keys.secret_access_key.clone(),
            };
            Aws::connect(at, None, Some(&running.record.region), interrupted).await?
        }
        url if url.starts_with("http://") || url.starts_with("https://") => {
            let (profile, region) = (target.profile.as_deref(), target.region.as_deref());
            Aws::connect(aws::Target::Url(url.to_owned()), profile, region, interrupted).await?
        }
        // clap refuses every other target.
        other => return Err(Stop::usage(format!("there is no target `{other}`"))),
    };
    Ok(aws)
}

/// Creates the journal's file and folders so that only their owner can read them: outputs and parameters may be secrets.
pub fn private(journal: &Path) -> std::io::Result<()> {
    if let Some(folder) = journal.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        for private in folder.parent().into_iter().chain([folder]) {
            std::fs::set_permissions(private, Permissions::from_mode(0o700))?;
        }
    }
    let mut open = OpenOptions::new();
    let file = open.append(true).create(true).truncate(false).mode(0o600).open(journal)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

/// Returns the path of the journal of a runbook on a target.
pub fn journal_path(file: &Path, target: &cli::Target, aws: &Aws) -> PathBuf {
    let name = format!("{}-{}-{}.db", target_name(&target.target), aws.account, aws.region);
    state_folder(file).join(name)
}

/// Opens the journal of a runbook on a target to write it. A new journal gets a new stack. `read` is one that was read
/// before the account was known: if it is the right one, it is not read again. With `take_over`, another process may have it.
pub fn open(
    file: &Path,
    target: &cli::Target,
    aws: &Aws,
    read: Option<Journal>,
    take_over: bool,
) -> Result<Journal, Stop> {
    let path = journal_path(file, target, aws);
    private(&path).map_err(|error| Stop::new(exit::STEP_FAILED, format!("{}: {error}", path.display())))?;
    let mut journal = match read.filter(|read| read.path() == path) {
        Some(read) => read.into_writer(take_over)?,
        None => Journal::write(&path, take_over)?,
    };
    if journal.state().stack.is_empty() {
        journal.append([Event::Opened {
            stack: crate::resource::ensure::new_stack_id(),
            target: target.target.clone(),
            account: aws.account.clone(),
            region: aws.region.clone(),
        }])?;
    }
    Ok(journal)
}

/// Opens the journal of a runbook on a target to read it, without a call. If there are several, of other accounts or
/// regions, opens the one that was written last.
pub fn read(file: &Path, target: &cli::Target) -> Result<Option<Journal>, Stop> {
    match newest(file, target) {
        Some((_, path)) => Ok(Journal::read(&path)?),
        None => Ok(None),
    }
}

/// Returns the journal of a runbook on a target that was written last, and when that was.
pub fn newest(file: &Path, target: &cli::Target) -> Option<(Option<SystemTime>, PathBuf)> {
    let folder = state_folder(file);
    let prefix = format!("{}-", target_name(&target.target));
    // A journal that is lost still has its head.
    let journal = |entry: std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.strip_suffix(".head").unwrap_or(&name).to_owned();
        let region = target.region.as_ref().is_none_or(|region| name.ends_with(&format!("-{region}.db")));
        let is_one = name.starts_with(&prefix) && name.ends_with(".db") && region;
        is_one.then(|| (entry.metadata().and_then(|data| data.modified()).ok(), folder.join(name)))
    };
    std::fs::read_dir(&folder).ok()?.filter_map(Result::ok).filter_map(journal).max()
}

/// Returns the state of a journal, with the step ids that the runbook's `moved` says. Without a journal, it is empty.
pub fn state_as_moved<'a>(runbook: &Runbook, journal: Option<&'a Journal>) -> Result<Cow<'a, State>, Stop> {
    let Some(journal) = journal else { return Ok(Cow::default()) };
    let events = moves(runbook, journal.state())?;
    if events.is_empty() {
        return Ok(Cow::Borrowed(journal.state()));
    }
    let mut state = journal.state().clone();
    let (seq, at) = (0, state.last);
    for event in events {
        state.apply(Record { seq, at, event }).map_err(JournalError::Illegal)?;
    }
    Ok(Cow::Owned(state))
}

/// Gives the journal's steps the ids that the runbook's `moved` says.
pub fn apply_moves(runbook: &Runbook, journal: &mut Journal) -> Result<(), Stop> {
    let events = moves(runbook, journal.state())?;
    Ok(journal.append(events)?)
}

fn moves(runbook: &Runbook, state: &State) -> Result<Vec<Event>, Stop> {
    moved::moves(runbook, state).map_err(|occupied| {
        let (file, to) = (runbook.source.path.display(), &occupied.to);
        Stop::usage(occupied.to_string()).hint(format!(
            "`opsml down {file} {to}` deletes those of `{to}`; or take the line out of `moved`"
        ))
    })
}

/// As [`read`], but returns an error if there is no journal.
pub fn must_read(file: &Path, target: &cli::Target) -> Result<Journal, Stop> {
    read(file, target)?.ok_or_else(|| {
        let (file, target) = (file.display(), &target.target);
        Stop::usage(format!("{file} has not run on the target `{target}`")).hint(format!("opsml run {file}"))
    })
}

/// Returns the command line, quoted for a shell.
pub fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|typed| output::quoted(&typed.to_string_lossy()));
    std::iter::once("opsml".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// Returns a failure with its step and the step's place in the runbook.
pub fn in_step(runbook: &Runbook, step: &str, failure: &Failure) -> String {
    match runbook.step(step) {
        Some(declared) => {
            let place = runbook.source.position(declared.id_span.start);
            let path = runbook.source.path_at(declared.id_span.start);
            format!("step `{step}` ({}:{}): {failure}", path.display(), place.line)
        }
        None => format!("step `{step}`: {failure}"),
    }
}
