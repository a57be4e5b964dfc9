//! Panels with axes: stacked over one x axis, or beside each other with their own.

use super::axis::{Placed, shows, title, with_unit};
use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, WIDTH, shortened, style, width};
use super::legend::{self, LINE, Legend, is_marked};
use crate::journal::{Mark, Panel, Plot, Series};

const RIGHT: f64 = 12.0;
/// The height of a panel's area: alone, stacked, and as one of several.
const ALONE: f64 = 220.0;
const STACKED: f64 = 116.0;
const SEVERAL: f64 = 130.0;
/// Above a panel: its title. Below its x axis: ticks and title.
const HEAD: f64 = 26.0;
const FOOT: f64 = 44.0;
/// From the ends of the x axis to the outermost values, so that no mark is cut.
const INSET: f64 = 6.0;

pub fn plot(canvas: &mut Canvas<'_>, plot: &Plot) {
    let panels: Vec<Panel> = plot.panels.iter().map(drawable).collect();
    let marks: Vec<Mark> = plot.marks.iter().filter(|mark| mark.x.is_finite()).cloned().collect();
    match plot.stacked {
        true => stacked(canvas, &panels, &marks),
        false => several(canvas, &panels, &marks),
    }
    for panel in &panels {
        canvas.described.push(described(panel));
    }
    let along = panels.first().map(|panel| panel.x.clone()).unwrap_or_default();
    canvas
        .described
        .extend(marks.iter().map(|mark| format!("{} at {}", mark.label, with_unit(&along, mark.x))));
}

/// Stacked panels: the values of all make the x axis.
fn stacked(canvas: &mut Canvas<'_>, panels: &[Panel], marks: &[Mark]) {
    let left = panels.iter().map(|panel| room_for_labels(panel, STACKED)).fold(0.0, f64::max);
    let Some(first) = panels.first() else { return };
    let values = panels.iter().flat_map(xs).chain(marks.iter().map(|mark| mark.x));
    let across = Placed::new(&first.x, values, (left + INSET, WIDTH - RIGHT - INSET));
    let height = if panels.len() == 1 { ALONE } else { STACKED };
    let labels = legend::labels(marks, |x| across.at(x));
    let lines = labels.iter().filter_map(|label| label.line).max().map_or(0, |last| last + 1);
    let mut y = 4.0;
    let begin = y + lines as f64 * LINE;
    for label in &labels {
        if let Some(line) = label.line {
            canvas.text((label.x, y + line as f64 * LINE + 12.0), label.anchor, "small", &label.text);
        }
    }
    y = begin;
    let (mut bottom, mut areas) = (y, Vec::new());
    for panel in panels {
        let area = head(canvas, panel, (0.0, WIDTH), (left, y, height), true);
        areas.push(area);
        bottom = area.bottom();
        draw(canvas, panel, &across, area);
        y = bottom + 8.0;
    }
    // Not through the titles and legends between the panels.
    for (mark, label) in marks.iter().zip(&labels) {
        let x = across.at(mark.x);
        if let Some(line) = label.line {
            canvas.line("event", (x, 6.0 + line as f64 * LINE), (x, begin));
        }
        for area in &areas {
            canvas.line("event", (x, area.y), (x, area.bottom()));
        }
    }
    foot(canvas, &title(&first.x), &across, (left, WIDTH - RIGHT), bottom);
    canvas.height = bottom + FOOT;
}

