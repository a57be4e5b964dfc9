//! Which steps of a runbook a run is about: `--only`, `--from`, `--until` and `--skip`, in dbt's syntax. No I/O.

use std::collections::BTreeMap;
use std::fmt;

use crate::diagnostic::closest;
use crate::journal::{State, StepStatus};
use crate::runbook::Runbook;

/// What the user asked for. Each text is a selector: `STEP` or `label:NAME`, with `+` before it for all that it needs, and
/// behind it for all that needs it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selectors {
    /// Empty for all steps.
    pub only: Vec<String>,
    /// The first step, in the order of the document. A label's is the first that has it.
    pub from: Option<String>,
    /// The last step. A label's is the last that has it.
    pub until: Option<String>,
    pub skip: Vec<String>,
}

/// The steps that a run is about, by their index. The others are passed over: later steps see what they did last.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    chosen: Vec<bool>,
    /// Those that a chosen step uses.
    used: Vec<bool>,
}

/// Why selectors choose no steps.
#[derive(Clone, Debug, PartialEq)]
pub enum Unselectable {
    /// There is no such step. With the id that is most like it.
    Step { id: String, closest: Option<String> },
    /// No step has this label. With the label that is most like it.
    Label { name: String, closest: Option<String> },
    /// `--from` and `--until` name one place, and this has a `+`.
    Graph(String),
    /// Together they leave no step.
    Nothing,
}

impl fmt::Display for Unselectable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step { id, .. } => write!(f, "the runbook has no step `{id}`"),
            Self::Label { name, .. } => write!(f, "no step of the runbook has the label `{name}`"),
            Self::Graph(text) => {
                write!(f, "`{text}`: --from and --until take a step or label:NAME, without `+`")
            }
            Self::Nothing => write!(f, "these options leave no step to run"),
        }
    }
}

impl Unselectable {
    /// Returns the way out, if one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Step { closest, .. } | Self::Label { closest, .. } => {
                closest.as_ref().map(|close| format!("did you mean `{close}`?"))
            }
            Self::Graph(_) => Some("--only +STEP and --only STEP+ follow what needs what".into()),
            Self::Nothing => None,
        }
    }
}

/// A chosen step uses one that is passed over and has nothing to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Missing {
    pub step: String,
    pub used: String,
    pub status: Option<StepStatus>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { step, used, status } = self;
        let why = match status {
            Some(StepStatus::Failed) => "failed when it ran last",
            Some(StepStatus::Running) => "was interrupted",
            Some(StepStatus::Done | StepStatus::Skipped) | None => "has not run",
        };
        write!(f, "`{step}` uses `{used}`, which {why} and is not selected")
    }
}

impl Selection {
    /// Returns all steps.
    pub fn all(runbook: &Runbook) -> Self {
        let all = vec![true; runbook.steps.len()];
        Self { chosen: all.clone(), used: all }
    }

    pub fn of(runbook: &Runbook, selectors: &Selectors) -> Result<Self, Unselectable> {
        let graph = Graph::of(runbook);
        let mut chosen = match selectors.only.is_empty() {
            true => vec![true; runbook.steps.len()],
            false => graph.select(&selectors.only)?,
        };
        let place = |text: &String| match text.contains('+') {
            true => Err(Unselectable::Graph(text.clone())),
            false => graph.named(text),
        };
        if let Some(from) = &selectors.from {
            let first = place(from)?.into_iter().min().unwrap_or_default();
            chosen[..first].fill(false);
        }
        if let Some(until) = &selectors.until {
            let last = place(until)?.into_iter().max().unwrap_or_default();
            chosen[last + 1..].fill(false);
        }
        for (index, skipped) in graph.select(&selectors.skip)?.into_iter().enumerate() {
            chosen[index] &= !skipped;
        }
        if !chosen.contains(&true) {
            return Err(Unselectable::Nothing);
        }
        let mut used = vec![false; chosen.len()];
        let by_chosen = graph.uses.iter().zip(&chosen).filter(|(_, chosen)| **chosen);
        by_chosen.flat_map(|(uses, _)| uses).for_each(|index| used[*index] = true);
        Ok(Self { chosen, used })
    }

    /// Whether the step with this index is chosen.
    pub fn has(&self, index: usize) -> bool {
        self.chosen[index]
    }

