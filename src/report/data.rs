//! Everything that a write-up shows, as one plain value: made from the runbook, the journal and their background, veiled.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::background::Background;
use super::closing::{filling_run, live_view, run_view, trouble};
use super::diagram;
use super::first;
use super::label::Label;
use super::number;
use super::overview::{cost_by_step, timeline};
use super::prose::{self, Known};
use super::step::step_view;
use super::token::Tokens;
use super::veil::Veil;
use super::view::{Body, FigureView, FirstPage, LiveView, RunView, StepView, Trouble};
use crate::journal::{Drawing, State};
use crate::runbook::Runbook;

#[derive(Debug, Serialize, JsonSchema)]
pub struct ReportData {
    pub title: String,
    pub author: Option<String>,
    pub date: Option<String>,
    pub first: FirstPage,
    /// Why the last run did not end well; the report opens with it.
    pub trouble: Option<Trouble>,
    /// Markdown with tokens in the place of values, steps and literal code.
    #[serde(skip)]
    pub prose: String,
    #[serde(skip)]
    pub tokens: Tokens,
    /// In document order.
    pub steps: Vec<StepView>,
    /// When each step ran, and what each has cost by AWS's prices.
    pub overview: Vec<FigureView>,
    pub run: Option<RunView>,
    /// What is alive now: the only part of a write-up that shows a later state than that in which each step ended.
    pub live: LiveView,
}

impl ReportData {
    pub fn new(runbook: &Runbook, state: &State, background: &Background) -> Self {
        let veil = Veil::new(&state.target, &state.account);
        let file = runbook.source.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let uses = runbook.figure_uses();
        let mut steps = Vec::new();
        let mut put_out = Vec::new();
        for step in &runbook.steps {
            let outputs = state.steps.get(&step.id).and_then(|row| row.outputs.as_ref());
            let outputs = outputs.map(|outputs| veil.value(outputs));
            let referred = uses.iter().any(|it| it.step == step.id);
            steps.push(step_view(step, state, outputs.as_ref(), &veil, referred));
            put_out.push(outputs);
        }
        let diagram = diagram::of(runbook, state);
        // The diagram is figure 1, if there is one.
        number::figures(runbook, &uses, 1 + usize::from(diagram.is_some()), &mut steps);
        let known = known(runbook, state, &steps, put_out, &veil);
        let (prose, mut tokens) = prose::render(runbook, &known);
        number::place(&prose, &mut tokens, &mut steps);
        Self {
            title: veil.text(runbook.title()),
            author: runbook.front.author.as_deref().map(|author| veil.text(author)),
            date: runbook.front.date.as_deref().map(|date| veil.text(date)),
            first: first::page(runbook, state, background, (&known, &veil), diagram),
            trouble: trouble(runbook, state, &steps, &veil, &file),
            prose,
            tokens,
            overview: overview(state, background, &steps),
            run: run_view(state, &veil, &file),
            live: live_view(state, &background.alive, &veil),
            steps,
        }
    }

    pub fn figures(&self) -> impl Iterator<Item = &FigureView> {
        self.steps.iter().flat_map(|step| &step.figures).chain(&self.overview)
    }

    /// Returns the drawings, each with its figure's number and caption.
    pub fn drawings(&self) -> impl Iterator<Item = (Label, &str, &Drawing)> {
        self.figures().filter_map(|figure| match &figure.body {
            Body::Drawing(drawing) => Some((figure.number?, figure.caption.as_str(), drawing)),
            Body::Card { .. } | Body::Table { .. } | Body::Code { .. } => None,
        })
    }
}

/// The drawings of the whole run. Their numbers follow those of the steps' figures.
fn overview(state: &State, background: &Background, steps: &[StepView]) -> Vec<FigureView> {
    let timeline = filling_run(state).and_then(|run| timeline(state, run));
    let costs = cost_by_step(background.spent.iter().map(|(step, usd)| (step.as_str(), *usd)));
    let drawn = [("When each step ran", timeline), ("What each step has cost, by AWS's prices", costs)];
    let last =
        steps.iter().flat_map(|step| &step.figures).filter_map(|figure| Some(figure.number?.figure)).max();
    let drawn = drawn.into_iter().filter_map(|(caption, drawing)| Some((caption, drawing?)));
    (last.unwrap_or(1) + 1..)
        .zip(drawn)
        .map(|(number, (caption, drawing))| FigureView {
            number: Some(Label { figure: number, part: None }),
            folds: false,
            placed: false,
            caption: caption.to_owned(),
            body: Body::Drawing(drawing),
        })
        .collect()
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