/// Panels with an x axis each, two in a row.
fn several(canvas: &mut Canvas<'_>, panels: &[Panel], marks: &[Mark]) {
    let columns = if panels.len() > 1 { 2 } else { 1 };
    let height = if columns == 1 { ALONE } else { SEVERAL };
    let room = WIDTH / columns as f64;
    let left = panels.iter().map(|panel| room_for_labels(panel, height)).fold(0.0, f64::max);
    let mut y = 4.0;
    // Panels of the same series need one legend.
    let names = |panel: &Panel| panel.series.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
    let common = panels.len() > 1 && panels.windows(2).all(|pair| names(&pair[0]) == names(&pair[1]));
    if let (true, Some(first)) = (common, panels.first()) {
        let legend = Legend::new(&first.series, 6.0, WIDTH, WIDTH - RIGHT);
        legend.draw(canvas, &first.series, y + 14.0 - LINE);
        y += legend.lines as f64 * LINE + 4.0;
    }
    for row in panels.chunks(columns) {
        let mut bottom = y;
        for (at, panel) in row.iter().enumerate() {
            let slot = (at as f64 * room, (at + 1) as f64 * room);
            let (from, to) = (slot.0 + left, slot.1 - RIGHT);
            let values = xs(panel).chain(marks.iter().map(|mark| mark.x));
            let across = Placed::new(&panel.x, values, (from + INSET, to - INSET));
            let labels = if columns == 1 { legend::labels(marks, |x| across.at(x)) } else { Vec::new() };
            let lines = labels.iter().filter_map(|label| label.line).max().map_or(0, |last| last + 1);
            let height = height + lines as f64 * LINE;
            let area = head(canvas, panel, slot, (left, y, height), !common);
            // The labels stand in the panel, above its values.
            let down = lines as f64 * LINE;
            let inner = Area { y: area.y + down, height: height - down, ..area };
            draw(canvas, panel, &across, inner);
            for (mark, label) in marks.iter().zip(&labels) {
                let top = area.y + label.line.unwrap_or(lines) as f64 * LINE;
                canvas.line("event", (across.at(mark.x), top + 2.0), (across.at(mark.x), inner.bottom()));
                if label.line.is_some() {
                    canvas.text((label.x, top + 12.0), label.anchor, "small", &label.text);
                }
            }
            foot(canvas, &title(&panel.x), &across, (from, to), area.bottom());
            bottom = bottom.max(area.bottom() + FOOT);
        }
        y = bottom + 6.0;
    }
    canvas.height = y.max(40.0) - 6.0;
}

/// The panel without what cannot be drawn.
fn drawable(panel: &Panel) -> Panel {
    let series = panel.series.iter().map(|one| {
        let points = one.points.iter().copied();
        let points = points.filter(|(x, y)| shows(&panel.x, *x) && shows(&panel.y, *y));
        Series { points: points.collect(), ..one.clone() }
    });
    Panel { series: series.collect(), ..panel.clone() }
}

fn xs(panel: &Panel) -> impl Iterator<Item = f64> {
    panel.series.iter().flat_map(|one| &one.points).map(|point| point.0)
}

fn upwards(panel: &Panel, from: f64, to: f64) -> Placed {
    let values = panel.series.iter().flat_map(|one| &one.points).map(|point| point.1);
    Placed::new(&panel.y, values, (from, to))
}

fn room_for_labels(panel: &Panel, height: f64) -> f64 {
    let labels = upwards(panel, height, 0.0).ticks;
    labels.iter().map(|(_, label)| width(label, SMALL)).fold(24.0, f64::max) + 12.0
}

/// Draws the title, and the legend unless another panel has it, and returns the area below them.
fn head(
    canvas: &mut Canvas<'_>,
    panel: &Panel,
    slot: (f64, f64),
    (left, y, height): (f64, f64, f64),
    with_legend: bool,
) -> Area {
    let (start, right) = (slot.0 + 6.0, slot.1 - RIGHT);
    let shown = shortened(&title(&panel.y), TEXT, right - start);
    let named = if with_legend { &panel.series[..] } else { &[] };
    let legend = Legend::new(named, start, start + width(&shown, TEXT), right);
    canvas.text((start, y + 14.0), Anchor::Start, "strong", &shown);
    legend.draw(canvas, named, y + 14.0);
    let top = y + HEAD + legend.lines as f64 * LINE;
    Area { x: slot.0 + left, y: top, width: right - slot.0 - left, height }
}

/// Draws the x axis with its ticks and title.
fn foot(canvas: &mut Canvas<'_>, title: &str, across: &Placed, (from, to): (f64, f64), bottom: f64) {
    canvas.line("axis", (from, bottom), (to, bottom));
    for (tick, label) in &across.ticks {
        let x = across.at(*tick);
        canvas.line("axis", (x, bottom), (x, bottom + 4.0));
        canvas.text((x, bottom + 17.0), Anchor::Middle, "small", label);
    }
    canvas.text(((from + to) / 2.0, bottom + 35.0), Anchor::Middle, "", &shortened(title, TEXT, to - from));
}

