//! The curves and tables that a step shows in the report. They are journaled: the report is made offline.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
pub enum Figure {
    Curve { caption: String, x: String, y: String, series: Vec<Series> },
    Table { caption: String, columns: Vec<String>, rows: Vec<Vec<String>> },
}

/// One line or scatter plot: points (x, y). A line's points are in the order of x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Whether it is a scatter plot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scattered: bool,
}

impl Series {
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, scattered: false }
    }

    pub fn scatter(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, scattered: true }
    }
}
