//! `load`: a load test of an endpoint or a function: sends requests at a given rate, and returns their latencies and errors,
//! and the scaling activities.

mod drive;
mod results;

use std::time::Duration;

use futures::{StreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::drive::{Ends, Observed, Phase, drive};
use self::results::{ErrorCount, Tally};
use super::common::duration;
use super::context::{Context, Done};
use super::fields::{FunctionName, Qualifier, SageMakerName};
use super::invoke::image_event;
use super::kind::{Kind, Local, LocalForm, Problem, Reads};
use super::predict::read_image;
use crate::action::{ScalingActivity, Shot, instances, is_throttle, scaling_activities};
use crate::diagnostic::counted;
use crate::failure::{Failure, Outcome};
use crate::journal::Figure;
use crate::resource::VARIANT;

/// The most requests: each takes memory.
const MAX_REQUESTS: f64 = 1_000_000.0;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// The endpoint that the requests go to.
    pub endpoint_name: Option<SageMakerName>,
    /// The production variant whose instances are counted. `deploy` creates one, `AllTraffic`.
    pub variant: Option<SageMakerName>,
    /// In place of an endpoint, the name of the function that the requests go to.
    pub function_name: Option<FunctionName>,
    /// The function's version or alias.
    pub qualifier: Option<Qualifier>,
    /// An image file. It is the body of each request to an endpoint; for a function, the event is
    /// `{"image": BASE64}`.
    pub image: Option<String>,
    /// The body of each request, sent as JSON.
    pub payload: Option<Value>,
    /// Requests a second.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 10000.0))]
    pub rate: Option<f64>,
    /// For how many seconds, at most.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 86400.0))]
    pub seconds: Option<f64>,
    /// One rate after another, in place of `rate` and `seconds`.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub stages: Vec<Stage>,
    /// A condition that ends the load early.
    pub until: Option<Until>,
    /// A condition to wait for after the load.
    pub settle: Option<Settle>,
    /// The most requests without a response at a time. Once there are so many, requests leave as fast as they are answered, and
    /// those that the rate would have asked for are counted in `held_back`.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 5000))]
    pub max_in_flight: usize,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Requests a second.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 10000.0))]
    pub rate: f64,
    /// For how many seconds, at most.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 86400.0))]
    pub seconds: f64,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Until {
    /// The endpoint has so many instances or more.
    #[schemars(range(min = 1, max = 100))]
    pub instances: i32,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The endpoint has so many instances, and no other count is wanted.
    #[schemars(range(min = 1, max = 100))]
    pub instances: i32,
    /// How long to wait, as `90s`, `20m` or `2h`, before the step fails. The default is 30m.
    #[serde(default = "half_an_hour")]
    pub timeout: String,
    /// Requests a second while waiting. The default is none.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 10000.0))]
    pub rate: f64,
}

fn hundred() -> usize {
    100
}

