//! `opsml schema`: JSON Schema of the blocks, for editors and for people.

use serde_json::{Map, Value, json};

use super::{Stop, Verdict};
use crate::cli::Schema;
use crate::diagnostic::closest;
use crate::exit;
use crate::runbook::front_matter_schema;
use crate::step::{self, KindInfo};

pub fn run(arguments: &Schema) -> Verdict {
    let schema = match &arguments.kind {
        Some(name) => {
            let kind = step::kind(name).ok_or_else(|| {
                let stop = Stop::usage(format!("there is no kind of step `{name}`"));
                match closest(name, step::kind_names()) {
                    Some(close) => stop.hint(format!("did you mean `{close}`?")),
                    None => {
                        stop.hint(format!("there is: {}", step::kind_names().collect::<Vec<_>>().join(", ")))
                    }
                }
            })?;
            block(kind)
        }
        None => json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "opsml",
            "front_matter": front_matter_schema(),
            "blocks": step::kinds().iter().map(|kind| (kind.name.to_owned(), block(kind))).collect::<Map<_, _>>(),
        }),
    };
    println!("{schema:#}");
    Ok(exit::DONE)
}

/// The body of a block of this kind, and what it puts out.
fn block(kind: &KindInfo) -> Value {
    let mut body = step::common_schema().clone();
    body["properties"][kind.name] = (kind.fields)().clone();
    body["required"] = json!([kind.name]);
    json!({"about": kind.about, "owns_resources": kind.owns, "body": body, "outputs": (kind.outputs)()})
}
