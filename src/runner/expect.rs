//! Whether what a step declares of its outputs is true.

use crate::failure::{Failure, Outcome};
use crate::plan;
use crate::runbook::template::Context;
use crate::runbook::{Declared, template};

/// Checks a step's `expect`.
pub(super) fn expectations(step: &Declared, context: &Context) -> Outcome<()> {
    for expression in &step.common.expect {
        match template::evaluate(expression, context) {
            Ok(value) if plan::truthy(&value) => {}
            Ok(_) => {
                let values = values_in(expression, context);
                return Err(Failure::expectation(format!("`{expression}` does not hold{values}")));
            }
            Err(error) => {
                return Err(Failure::expectation(format!("`{expression}`: {}", template::message(&error))));
            }
        }
    }
    Ok(())
}

/// Returns the values of the names in an expression, for the message: ` (metrics.test_accuracy is 0.31)`.
fn values_in(expression: &str, context: &Context) -> String {
    let references =
        template::references(expression, template::Form::Expression, &|at| at).unwrap_or_default();
    let values: Vec<String> = references
        .iter()
        .filter_map(|reference| {
            let path: Vec<&str> =
                std::iter::once(&reference.root).chain(&reference.path).map(String::as_str).collect();
            let name = path.join(".");
            let value = template::evaluate(&name, context).ok()?;
            Some(format!("{name} is {value}"))
        })
        .collect();
    if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) }
}
