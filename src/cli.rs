//! The command line, as clap's structs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Run Markdown runbooks that take a machine-learning model to production on AWS, or on a local cloud.
#[derive(Debug, Parser)]
#[command(
    name = "opsml",
    version,
    propagate_version = true,
    max_term_width = 100,
    disable_help_subcommand = true
)]
#[command(
    after_help = "Exit codes: 0 done; 1 a step failed; 2 usage or runbook error; 3 interrupted or without valid \
    credentials, run again to continue; 4 an expectation did not hold; 5 teardown left something; 6 over budget or declined; 7 another run holds the \
    runbook; 70 a bug in opsml; 130 a second Ctrl-C."
)]
pub struct Cli {
    #[command(subcommand)]
    pub verb: Verb,
}

#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Report every problem of a runbook that can be known before a call.
    Check(Check),
    /// Show what a run would do to each step, and why.
    Plan(Plan),
    /// Run a runbook; run it again to resume.
    Run(Run),
    /// Show which steps have run, and which live resources bill.
    Status(Journaled),
    /// Show a step: its inputs, outputs and resources.
    Show(Show),
    /// List the runs of a runbook, with what was new in each.
    History(Journaled),
    /// Show two runs side by side: their settings, results, times and costs.
    Diff(Diff),
    /// Show the log of a step's job or endpoint.
    Logs(Logs),
    /// Serve the write-up as a page that fills itself while a run goes on, until Ctrl-C.
    Watch(Watch),
    /// Render the write-up again from the journal, offline.
    Report(Report),
    /// Write the runbook with its results as a Jupyter notebook, offline.
    Export(Export),
    /// Show what each step's resources have cost, and what they cost an hour.
    Costs(Journaled),
    /// Delete everything that a runbook made.
    Down(Down),
    /// Make a new journal of a lost or damaged one, from the tags of the account's resources.
    Recover(Recover),
    /// Write a runbook to start from.
    New(New),
    /// Write a first runbook of a notebook that calls SageMaker's Python SDK, and say what could not be read.
    Import(Import),
    /// Print help of a verb, or what a kind of step takes and returns, with an example.
    Help(Help),
    /// Explain a field, an output or a key of a runbook: its type, its default and what it is for.
    Explain(Explain),
    /// Print the JSON Schema of runbook blocks, for editors.
    Schema(Schema),
    /// Serve editors by the Language Server Protocol, on standard input and output.
    ///
    /// The target is the one whose journal says what came of the steps.
    Lsp(Target),
    /// Print shell completions.
    Completions(Completions),
    /// Say what is missing on this machine.
    Doctor(Doctor),
    /// Start, stop and inspect the local cloud, for boto3, the AWS CLI or other programs.
    #[command(subcommand)]
    Cloud(Cloud),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    /// JSON: one value, or for `down` one on each line.
    Json,
}

/// How `run` prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RunFormat {
    #[default]
    Text,
    /// JSON: each event on a line.
    Json,
    /// JUnit's XML, when the run has ended: a test case for each step.
    Junit,
}

/// A runbook with its parameters.
#[derive(Clone, Debug, Args)]
pub struct File {
    /// The runbook.
    pub file: PathBuf,
    #[command(flatten)]
    pub params: Params,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub file: File,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Clone, Debug, Default, Args)]
pub struct Params {
    /// Set a parameter of the runbook.
    #[arg(short, long = "param", value_name = "NAME=VALUE")]
    pub param: Vec<String>,
    /// Read parameters from a YAML file.
    #[arg(short = 'f', long = "params", value_name = "FILE")]
    pub params_file: Option<PathBuf>,
    /// Those that a plan has kept.
    #[arg(skip)]
    pub kept: BTreeMap<String, Value>,
}

fn target(text: &str) -> Result<String, &'static str> {
    if ["local", "aws"].contains(&text) {
        return Ok(text.to_owned());
    }
    let url =
        url::Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    let mut url = url.ok_or("a target is local, aws, or a URL")?;
    // Each spelling of an address is the same target, and so the same stack.
    if matches!(url.host_str(), Some("localhost" | "[::1]")) {
        url.set_host(Some("127.0.0.1")).map_err(|_| "a target is local, aws, or a URL")?;
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn usd(text: &str) -> Result<f64, String> {
    let amount = text.trim().trim_end_matches("USD").trim_start_matches('$').trim().parse().ok();
    amount
        .filter(|usd: &f64| usd.is_finite() && *usd >= 0.0)
        .ok_or_else(|| "a budget is an amount in US dollars, as 5 or 2.50".to_owned())
}

/// Reads a whole number. The standard library's messages are about digits.
fn whole<const LEAST: u32, const MOST: u32>(text: &str) -> Result<u32, String> {
    let number = text.trim().parse().ok().filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("it is a whole number from {LEAST} to {MOST}"))
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("a port is a whole number from 1 to {}", u16::MAX))
}