    /// Returns how many steps are passed over.
    pub fn passed_over(&self) -> usize {
        self.chosen.iter().filter(|chosen| !**chosen).count()
    }

    /// Whether the step with this index is passed over, and a chosen one uses it.
    pub fn is_read(&self, index: usize) -> bool {
        !self.has(index) && self.used[index]
    }

    /// Returns what chosen steps use of those that are passed over and have no outputs.
    pub fn missing(&self, runbook: &Runbook, state: &State) -> Vec<Missing> {
        let mut missing = Vec::new();
        for step in runbook.steps.iter().zip(&self.chosen).filter_map(|(step, chosen)| chosen.then_some(step))
        {
            for used in runbook.in_order(step.uses.steps.iter().map(String::as_str)) {
                let status = state.steps.get(used).map(|row| row.status);
                let is_there = matches!(status, Some(StepStatus::Done | StepStatus::Skipped));
                if runbook.position(used).is_some_and(|index| !self.has(index)) && !is_there {
                    missing.push(Missing { step: step.id.clone(), used: used.to_owned(), status });
                }
            }
        }
        missing
    }
}

/// The steps, and which of them use which.
struct Graph<'a> {
    runbook: &'a Runbook,
    /// The indices of the steps that each step uses.
    uses: Vec<Vec<usize>>,
    /// The indices of the steps that use each step.
    used_by: Vec<Vec<usize>>,
}

impl<'a> Graph<'a> {
    fn of(runbook: &'a Runbook) -> Self {
        let mut used_by = vec![Vec::new(); runbook.steps.len()];
        let mut uses = used_by.clone();
        for (index, step) in runbook.steps.iter().enumerate() {
            for used in step.uses.steps.iter().filter_map(|used| runbook.position(used)) {
                uses[index].push(used);
                used_by[used].push(index);
            }
        }
        Self { runbook, uses, used_by }
    }

    /// Returns, for each step, whether one of the selectors chooses it.
    fn select(&self, selectors: &[String]) -> Result<Vec<bool>, Unselectable> {
        let mut chosen = vec![false; self.runbook.steps.len()];
        for selector in selectors {
            let (name, needed) =
                selector.strip_prefix('+').map_or((selector.as_str(), false), |name| (name, true));
            let (name, needing) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
            let named = self.named(name)?;
            let edges = [needed.then_some(&self.uses), needing.then_some(&self.used_by)];
            for edges in edges.into_iter().flatten() {
                self.reach(&named, edges).into_iter().for_each(|index| chosen[index] = true);
            }
            named.into_iter().for_each(|index| chosen[index] = true);
        }
        Ok(chosen)
    }

    /// Returns the indices of the steps that a name without `+` names: one step, or those with a label.
    fn named(&self, name: &str) -> Result<Vec<usize>, Unselectable> {
        let Some(label) = name.strip_prefix("label:") else {
            let known = || self.runbook.steps.iter().map(|step| step.id.as_str());
            return self.runbook.position(name).map(|index| vec![index]).ok_or_else(|| Unselectable::Step {
                id: name.to_owned(),
                closest: closest(name, known()).map(str::to_owned),
            });
        };
        let mut labels: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (index, step) in self.runbook.steps.iter().enumerate() {
            step.common.labels.iter().for_each(|one| labels.entry(one).or_default().push(index));
        }
        labels.remove(label).ok_or_else(|| Unselectable::Label {
            name: label.to_owned(),
            closest: closest(label, labels.keys().copied()).map(str::to_owned),
        })
    }