fn half_an_hour() -> String {
    "30m".to_owned()
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Outputs {
    /// How many requests were sent.
    pub requests: usize,
    /// How many succeeded.
    pub ok: usize,
    /// How many were throttled: TooManyRequestsException, ThrottlingException, 429.
    pub throttled: usize,
    /// How many the rate asked for and were not sent, because `max_in_flight` were without a response.
    pub held_back: usize,
    /// The other errors by code, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Seconds in which requests were sent.
    pub seconds: f64,
    /// Requests sent a second.
    pub rate_offered: f64,
    /// Requests that succeeded a second, in the same time.
    pub rate_achieved: f64,
    /// The median latency of the requests that succeeded, in milliseconds from when a request was due to its response.
    pub p50_ms: Option<f64>,
    /// The 90th percentile of the latency.
    pub p90_ms: Option<f64>,
    /// The 99th percentile of the latency.
    pub p99_ms: Option<f64>,
    /// The highest latency.
    pub max_ms: Option<f64>,
    /// The most requests without a response at a time.
    pub peak_concurrency: usize,
    /// The fewest instances, or nothing for a function.
    pub instances_min: Option<i32>,
    /// The most instances, or nothing for a function.
    pub instances_max: Option<i32>,
    /// The instances at the end, or nothing for a function.
    pub instances_final: Option<i32>,
    /// The scaling activities during the load, oldest first.
    pub activities: Vec<Activity>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct Activity {
    /// Seconds since 1970.
    pub started: f64,
    pub description: String,
    pub cause: String,
    /// `Successful`, `InProgress`, `Failed`, …
    pub status: String,
    pub details: Option<String>,
}

/// Returns the first failure, if every request failed and none was throttled.
fn nothing_but_failures(seen: &Observed) -> Option<Failure> {
    let failures = || seen.requests.iter().filter_map(|request| request.failure.as_ref());
    let all = failures().count() == seen.requests.len() && !failures().any(is_throttle);
    failures().next().filter(|_| all).cloned()
}

impl Kind for Load {
    const NAME: &'static str = "load";
    const ABOUT: &'static str =
        "sends requests on schedule to an endpoint or a function, and counts what comes back";
    const OWNS: bool = false;
    const ROWS: &'static [&'static str] =
        &["requests", "ok", "throttled", "rate_offered", "rate_achieved", "p50_ms", "p99_ms"];
    const READS: Reads = Reads::Results;
    type Outputs = Outputs;

    fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |field: &str, message: &str| problems.push(Problem::at(field, message));
        match (&self.endpoint_name, &self.function_name) {
            (Some(_), None) => {
                if self.qualifier.is_some() {
                    problem("qualifier", "a qualifier is for a function");
                }
            }
            (None, Some(_)) => {
                for (name, given) in [
                    ("variant", self.variant.is_some()),
                    ("until", self.until.is_some()),
                    ("settle", self.settle.is_some()),
                ] {
                    if given {
                        problem(name, &format!("`{name}` is for an endpoint"));
                    }
                }
            }
            (Some(_), Some(_)) => problem("function_name", "give an endpoint or a function, and not both"),
            (None, None) => {
                problems
                    .push(Problem::whole("it lacks `endpoint_name` or `function_name`: nothing is loaded"));
            }
        }
        if self.image.is_some() == self.payload.is_some() {
            problems.push(Problem::at("image", "requests have an `image` or a `payload`, and not both"));
        }
        let stages = self.stages();
        if stages.is_empty() || (!self.stages.is_empty() && (self.rate.is_some() || self.seconds.is_some())) {
            problems.push(Problem::at("rate", "give `rate` and `seconds`, or `stages`"));
        }
        if let Err(message) = self.settle_for() {
            problems.push(Problem::at("settle.timeout", message));
        }
        let requests: f64 = stages.iter().map(|stage| stage.rate * stage.seconds).sum();
        if requests > MAX_REQUESTS {
            let message = format!("that is {requests:.0} requests, and {MAX_REQUESTS} are the most");
            problems.push(Problem::at(if self.stages.is_empty() { "seconds" } else { "stages" }, message));
        }
        problems
    }

    fn locals(fields: &Value) -> Vec<Local> {
        Local::of(fields, "image", LocalForm::File).into_iter().collect()
    }

    fn files(&self) -> Vec<String> {
        self.image.iter().cloned().collect()
    }

    async fn run(&self, context: &mut Context<'_>) -> Outcome<Done<Outputs>> {
        let shot = self.shot(context).await?;
        let phases = self.phases()?;
        let send = || {
            let shot = shot.clone();
            async move { shot.send().await }
        };
        let interrupted = context.aws().interrupted();
        let (aws, step) = (context.session.aws, context.session.step.clone());
        let journal = context.session.journal;
        let mut report = |message: String, part| journal.progress(&step, message, part);
        let (most, mut seen) = (self.max_in_flight, Observed::default());
        let Some(endpoint) = &self.endpoint_name else {
            let watched = stream::pending();
            let ended = drive(&phases, most, send, watched, interrupted, &mut report, &mut seen).await;
            let failure = ended.err().or_else(|| nothing_but_failures(&seen));
            return self.ended(context, &seen, Vec::new(), failure);
        };
        let variant = self.variant.as_ref().map_or(VARIANT, |variant| variant.0.as_str());
        // These calls come before the load, so that a denial ends the step at once.
        let before = scaling_activities(aws, &endpoint.0, variant, 0.0).await?;
        let before = before.last().map_or(0.0, |last| last.started);
        let first = instances(aws, &endpoint.0, variant).await?;
        let watched = Box::pin(stream::unfold(0, |attempt| async move {
            aws.pause(attempt).await.ok()?;
            Some((instances(aws, &endpoint.0, variant).await, attempt + 1))
        }));
        let watched = stream::iter([Ok(first)]).chain(watched);
        let ended = drive(&phases, most, send, watched, interrupted, &mut report, &mut seen).await;
        let activities = scaling_activities(aws, &endpoint.0, variant, before).await;
        match ended {
            Ok(()) => self.ended(context, &seen, activities?, None),
            // What ended the load comes before what then could not be asked.
            Err(failure) => self.ended(context, &seen, activities.unwrap_or_default(), Some(failure)),
        }
    }
}