#[derive(Clone, Debug, PartialEq, Args, Serialize, Deserialize)]
pub struct Target {
    /// The target: `local`, `aws`, or the URL of a server that speaks AWS's protocols.
    #[arg(long, default_value = "local", value_name = "local|aws|URL", value_parser = target)]
    pub target: String,
    /// A profile of the AWS configuration.
    #[arg(long, env = "AWS_PROFILE")]
    pub profile: Option<String>,
    /// The region. The default is us-east-1 on the local cloud, and the configured region on AWS.
    #[arg(long)]
    pub region: Option<String>,
}

#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pub file: File,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub steps: Steps,
    /// Keep the plan in this file. `opsml run FILE` does exactly what it says, and refuses if anything has changed since.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Which steps a run is about. Each is a step's id or label:NAME.
#[derive(Clone, Debug, Default, PartialEq, Args, Serialize, Deserialize)]
pub struct Steps {
    /// Run these steps alone: STEP or label:NAME, with a `+` before it for all that it needs, and behind it for all that
    /// needs it. Other steps stay as they are, and the chosen ones use what they did last.
    #[arg(long, value_name = "SELECTOR", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Begin at this step.
    #[arg(long, value_name = "STEP")]
    pub from: Option<String>,
    /// Stop after this step.
    #[arg(long, value_name = "STEP")]
    pub until: Option<String>,
    /// Leave these steps as they are, chosen as those of --only.
    #[arg(long, value_name = "SELECTOR", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Redo these steps even if nothing has changed.
    #[arg(long, value_name = "SELECTOR", value_delimiter = ',')]
    pub force: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct Run {
    /// The file is a runbook, or a plan that `opsml plan --out` has kept.
    #[command(flatten)]
    pub file: File,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub steps: Steps,
    #[arg(long, value_enum, default_value_t)]
    pub format: RunFormat,
    /// Agree to the price on AWS, and to deleting the resources of steps that are no longer in the runbook.
    #[arg(long)]
    pub yes: bool,
    /// The most that the runbook's resources may cost in all runs together, in US dollars, in place of its `budget`.
    #[arg(long, value_name = "USD", value_parser = usd)]
    pub budget: Option<f64>,
    #[command(flatten)]
    pub output: WriteUp,
    /// Run as many neighbouring steps at the same time, where they do not need each other.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub jobs: u8,
    /// Continue in the place of another run of this runbook, which stops before its next call.
    #[arg(long)]
    pub take_over: bool,
    /// Serve the write-up as a page that fills itself, as `opsml watch` does, until the run ends.
    #[arg(long)]
    pub watch: bool,
    /// With --watch, open the page in the desktop's browser; without it, open the write-up when the run has ended.
    #[arg(long)]
    pub open: bool,
}

#[derive(Debug, Args)]
pub struct Journaled {
    /// The runbook.
    pub file: PathBuf,
    #[command(flatten)]
    pub target: Target,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    pub journaled: Journaled,
    /// The step's id.
    pub step: String,
}

#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    pub journaled: Journaled,
    /// The number of a run, or `last`.
    #[arg(value_name = "RUN")]
    pub first: String,
    /// The number of another run, or `last`.
    #[arg(value_name = "RUN")]
    pub second: String,
    /// Write a page in place of the table.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Logs {
    #[command(flatten)]
    pub journaled: Journaled,
    /// The step's id.
    pub step: String,
    /// The most lines of each log stream.
    #[arg(long, default_value_t = 1000, value_parser = whole::<1, 10000>)]
    pub lines: u32,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The runbook.
    pub file: PathBuf,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub output: WriteUp,
    /// The formats to render.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [WriteUpFormat::Md, WriteUpFormat::Html, WriteUpFormat::Pdf])]
    pub format: Vec<WriteUpFormat>,
    /// Open the write-up in the program that the desktop has for it.
    #[arg(long)]
    pub open: bool,
    /// Print everything that a write-up shows as JSON, and render nothing. `opsml schema report` prints its schema.
    #[arg(long, conflicts_with_all = ["open", "format", "report", "template"])]
    pub data: bool,
}

