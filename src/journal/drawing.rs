//! What is drawn in the report, as plain data: plots, bars, a matrix, a sheet of pictures. The SVG is made from it later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::picture::Picture;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "drawing", rename_all = "snake_case")]
pub enum Drawing {
    Plot(Plot),
    Bars(Bars),
    Matrix(Matrix),
    Sheet(Sheet),
}

/// Lines, points and areas over axes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plot {
    pub panels: Vec<Panel>,
    /// Whether the panels stand above each other over one x axis, that of the first. Otherwise each has its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stacked: bool,
    /// Vertical lines through all panels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Panel {
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// What it measures: `latency`.
    pub label: String,
    /// In which unit, or empty: `ms`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    #[serde(default)]
    pub scale: Scale,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// From the smallest to the largest value.
    #[default]
    Linear,
    /// The same, and 0.
    FromZero,
    /// Values at or below 0 have no place.
    Logarithmic,
    /// A value is the index of a name.
    Categories(Vec<String>),
}

/// Points (x, y) that belong together. Those of a line or area are in the order of x.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// Whether only the points are drawn.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scattered: bool,
    /// Whether what lies below the line is filled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filled: bool,
}

/// An event, or a value that is worth a line of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Mark {
    pub x: f64,
    pub label: String,
}

/// Horizontal bars, one below the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bars {
    pub axis: Axis,
    /// The end of the axis, if it is not that of the longest bar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<f64>,
    pub rows: Vec<Bar>,
    /// Stands beside the bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Picture>,
    /// Lines below the picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bar {
    pub label: String,
    /// From where to where. A bar is in several pieces if it was interrupted.
    pub spans: Vec<(f64, f64)>,
    /// The value in words, written behind the bar.
    pub text: String,
}

/// How many things of each row were taken for each column: a confusion matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Matrix {
    /// What a row and a column are: `true class`, `predicted class`.
    pub row: String,
    pub column: String,
    /// Of rows and columns alike.
    pub names: Vec<String>,
    /// Row, column and count of each cell that is not 0.
    pub cells: Vec<(usize, usize, u64)>,
}

/// A picture that is a grid of cells of one size, each with a label of one or several lines.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sheet {
    pub picture: Picture,
    /// Cells in a row of the picture.
    pub columns: usize,
    /// The cells, row by row.
    pub labels: Vec<Vec<String>>,
}

impl Drawing {
    /// Returns every text, for those who mask or hide some.
    pub fn texts_mut(&mut self) -> Vec<&mut String> {
        let mut texts = Vec::new();
        match self {
            Self::Plot(Plot { panels, marks, .. }) => {
                for Panel { x, y, series } in panels {
                    x.texts_mut(&mut texts);
                    y.texts_mut(&mut texts);
                    texts.extend(series.iter_mut().map(|one| &mut one.name));
                }
                texts.extend(marks.iter_mut().map(|mark| &mut mark.label));
            }
            Self::Bars(Bars { axis, rows, picture, notes, .. }) => {
                axis.texts_mut(&mut texts);
                texts.extend(rows.iter_mut().flat_map(|row| [&mut row.label, &mut row.text]));
                texts.extend(picture.iter_mut().map(|picture| &mut picture.alt));
                texts.extend(notes);
            }
            Self::Matrix(Matrix { row, column, names, .. }) => {
                texts.extend([row, column]);
                texts.extend(names);
            }
            Self::Sheet(Sheet { picture, labels, .. }) => {
                texts.push(&mut picture.alt);
                texts.extend(labels.iter_mut().flatten());
            }
        }
        texts
    }

    /// Returns the picture in it, which lies beside the journal.
    pub fn picture(&self) -> Option<&Picture> {
        match self {
            Self::Bars(bars) => bars.picture.as_ref(),
            Self::Sheet(sheet) => Some(&sheet.picture),
            Self::Plot(_) | Self::Matrix(_) => None,
        }
    }
}

impl Axis {
    pub fn new(label: impl Into<String>, unit: impl Into<String>, scale: Scale) -> Self {
        Self { label: label.into(), unit: unit.into(), scale }
    }

    /// Returns an axis for times from 0 to about `seconds`, and how many seconds its unit has.
    pub fn time(label: &str, seconds: f64) -> (Self, f64) {
        let (unit, length) = match seconds {
            0.0..=0.5 => ("ms", 0.001),
            7200.0.. => ("h", 3600.0),
            180.0.. => ("min", 60.0),
            _ => ("s", 1.0),
        };
        (Self::new(label, unit, Scale::FromZero), length)
    }

    fn texts_mut<'a>(&'a mut self, texts: &mut Vec<&'a mut String>) {
        texts.extend([&mut self.label, &mut self.unit]);
        if let Scale::Categories(names) = &mut self.scale {
            texts.extend(names);
        }
    }
}

impl Series {
    pub fn line(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.into(), points, scattered: false, filled: false }
    }

    pub fn scatter(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { scattered: true, ..Self::line(name, points) }
    }

    pub fn area(name: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { filled: true, ..Self::line(name, points) }
    }
}
