//! The write-up as a Jupyter notebook (nbformat 4.5): prose in Markdown cells with its values, and for each step a code cell
//! with its block, whose outputs are its figures.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::Serde;
use minijinja::{Environment, Value as Shown, context};
use serde_json::{Map, Value, json};

use super::chart;
use super::data::ReportData;
use super::link::{Picture, Pictures};
use super::part::{Part, parts};
use super::template::Templates;
use super::veil::Veil;
use super::view::{Body, FigureView, StepView};
use super::{html, markdown};
use crate::diagnostic::printable;
use crate::runbook::{Declared, Runbook};

/// The first cell: what stands before the text.
const HEAD: &str = "# {{ data.title | text }}

{% set by = [data.author, data.date] | select | map(\"text\") | join(\" · \") %}
{% if by %}
*{{ by }}*
{% endif %}

{% include \"first.md.j2\" %}";
const CLOSING: &str = "{% include \"closing.md.j2\" %}";
const FIGURE_HTML: &str = "{% from \"figure.html.j2\" import show %}{{ show(figure, false) }}";
const FIGURE_MARKDOWN: &str = "{% from \"figure.md.j2\" import show %}{{ show(figure) }}";

/// Returns the notebook. The pictures of the prose and the drawings are in the cells that show them.
pub fn render(
    data: &ReportData,
    runbook: &Runbook,
    veil: &Veil,
    (pictures, kept): (&Pictures, &chart::Bytes),
) -> Result<Value, minijinja::Error> {
    let templates = Templates::default();
    let attached: Pictures = pictures.iter().map(|(to, picture)| (to.clone(), in_cell(picture))).collect();
    let mut files: Vec<(String, &str, String)> = markdown::drawings(data, kept)
        .into_iter()
        .map(|(path, svg)| (file_name(&path), "image/svg+xml", STANDARD.encode(svg)))
        .collect();
    for picture in pictures.values() {
        let media_type = if picture.format == "png" { "image/png" } else { "image/jpeg" };
        files.push((file_name(&picture.path), media_type, STANDARD.encode(&picture.bytes)));
    }
    let mut writer = Writer {
        data,
        markdown: markdown::environment(&templates, ATTACHMENT)?,
        html: html::environment(data, kept, &templates)?,
        kept,
        files,
        cells: Vec::new(),
    };
    writer.template("head", HEAD)?;
    for (number, part) in parts(&markdown::prose(data, &attached), data).into_iter().enumerate() {
        match part {
            Part::Prose(text) => writer.text(&format!("prose-{number}"), &text),
            Part::Figure(step, figure) => {
                if let Some(figure) = data.steps.get(step).and_then(|step| step.figures.get(figure)) {
                    let text = writer.as_markdown(figure)?;
                    writer.text(&format!("figure-{number}"), &text);
                }
            }
            Part::Step(index) => {
                if let (Some(view), Some(declared)) = (data.steps.get(index), runbook.steps.get(index)) {
                    let source = veil.text(&source(runbook, declared));
                    writer.step(view, &source)?;
                }
            }
        }
    }
    writer.template("closing", CLOSING)?;
    let file = runbook.source.path.file_name().unwrap_or_default().to_string_lossy();
    Ok(json!({
        "cells": writer.cells,
        "metadata": {
            "language_info": {"name": "yaml"},
            "title": data.title,
            MARK: {"runbook": file, "version": env!("CARGO_PKG_VERSION")},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }))
}

/// The member of a notebook's and of a cell's metadata that is ours.
pub const MARK: &str = "opsml";

/// What stands before the name of a picture that the cell itself holds.
const ATTACHMENT: &str = "attachment:";

fn in_cell(picture: &Picture) -> Picture {
    let path = format!("{ATTACHMENT}{}", file_name(&picture.path));
    Picture { bytes: Vec::new(), format: picture.format, path }
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Returns a step's block without its fences, below a comment that says its id.
fn source(runbook: &Runbook, step: &Declared) -> String {
    let block = runbook.source.shown(&step.span);
    let lines: Vec<&str> = block.lines().collect();
    let body = lines.get(1..lines.len().saturating_sub(1)).unwrap_or_default();
    format!("# opsml {}\n{}", step.id, body.join("\n"))
}

struct Writer<'a> {
    data: &'a ReportData,
    markdown: Environment<'a>,
    html: Environment<'a>,
    kept: &'a chart::Bytes,
    /// What a cell may show: name, media type, base64.
    files: Vec<(String, &'a str, String)>,
    cells: Vec<Value>,
}

impl Writer<'_> {
    fn template(&mut self, id: &str, template: &str) -> Result<(), minijinja::Error> {
        let data = Shown::from(Serde(self.data));
        let text = self.markdown.render_str(template, context! { data })?;
        self.text(id, &text);
        Ok(())
    }

    /// Adds a Markdown cell, unless there is nothing in it.
    fn text(&mut self, id: &str, text: &str) {
        let text = markdown::tidied(text);
        if text.trim().is_empty() {
            return;
        }
        let mut cell = json!({
            "cell_type": "markdown", "id": id, "metadata": {}, "source": lines(text.trim_matches('\n')),
        });
        let shown = |name: &str| text.contains(&format!("{ATTACHMENT}{name}"));
        let attachments: Map<String, Value> = self
            .files
            .iter()
            .filter(|(name, ..)| shown(name))
            .map(|(name, media_type, bytes)| (name.clone(), json!({*media_type: bytes})))
            .collect();
        if !attachments.is_empty() {
            cell["attachments"] = Value::Object(attachments);
        }
        self.cells.push(cell);
    }

    fn step(&mut self, view: &StepView, source: &str) -> Result<(), minijinja::Error> {
        let mut outputs = Vec::new();
        let stream =
            |name: &str, text: String| json!({"output_type": "stream", "name": name, "text": lines(&text)});
        let took = Some(&view.took).filter(|took| !took.is_empty());
        let took = took.map(|took| format!(" in {took}")).unwrap_or_default();
        match (view.status, &view.failure) {
            ("failed", Some(failure)) => {
                let hints = failure.hints.iter().map(|hint| format!("hint: {hint}"));
                let texts: Vec<String> =
                    std::iter::once(failure.to_string()).chain(hints).map(|line| printable(&line)).collect();
                outputs.push(json!({
                    "output_type": "error", "ename": printable(&failure.code),
                    "evalue": printable(&failure.message), "traceback": texts,
                }));
            }
            ("not run", _) => {}
            ("done", _) => outputs.push(stream("stdout", format!("done{took}: {}\n", view.summary))),
            (status, _) => {
                let note = view.note.as_deref().unwrap_or_default();
                outputs.push(stream("stdout", format!("{status}: {}\n", printable(note))));
            }
        }
        for figure in view.figures.iter().filter(|figure| !figure.placed) {
            outputs.extend(self.shown(figure)?);
        }
        self.cells.push(json!({
            "cell_type": "code",
            "id": format!("step-{}", view.id),
            "metadata": {MARK: {
                "step": view.id, "kind": view.kind, "status": view.status, "took": view.took, "ended": view.ended,
            }},
            "execution_count": null,
            "source": lines(source.trim_end()),
            "outputs": outputs,
        }));
        Ok(())
    }

    /// Returns the outputs that show a figure, each in several forms of which a reader takes the best that it has.
    fn shown(&self, figure: &FigureView) -> Result<Vec<Value>, minijinja::Error> {
        let output = |data: Value| json!({"output_type": "display_data", "metadata": {}, "data": data});
        let Body::Drawing(drawing) = &figure.body else {
            let html =
                self.html.render_str(FIGURE_HTML, context! { figure => Shown::from(Serde(figure)) })?;
            return Ok(vec![output(json!({
                "text/html": lines(html.trim()),
                "text/markdown": lines(&self.as_markdown(figure)?),
                "text/plain": lines(&plain(figure)),
            }))]);
        };
        let number = figure.number.unwrap_or_default();
        let svg = chart::svg(&format!("figure-{number}"), &figure.caption, drawing, self.kept);
        // Of a notebook from elsewhere, Jupyter shows no SVG but as a picture, which can run no script.
        let picture = format!(
            "<img alt=\"Figure {number}\" src=\"data:image/svg+xml;base64,{}\">",
            STANDARD.encode(&svg)
        );
        let caption = format!("**Figure {number}.** {}.", markdown::text(&figure.caption));
        Ok(vec![
            output(json!({
                "image/svg+xml": lines(&svg), "text/html": [picture], "text/plain": [format!("Figure {number}")],
            })),
            output(json!({"text/markdown": lines(&caption), "text/plain": lines(&plain(figure))})),
        ])
    }

    fn as_markdown(&self, figure: &FigureView) -> Result<String, minijinja::Error> {
        let text =
            self.markdown.render_str(FIGURE_MARKDOWN, context! { figure => Shown::from(Serde(figure)) })?;
        Ok(markdown::tidied(&text).trim_matches('\n').to_owned())
    }
}

/// A figure in words, for who has no more than a terminal.
fn plain(figure: &FigureView) -> String {
    let number = figure.number.map(|number| format!("Figure {number}. ")).unwrap_or_default();
    let mut texts = vec![format!("{number}{}", figure.caption)];
    match &figure.body {
        Body::Card { what, name, status, note, facts, folded } => {
            texts = vec![format!("{number}{what} {name}, {status}")];
            texts.extend(note.clone());
            let rows = facts.iter().chain(folded);
            texts.extend(
                rows.map(|fact| format!("  {}: {}", fact.name, fact.whole.as_ref().unwrap_or(&fact.value))),
            );
        }
        Body::Table { columns, rows, .. } => {
            let rows = std::iter::once(columns).chain(rows);
            texts.extend(rows.map(|row| row.join(" | ")));
        }
        Body::Code { head, rest, .. } => texts.extend([head.clone()].into_iter().chain(rest.clone())),
        Body::Drawing(_) => {}
    }
    printable(&texts.join("\n"))
}

/// Text as nbformat keeps it: a list of its lines with their ends, so that a difference is one of lines.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}
