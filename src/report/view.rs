//! The parts of a write-up as plain values, which the templates see.

use schemars::JsonSchema;
use serde::Serialize;

use super::fact::Fact;
use super::label::Label;
use crate::failure::Failure;
use crate::journal::Drawing;

/// What stands before the text.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FirstPage {
    /// The numbers that matter: label and value.
    pub summary: Vec<(String, String)>,
    /// Name and value: the runbook, its commit and digest, where and when it ran.
    pub facts: Vec<(String, String)>,
    /// What was built. Its number is 1.
    pub diagram: Option<Diagram>,
}

/// The resources, and what they use of each other.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Diagram {
    /// In the order in which they were made.
    pub nodes: Vec<Node>,
    /// Indexes of nodes: the second uses the first.
    pub edges: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Node {
    /// `Training job`.
    pub what: String,
    pub step: String,
    /// Its role, and what is attached to it: `role: function_role`, `scaling policy`.
    pub notes: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveView {
    /// When the journal was written last.
    pub at: String,
    /// Resource, name, step, since when, US dollars an hour.
    pub rows: Vec<[String; 5]>,
    /// `0.115 USD an hour`.
    pub sum: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Trouble {
    /// `The run failed at step train`.
    pub what: String,
    /// `project.md, line 40`.
    pub place: Option<String>,
    pub failure: Option<Failure>,
    /// What to do.
    pub ways_out: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct StepView {
    pub id: String,
    pub kind: String,
    /// `done`, `failed`, `skipped`, `interrupted`, `not run`.
    pub status: &'static str,
    /// Why it was skipped, or what is meant by its status.
    pub note: Option<String>,
    pub took: String,
    /// The run and the time of its outputs.
    pub ended: Option<String>,
    pub summary: String,
    pub failure: Option<Failure>,
    pub figures: Vec<FigureView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct FigureView {
    /// `None` for a card, unless the prose refers to it.
    pub number: Option<Label>,
    /// Whether it folds away: a card that nobody has captioned, and nothing refers to.
    pub folds: bool,
    /// Whether the prose places it elsewhere than at its step.
    pub placed: bool,
    pub caption: String,
    #[serde(flatten)]
    pub body: Body,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "body", rename_all = "snake_case")]
pub enum Body {
    /// A resource, or an act's outputs.
    Card {
        what: String,
        name: String,
        status: String,
        note: Option<String>,
        facts: Vec<Fact>,
        /// The rows that fold away.
        folded: Vec<Fact>,
    },
    /// What becomes an SVG.
    Drawing(Drawing),
    Table {
        columns: Vec<String>,
        /// Whether each column holds numbers alone.
        numeric: Vec<bool>,
        rows: Vec<Vec<String>>,
    },
    /// A listing; the rest of its lines folds away.
    Code { language: String, head: String, rest: Option<String> },
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct RunView {
    /// Name and value.
    pub facts: Vec<(String, String)>,
    pub params: Vec<(String, String)>,
}
