//! What stands above a panel: which series is which, and what the marks are.

use std::cmp::Ordering;

use super::canvas::{Anchor, Canvas, SMALL, TEXT, WIDTH, shortened, style, width};
use crate::journal::{Mark, Series};

/// The width of a series' line and mark in the legend, and of the space behind a name.
const KEY: f64 = 32.0;
const GAP: f64 = 14.0;
/// From one line of the legend to the next.
pub const LINE: f64 = 18.0;
/// The most lines of marks' labels. What has no room stands in the description.
const MARK_LINES: usize = 4;
/// From a mark's line to its label.
const SIDE: f64 = 4.0;

/// More marks than this would hide the line.
const MAX_MARKED: usize = 32;

/// Whether the points of a line have marks.
pub fn is_marked(series: &Series) -> bool {
    series.points.len() <= MAX_MARKED
}

/// The legend of a panel: names with their places, and how many lines lie below the first, which the panel's title shares.
pub struct Legend {
    /// Series, x, and line.
    entries: Vec<(usize, f64, usize)>,
    names: Vec<String>,
    pub lines: usize,
}

impl Legend {
    /// Lays the names out from `left` on, beside a title that ends at `title_end`. All of them if there are several, and
    /// none if there is one, which the title names.
    pub fn new(series: &[Series], left: f64, title_end: f64, right: f64) -> Self {
        let names: Vec<String> =
            series.iter().map(|one| shortened(&one.name, TEXT, right - left - KEY)).collect();
        let widths: Vec<f64> = names.iter().map(|name| KEY + width(name, TEXT) + GAP).collect();
        let total: f64 = widths.iter().sum::<f64>() - GAP;
        let mut legend = Self { entries: Vec::new(), names, lines: 0 };
        if series.len() < 2 {
            return legend;
        }
        let beside = title_end + GAP + total <= right;
        let (mut x, mut line) = if beside { (right - total, 0) } else { (left, 1) };
        for (at, width) in widths.iter().enumerate() {
            if !beside && x > left && x + width - GAP > right {
                (x, line) = (left, line + 1);
            }
            legend.entries.push((at, x, line));
            x += width;
        }
        legend.lines = line;
        legend
    }

    /// Draws it; `y` is the baseline of its first line.
    pub fn draw(&self, canvas: &mut Canvas<'_>, series: &[Series], y: f64) {
        for (at, x, line) in &self.entries {
            let middle = y + *line as f64 * LINE - 4.5;
            let one = &series[*at];
            if one.filled {
                let points = [
                    (*x, middle - 5.0),
                    (x + 26.0, middle - 5.0),
                    (x + 26.0, middle + 5.0),
                    (*x, middle + 5.0),
                ];
                canvas.polygon(&format!("area {}", style(*at)), &points);
            } else if !one.scattered {
                canvas.line(&format!("line {}", style(*at)), (*x, middle), (x + 26.0, middle));
            }
            if one.scattered || (!one.filled && is_marked(one)) {
                canvas.mark(*at, (x + 13.0, middle));
            }
            canvas.text((x + KEY, middle + 4.5), Anchor::Start, "", &self.names[*at]);
        }
    }

    #[cfg(test)]
    fn ends(&self) -> Vec<(usize, f64, f64)> {
        self.entries
            .iter()
            .map(|(at, x, line)| (*line, *x, x + KEY + width(&self.names[*at], TEXT)))
            .collect()
    }
}

/// A mark's label: its line (`None` if there is no room), where it is, and the side of the point that it stands on.
pub struct Label {
    pub text: String,
    pub line: Option<usize>,
    pub x: f64,
    pub anchor: Anchor,
}

