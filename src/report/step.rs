//! A step in a write-up: its figures, as they were when it ended.

use serde_json::{Map, Value};

use super::fact::{Fact, facts};
use super::label::Label;
use super::table::table;
use super::token::one_line;
use super::veil::Veil;
use super::view::{Body, FigureView, StepView};
use crate::failure::Failure;
use crate::journal::{Drawing, Figure, Made, ResourceStatus, State, StepRow, StepStatus, one_panel};
use crate::resource::AnyResource;
use crate::runbook::Declared;
use crate::step::Common;
use crate::written::{self, time};

/// The most lines of a listing that is shown whole.
const LINES: usize = 24;
/// How many lines of a longer one are shown.
const HEAD: usize = 12;

/// Returns the step without the numbers of its figures. `referred` says whether the prose refers to its figures.
pub fn step_view(
    step: &Declared,
    state: &State,
    outputs: Option<&Value>,
    veil: &Veil,
    referred: bool,
) -> StepView {
    let row = state.steps.get(&step.id);
    let status = match row.map(|row| row.status) {
        None => "not run",
        Some(StepStatus::Done) => "done",
        Some(StepStatus::Failed) => "failed",
        Some(StepStatus::Skipped) => "skipped",
        Some(StepStatus::Running) => "interrupted",
    };
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
            .and_then(StepRow::took)
            .map(|(milliseconds, attempts)| match attempts {
                1 => written::duration(milliseconds),
                more => format!("{} in {more} attempts", written::duration(milliseconds)),
            })
            .filter(|_| status != "skipped")
            .unwrap_or_default(),
        ended: row
            .filter(|row| row.outputs.is_some())
            .and_then(|row| Some(format!("run {}, {}", row.run, time(row.ended?)))),
        summary: match step.common.expect_error.as_ref().filter(|_| status == "done") {
            Some(code) => format!("failed as expected: {code}"),
            None => row.map(|row| one_line(&veil.text(&row.summary))).unwrap_or_default(),
        },
        failure: row.and_then(|row| row.failure.as_ref()).map(|failure| veiled(failure, veil)),
        figures: figures(step, state, outputs, status, veil, referred),
    }
}

fn figures(
    step: &Declared,
    state: &State,
    outputs: Option<&Value>,
    status: &'static str,
    veil: &Veil,
    referred: bool,
) -> Vec<FigureView> {
    let row = state.steps.get(&step.id);
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
        if resource.id.kind != "instance-profile" {
            captioned = bodies.len();
        }
        let default = AnyResource::rows(&resource.id.kind);
        let mut card = resource_card(resource, &step.common, default, veil);
        if let (Body::Card { status, facts: rows, .. }, Some(error)) = (&mut card, error)
            && rows.is_empty()
        {
            (*status, *rows) = ("failed, as it must".into(), facts(error));
        }
        bodies.push((capitalised(&resource.id.what()), card));
    }
    if let (true, Some(Value::Object(outputs))) = (bodies.is_empty(), outputs) {
        let (what, name) = (capitalised(&step.kind.name.replace('_', " ")), step.id.clone());
        let rows = if error.is_none() { step.info.rows } else { &[] };
        let (facts, folded) = shown(facts(outputs), &step.common, rows);
        let card = Body::Card { what, name, status: status.into(), note: None, facts, folded };
        bodies.push((format!("Outputs of {}", step.id), card));
        // What a step without resources is for is its first chart or table.
        captioned = usize::from(row.is_some_and(|row| !row.figures.is_empty()));
    }
    for figure in row.into_iter().flat_map(|row| &row.figures) {
        // What a listing shows whole is in no card again.
        if let Figure::Code { text, .. } = figure {
            let listed = veil.text(text);
            for (_, body) in &mut bodies {
                leave_out(body, listed.trim_end());
            }
        }
        bodies.push(drawn(figure, veil));
    }
    if step.common.hides_cards() {
        let is_card = |(_, body): &(String, Body)| matches!(body, Body::Card { .. } | Body::Code { .. });
        captioned -= bodies[..captioned.min(bodies.len())].iter().filter(|it| is_card(it)).count();
        bodies.retain(|it| !is_card(it));
    }
    // What `ref("…")` refers to is a figure, if the step has no other.
    let referred = referred && row.is_none_or(|row| row.figures.is_empty());
    let figures = bodies.into_iter().enumerate().map(|(index, (caption, body))| {
        let own = step.common.caption.as_ref().filter(|_| index == captioned);
        let is_figure =
            !matches!(body, Body::Card { .. } | Body::Code { .. }) || (referred && index == captioned);
        FigureView {
            number: is_figure.then_some(Label::default()),
            folds: matches!(body, Body::Card { .. }) && !is_figure && own.is_none(),
            placed: false,
            caption: own.map_or(caption, |own| veil.text(own)),
            body,
        }
    });
    figures.collect()
}