fn draw(canvas: &mut Canvas<'_>, panel: &Panel, across: &Placed, area: Area) {
    let up = upwards(panel, area.bottom(), area.y);
    for (tick, label) in &up.ticks {
        let y = up.at(*tick);
        canvas.line("grid", (area.x, y), (area.right(), y));
        canvas.text((area.x - 7.0, y + 4.0), Anchor::End, "small", label);
    }
    canvas.line("axis", (area.x, area.bottom()), (area.right(), area.bottom()));
    for (at, one) in panel.series.iter().enumerate() {
        let places: Vec<(f64, f64)> = one.points.iter().map(|(x, y)| (across.at(*x), up.at(*y))).collect();
        if let (true, Some(first), Some(last)) = (one.filled, places.first(), places.last()) {
            let ground = [(last.0, area.bottom()), (first.0, area.bottom())];
            canvas.polygon(&format!("area {}", style(at)), &[&places[..], &ground].concat());
        }
        if places.len() > 1 && !one.scattered {
            canvas.polyline(&format!("line {}", style(at)), &places);
        }
        // A point alone is nothing but its mark.
        let marked = one.scattered || places.len() == 1 || (!one.filled && is_marked(one));
        for place in places.iter().filter(|_| marked) {
            canvas.mark(at, *place);
        }
    }
}

/// What a panel shows, in words.
fn described(panel: &Panel) -> String {
    let point = |(x, y): &(f64, f64)| format!("{} at {}", with_unit(&panel.y, *y), with_unit(&panel.x, *x));
    let series = panel.series.iter().map(|Series { name, points, scattered, .. }| {
        let ends = points.first().zip(points.last());
        let words = match ends {
            None => "no points".to_owned(),
            Some((only, _)) if points.len() == 1 => point(only),
            Some(_) if *scattered && points.len() <= 12 => {
                points.iter().map(point).collect::<Vec<_>>().join(", ")
            }
            Some(_) if *scattered => format!("{} points", points.len()),
            Some((first, last)) => format!("from {} to {}", point(first), point(last)),
        };
        format!("{name}: {words}")
    });
    format!("{} by {}: {}", title(&panel.y), title(&panel.x), series.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Bytes;
    use super::*;
    use crate::journal::{Axis, Scale};

    fn panel(y: &str, points: &[(f64, f64)]) -> Panel {
        let axis = |label: &str, unit: &str| Axis::new(label, unit, Scale::Linear);
        Panel { x: axis("time", "s"), y: axis(y, "ms"), series: vec![Series::line("one", points.to_vec())] }
    }

    fn drawn(plot: &Plot) -> String {
        let bytes = Bytes::new();
        let mut canvas = Canvas::new("f", &bytes);
        super::plot(&mut canvas, plot);
        canvas.finish("c")
    }

    #[test]
    fn stacked_panels_have_one_axis_and_marks_through_all() {
        let panels = vec![panel("a", &[(0.0, 1.0), (10.0, 2.0)]), panel("b", &[(5.0, 1.0), (20.0, 2.0)])];
        let marks = vec![Mark { x: 12.0, label: "3 wanted".into() }];
        let stacked = drawn(&Plot { panels: panels.clone(), stacked: true, marks });
        assert_eq!(stacked.matches(">time (s)<").count(), 1);
        assert_eq!(stacked.matches("class=\"event\"").count(), 3, "above the panels, and in each");
        assert!(stacked.contains(">3 wanted<") && stacked.contains("3 wanted at 12 s"), "{stacked}");
        let apart = drawn(&Plot { panels, ..Plot::default() });
        assert_eq!(apart.matches(">time (s)<").count(), 2);
    }

    #[test]
    fn one_point_has_a_mark_and_what_is_no_number_has_none() {
        let marks = |points: &[(f64, f64)]| {
            drawn(&Plot { panels: vec![panel("a", points)], ..Plot::default() }).matches("<circle").count()
        };
        assert_eq!(marks(&[]), 0);
        assert_eq!(marks(&[(1.0, 0.5)]), 1);
        assert_eq!(marks(&[(1.0, 0.5), (2.0, f64::NAN)]), 1);
    }

    #[test]
    fn it_is_told_in_words() {
        let text = described(&panel("latency", &[(0.0, 1.0), (10.0, 2.0)]));
        assert_eq!(text, "latency (ms) by time (s): one: from 1 ms at 0 s to 2 ms at 10 s");
    }
}
