//! Attachments: what a later step sets on a resource of an earlier step.
//!
//! A policy on a role, concurrency on a function and scaling on an endpoint are resources of the step that makes them.
//! Each is attached to its **target**, a resource that another step made. Deleting it detaches it. An attachment may have
//! an **inverse**: the resource that explains why the attachment is gone, as long as the inverse is live.
//!
//! ```text
//! step      creates                            attached to
//! runner    role r
//! hook      function f, which uses the role
//! denied    calls f, and must fail
//! allow     role policy p                      role r
//! allowed   calls f
//! ```
//!
//! - *What is stale.* A step depends on the steps that it uses, on those that they use, and so on. `allowed` depends on
//!   `runner`, so it reads p: when p changes, `allowed` is stale. `denied` comes before `allow` and does not read p.
//! - *What is detached.* Before `denied` is redone, p is detached, because `denied` must fail as it did before p existed.
//!   Then `allow` finds p gone and creates it again. Before `runner` is redone, p is detached too, because it is attached to
//!   a resource of `runner`. Before `allowed` is redone nothing is detached: only a step that must fail needs this.
//! - *In which order.* The newest is detached first.
//! - *What is refreshed.* Describe returns p with r, so r is described again after p is attached or detached. Otherwise the
//!   next run would take p for a change from outside.
//! - *What an inverse explains.* A step that detaches a managed policy creates the resource `r without m`. As long as this is
//!   live, `r with m` is expected to be gone.
//!
//! This module does no I/O: `resource::ensure` and the runner make the calls.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::journal::{Ledger, ResourceId, ResourceRow, ResourceStatus};

/// Which steps depend on which targets.
#[derive(Debug)]
pub struct Attachments<'a> {
    /// The steps in document order, each with the steps that it uses.
    steps: Vec<(&'a str, &'a BTreeSet<String>)>,
    /// Known once the ledger has a target: most runbooks attach nothing.
    graph: Option<Graph<'a>>,
    /// How many of the ledger's targets are in the graph.
    known: usize,
}

/// The steps by their positions.
#[derive(Debug)]
struct Graph<'a> {
    positions: HashMap<&'a str, usize>,
    /// The later steps that use each step.
    users: Vec<Vec<usize>>,
    /// The steps with targets that each step depends on, itself included.
    targets: Vec<Vec<usize>>,
}

impl<'a> Attachments<'a> {
    /// Takes the steps in document order, each with the steps that it uses.
    pub fn new(steps: impl IntoIterator<Item = (&'a str, &'a BTreeSet<String>)>) -> Self {
        Self { steps: steps.into_iter().collect(), graph: None, known: 0 }
    }

    /// Returns the attachments that a step reads: those of earlier steps to the steps that it depends on. The key has the
    /// slot, because a name may contain a timestamp.
    pub fn read_by(&mut self, step: usize, ledger: &Ledger) -> Map<String, Value> {
        let read = self.rows_read_by(step, ledger).into_iter();
        read.map(|row| (format!("{} of {}", row.slot, row.step), row.spec.clone())).collect()
    }

    /// Returns the earlier steps whose attachments a step reads.
    pub fn steps_read_by<'b>(&mut self, step: usize, ledger: &'b Ledger) -> BTreeSet<&'b str> {
        self.rows_read_by(step, ledger).into_iter().map(|row| row.step.as_str()).collect()
    }

    fn rows_read_by<'b>(&mut self, step: usize, ledger: &'b Ledger) -> Vec<&'b ResourceRow> {
        self.learn(ledger);
        let Some(graph) = &self.graph else { return Vec::new() };
        let attached = self.on(graph.targets[step].iter().copied(), ledger);
        let is_earlier = |row: &ResourceRow| graph.position(&row.step).is_some_and(|earlier| earlier < step);
        attached.into_iter().map(|(_, row)| row).filter(|row| !row.superseded && is_earlier(row)).collect()
    }

    /// Returns the attachments of later steps that are detached before a step is redone, newest first. If the step must fail,
    /// these are all on the steps that it depends on, and otherwise those on its own resources and on the targets of its own
    /// attachments.
    pub fn to_detach(&mut self, step: usize, must_fail: bool, ledger: &Ledger) -> Vec<ResourceId> {
        self.learn(ledger);
        let Some(graph) = &self.graph else { return Vec::new() };
        let attached = if must_fail {
            self.on(graph.targets[step].iter().copied(), ledger)
        } else {
            let own = ledger.of(self.steps[step].0).filter(|(_, row)| row.is_live());
            let targets = own.filter_map(|(_, row)| ledger.get(row.attached_to.as_ref()?));
            let targets = targets.filter_map(|target| graph.position(&target.step));
            let targets: BTreeSet<usize> = targets.chain([step]).collect();
            self.on(targets.into_iter(), ledger)
        };
        let is_later = |row: &ResourceRow| graph.position(&row.step).is_some_and(|position| position > step);
        attached.into_iter().rev().filter(|(_, row)| is_later(row)).map(|(id, _)| id.clone()).collect()
    }

    /// Returns the live attachments on the resources of some steps, oldest first.
    fn on<'b>(
        &self,
        steps: impl Iterator<Item = usize>,
        ledger: &'b Ledger,
    ) -> Vec<(&'b ResourceId, &'b ResourceRow)> {
        let mut attached: Vec<_> = steps.flat_map(|step| ledger.attached_to(self.steps[step].0)).collect();
        attached.sort_by_key(|(id, _)| ledger.place(id));
        attached
    }

    /// Adds the targets that are new in the ledger.
    fn learn(&mut self, ledger: &Ledger) {
        for id in ledger.targets(self.known) {
            self.known += 1;
            self.graph.get_or_insert_with(|| Graph::of(&self.steps)).reach(id);
        }
    }
}

