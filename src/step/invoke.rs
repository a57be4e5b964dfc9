//! `invoke`: sends a test event to a function, and returns its response and log.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::context::{Context, Done};
use super::dataset::Dataset;
use super::fields::{FunctionName, Qualifier};
use super::kind::{Kind, Local, LocalForm, Problem, Reads};
use super::likeliest::{Sent, bars, likeliest};
use super::paths::Paths;
use super::predict::read_image;
use crate::action::{Answer, invoke_function, presigned};
use crate::failure::{Failure, Outcome};
use crate::journal::{Drawing, Figure};

/// Bytes of a synchronous request: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAX_PAYLOAD: usize = 6 << 20;
/// How many of the likeliest classes are shown.
const SHOWN: usize = 5;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invoke {
    /// The function's name, such as the `name` of a `function` step.
    pub function_name: FunctionName,
    /// The number of a version, or an alias. The default is `$LATEST`.
    pub qualifier: Option<Qualifier>,
    /// The event.
    pub payload: Option<Value>,
    /// In place of an event, an image file: the event is `{"image": BASE64}`.
    pub image: Option<String>,
    /// In place of an event, the URL of an image: the event is `{"url": URL}`, and the endpoint fetches it if its
    /// `image_origins` allow that. For an S3 URI, the event has a presigned URL that is valid for five minutes.
    #[schemars(regex(pattern = r"^(https?|s3)://[^\s]+$"), extend("x-rule" = "a URL is such as https://HOST/PATH or s3://BUCKET/KEY"))]
    pub url: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// The request's HTTP status.
    pub status_code: i32,
    /// What the function returned.
    pub payload: Value,
    /// The `body` of the response, decoded if it is JSON in a string.
    pub body: Value,
    /// The last 4 KB of the request's log.
    pub log: String,
    /// Milliseconds that it ran, or nothing if the log does not report them.
    pub duration_ms: Option<f64>,
    /// Billed milliseconds.
    pub billed_duration_ms: Option<f64>,
    /// The most memory that it used, in MB.
    pub max_memory_mb: Option<f64>,
    /// Milliseconds of a cold start, or nothing if the environment was warm.
    pub init_duration_ms: Option<f64>,
    /// `$LATEST`, or the version that answered.
    pub executed_version: Option<String>,
    /// Seconds from the start of the request to the end of the response.
    pub seconds: f64,
}

impl Kind for Invoke {
    const NAME: &'static str = "invoke";
    const ABOUT: &'static str = "sends a test event to a function";
    const OWNS: bool = false;
    const ROWS: &'static [&'static str] =
        &["status_code", "body", "duration_ms", "billed_duration_ms", "max_memory_mb", "error"];
    const READS: Reads = Reads::Results;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let events = [self.payload.is_some(), self.image.is_some(), self.url.is_some()];
        match events.iter().filter(|given| **given).count() {
            0 => vec![Problem::whole("there is no event: give `payload`, `image` or `url`")],
            1 => Vec::new(),
            _ => vec![Problem::whole("an event is a `payload`, an `image` or a `url`: give one")],
        }
    }

    fn locals(fields: &Value) -> Vec<Local> {
        Local::of(fields, "image", LocalForm::File).into_iter().collect()
    }

    fn files(&self) -> Vec<String> {
        self.image.iter().cloned().collect()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let event = match (&self.image, &self.url) {
            (None, None) => self.payload.clone().unwrap_or_default(),
            (_, Some(url)) => json!({"url": presigned(context.aws(), url).await?}),
            (Some(image), None) => image_event(context.paths, image).await?,
        };
        let sent = sent(&event);
        let event = event.to_string().into_bytes();
        if event.len() > MAX_PAYLOAD {
            let message = format!("the event has {} bytes, and a function takes {MAX_PAYLOAD}", event.len());
            return Err(Failure::new("PayloadTooLarge", message));
        }
        let qualifier = self.qualifier.as_ref().map(|qualifier| qualifier.0.as_str());
        let answer = invoke_function(context.aws(), &self.function_name.0, qualifier, event).await?;
        if answer.function_error.is_some() {
            return Err(function_failure(&answer));
        }
        let payload: Value = serde_json::from_slice(&answer.payload)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.payload).into_owned()));
        let body = match payload.get("body") {
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
            Some(other) => other.clone(),
            None => Value::Null,
        };
        let outputs = Outputs {
            status_code: answer.status_code,
            duration_ms: reported(&answer.log, "Duration"),
            billed_duration_ms: reported(&answer.log, "Billed Duration"),
            max_memory_mb: reported(&answer.log, "Max Memory Used"),
            init_duration_ms: reported(&answer.log, "Init Duration"),
            executed_version: answer.executed_version.clone(),
            seconds: answer.seconds,
            log: answer.log.clone(),
            payload,
            body,
        };
        let took = outputs.duration_ms.map(|took| format!(", {took} ms")).unwrap_or_default();
        let summary = format!("{} answered{took}", self.function_name.0);
        let mut figures = vec![Figure::json("The event that was sent", &sent)];
        figures.extend(self.prediction(&outputs.body, context).await?);
        figures.push(Figure::json("The answer", &outputs.payload));
        let log = format!("The log of {}", self.function_name.0);
        figures.push(Figure::code(log, "text", outputs.log.trim()));
        Ok(Done::new(outputs, summary).figures(figures))
    }
}

