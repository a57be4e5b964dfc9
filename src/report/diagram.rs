//! The diagram of what was built: boxes for resources in columns, each to the right of what it uses.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::step::capitalised;
use super::view::{Diagram, Node};
use crate::journal::{Made, ResourceStatus, State};
use crate::resource::{AnyResource, Drawn};
use crate::runbook::Runbook;

/// The most boxes of a diagram that can be read.
const MAX_NODES: usize = 40;

const WIDTH: f64 = 720.0;
const BOX: f64 = 156.0;
const LINE: f64 = 16.0;
const GAP: f64 = 18.0;

/// A resource with all that says what it uses.
struct Part<'a> {
    made: &'a Made,
    step: &'a str,
    drawn: Drawn,
    words: String,
}

/// Returns the diagram of the resources as they were when their steps ended. `None` if there are too few or too many to draw.
pub fn of(runbook: &Runbook, state: &State) -> Option<Diagram> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for step in runbook.steps.iter().filter(|step| step.common.expect_error.is_none()) {
        let made = state.steps.get(&step.id).into_iter().flat_map(|row| &row.made);
        for made in made.filter(|made| made.status != ResourceStatus::Intended) {
            let spec = state.resources.get(&made.id).map(|row| row.spec.clone()).unwrap_or_default();
            let words = format!("{spec} {}", Value::Object(made.facts.clone()));
            parts.push(Part { made, step: &step.id, drawn: AnyResource::drawn(&made.id.kind), words });
        }
    }
    let boxes: Vec<usize> = (0..parts.len()).filter(|at| parts[*at].drawn == Drawn::Box).collect();
    if !(2..=MAX_NODES).contains(&boxes.len()) {
        return None;
    }
    let uses: Vec<Vec<usize>> = (0..parts.len())
        .map(|user| {
            let others = (0..parts.len()).filter(|used| *used != user);
            others.filter(|used| names(&parts[user].words, &parts[*used].made.id.name)).collect()
        })
        .collect();
    let nodes = boxes.iter().map(|at| {
        let part = &parts[*at];
        let roles = reached(*at, &parts, &uses, Drawn::Role)
            .into_iter()
            .map(|role| format!("role: {}", parts[role].step));
        let attached = (0..parts.len()).filter(|other| {
            parts[*other].drawn == Drawn::Note && reached(*other, &parts, &uses, Drawn::Box).contains(at)
        });
        let attached = attached.map(|other| parts[other].made.id.what());
        let mut notes: Vec<String> = Vec::new();
        for note in roles.chain(attached) {
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
        Node { what: capitalised(&part.made.id.what()), step: part.step.to_owned(), notes }
    });
    let nodes = nodes.collect();
    let mut edges = Vec::new();
    for (to, at) in boxes.iter().enumerate() {
        for used in reached(*at, &parts, &uses, Drawn::Box) {
            // Two that name each other would make a circle: the later one uses the earlier.
            if let Some(from) = boxes.iter().position(|it| *it == used).filter(|from| *from < to) {
                edges.push((from, to));
            }
        }
    }
    Some(Diagram { nodes, edges: direct(edges) })
}