impl<'a> Graph<'a> {
    fn of(steps: &[(&'a str, &'a BTreeSet<String>)]) -> Self {
        let mut positions: HashMap<&str, usize> = HashMap::new();
        let mut users: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
        for (position, (id, used)) in steps.iter().enumerate() {
            for used in used.iter().filter_map(|id| positions.get(id.as_str())) {
                users[*used].push(position);
            }
            positions.insert(*id, position);
        }
        Self { positions, users, targets: vec![Vec::new(); steps.len()] }
    }

    fn position(&self, step: &str) -> Option<usize> {
        self.positions.get(step).copied()
    }

    /// Adds a target. The walk goes from it to the steps that depend on it, so it visits no other step.
    fn reach(&mut self, target: &str) {
        let Some(target) = self.position(target) else { return };
        let mut reached = BTreeSet::from([target]);
        let mut open = vec![target];
        while let Some(step) = open.pop() {
            self.targets[step].push(target);
            open.extend(self.users[step].iter().copied().filter(|user| reached.insert(*user)));
        }
    }
}

/// Returns the target that must be described again after an attachment is created or deleted.
pub fn target_to_refresh<'a>(
    id: &ResourceId,
    ledger: &'a Ledger,
) -> Option<(&'a ResourceId, &'a ResourceRow)> {
    let target = ledger.get(id)?.attached_to.as_ref()?;
    let (id, row) = ledger.entry(target)?;
    (row.status == ResourceStatus::Ready).then_some((id, row))
}

/// Whether a resource that Describe no longer finds is gone because its inverse is live.
pub fn is_explained(inverse: Option<&ResourceId>, ledger: &Ledger) -> bool {
    inverse.and_then(|inverse| ledger.get(inverse)).is_some_and(ResourceRow::is_live)
}

