//! Everything that a write-up shows, as one plain value: made from the runbook and the journal alone, veiled.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::fact::{Fact, facts, took};
use super::prose::{self, Known};
use super::token::{Tokens, one_line, words};
use super::veil::Veil;
use crate::failure::Failure;
use crate::journal::{
    Figure, Made, ResourceId, ResourceStatus, RunOutcome, RunRow, Series, State, StepStatus,
};
use crate::runbook::{Declared, Runbook};

#[derive(Debug, Serialize)]
pub struct ReportData {
    pub title: String,
    pub author: Option<String>,
    pub date: Option<String>,
    /// Why the last run did not end well; the report opens with it.
    pub trouble: Option<Trouble>,
    /// Markdown with tokens in the place of values, steps and literal code.
    #[serde(skip)]
    pub prose: String,
    #[serde(skip)]
    pub tokens: Tokens,
    /// In document order.
    pub steps: Vec<StepView>,
    pub run: Option<RunView>,
    /// What is alive now: the only part of a write-up that shows a later state than that in which each step ended.
    pub live: LiveView,
}

/// A resource that is alive, and what it costs. Who writes the report knows the prices.
#[derive(Clone, Debug, PartialEq)]
pub struct Alive {
    pub id: ResourceId,
    pub step: String,
    /// Milliseconds since 1970.
    pub since: i64,
    /// US dollars an hour from now on, if it bills by the hour and its price is known.
    pub hourly: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct LiveView {
    /// When the journal was written last.
    pub at: String,
    /// Resource, name, step, since when, US dollars an hour.
    pub rows: Vec<[String; 5]>,
    /// `0.115 USD an hour`.
    pub sum: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Trouble {
    /// `The run failed at step train`.
    pub what: String,
    /// `project.md, line 40`.
    pub place: Option<String>,
    pub failure: Option<Failure>,
    /// What to do.
    pub ways_out: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct StepView {
    pub id: String,
    pub kind: String,
    /// `done`, `failed`, `skipped`, `interrupted`, `not run`.
    pub status: &'static str,
    /// Why it was skipped, or what is meant by its status.
    pub note: Option<String>,
    pub took: String,
    pub summary: String,
    pub failure: Option<Failure>,
    pub figures: Vec<FigureView>,
}

#[derive(Debug, Serialize)]
pub struct FigureView {
    /// `None` for a card, unless the prose refers to it.
    pub number: Option<usize>,
    /// Whether it folds away: a card that nobody has captioned, and nothing refers to.
    pub folds: bool,
    pub caption: String,
    #[serde(flatten)]
    pub body: Body,
}

#[derive(Debug, Serialize)]
#[serde(tag = "body", rename_all = "snake_case")]
pub enum Body {
    /// A resource, or an act's outputs.
    Card {
        what: String,
        name: String,
        status: String,
        note: Option<String>,
        facts: Vec<Fact>,
    },
    Curve {
        x: String,
        y: String,
        series: Vec<Series>,
    },
    Table {
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
}

#[derive(Debug, Serialize)]
pub struct RunView {
    /// Name and value.
    pub facts: Vec<(String, String)>,
    pub params: Vec<(String, String)>,
}

impl ReportData {
    pub fn new(runbook: &Runbook, state: &State, alive: &[Alive]) -> Self {
        let veil = Veil::new(&state.target, &state.account);
        let file = runbook.source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut number = 0;
        let referred = runbook.figure_references();
        let mut steps = Vec::new();
        let mut put_out = Vec::new();
        for step in &runbook.steps {
            let outputs = state.steps.get(&step.id).and_then(|row| row.outputs.as_ref());
            let outputs = outputs.map(|outputs| veil.value(outputs));
            let is_referred = referred.contains(step.id.as_str());
            steps.push(step_view(step, state, outputs.as_ref(), &veil, (&mut number, is_referred)));
            put_out.push(outputs);
        }
        let known = known(runbook, state, &steps, put_out, &veil);
        let (prose, tokens) = prose::render(runbook, &known);
        Self {
            title: veil.text(runbook.title()),
            author: runbook.front.author.as_deref().map(|author| veil.text(author)),
            date: runbook.front.date.as_deref().map(|date| veil.text(date)),
            trouble: trouble(runbook, state, &steps, &veil, &file),
            prose,
            tokens,
            run: run_view(state, &veil, &file),
            live: live_view(state, alive, &veil),
            steps,
        }
    }

    pub fn figures(&self) -> impl Iterator<Item = &FigureView> {
        self.steps.iter().flat_map(|step| &step.figures)
    }
}

fn known(
    runbook: &Runbook,
    state: &State,
    views: &[StepView],
    outputs: Vec<Option<Value>>,
    veil: &Veil,
) -> Known {
    let object = |value: Value| match veil.value(&value) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let last = filling_run(state);
    // Before the first run, the parameters are what they would be.
    let params = last
        .map_or_else(|| runbook.params(&Default::default()).unwrap_or_default(), |run| run.params.clone());
    let outputs =
        views.iter().zip(outputs).map(|(view, outputs)| (view.id.clone(), outputs.ok_or(view.status)));
    Known {
        params: object(Value::Object(params)),
        run: object(json!({
            "id": last.map(|run| run.run), "stack": state.stack, "target": state.target,
            "account": state.account, "region": state.region,
        })),
        steps: outputs.collect(),
        figures: views
            .iter()
            .map(|view| (view.id.clone(), view.figures.iter().filter_map(|f| f.number).collect()))
            .collect(),
    }
}

fn step_view(
    step: &Declared,
    state: &State,
    outputs: Option<&Value>,
    veil: &Veil,
    (number, is_referred): (&mut usize, bool),
) -> StepView {
    let row = state.steps.get(&step.id);
    let status = match row.map(|row| row.status) {
        None => "not run",
        Some(StepStatus::Done) => "done",
        Some(StepStatus::Failed) => "failed",
        Some(StepStatus::Skipped) => "skipped",
        Some(StepStatus::Running) => "interrupted",
    };
    // A step that must fail puts out its error, and leaves a resource of which nothing else is known.
    let error = outputs
        .filter(|_| step.common.expect_error.is_some())
        .and_then(|outputs| outputs.get("error")?.as_object());
    let mut bodies: Vec<(String, Body)> = Vec::new();
    // The step's own caption belongs to what it is for: the last that it makes, but for what hands a role out.
    let mut captioned = 0;
    let made = match row.filter(|row| row.status != StepStatus::Running) {
        Some(row) => row.made.clone(),
        // How they are now is all that is known of a step that has not ended.
        None => state.resources.of_step(&step.id).into_iter().map(|(id, row)| Made::now(id, row)).collect(),
    };
    for resource in &made {
        let id = &resource.id;
        let what = capitalised(&id.kind.replace('-', " "));
        let mut card = card(what.clone(), veil.text(&id.name), resource, veil);
        if let (Body::Card { status, facts: rows, .. }, Some(error)) = (&mut card, error)
            && rows.is_empty()
        {
            (*status, *rows) = ("failed, as it must".into(), facts(error));
        }
        if id.kind != "instance-profile" {
            captioned = bodies.len();
        }
        bodies.push((what, card));
    }
    if let (true, Some(Value::Object(outputs))) = (bodies.is_empty(), outputs) {
        let (what, name) = (capitalised(&step.kind.name), step.id.clone());
        let facts = facts(outputs);
        bodies.push((
            format!("Outputs of {name}"),
            Body::Card { what, name, status: status.into(), note: None, facts },
        ));
        // What a step without resources is for is its first chart or table.
        captioned = usize::from(row.is_some_and(|row| !row.figures.is_empty()));
    }
    for figure in row.into_iter().flat_map(|row| &row.figures) {
        bodies.push(drawn(figure, veil));
    }
    // What `figure("…")` refers to is a figure, if the step has no other.
    let is_referred = is_referred && row.is_none_or(|row| row.figures.is_empty());
    let figures = bodies.into_iter().enumerate().map(|(index, (caption, body))| {
        let own = step.common.caption.as_ref().filter(|_| index == captioned);
        let is_figure = !matches!(body, Body::Card { .. }) || (is_referred && index == captioned);
        let folds = !is_figure && own.is_none();
        *number += usize::from(is_figure);
        let caption = own.map_or(caption, |own| veil.text(own));
        FigureView { number: is_figure.then_some(*number), folds, caption, body }
    });
    StepView {
        id: step.id.clone(),
        kind: step.kind.name.clone(),
        status,
        note: match status {
            "skipped" => row.map(|row| veil.text(&row.reason)),
            "interrupted" => Some("the run ended before this step did; the next run goes on with it".into()),
            _ => None,
        },
        took: row
            .and_then(|row| row.took())
            .map(|(milliseconds, attempts)| match attempts {
                1 => took(milliseconds),
                more => format!("{} in {more} attempts", took(milliseconds)),
            })
            .filter(|_| status != "skipped")
            .unwrap_or_default(),
        summary: row.map(|row| one_line(&veil.text(&row.summary))).unwrap_or_default(),
        failure: row.and_then(|row| row.failure.as_ref()).map(|failure| veiled(failure, veil)),
        figures: figures.collect(),
    }
}

fn veiled(failure: &Failure, veil: &Veil) -> Failure {
    failure.map_texts(|text| veil.text(text))
}

fn card(what: String, name: String, resource: &Made, veil: &Veil) -> Body {
    let described = resource.facts.get("status").and_then(Value::as_str).map(|status| veil.text(status));
    let status = match resource.status {
        ResourceStatus::Ready => described.unwrap_or_else(|| "ready".into()),
        ResourceStatus::Deleted => "deleted".into(),
        ResourceStatus::Intended => "planned, and never seen".into(),
        ResourceStatus::Created => "created, not ready".into(),
        ResourceStatus::Updating => "updating".into(),
        ResourceStatus::Deleting => "deleting".into(),
    };
    let deleted =
        resource.deleted.map(|at| format!("It is gone since {}; what follows is how it was.", time(at)));
    let adopted = resource.adopted.then(|| "It was there already, and was taken over.".to_owned());
    let note = [adopted, deleted].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let shown = resource.facts.iter().filter(|(name, _)| *name != "status");
    let shown: Map<String, Value> = shown.map(|(name, value)| (name.clone(), value.clone())).collect();
    let facts = match veil.value(&Value::Object(shown)) {
        Value::Object(map) => facts(&map),
        _ => Vec::new(),
    };
    Body::Card { what, name, status, note: Some(note).filter(|note| !note.is_empty()), facts }
}

fn drawn(figure: &Figure, veil: &Veil) -> (String, Body) {
    let all = |texts: &[String]| texts.iter().map(|text| veil.text(text)).collect();
    match figure {
        Figure::Curve { caption, x, y, series } => {
            let series = series.iter().map(|one| Series { name: veil.text(&one.name), ..one.clone() });
            (veil.text(caption), Body::Curve { x: veil.text(x), y: veil.text(y), series: series.collect() })
        }
        Figure::Table { caption, columns, rows } => (
            veil.text(caption),
            Body::Table { columns: all(columns), rows: rows.iter().map(|row| all(row)).collect() },
        ),
    }
}

fn trouble(runbook: &Runbook, state: &State, steps: &[StepView], veil: &Veil, file: &str) -> Option<Trouble> {
    let run = state.runs.last()?;
    let outcome = run.outcome;
    if outcome == Some(RunOutcome::Done) {
        return None;
    }
    // A step that is done may be what the run ended at: it is not as expected any more, or its files are gone.
    let ended_at = |view: &StepView| match &run.cause {
        Some(cause) => cause.step == view.id,
        None => view.status == "interrupted",
    };
    let step = steps.iter().zip(&runbook.steps).find(|(view, _)| ended_at(view));
    let what = match (outcome, step) {
        (None, _) => "The run has not ended: this is how far it is.".to_owned(),
        (Some(RunOutcome::Interrupted), Some((view, _))) => {
            format!("The run was interrupted in step {}.", view.id)
        }
        (Some(RunOutcome::Interrupted), None) => "The run was interrupted.".to_owned(),
        (Some(RunOutcome::Unexpected), Some((view, _))) => format!("Step {} is not as expected.", view.id),
        (Some(RunOutcome::Unexpected), None) => "A step is not as expected any more.".to_owned(),
        (_, Some((view, _))) => format!("The run failed in step {}.", view.id),
        (_, None) => "The run failed.".to_owned(),
    };
    let failure = run.cause.as_ref().map(|cause| veiled(&cause.failure, veil));
    let mut ways_out = failure.as_ref().map(|failure| failure.hints.clone()).unwrap_or_default();
    ways_out.push(format!("opsml run {file} goes on from here: what is done is kept"));
    Some(Trouble {
        what,
        place: step
            .map(|(_, step)| format!("{file}, line {}", runbook.source.position(step.id_span.start).line)),
        failure,
        ways_out,
    })
}

/// Returns the run that filled the write-up: the last one that ran a step. Later ones kept what it had done.
fn filling_run(state: &State) -> Option<&RunRow> {
    state.runs.iter().rev().find(|run| run.started_steps > 0).or(state.runs.last())
}

fn run_view(state: &State, veil: &Veil, file: &str) -> Option<RunView> {
    let (run, last) = (filling_run(state)?, state.runs.last()?);
    let outcome = |run: &RunRow| match run.outcome {
        None => "has not ended",
        Some(RunOutcome::Done) => "done",
        Some(RunOutcome::Failed) => "failed",
        Some(RunOutcome::Interrupted) => "interrupted",
        Some(RunOutcome::Unexpected) => "not as expected",
    };
    let again = (last.run != run.run).then(|| {
        format!("run {}, {}, {}", last.run, outcome(last), time(last.ended.unwrap_or(last.started)))
    });
    let mut facts = vec![
        ("runbook", file.to_owned()),
        ("run", format!("{}, {}", run.run, outcome(run))),
        ("started", time(run.started)),
        ("ended", run.ended.map(time).unwrap_or_default()),
        ("looked at again by", again.unwrap_or_default()),
        ("target", state.target.clone()),
        ("account", state.account.clone()),
        ("region", state.region.clone()),
        ("stack", state.stack.clone()),
        ("opsml", run.version.clone()),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    let params = veil.value(&Value::Object(run.params.clone()));
    let params = params.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), words(value)));
    Some(RunView {
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), veil.text(&value))).collect(),
        params: params.collect(),
    })
}

fn live_view(state: &State, alive: &[Alive], veil: &Veil) -> LiveView {
    let hourly = |usd: f64| format!("{usd:.3}");
    let rows = alive.iter().map(|one| {
        let what = capitalised(&one.id.kind.replace('-', " "));
        let hour = one.hourly.map(hourly).unwrap_or_default();
        [what, veil.text(&one.id.name), one.step.clone(), time(one.since), hour]
    });
    let sum: f64 = alive.iter().filter_map(|one| one.hourly).sum();
    LiveView {
        at: time(state.last),
        rows: rows.collect(),
        sum: (sum > 0.0).then(|| format!("{} USD an hour", hourly(sum))),
    }
}

/// Milliseconds since 1970 as UTC.
fn time(at: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