/// Returns the parts of a kind that one uses, be it by way of parts that only lead on.
fn reached(from: usize, parts: &[Part<'_>], uses: &[Vec<usize>], wanted: Drawn) -> Vec<usize> {
    let mut found = Vec::new();
    let mut seen = HashSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for used in &uses[at] {
            if !seen.insert(*used) {
                continue;
            }
            match parts[*used].drawn {
                drawn if drawn == wanted => found.push(*used),
                Drawn::Through => open.push(*used),
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}

/// Leaves out an edge where a longer way leads, too: a job that uses an endpoint's bucket by way of the endpoint.
fn direct(edges: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    let longer = |from: usize, to: usize| {
        let mut open: Vec<usize> = edges.iter().filter(|e| e.0 == from && e.1 != to).map(|e| e.1).collect();
        let mut seen = HashSet::new();
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if seen.insert(at) {
                open.extend(edges.iter().filter(|e| e.0 == at).map(|e| e.1));
            }
        }
        false
    };
    edges.iter().copied().filter(|(from, to)| !longer(*from, *to)).collect()
}

/// Whether a text has a name, not as a part of a longer one.
fn names(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !name.is_empty()
        && text.match_indices(name).any(|(at, _)| {
            !text[..at].chars().next_back().is_some_and(part)
                && !text[at + name.len()..].chars().next().is_some_and(part)
        })
}

/// Draws the diagram, complete with its style; `id` makes the ids in it unique in a page.
pub fn svg(id: &str, diagram: &Diagram) -> String {
    let columns = columns(diagram);
    let count = columns.iter().max().map_or(1, |last| last + 1);
    let width = WIDTH.max(count as f64 * (BOX + 34.0));
    let step = (width - BOX - 2.0) / (count.max(2) - 1) as f64;
    let mut bottoms = vec![1.0; count];
    let mut places = vec![(0.0, 0.0, 0.0); diagram.nodes.len()];
    for at in order(diagram, &columns) {
        let height = 14.0 + LINE * lines(&diagram.nodes[at]).len() as f64;
        places[at] = (1.0 + step * columns[at] as f64, bottoms[columns[at]], height);
        bottoms[columns[at]] += height + GAP;
    }
    let tallest = bottoms.iter().copied().fold(0.0, f64::max);
    for (at, place) in places.iter_mut().enumerate() {
        place.1 += (tallest - bottoms[columns[at]]) / 2.0;
    }
    let height = (tallest - GAP + 1.5).ceil();
    let mut svg = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" role="img" aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">What was built</title><desc id="{id}-desc">{}</desc><style>{STYLE}</style>"#,
        described(diagram),
    );
    for (from, to) in &diagram.edges {
        let ((x, y, tall), (to_x, to_y, to_tall)) = (places[*from], places[*to]);
        let (x, y, to_x, to_y) = (x + BOX, y + tall / 2.0, to_x - 7.0, to_y + to_tall / 2.0);
        let bend = ((to_x - x) / 2.0).min(70.0);
        let _ = write!(
            svg,
            r#"<path class="d-use" d="M{x:.1} {y:.1}C{:.1} {y:.1} {:.1} {to_y:.1} {to_x:.1} {to_y:.1}"/><path class="d-tip" d="M{:.1} {to_y:.1}l-8 -4v8z"/>"#,
            x + bend,
            to_x - bend,
            to_x + 6.0,
        );
    }
    for (node, (x, y, tall)) in diagram.nodes.iter().zip(&places) {
        let _ = write!(
            svg,
            r#"<rect class="d-box" x="{x:.1}" y="{y:.1}" width="{BOX}" height="{tall:.1}" rx="7"/>"#
        );
        for (line, (class, text)) in lines(node).into_iter().enumerate() {
            let y = y + 19.0 + LINE * line as f64;
            let _ = write!(svg, r#"<text class="{class}" x="{:.1}" y="{y:.1}">{text}</text>"#, x + 10.0);
        }
    }
    svg.push_str("</svg>");
    svg
}

const STYLE: &str = "text{font-family:system-ui,sans-serif;fill:#57606a}.d-what{font-size:12.5px;font-weight:600;fill:#1f2328}\
.d-step{font-size:11.5px;font-family:ui-monospace,monospace}.d-note{font-size:11px}.d-box{fill:#f6f8fa;stroke:#8c959f}\
.d-use{fill:none;stroke:#57606a;stroke-width:1.4}.d-tip{fill:#57606a}\
@media(prefers-color-scheme:dark){text{fill:#9da7b3}.d-what{fill:#dfe5ec}.d-box{fill:#171c23;stroke:#6b7683}.d-use{stroke:#9da7b3}.d-tip{fill:#9da7b3}}";

/// The lines of a box with their classes, wrapped to its width. Kinds and ids have no character that SVG would need escaped.
fn lines(node: &Node) -> Vec<(&'static str, String)> {
    let mut lines = wrapped("d-what", &node.what, 18);
    lines.extend(wrapped("d-step", &node.step, 19));
    lines.extend(node.notes.iter().flat_map(|note| wrapped("d-note", note, 22)));
    lines
}

fn wrapped(class: &'static str, text: &str, width: usize) -> Vec<(&'static str, String)> {
    let mut lines: Vec<(&'static str, String)> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut().filter(|(_, line)| line.len() + 1 + word.len() <= width) {
            Some((_, line)) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push((class, word.to_owned())),
        }
    }
    lines
}

/// Each node's column: one more than the last of those that it uses.
fn columns(diagram: &Diagram) -> Vec<usize> {
    let mut columns = vec![0; diagram.nodes.len()];
    // The nodes are in the order in which they were made, so what one uses comes before it.
    for to in 0..columns.len() {
        let used = diagram.edges.iter().filter(|edge| edge.1 == to).map(|edge| columns[edge.0] + 1);
        columns[to] = used.max().unwrap_or(0);
    }
    columns
}

/// Nodes column by column, each near the middle of those that it uses, so that few lines cross.
fn order(diagram: &Diagram, columns: &[usize]) -> Vec<usize> {
    let mut rank = vec![0.0; columns.len()];
    let mut ordered = Vec::new();
    for column in 0..=columns.iter().copied().max().unwrap_or(0) {
        let mut here: Vec<usize> = (0..columns.len()).filter(|at| columns[*at] == column).collect();
        let middle = |at: &usize| {
            let used: Vec<f64> =
                diagram.edges.iter().filter(|edge| edge.1 == *at).map(|edge| rank[edge.0]).collect();
            if used.is_empty() { *at as f64 } else { used.iter().sum::<f64>() / used.len() as f64 }
        };
        here.sort_by(|a, b| middle(a).total_cmp(&middle(b)));
        for (place, at) in here.iter().enumerate() {
            rank[*at] = place as f64;
        }
        ordered.extend(here);
    }
    ordered
}

/// What the diagram shows, in words.
fn described(diagram: &Diagram) -> String {
    let name = |at: usize| format!("{} {}", diagram.nodes[at].what.to_lowercase(), diagram.nodes[at].step);
    let lines = diagram.edges.iter().map(|(from, to)| format!("{} uses {}", name(*to), name(*from)));
    lines.collect::<Vec<_>>().join("; ")
}
