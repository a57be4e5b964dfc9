//! The drawings and tables that a step shows in the report. They are journaled: the report is made offline.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::drawing::{Axis, Drawing, Panel, Plot, Scale, Series};
use crate::secret::Masker;
use crate::written;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "figure", rename_all = "snake_case")]
pub enum Figure {
    Drawn {
        caption: String,
        #[serde(flatten)]
        drawing: Drawing,
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
    /// In journals of an older opsml: a plot of one panel.
    Curve {
        caption: String,
        x: String,
        y: String,
        series: Vec<Series>,
    },
}

impl Figure {
    pub fn code(caption: impl Into<String>, language: &str, text: impl Into<String>) -> Self {
        Self::Code { caption: caption.into(), language: language.to_owned(), text: text.into() }
    }

    /// A value as indented JSON.
    pub fn json(caption: impl Into<String>, value: &Value) -> Self {
        Self::code(caption, "json", written::json(value))
    }

    pub fn drawn(caption: impl Into<String>, drawing: Drawing) -> Self {
        Self::Drawn { caption: caption.into(), drawing }
    }

    /// Masks the secrets in its words.
    pub(super) fn mask(&mut self, masker: &Masker) {
        match self {
            Self::Drawn { caption, drawing } => {
                let texts = drawing.texts_mut().into_iter();
                texts.chain([caption]).for_each(|text| masker.text(text));
            }
            Self::Code { caption, text, .. } => {
                [caption, text].into_iter().for_each(|text| masker.text(text))
            }
            Self::Table { caption, columns, rows } => {
                let cells = columns.iter_mut().chain(rows.iter_mut().flatten());
                std::iter::once(caption).chain(cells).for_each(|text| masker.text(text));
            }
            Self::Curve { caption, x, y, series } => {
                let names = series.iter_mut().map(|one| &mut one.name);
                [caption, x, y].into_iter().chain(names).for_each(|text| masker.text(text));
            }
        }
    }
}

/// Returns the plot that an older journal's curve is.
pub fn one_panel(x: &str, y: &str, series: &[Series]) -> Drawing {
    let axis = |label: &str| Axis::new(label, "", Scale::Linear);
    let panel = Panel { x: axis(x), y: axis(y), series: series.to_vec() };
    Drawing::Plot(Plot { panels: vec![panel], ..Plot::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_of_an_older_journal_are_read() {
        let old = json!({
            "figure": "curve", "caption": "c", "x": "epoch", "y": "loss",
            "series": [{"name": "train", "points": [[1.0, 0.5]], "scattered": true}],
        });
        let Figure::Curve { x, y, series, .. } = serde_json::from_value(old).unwrap() else { panic!() };
        let Drawing::Plot(plot) = one_panel(&x, &y, &series) else { panic!() };
        assert_eq!(plot.panels[0].series[0], Series::scatter("train", vec![(1.0, 0.5)]));
    }

    #[test]
    fn a_drawing_is_read_as_it_was_written() {
        let scale = Scale::Categories(vec!["adam".into()]);
        let (x, y) = (Axis::new("optimizer", "", scale), Axis::new("loss", "nats", Scale::Logarithmic));
        let panel = Panel { x, y, series: vec![Series::area("a", vec![(0.0, 1.0)])] };
        let drawing = Drawing::Plot(Plot { panels: vec![panel], stacked: true, marks: Vec::new() });
        let figure = Figure::drawn("c", drawing);
        let written = serde_json::to_value(&figure).unwrap();
        assert_eq!((&written["figure"], &written["drawing"]), (&json!("drawn"), &json!("plot")));
        assert_eq!(serde_json::from_value::<Figure>(written).unwrap(), figure);
    }
}