    /// Returns all steps that can be reached from some by edges.
    fn reach(&self, from: &[usize], edges: &[Vec<usize>]) -> Vec<usize> {
        let mut seen = vec![false; edges.len()];
        let mut ahead = from.to_vec();
        let mut reached = Vec::new();
        while let Some(index) = ahead.pop() {
            for next in &edges[index] {
                if !std::mem::replace(&mut seen[*next], true) {
                    ahead.push(*next);
                    reached.push(*next);
                }
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::diagnostic::Source;

    /// `a`, `b` that uses `a`, `c` that uses `b`, and `d` that uses nothing. `b` and `d` have the label `half`.
    fn runbook() -> Runbook {
        let step = |id: &str, rest: &str| format!("```opsml {id}\ncommand: {{run: [\"true\"]}}\n{rest}```\n");
        let text = format!(
            "---\ntitle: t\n---\n{}{}{}{}",
            step("a", ""),
            step("b", "needs: [a]\nlabels: [half]\n"),
            step("c", "when: b.exit_code == 0\n"),
            step("d", "labels: [half, last]\n")
        );
        let (runbook, problems) = Runbook::parse(Source::new(PathBuf::from("t.md"), text));
        assert!(problems.is_empty(), "{problems:?}");
        runbook
    }

    fn chosen(
        only: &[&str],
        from: Option<&str>,
        until: Option<&str>,
        skip: &[&str],
    ) -> Result<String, Unselectable> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let selectors = Selectors {
            only: owned(only),
            from: from.map(str::to_owned),
            until: until.map(str::to_owned),
            skip: owned(skip),
        };
        let runbook = runbook();
        let selection = Selection::of(&runbook, &selectors)?;
        let ids = runbook.steps.iter().enumerate().filter(|(index, _)| selection.has(*index));
        Ok(ids.map(|(_, step)| step.id.as_str()).collect())
    }

    #[test]
    fn each_selector_chooses_what_it_says() {
        for (only, from, until, skip, ids) in [
            (&[][..], None, None, &[][..], "abcd"),
            (&["b"], None, None, &[], "b"),
            (&["+b"], None, None, &[], "ab"),
            (&["b+"], None, None, &[], "bc"),
            (&["+b+"], None, None, &[], "abc"),
            (&["+c"], None, None, &[], "abc"),
            (&["a+"], None, None, &[], "abc"),
            (&["a", "d"], None, None, &[], "ad"),
            (&["label:half"], None, None, &[], "bd"),
            (&["+label:half"], None, None, &[], "abd"),
            (&[], Some("b"), None, &[], "bcd"),
            (&[], None, Some("b"), &[], "ab"),
            (&[], Some("b"), Some("c"), &[], "bc"),
            (&[], Some("label:half"), None, &[], "bcd"),
            (&[], None, Some("label:half"), &[], "abcd"),
            (&[], None, None, &["b+"], "ad"),
            (&["+c"], None, None, &["a"], "bc"),
        ] {
            assert_eq!(
                chosen(only, from, until, skip).as_deref(),
                Ok(ids),
                "{only:?} {from:?} {until:?} {skip:?}"
            );
        }
    }

    #[test]
    fn what_chooses_nothing_says_why() {
        let step = |id: &str, close: Option<&str>| Unselectable::Step {
            id: id.into(),
            closest: close.map(str::to_owned),
        };
        let label = Unselectable::Label { name: "haff".into(), closest: Some("half".into()) };
        assert_eq!(chosen(&["label:haff"], None, None, &[]), Err(label));
        assert_eq!(chosen(&["nowhere"], None, None, &[]), Err(step("nowhere", None)));
        assert_eq!(chosen(&["+"], None, None, &[]), Err(step("", Some("a"))));
        assert_eq!(chosen(&[], Some("+b"), None, &[]), Err(Unselectable::Graph("+b".into())));
        assert_eq!(chosen(&["a"], None, None, &["a"]), Err(Unselectable::Nothing));
        assert_eq!(chosen(&[], Some("c"), Some("b"), &[]), Err(Unselectable::Nothing));
    }

    #[test]
    fn a_step_that_is_passed_over_must_have_run_if_it_is_used() {
        let runbook = runbook();
        let of = |only: &str| {
            let selectors = Selectors { only: vec![only.into()], ..Selectors::default() };
            Selection::of(&runbook, &selectors).unwrap()
        };
        let missing = of("c").missing(&runbook, &State::default());
        let said: Vec<String> = missing.iter().map(Missing::to_string).collect();
        assert_eq!(said, ["`c` uses `b`, which has not run and is not selected"]);
        assert!(of("+c").missing(&runbook, &State::default()).is_empty());
        let read = |only: &str| (0..4).filter(|index| of(only).is_read(*index)).collect::<Vec<_>>();
        assert_eq!((read("c"), read("b"), read("+c")), (vec![1], vec![0], vec![]));
    }
}