impl Load {
    /// Returns the stages, given by `stages` or by `rate` and `seconds`. Returns none if one of these is missing.
    fn stages(&self) -> Vec<Stage> {
        match (self.rate, self.seconds) {
            (Some(rate), Some(seconds)) => vec![Stage { rate, seconds }],
            (None, None) => self.stages.clone(),
            _ => Vec::new(),
        }
    }

    fn settle_for(&self) -> Result<Option<Duration>, String> {
        self.settle.as_ref().map(|settle| duration(&settle.timeout)).transpose()
    }

    fn phases(&self) -> Outcome<Vec<Phase>> {
        let ends = self.until.as_ref().map_or(Ends::AtLimit, |until| Ends::Grown(until.instances));
        let stages = self.stages();
        let mut phases: Vec<Phase> = stages
            .iter()
            .map(|stage| Phase { rate: stage.rate, limit: Duration::from_secs_f64(stage.seconds), ends })
            .collect();
        let limit = self.settle_for().map_err(|message| Failure::new("InvalidStep", message))?;
        if let (Some(settle), Some(limit)) = (&self.settle, limit) {
            phases.push(Phase { rate: settle.rate, limit, ends: Ends::Settled(settle.instances) });
        }
        Ok(phases)
    }

    async fn shot(&self, context: &Context<'_>) -> Outcome<Shot> {
        let json = self.payload.as_ref().unwrap_or(&Value::Null).to_string().into_bytes();
        Ok(match (&self.endpoint_name, &self.function_name, &self.image) {
            (Some(endpoint), _, Some(image)) => {
                let (content_type, body) = read_image(context.paths, image).await?;
                Shot::endpoint(context.aws(), &endpoint.0, content_type, body)
            }
            (Some(endpoint), _, None) => Shot::endpoint(context.aws(), &endpoint.0, "application/json", json),
            (None, function, image) => {
                let function = function.as_ref().map_or("", |function| &function.0);
                let json = match image {
                    Some(image) => image_event(context.paths, image).await?.to_string().into_bytes(),
                    None => json,
                };
                Shot::function(
                    context.aws(),
                    function,
                    self.qualifier.as_ref().map(|qualifier| qualifier.0.as_str()),
                    json,
                )
            }
        })
    }

    /// Returns the results, or the failure, whose figures then show what was measured until then.
    fn ended(
        &self,
        context: &mut Context<'_>,
        seen: &Observed,
        activities: Vec<ScalingActivity>,
        failure: Option<Failure>,
    ) -> Outcome<Done<Outputs>> {
        let done = self.done(seen, activities);
        match failure {
            Some(failure) => {
                context.partial = done.figures;
                Err(failure)
            }
            None => Ok(done),
        }
    }