/// Returns an event as a report shows it: of an image its length alone, and no signature of a URL.
fn sent(event: &Value) -> Value {
    let shown = |(name, value): (&String, &Value)| {
        let value = match (name.as_str(), value) {
            ("image", Value::String(image)) if image.len() > 200 => {
                json!(format!("{} characters of base64", image.len()))
            }
            ("url", Value::String(url)) => json!(url.split('?').next().unwrap_or_default()),
            _ => value.clone(),
        };
        (name.clone(), value)
    };
    match event {
        Value::Object(map) => map.iter().map(shown).collect::<serde_json::Map<_, _>>().into(),
        other => other.clone(),
    }
}

impl Invoke {
    /// Returns the picture that was sent, beside its likeliest classes, if it is one of a dataset of the runbook and the
    /// function returned the logits of the dataset's classes.
    async fn prediction(&self, body: &Value, context: &Context<'_>) -> Outcome<Option<Figure>> {
        let Some(image) = &self.image else { return Ok(None) };
        let classes = context.session.journal.state().steps.iter().find_map(|(_, row)| {
            let outputs = row.outputs.as_ref().filter(|_| row.kind == Dataset::NAME)?;
            let below = Path::new(image).starts_with(outputs.get("path")?.as_str()?);
            serde_json::from_value::<Vec<String>>(outputs.get("classes").filter(|_| below)?.clone()).ok()
        });
        let logits: Option<[Vec<f64>; 1]> = serde_json::from_value(body.clone()).ok();
        let (Some(classes), Some([logits])) = (classes, logits) else { return Ok(None) };
        if logits.len() != classes.len() {
            return Ok(None);
        }
        let (_, bytes) = read_image(context.paths, image).await?;
        let sent = Sent::keep(context, image, &bytes, &classes)?;
        let top = likeliest(&logits, &classes, SHOWN);
        let caption = format!("What {} made of the image", self.function_name.0);
        Ok(Some(Figure::drawn(caption, Drawing::Bars(bars(&top, sent)))))
    }
}

/// Returns the event for an image file.
pub(super) async fn image_event(paths: &Paths, image: &str) -> Outcome<Value> {
    let (_, bytes) = read_image(paths, image).await?;
    Ok(json!({"image": STANDARD.encode(bytes)}))
}

/// Returns a function's error, with its type and message. The hints have the log and the stack trace.
fn function_failure(answer: &Answer) -> Failure {
    let said: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
    let text = |name: &str| said.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let message = text("errorMessage").map_or_else(
        || format!("the function answered {}", short(&String::from_utf8_lossy(&answer.payload))),
        str::to_owned,
    );
    let code = text("errorType").unwrap_or("FunctionError");
    let mut failure = Failure::new(code, message);
    let stack = ["stackTrace", "trace"].iter().find_map(|name| said.get(*name)).and_then(Value::as_array);
    if let Some(last) = stack.and_then(|stack| stack.last()).and_then(Value::as_str) {
        failure = failure
            .hint(format!("it was raised at {}", last.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    let line = answer.log.lines().rev().find(|line| {
        let line = line.trim();
        !line.is_empty()
            && !["START ", "END ", "REPORT ", "INIT_"].iter().any(|start| line.starts_with(start))
    });
    match line {
        // The handler logs the error itself, which would repeat it.
        Some(line) if !line.contains(&failure.message) => {
            failure.hint(format!("its log ends: {}", short(line.trim())))
        }
        _ => failure,
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(600) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns a number of the log's line `REPORT RequestId: … Duration: 12.34 ms …`.
fn reported(log: &str, name: &str) -> Option<f64> {
    let report = log.lines().rev().find(|line| line.starts_with("REPORT "))?;
    let field = report.split('\t').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix(": "))?;
    field.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str, log: &str) -> Answer {
        Answer {
            status_code: 200,
            payload: payload.into(),
            function_error: Some("Unhandled".into()),
            log: log.into(),
            executed_version: None,
            seconds: 0.0,
        }
    }

    #[test]
    fn an_error_is_told_by_its_type_and_words() {
        let failure = function_failure(&answer(
            r#"{"errorType": "ClientError", "errorMessage": "An error occurred (AccessDeniedException) …", "stackTrace": ["  File \"x\", line 1\n"]}"#,
            "START RequestId: 1\n[ERROR] ClientError\nEND RequestId: 1\nREPORT RequestId: 1\tDuration: 1 ms\t\n",
        ));
        assert_eq!(failure.code, "ClientError");
        assert!(failure.message.contains("AccessDeniedException"));
        assert_eq!(
            failure.hints,
            ["it was raised at File \"x\", line 1", "its log ends: [ERROR] ClientError"]
        );
        let odd = function_failure(&answer("not json", ""));
        assert_eq!(
            (odd.code.as_str(), odd.message.as_str()),
            ("FunctionError", "the function answered not json")
        );
    }

    #[test]
    fn a_report_is_read() {
        let log = "REPORT RequestId: 1\tDuration: 12.34 ms\tBilled Duration: 13 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t\n";
        assert_eq!(reported(log, "Duration"), Some(12.34));
        assert_eq!(reported(log, "Billed Duration"), Some(13.0));
        assert_eq!(reported(log, "Max Memory Used"), Some(40.0));
        assert_eq!(reported(log, "Init Duration"), None);
        assert_eq!(reported("", "Duration"), None);
    }
}
