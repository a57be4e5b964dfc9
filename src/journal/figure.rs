//! The curves and tables that a step shows in the report. They are journaled: the report is made offline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::secret::Masker;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
pub enum Figure {
    Curve {
        caption: String,
        x: String,
        y: String,
        series: Vec<Series>,
    },
    Table {
        caption: String,
        columns: Vec<String>,
        rows: Vec<Vec<String>>,
    },
    /// A listing: code, JSON or a log, with its lines.
    Code {
        caption: String,
        language: String,
        text: String,
    },
}

/// One line or scatter plot: points (x, y). A line's points are in the order of x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Whether it is a scatter plot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scattered: bool,
}

impl Figure {
    pub fn code(caption: impl Into<String>, language: &str, text: impl Into<String>) -> Self {
        Self::Code { caption: caption.into(), language: language.to_owned(), text: text.into() }
    }

    /// A value as indented JSON.
    pub fn json(caption: impl Into<String>, value: &Value) -> Self {
        Self::code(caption, "json", format!("{value:#}"))
    }

    /// Masks the secrets in its words.
    pub(super) fn mask(&mut self, masker: &Masker) {
        match self {
            Self::Curve { caption, x, y, series } => {
                let names = series.iter_mut().map(|one| &mut one.name);
                [caption, x, y].into_iter().chain(names).for_each(|text| masker.text(text));
            }
            Self::Code { caption, text, .. } => {
                [caption, text].into_iter().for_each(|text| masker.text(text))
            }
            Self::Table { caption, columns, rows } => {
                let cells = columns.iter_mut().chain(rows.iter_mut().flatten());
                std::iter::once(caption).chain(cells).for_each(|text| masker.text(text));
            }
        }
    }
}

impl Series {
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, scattered: false }
    }

    pub fn scatter(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, scattered: true }
    }
}