/// Lays labels out beside their lines, none over another, and none where the line of another goes down from its label.
pub fn labels(marks: &[Mark], at: impl Fn(f64) -> f64) -> Vec<Label> {
    let mut labels: Vec<Label> = marks.iter().map(|mark| beside(mark, at(mark.x))).collect();
    // A label to the right is over the lines of later marks, one to the left over those of earlier ones: these come below.
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|one, other| {
        let key = |at: usize| {
            let label: &Label = &labels[at];
            let right = matches!(label.anchor, Anchor::Start);
            (!right, if right { label.x } else { -label.x })
        };
        let (one, other) = (key(*one), key(*other));
        one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
    });
    // What is placed: line of labels, from where to where, and the place of the mark's line, which goes down from there.
    let mut placed: Vec<(usize, f64, f64, f64)> = Vec::new();
    for index in order {
        let label = &mut labels[index];
        let long = width(&label.text, SMALL);
        let (x, from) = match label.anchor {
            Anchor::Start => (label.x - SIDE, label.x),
            _ => (label.x + SIDE, label.x - long),
        };
        let to = from + long;
        let fits = |line: usize| {
            placed.iter().all(|(other, a, b, down)| match other.cmp(&line) {
                Ordering::Equal => from > b + GAP / 2.0 || to < a - GAP / 2.0,
                Ordering::Less => *down < from - 2.0 || *down > to + 2.0,
                Ordering::Greater => x < *a || x > *b,
            })
        };
        label.line = (0..MARK_LINES).find(|line| fits(*line));
        placed.extend(label.line.map(|line| (line, from, to, x)));
    }
    labels
}

/// The label on the right of its line, or on the left where that would end outside.
fn beside(mark: &Mark, x: f64) -> Label {
    let text = shortened(&mark.label, SMALL, WIDTH / 2.0);
    match x + SIDE + width(&text, SMALL) <= WIDTH - 4.0 {
        true => Label { text, line: None, x: x + SIDE, anchor: Anchor::Start },
        false => Label { text, line: None, x: x - SIDE, anchor: Anchor::End },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_legend_fits_and_no_name_lies_over_another() {
        let series = |names: &[String]| -> Vec<Series> {
            names.iter().map(|name| Series::line(name.clone(), Vec::new())).collect()
        };
        let short: Vec<String> = ["offered", "answered", "throttled", "failed"].map(str::to_owned).into();
        let long: Vec<String> =
            (0..9).map(|n| format!("a name of some length that has the number {n}")).collect();
        let endless = vec!["W".repeat(500), "x".repeat(500)];
        for (names, lines) in [(&short, 0..=1), (&long, 9..=9), (&endless, 2..=2)] {
            let legend = Legend::new(&series(names), 50.0, 200.0, 508.0);
            assert!(lines.contains(&legend.lines), "{}", legend.lines);
            let ends = legend.ends();
            assert_eq!(ends.len(), names.len());
            for (line, from, to) in &ends {
                assert!(*from >= 50.0 && *to <= 508.5, "{from} to {to}");
                let over = ends.iter().filter(|(other, a, b)| other == line && a < to && from < b).count();
                assert_eq!(over, 1, "a name lies over another");
            }
        }
        assert_eq!(Legend::new(&series(&short[..1]), 50.0, 100.0, 500.0).lines, 0);
    }

    #[test]
    fn no_label_lies_over_another_or_over_a_line() {
        let cases: [&[f64]; 5] = [
            &[100.0, 110.0, 300.0, 515.0],
            &[480.0, 490.0, 500.0],
            &[10.0, 10.0, 10.0],
            &[500.0, 20.0, 470.0, 40.0],
            &[0.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 350.0, 400.0, 450.0, 500.0],
        ];
        for places in cases {
            let marks: Vec<Mark> =
                places.iter().map(|x| Mark { x: *x, label: "p90 1428.8 ms".into() }).collect();
            let labels = labels(&marks, |x| x);
            let span = |label: &Label| match label.anchor {
                Anchor::Start => (label.x, label.x + width(&label.text, SMALL)),
                _ => (label.x - width(&label.text, SMALL), label.x),
            };
            for (index, label) in labels.iter().enumerate() {
                assert!(label.line.is_some() || places.len() > 4, "{places:?}");
                let (from, to) = span(label);
                assert!(from >= 0.0 && to <= WIDTH, "{places:?}");
                for (other, mark) in
                    labels.iter().zip(&marks).enumerate().filter(|(at, _)| *at != index).map(|(_, o)| o)
                {
                    let (a, b) = span(other);
                    assert!(
                        label.line.is_none() || other.line != label.line || to < a || b < from,
                        "{places:?}"
                    );
                    // The line of the other begins at its label.
                    let crossed =
                        other.line.is_some() && other.line < label.line && (from..=to).contains(&mark.x);
                    assert!(!crossed, "{places:?}: the line at {} crosses a label", mark.x);
                }
            }
        }
    }
}
