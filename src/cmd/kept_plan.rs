//! The file of `opsml plan --out`, and what `opsml run` of such a file does: exactly that plan, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::session::Checked;
use super::stop::Stop;
use crate::cli::{self, Plan, Run};
use crate::decide::Decision;
use crate::exit;
use crate::files;
use crate::journal::State;
use crate::plan::Planned;
use crate::runbook::Param;
use crate::secret;

/// The format of the file. Whoever changes what a plan holds or means raises it.
const FORMAT: u32 = 1;

/// The most bytes of a plan: a hundred times that of the longest runbook known.
const MAX_PLAN: u64 = 16 << 20;

/// A plan, and all that it rests on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptPlan {
    #[serde(rename = "opsml_plan")]
    format: u32,
    runbook: PathBuf,
    /// The SHA-256 of the runbook's text.
    sha256: String,
    /// The parameters of the command line, without secret ones.
    params: BTreeMap<String, Value>,
    target: cli::Target,
    steps: cli::Steps,
    /// The stack and the time of its journal's last event, in milliseconds since 1970. An empty stack has no journal yet.
    stack: String,
    last: i64,
    decisions: Vec<Line>,
}

/// What the plan does to a step.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    step: String,
    /// As `opsml plan --format json` has it: `run`, `cached`, `skip`, `open` or `delete`.
    action: String,
    reason: Option<String>,
}

impl KeptPlan {
    /// # Errors
    /// A parameter that isn't declared as a secret, and holds one: the file would have it for all to read.
    pub fn new(
        arguments: &Plan,
        checked: &Checked,
        state: &State,
        planned: &[Planned],
    ) -> Result<Self, Stop> {
        let declared = &checked.runbook.front.params;
        let is_shown = |name: &String| declared.get(name).is_none_or(|param| !param.secret);
        let given = || checked.given.iter().filter(|(name, _)| is_shown(name));
        if let Some((name, _)) = given().find(|(_, value)| secret::shown_value(value) != **value) {
            return Err(Stop::usage(format!("the parameter `{name}` holds a secret, which no plan keeps"))
                .hint(format!(
                    "`secret: true` in the front matter lets the environment variable {} give it",
                    Param::variable(name)
                )));
        }
        Ok(Self {
            format: FORMAT,
            runbook: arguments.file.file.clone(),
            sha256: digest(&checked.runbook.source.text),
            params: given().map(|(name, value)| (name.clone(), value.clone())).collect(),
            target: arguments.target.clone(),
            steps: arguments.steps.clone(),
            stack: state.stack.clone(),
            last: state.last,
            decisions: lines(planned),
        })
    }

    /// Writes the plan to a file that is whole or not there.
    pub fn write(&self, path: &Path) -> Result<(), Stop> {
        let failed = |error: &dyn std::fmt::Display| {
            Stop::new(exit::STEP_FAILED, format!("{}: the plan can't be kept: {error}", path.display()))
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(&error))?;
        file.write_all(text.as_bytes()).map_err(|error| failed(&error))?;
        file.persist(path).map_err(|error| failed(&error))?;
        Ok(())
    }

    /// Reads a plan. Returns nothing of a file that is none, such as a runbook.
    pub fn read(path: &Path) -> Result<Option<Self>, Stop> {
        use std::io::Read;
        let mut bytes = Vec::new();
        // What can't be read is reported by whoever reads it as a runbook.
        let Ok(file) = files::open(path) else { return Ok(None) };
        if file.take(MAX_PLAN).read_to_end(&mut bytes).is_err() || !bytes.starts_with(b"{") {
            return Ok(None);
        }
        #[derive(Deserialize)]
        struct Named {
            opsml_plan: u32,
        }
        let Ok(named) = serde_json::from_slice::<Named>(&bytes) else { return Ok(None) };
        let unread = |why: String| {
            Stop::usage(format!("{}: {why}", path.display()))
                .hint("opsml plan RUNBOOK --out FILE writes a new one")
        };
        if named.opsml_plan != FORMAT {
            return Err(unread(format!(
                "the plan has the format {}, and this opsml reads {FORMAT}",
                named.opsml_plan
            )));
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| unread(format!("the plan is damaged: {error}")))
    }

    /// Returns the arguments of a run of this plan, with its runbook, parameters, target and steps.
    pub fn in_place_of(&self, run: &Run) -> Result<Run, Stop> {
        let named = &run.file.params;
        if run.steps != cli::Steps::default() || !named.param.is_empty() || named.params_file.is_some() {
            return Err(Stop::usage("a plan says which steps run and with which parameters")
                .hint("opsml plan takes these options"));
        }
        let mut run = run.clone();
        run.file.file.clone_from(&self.runbook);
        run.file.params.kept.clone_from(&self.params);
        run.target = self.target.clone();
        run.steps = self.steps.clone();
        Ok(run)
    }

    /// Refuses a plan of another text or another state than there is now, and one that would now be another.
    pub fn must_hold(&self, checked: &Checked, state: &State, planned: &[Planned]) -> Result<(), Stop> {
        let moved = |what: String| {
            Err(Stop::new(exit::DECLINED, format!("the plan no longer holds: {what}"))
                .hint("opsml plan makes a new one"))
        };
        if self.sha256 != digest(&checked.runbook.source.text) {
            return moved(format!("{} has changed since", self.runbook.display()));
        }
        let is_as_it_was = match self.stack.is_empty() {
            // The first run opens the journal.
            true => state.runs.is_empty(),
            false => (&self.stack, self.last) == (&state.stack, state.last),
        };
        if !is_as_it_was {
            return moved(format!("{} has run since, or its resources were deleted", self.runbook.display()));
        }
        let now = lines(planned);
        match self.decisions.iter().zip(&now).find(|(then, now)| then != now) {
            Some((then, now)) => moved(format!("it would {then}, and now this would {now}")),
            None if self.decisions.len() != now.len() => moved("it is about other steps".to_owned()),
            None => Ok(()),
        }
    }

    /// Returns the steps that the plan leaves as they are.
    pub fn untouched(&self) -> BTreeSet<String> {
        let untouched =
            self.decisions.iter().filter(|line| ["cached", "skip"].contains(&line.action.as_str()));
        untouched.map(|line| line.step.clone()).collect()
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let verb = match self.action.as_str() {
            "cached" => "keep",
            "open" => "perhaps run",
            verb => verb,
        };
        write!(f, "{verb} `{}`", self.step)?;
        self.reason.iter().try_for_each(|reason| write!(f, " ({reason})"))
    }
}

fn lines(planned: &[Planned]) -> Vec<Line> {
    let line = |one: &Planned| Line {
        step: one.id.clone(),
        action: Decision::action(&one.decision).to_owned(),
        reason: one.decision.reason().map(str::to_owned),
    };
    planned.iter().map(line).collect()
}

fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
