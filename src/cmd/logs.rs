//! `opsml logs`: the log of a step's job or endpoint.

use std::collections::HashMap;

use serde_json::json;

use super::stop::{Stop, Verdict};
use super::{output, runtime, session, show};
use crate::action::{job_log, object_text};
use crate::cli::{Format, Logs};
use crate::exit;
use crate::resource::AnyResource;
use crate::secret;

pub fn run(arguments: &Logs) -> Verdict {
    let journal = session::must_read(&arguments.journaled.file, &arguments.journaled.target)?;
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
            let count = usize::try_from(arguments.lines).unwrap_or_default();
            let first = lines.len().saturating_sub(count);
            let mut log = secret::Lines::default();
            for (index, line) in lines.iter().enumerate() {
                // A key may begin before the lines that are printed.
                let line = log.shown(line);
                match arguments.journaled.format {
                    _ if index < first => {}
                    Format::Json => output::json(&json!({"stream": uri, "message": line})),
                    Format::Text => output::say(line),
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
            let mut logs: HashMap<String, secret::Lines> = HashMap::new();
            for mut line in
                job_log(&aws, group, prefix, i32::try_from(arguments.lines).unwrap_or(i32::MAX)).await?
            {
                line.message = logs.entry(line.stream.clone()).or_default().shown(&line.message);
                match arguments.journaled.format {
                    Format::Json => output::json(&json!(line)),
                    Format::Text => output::say(line.message),
                }
            }
        }
        Ok(exit::DONE)
    })
}