/// Returns the detached attachments, each with its step, that are not attached again because the step was not reached or
/// failed.
pub fn still_detached<'a>(
    detached: &'a [(String, ResourceId)],
    ledger: &Ledger,
) -> impl Iterator<Item = &'a (String, ResourceId)> {
    detached.iter().filter(|(step, _)| ledger.of_step(step).iter().any(|(_, row)| !row.is_live()))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::journal::{Event, Lifetime, Record, State};
    use serde_json::json;

    fn id(name: &str) -> ResourceId {
        ResourceId { kind: "thing".into(), name: name.into() }
    }

    /// The runbook of the module's documentation, with a second user of the role that nothing uses.
    static STEPS: LazyLock<Vec<(&str, BTreeSet<String>)>> = LazyLock::new(|| {
        let used = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        vec![
            ("runner", used(&[])),
            ("hook", used(&["runner"])),
            ("denied", used(&["hook"])),
            ("allow", used(&["runner"])),
            ("scale", used(&["hook"])),
            ("allowed", used(&["hook"])),
            ("other", used(&[])),
        ]
    });

    fn steps() -> Attachments<'static> {
        Attachments::new(STEPS.iter().map(|(id, used)| (*id, used)))
    }

    fn position(step: &str) -> usize {
        STEPS.iter().position(|(id, _)| *id == step).unwrap()
    }

    struct Stack {
        state: State,
        seq: u64,
    }

    impl Stack {
        fn add(&mut self, event: Event) {
            self.seq += 1;
            self.state.apply(Record { seq: self.seq, at: 0, event }).unwrap();
        }

        fn make(&mut self, step: &str, name: &str, target: Option<&str>) {
            let (id, attached_to) = (id(name), target.map(id));
            let (slot, spec) = (name.to_owned(), json!(name));
            let lifetime = Lifetime::Stack;
            self.add(Event::Intended {
                id: id.clone(),
                step: step.into(),
                slot,
                spec,
                lifetime,
                attached_to,
            });
            self.add(Event::Created { id: id.clone(), adopted: false });
            self.add(Event::Ready { id, facts: Map::new() });
        }

        fn ledger(&self) -> &Ledger {
            &self.state.resources
        }
    }

    fn stack() -> Stack {
        let mut stack = Stack { state: State::default(), seq: 0 };
        let text = || "s".to_owned();
        stack.add(Event::Opened { stack: text(), target: text(), account: text(), region: text() });
        stack.make("runner", "role", None);
        stack.make("hook", "function", None);
        stack.make("allow", "policy", Some("role"));
        stack.make("scale", "concurrency", Some("function"));
        stack
    }

    #[test]
    fn a_step_reads_what_earlier_steps_attached_to_what_it_rests_on() {
        let (mut steps, stack) = (steps(), stack());
        for (step, reads) in [
            ("runner", &[][..]),
            ("hook", &[]),
            ("denied", &[]),
            ("allow", &[]),
            ("scale", &["policy of allow"]),
            ("allowed", &["policy of allow", "concurrency of scale"]),
            ("other", &[]),
        ] {
            let found = steps.read_by(position(step), stack.ledger());
            assert_eq!(found.keys().collect::<Vec<_>>(), reads, "{step}");
        }
        let found = steps.read_by(position("allowed"), stack.ledger());
        assert_eq!(found["policy of allow"], json!("policy"));
    }

    #[test]
    fn what_is_superseded_or_deleted_is_not_read() {
        let (mut steps, mut stack) = (steps(), stack());
        stack.add(Event::Superseded { id: id("policy") });
        stack.add(Event::Deleted { id: id("concurrency") });
        assert!(steps.read_by(position("allowed"), stack.ledger()).is_empty());
    }

    #[test]
    fn what_is_attached_while_the_run_goes_on_is_learnt() {
        let (mut steps, mut stack) = (steps(), stack());
        assert_eq!(steps.read_by(position("allowed"), stack.ledger()).len(), 2);
        stack.make("scale", "more", Some("policy"));
        let found = steps.read_by(position("other"), stack.ledger());
        assert!(found.is_empty(), "{found:?}");
        stack.make("allow", "tag", Some("function"));
        assert_eq!(steps.read_by(position("allowed"), stack.ledger()).len(), 3);
    }

    #[test]
    fn the_newest_is_detached_first_and_only_where_it_must_be() {
        for (step, must_fail, detached) in [
            ("runner", false, &["policy"][..]),
            ("hook", false, &["concurrency"]),
            // It only calls the function, so the attachments stay for the steps that need them.
            ("denied", false, &[]),
            ("denied", true, &["concurrency", "policy"]),
            ("allow", false, &[]),
            // Its own and earlier ones stay.
            ("scale", true, &[]),
            ("allowed", true, &[]),
            ("other", true, &[]),
        ] {
            let found = steps().to_detach(position(step), must_fail, stack().ledger());
            assert_eq!(found, detached.iter().map(|name| id(name)).collect::<Vec<_>>(), "{step} {must_fail}");
        }
    }

    #[test]
    fn a_step_that_attaches_detaches_later_ones_from_the_same_target() {
        let mut stack = stack();
        stack.make("allowed", "second", Some("role"));
        assert_eq!(steps().to_detach(position("allow"), false, stack.ledger()), [id("second")]);
    }

    #[test]
    fn the_target_is_described_again_while_it_is_ready() {
        let mut stack = stack();
        let refreshed = |stack: &Stack, name: &str| {
            target_to_refresh(&id(name), stack.ledger()).map(|(id, _)| id.name.clone())
        };
        assert_eq!(refreshed(&stack, "policy").as_deref(), Some("role"));
        assert_eq!(refreshed(&stack, "role"), None);
        stack.add(Event::Deleting { id: id("role") });
        assert_eq!(refreshed(&stack, "policy"), None);
    }

    #[test]
    fn a_live_inverse_explains_what_is_gone() {
        let mut stack = stack();
        assert!(!is_explained(None, stack.ledger()));
        assert!(!is_explained(Some(&id("role without policy")), stack.ledger()));
        stack.make("other", "role without policy", Some("role"));
        assert!(is_explained(Some(&id("role without policy")), stack.ledger()));
        stack.add(Event::Deleted { id: id("role without policy") });
        assert!(!is_explained(Some(&id("role without policy")), stack.ledger()));
    }

    #[test]
    fn what_was_detached_comes_back_with_its_step() {
        let mut stack = stack();
        let detached = [("allow".to_owned(), id("policy"))];
        assert_eq!(still_detached(&detached, stack.ledger()).count(), 0);
        stack.add(Event::Deleted { id: id("policy") });
        assert_eq!(still_detached(&detached, stack.ledger()).count(), 1);
        stack.make("allow", "policy", Some("role"));
        assert_eq!(still_detached(&detached, stack.ledger()).count(), 0);
    }
}
