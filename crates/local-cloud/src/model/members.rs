//! What is done with each member of an operation's input. A service says it in its `members.txt`, so that no member is
//! accepted and dropped: a test holds the file to the service's model.
//!
//! ```text
//! CreateModel
//!   acted on: ModelName PrimaryContainer.Image
//!   echoed: PrimaryContainer.ContainerHostname
//!   refused: Containers
//! ```
//!
//! A member that is *echoed* changes nothing but the answers of Describe and List, as on AWS, or is about what doesn't exist
//! here. One that is *refused* is an error that names it, from [`Members::refused`]. A name stands for all that is in it;
//! `[]` and `{}` stand for the items of a list and the values of a map.

use std::collections::HashMap;

use serde_json::Value;

/// The content of a `members.txt`.
#[derive(Debug, Default)]
pub struct Members {
    /// The members that are refused, by operation.
    refused: HashMap<&'static str, Vec<&'static str>>,
    /// All members, by operation.
    #[cfg(test)]
    all: HashMap<&'static str, Vec<&'static str>>,
}

/// What may be done with members, as the file names it.
const FATES: [&str; 3] = ["acted on", "echoed", "refused"];

impl Members {
    /// Reads a file that is part of the program.
    ///
    /// # Panics
    /// It isn't of the form that this module describes. The tests read all of them.
    pub fn read(text: &'static str) -> Self {
        let (mut members, mut operation) = (Self::default(), "");
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let Some((fate, names)) = line.strip_prefix("  ").and_then(|line| line.split_once(": ")) else {
                operation = line;
                continue;
            };
            assert!(FATES.contains(&fate), "members.txt: {fate} is none of {FATES:?}");
            if fate == "refused" {
                members.refused.entry(operation).or_default().extend(names.split(' '));
            }
            #[cfg(test)]
            members.all.entry(operation).or_default().extend(names.split(' '));
        }
        members
    }

    /// Returns a member of an input that is given and refused.
    pub fn refused(&self, operation: &str, input: &Value) -> Option<&'static str> {
        self.refused.get(operation)?.iter().find(|path| is_given(input, path)).copied()
    }

    /// Returns all members of an operation.
    #[cfg(test)]
    pub fn of(&self, operation: &str) -> &[&'static str] {
        self.all.get(operation).map(Vec::as_slice).unwrap_or_default()
    }

    /// Returns the operations that have members.
    #[cfg(test)]
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.all.keys().copied()
    }
}

/// Returns whether a member has a value that asks for something: clients also send members that are empty or false.
fn is_given(value: &Value, path: &str) -> bool {
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let name = head.trim_end_matches("[]").trim_end_matches("{}");
    let child = &value[name];
    let asks = |child: &Value| match rest {
        Some(rest) => is_given(child, rest),
        None => match child {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(true) | Value::Number(_) => true,
        },
    };
    match (&head[name.len()..], child) {
        ("", child) => asks(child),
        (_, Value::Array(items)) => items.iter().any(asks),
        (_, Value::Object(members)) => members.values().any(asks),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use serde_json::json;

    use super::*;
    use crate::model::Model;
    use crate::model::shape::{File, Part, Type};
    use crate::model::tests::models;

    #[test]
    fn a_member_is_refused_if_it_asks_for_something() {
        let members = Members::read(
            "# note\nRun\n  acted on: A B[].C\n  refused: X B[].Y M{}.Z\n\nStop\n  echoed: X\n",
        );
        for (input, refused) in [
            (json!({"A": 1, "X": null, "B": [{"Y": ""}, {"Y": []}], "M": {"k": {"Z": {}}}}), None),
            (json!({"X": false}), None),
            (json!({"X": 0}), Some("X")),
            (json!({"B": [{}, {"Y": [1]}]}), Some("B[].Y")),
            (json!({"M": {"k": {"Z": true}}}), Some("M{}.Z")),
            (json!({"M": 1, "B": {"Y": 0}}), None),
        ] {
            assert_eq!(members.refused("Run", &input), refused, "{input}");
        }
        assert_eq!(members.refused("Stop", &json!({"X": 1})), None);
        assert_eq!(members.of("Run"), ["A", "B[].C", "X", "B[].Y", "M{}.Z"]);
    }

    /// Returns the members of an input that neither the list has nor a member around them, and marks those that it has.
    fn walk(
        file: &File,
        shape: &str,
        path: &str,
        list: &[&str],
        met: &mut HashSet<String>,
        depth: usize,
    ) -> Vec<String> {
        let Some(shape) = file.shape(shape).filter(|_| depth < 12) else { return vec![path.to_owned()] };
        let mut inside = |part: Option<&Part>, suffix: &str| match part {
            Some(part) => walk(file, part.shape(), &format!("{path}{suffix}"), list, met, depth + 1),
            None => vec![path.to_owned()],
        };
        match shape.r#type {
            Type::List => inside(shape.member.as_ref(), "[]"),
            Type::Map => inside(shape.value.as_ref(), "{}"),
            Type::Structure if !shape.members.is_empty() => {
                let mut lacking = Vec::new();
                for (name, part) in &shape.members {
                    let member = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    if list.contains(&&*member) {
                        met.insert(member);
                    } else {
                        lacking.extend(walk(file, part.shape(), &member, list, met, depth + 1));
                    }
                }
                lacking
            }
            _ => vec![path.to_owned()],
        }
    }

    #[test]
    fn every_member_of_every_operation_has_its_fate() {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for (service, text) in models() {
            let (model, file) = (Model::read(text), src.join(&service).join("members.txt"));
            let members = Members::read(std::fs::read_to_string(file).unwrap().leak());
            for operation in model.operations() {
                let input = model.file().operations[operation].input.as_str();
                let (list, mut met) = (members.of(operation), HashSet::new());
                let takes_nothing = model.file().shape(input).is_none_or(|shape| shape.members.is_empty());
                let lacking =
                    if takes_nothing { Vec::new() } else { walk(model.file(), input, "", list, &mut met, 0) };
                assert!(lacking.is_empty(), "{service}/members.txt lacks, in {operation}: {lacking:?}");
                let unknown: Vec<_> = list.iter().filter(|member| !met.contains(**member)).collect();
                assert!(
                    unknown.is_empty(),
                    "{service}/members.txt has, in {operation}, what it lacks: {unknown:?}"
                );
            }
            let known: HashSet<&str> = model.operations().collect();
            assert!(members.operations().all(|operation| known.contains(operation)), "{service}");
        }
    }
}
