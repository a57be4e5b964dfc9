//! `opsml check`: every problem of a runbook that can be known before a call.

use serde_json::json;

use super::{Verdict, session};
use crate::cli::{File, Format};
use crate::diagnostic::printable;
use crate::exit;

pub fn run(arguments: &File) -> Verdict {
    let checked = session::check(&arguments.file, &arguments.params)?;
    let runbook = &checked.runbook;
    match arguments.format {
        Format::Json => {
            let diagnostics: Vec<_> = checked.diagnostics.iter().map(|p| runbook.source.to_json(p)).collect();
            println!(
                "{}",
                json!({
                    "file": runbook.source.path, "title": runbook.title(), "diagnostics": diagnostics,
                    "params": checked.wrong_params,
                    "steps": runbook.steps.iter().map(|s| json!({"id": s.id, "kind": s.kind.name})).collect::<Vec<_>>(),
                })
            );
        }
        Format::Text => {
            for problem in &checked.diagnostics {
                print!("{}", runbook.source.render(problem));
                println!();
            }
            for wrong in &checked.wrong_params {
                println!("error: {}", printable(wrong));
            }
            let count = checked.diagnostics.len() + checked.wrong_params.len();
            let shown = runbook.source.path.display();
            match count {
                0 => println!("{shown}: {} steps, no problems", runbook.steps.len()),
                1 => println!("{shown}: 1 problem"),
                _ => println!("{shown}: {count} problems"),
            }
        }
    }
    let wrong = checked.has_errors() || !checked.wrong_params.is_empty();
    Ok(if wrong { exit::USAGE } else { exit::DONE })
}
