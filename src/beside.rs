//! Which neighbouring steps may run at the same time. No I/O.

use crate::reads::reads_attachments;
use crate::runbook::{Declared, Runbook};
use crate::select::Selection;

/// Returns the index behind the last step that may run at the same time as the one at `first` and all between them: none of
/// them needs another, and each is of a kind that rests on nothing but what its fields name.
pub fn end(runbook: &Runbook, selection: &Selection, first: usize) -> usize {
    let steps = &runbook.steps;
    if !may_run_beside_others(&steps[first]) {
        return first + 1;
    }
    let is_apart = |index: usize| {
        let before = &steps[first..index];
        before.iter().all(|other| !steps[index].uses.steps.contains(&other.id))
    };
    let joins =
        |index: &usize| selection.has(*index) && may_run_beside_others(&steps[*index]) && is_apart(*index);
    (first + 1..steps.len()).find(|index| !joins(index)).unwrap_or(steps.len())
}

fn may_run_beside_others(step: &Declared) -> bool {
    !reads_attachments(step) && step.info.beside
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::diagnostic::Source;

    #[test]
    fn neighbours_run_together_up_to_the_first_that_needs_one_of_them() {
        let blocks = [
            ("a", "bucket: {}"),
            ("b", "bucket: {}"),
            ("c", "upload: {source: data, to: \"{{ a.uri }}/data\"}"),
            ("d", "bucket: {}"),
            ("e", "bucket: {}\nexpect_error: BucketAlreadyExists"),
            ("f", "bucket: {}"),
            ("g", "command: {run: [\"true\"]}"),
            ("h", "bucket: {}\nneeds: [g]"),
            ("i", "bucket: {}\nneeds: [g]"),
        ];
        let blocks = blocks.map(|(id, body)| format!("```opsml {id}\n{body}\n```\n"));
        let text = format!("---\ntitle: t\n---\n{}", blocks.concat());
        let (runbook, problems) = Runbook::parse(Source::new(PathBuf::from("t.md"), text));
        assert!(problems.is_empty(), "{problems:?}");
        let all = Selection::all(&runbook);
        let mut ends = Vec::new();
        while ends.last() != Some(&runbook.steps.len()) {
            ends.push(end(&runbook, &all, ends.last().copied().unwrap_or(0)));
        }
        assert_eq!(ends, [2, 4, 5, 6, 7, 9]);
    }
}
