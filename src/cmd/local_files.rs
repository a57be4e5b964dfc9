//! Whether the local files that a runbook names are there, and lie where a run may read them.

use std::collections::HashSet;
use std::path::Path;

use rayon::prelude::*;
use serde_json::{Map, Value};

use crate::diagnostic::{Diagnostic, Severity};
use crate::failure::Failure;
use crate::plan::truthy;
use crate::runbook::template::{self, Context};
use crate::runbook::{self, Declared, Params, Runbook};
use crate::step::{Local, LocalForm, Paths};

/// Returns a problem for each file or folder that a run would refuse. It is a warning if an earlier command may still write it, or its
/// step may be skipped or must fail.
pub fn problems(runbook: &Runbook, params: &Map<String, Value>, paths: &Paths) -> Vec<Diagnostic> {
    let given = Params::new(params);
    // What takes long of it, on all processors.
    let named: Vec<Vec<Local>> = runbook.steps.par_iter().map(|step| named_by(step, &given)).collect();
    let context = Context::default();
    context.set("params", params);
    let mut problems = Vec::new();
    let mut is_after_command = false;
    let mut may_be_skipped: HashSet<&str> = HashSet::new();
    for (step, locals) in runbook.steps.iter().zip(named) {
        let runs = runs(step, &context);
        let uses_skipped = step.uses.steps.iter().any(|used| may_be_skipped.contains(used.as_str()));
        if runs != Some(true) || uses_skipped {
            may_be_skipped.insert(&step.id);
        }
        if runs != Some(false) {
            let must_fail = step.common.expect_error.is_some();
            let is_certain = runs == Some(true) && !uses_skipped && !is_after_command && !must_fail;
            // Of a folder that isn't there, no file is there either.
            let mut reported: Vec<Local> = Vec::new();
            for local in locals {
                let is_below = reported.iter().any(|one| Path::new(&local.path).starts_with(&one.path));
                if let Some(found) = problem(step, &local, paths, is_certain).filter(|_| !is_below) {
                    problems.push(found);
                    reported.push(local);
                }
            }
        }
        is_after_command |= step.kind.name == "command";
    }
    problems
}

/// Returns the local files and folders that a step names, as far as their names are known before a run.
fn named_by(step: &Declared, params: &Params<'_>) -> Vec<Local> {
    let mut locals = (step.info.locals)(&runbook::foreseen(step, params));
    locals.retain(|local| !template::has_template(&local.path));
    locals
}

/// Whether a step runs by its `when`, if the parameters alone decide.
fn runs(step: &Declared, context: &Context) -> Option<bool> {
    match &step.common.when {
        None => Some(true),
        Some(when) => template::evaluate(when, context).ok().map(|value| truthy(&value)),
    }
}

fn problem(step: &Declared, local: &Local, paths: &Paths, is_certain: bool) -> Option<Diagnostic> {
    let failure = match paths.resolve(&local.path) {
        Ok(path) => match (local.form, path.is_dir()) {
            (LocalForm::File, true) => Failure::file(&path, "is a folder, and must be a file"),
            (LocalForm::Folder, false) => Failure::file(&path, "is a file, and must be a folder"),
            _ => return None,
        },
        Err(failure) => failure,
    };
    let is_error = is_certain || failure.code == Paths::OUTSIDE;
    let severity = if is_error { Severity::Error } else { Severity::Warning };
    let span = runbook::place(step, &local.field);
    Some(Diagnostic { severity, message: failure.message, span, hints: failure.hints })
}
