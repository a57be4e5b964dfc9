//! `opsml logs`: the log of a step's job or endpoint.

use serde_json::json;

use super::stop::{Stop, Verdict};
use super::{runtime, session, show};
use crate::action::{job_log, object_text};
use crate::cli::{Format, Logs};
use crate::diagnostic::printable;
use crate::exit;
use crate::resource::AnyResource;

pub fn run(arguments: &Logs) -> Verdict {
    let journal = session::must_read(&arguments.journaled)?;
    let state = journal.state();
    let id = &arguments.step;
    if !state.steps.contains_key(id) {
        return Err(show::unknown(id, state.steps.keys().map(String::as_str)));
    }
    let mut places: Vec<(String, String)> = Vec::new();
    for (resource, row) in state.resources.live().filter(|(_, row)| row.step == *id) {
        places.extend(AnyResource::read(&resource.kind, &row.spec)?.log(&resource.name));
    }
    let log_uri = state.steps.get(id).and_then(|row| row.outputs.as_ref()?.get("log_uri")?.as_str());
    if let (true, Some(uri)) = (places.is_empty(), log_uri) {
        return runtime::block_on(async {
            let aws = session::connect(&arguments.journaled.target, session::uninterrupted()).await?;
            let text = object_text(&aws, uri).await?;
            let lines: Vec<&str> = text.lines().collect();
            let shown = usize::try_from(arguments.lines).unwrap_or_default();
            for line in &lines[lines.len().saturating_sub(shown)..] {
                match arguments.journaled.format {
                    Format::Json => println!("{}", json!({"stream": uri, "message": line})),
                    Format::Text => println!("{}", printable(line)),
                }
            }
            Ok(exit::DONE)
        });
    }
    if places.is_empty() {
        return Err(Stop::usage(format!("the step `{id}` has nothing that writes a log"))
            .hint("training jobs and endpoints write logs"));
    }
    runtime::block_on(async {
        let aws = session::connect(&arguments.journaled.target, session::uninterrupted()).await?;
        for (group, prefix) in &places {
            for line in job_log(&aws, group, prefix, arguments.lines).await? {
                match arguments.journaled.format {
                    Format::Json => println!("{}", json!(line)),
                    Format::Text => println!("{}", printable(&line.message)),
                }
            }
        }
        Ok(exit::DONE)
    })
}