#[derive(Debug, Args)]
pub struct Watch {
    /// The runbook.
    pub file: PathBuf,
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub output: WriteUp,
    /// Open the page in the desktop's browser.
    #[arg(long)]
    pub open: bool,
}

/// Where a write-up is rendered, and by which templates.
#[derive(Clone, Debug, Args)]
pub struct WriteUp {
    /// The folder of the write-up. The default is reports/NAME in the runbook's folder, or beside that folder if its
    /// name is `runbooks`.
    #[arg(long, value_name = "FOLDER")]
    pub report: Option<PathBuf>,
    /// A folder of templates, which take the place of the built-in ones of their names. The default is `templates` in the
    /// runbook's folder, if it is there.
    #[arg(long, value_name = "FOLDER")]
    pub template: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WriteUpFormat {
    Md,
    Html,
    Pdf,
}

#[derive(Debug, Args)]
pub struct Export {
    /// The runbook.
    pub file: PathBuf,
    #[command(flatten)]
    pub target: Target,
    /// The notebook. The default is NAME.ipynb beside the runbook.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Down {
    /// The runbook.
    #[arg(required_unless_present = "tags", conflicts_with = "tags")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub target: Target,
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Agree to deleting the resources on AWS.
    #[arg(long)]
    pub yes: bool,
    /// Delete although another run of this runbook goes on, which stops before its next call.
    #[arg(long)]
    pub take_over: bool,
    /// Without a runbook and its journal: delete all that has the tags of this stack.
    #[arg(long, value_name = "STACK")]
    pub tags: Option<String>,
    /// Delete what these steps made, and nothing else: STEP or label:NAME, with a `+` before it for all that it needs, and
    /// behind it for all that needs it.
    #[arg(value_name = "STEP", conflicts_with = "tags")]
    pub steps: Vec<String>,
    /// Delete what steps with `keep: true` made, too.
    #[arg(long, conflicts_with = "tags")]
    pub all: bool,
    /// Show what would be deleted and what kept, by the journal, and delete nothing.
    #[arg(long, conflicts_with = "tags")]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Recover {
    #[command(flatten)]
    pub journaled: Journaled,
    /// The stack's id, where the lost journal no longer says it.
    #[arg(long)]
    pub stack: Option<String>,
    /// Recover although another run of this runbook goes on, which stops before its next call.
    #[arg(long)]
    pub take_over: bool,
}

#[derive(Debug, Args)]
pub struct New {
    /// The file to write: NAME.md.
    pub name: String,
}

#[derive(Debug, Args)]
pub struct Import {
    /// The notebook: NAME.ipynb. The runbook is NAME.md beside it.
    pub notebook: PathBuf,
}

#[derive(Debug, Args)]
pub struct Help {
    /// A verb, as `run` or `cloud start`; a kind of step, as `train`; or `block`, `front_matter` or `hyperparameters`.
    pub words: Vec<String>,
    /// Print Markdown.
    #[arg(long, hide = true)]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub struct Explain {
    /// `KIND.FIELD`, as `train.inputs` or `tune.estimator.role`; an output, as `train.model_uri`; or a key of any block or of
    /// the front matter, as `timeout` or `params`.
    pub path: String,
}

#[derive(Debug, Args)]
pub struct Schema {
    /// A kind of step, or `report` for the data of a write-up. The default is all kinds.
    pub kind: Option<String>,
}

#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

#[derive(Debug, Subcommand)]
pub enum Cloud {
    /// Start the local cloud, if it does not run yet.
    Start {
        /// The port at which it listens from now on. Without this, it keeps the port that it had.
        #[arg(long, value_parser = port)]
        port: Option<u16>,
    },
    /// Stop the local cloud and keep its state.
    Stop,
    /// Show whether the local cloud runs, at which port, and where its state is.
    Status {
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Print the environment variables that point boto3 and the AWS CLI at the local cloud.
    Env,
    /// Print this message or the help of the given subcommand(s).
    Help { words: Vec<String> },
    /// Run the server of the local cloud.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        dir: PathBuf,
        /// The port at which it listens from now on.
        #[arg(long, value_parser = port)]
        port: Option<u16>,
        /// How many times faster than on AWS alarm periods and scaling cooldowns pass.
        #[arg(long, env = "OPSML_CLOUD_SPEEDUP", default_value_t = 60, value_parser = whole::<1, 600>)]
        speedup: u32,
        /// The region that it is.
        #[arg(long, default_value = "us-east-1")]
        region: String,
    },
    /// Act as the AWS CLI on an instance of the local cloud.
    #[command(hide = true)]
    Aws {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}