/// Takes the rows out of a card whose whole value is this text.
fn leave_out(card: &mut Body, text: &str) {
    let is_other = |fact: &Fact| fact.whole.as_deref().is_none_or(|whole| whole.trim_end() != text);
    if let Body::Card { facts, folded, .. } = card {
        facts.retain(is_other);
        folded.retain(is_other);
    }
}

pub fn veiled(failure: &Failure, veil: &Veil) -> Failure {
    failure.map_texts(|text| veil.text(text))
}

fn resource_card(resource: &Made, common: &Common, default: &[&str], veil: &Veil) -> Body {
    let what = capitalised(&resource.id.what());
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
    let known = resource.facts.iter().filter(|(name, _)| *name != "status");
    let known: Map<String, Value> = known.map(|(name, value)| (name.clone(), value.clone())).collect();
    let all = match veil.value(&Value::Object(known)) {
        Value::Object(map) => facts(&map),
        _ => Vec::new(),
    };
    let (facts, folded) = shown(all, common, default);
    let note = Some(note).filter(|note| !note.is_empty());
    Body::Card { what, name: veil.text(&resource.id.name), status, note, facts, folded }
}

/// Parts the rows into those that are shown, in the order of the choice, and those that fold away. A row that is chosen
/// and not there is shown as such.
fn shown(all: Vec<Fact>, common: &Common, default: &[&str]) -> (Vec<Fact>, Vec<Fact>) {
    let own = common.rows();
    if common.shows_all_rows() || (own.is_none() && default.is_empty()) {
        return (all, Vec::new());
    }
    let chosen: Vec<&str> = own.map_or(default.to_vec(), |rows| rows.iter().map(String::as_str).collect());
    let mut rest = all;
    let mut facts = Vec::new();
    for name in &chosen {
        let (of_it, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|fact| fact.key == *name);
        if of_it.is_empty() && own.is_some() {
            let there: Vec<&str> = others.iter().map(|fact| fact.key.as_str()).collect();
            facts.push(Fact::absent(name, &there));
        }
        facts.extend(of_it);
        rest = others;
    }
    (facts, rest)
}

fn drawn(figure: &Figure, veil: &Veil) -> (String, Body) {
    let all = |texts: &[String]| texts.iter().map(|text| veil.text(text)).collect();
    match figure {
        Figure::Drawn { caption, drawing } => (veil.text(caption), veiled_drawing(drawing.clone(), veil)),
        Figure::Curve { caption, x, y, series } => {
            (veil.text(caption), veiled_drawing(one_panel(x, y, series), veil))
        }
        Figure::Table { caption, columns, rows } => {
            (veil.text(caption), table(all(columns), rows.iter().map(|row| all(row)).collect()))
        }
        Figure::Code { caption, language, text } => {
            let text = veil.text(text);
            let lines: Vec<&str> = text.trim_end().lines().collect();
            let (head, rest) = lines.split_at(if lines.len() > LINES { HEAD } else { lines.len() });
            let rest = (!rest.is_empty()).then(|| rest.join("\n"));
            (veil.text(caption), Body::Code { language: language.clone(), head: head.join("\n"), rest })
        }
    }
}

fn veiled_drawing(mut drawing: Drawing, veil: &Veil) -> Body {
    for text in drawing.texts_mut() {
        *text = veil.text(text);
    }
    Body::Drawing(drawing)
}

pub fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