    fn done(&self, seen: &Observed, activities: Vec<ScalingActivity>) -> Done<Outputs> {
        let tally = Tally::new(&seen.requests);
        let requests = seen.requests.len();
        let a_second = |count: usize| ((count as f64 / seen.sending.max(0.001)) * 100.0).round() / 100.0;
        let counts = || seen.instances.iter().map(|(_, seen)| seen.current);
        let outputs = Outputs {
            requests,
            ok: tally.ok,
            throttled: tally.throttled,
            held_back: seen.held_back,
            seconds: (seen.sending * 10.0).round() / 10.0,
            rate_offered: a_second(requests),
            rate_achieved: a_second(tally.ok),
            p50_ms: tally.percentile(0.5),
            p90_ms: tally.percentile(0.9),
            p99_ms: tally.percentile(0.99),
            max_ms: tally.percentile(1.0),
            peak_concurrency: seen.peak,
            instances_min: counts().min(),
            instances_max: counts().max(),
            instances_final: counts().next_back(),
            activities: activities
                .into_iter()
                .map(|one| Activity {
                    started: one.started,
                    description: one.description,
                    cause: one.cause,
                    status: one.status,
                    details: one.details,
                })
                .collect(),
            errors: tally.errors.clone(),
        };
        let mut summary = format!(
            "{}, {} ok, {} throttled, {} failed",
            counted(requests, "request"),
            tally.ok,
            tally.throttled,
            tally.failed()
        );
        if let Some(p99) = outputs.p99_ms {
            summary += &format!(", p99 {p99} ms");
        }
        if let (Some(most), Some(last)) = (outputs.instances_max, outputs.instances_final) {
            summary += &format!(", up to {}, {last} at the end", counted(most, "instance"));
        }
        if seen.held_back > 0 {
            summary += &format!(
                "; {} held back, since {} a second were answered",
                counted(seen.held_back, "request"),
                outputs.rate_achieved
            );
        }
        let figures = self.figures(seen, &tally, &outputs);
        Done::new(outputs, summary).figures(figures)
    }

    fn figures(&self, seen: &Observed, tally: &Tally, outputs: &Outputs) -> Vec<Figure> {
        let name = self
            .endpoint_name
            .as_ref()
            .map(|name| &name.0)
            .or(self.function_name.as_ref().map(|name| &name.0));
        let name = name.map_or("", String::as_str);
        // Times in the figure depend on how much faster the local cloud scales.
        let mut details: Vec<&str> =
            outputs.activities.iter().filter_map(|one| one.details.as_deref()).collect();
        details.sort_unstable();
        details.dedup();
        let details: String =
            details.iter().map(|said| format!(". {}", said.trim_end_matches('.'))).collect();
        let mut figures = vec![results::over_time(seen, format!("The load of {name} over time{details}"))];
        figures.extend(results::distribution(tally, format!("How long {name} took for an answer")));
        let shown = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
        let columns = ["requests", "ok", "throttled", "failed", "p50 ms", "p90 ms", "p99 ms", "max ms"];
        figures.push(Figure::Table {
            caption: format!("Answers of {name}; latency counts from when a request was due"),
            columns: columns.map(str::to_owned).into(),
            rows: vec![vec![
                outputs.requests.to_string(),
                tally.ok.to_string(),
                tally.throttled.to_string(),
                tally.failed().to_string(),
                shown(outputs.p50_ms),
                shown(outputs.p90_ms),
                shown(outputs.p99_ms),
                shown(outputs.max_ms),
            ]],
        });
        if !tally.errors.is_empty() {
            let row = |one: &ErrorCount| vec![one.code.clone(), one.count.to_string(), one.message.clone()];
            figures.push(Figure::Table {
                caption: "Requests that failed".into(),
                columns: ["code", "count", "the first of them"].map(str::to_owned).into(),
                rows: tally.errors.iter().map(row).collect(),
            });
        }
        if !outputs.activities.is_empty() {
            let row = |one: &Activity| vec![one.description.clone(), one.status.clone(), one.cause.clone()];
            figures.push(Figure::Table {
                caption: format!("What Application Auto Scaling did{details}"),
                columns: ["activity", "status", "cause"].map(str::to_owned).into(),
                rows: outputs.activities.iter().map(row).collect(),
            });
        }
        figures
    }
}
