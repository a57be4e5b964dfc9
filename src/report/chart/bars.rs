//! Horizontal bars, with a picture beside them if there is one.

use super::axis::{Placed, title};
use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, WIDTH, shortened, width, wrapped};
use crate::journal::{Bar, Bars, Picture};

/// The width of the picture's column.
const PICTURE: f64 = 132.0;
/// From one bar to the next, and where there are many.
const ROW: f64 = 26.0;
const DENSE: f64 = 19.0;
const MANY: usize = 14;
/// The most rows; more would not fit on a page.
const MAX_ROWS: usize = 40;

pub fn bars(canvas: &mut Canvas<'_>, bars: &Bars) {
    let Bars { axis, end, rows, picture, notes } = bars;
    let rows: Vec<Bar> = rows.iter().map(drawable).collect();
    let shown = &rows[..rows.len().min(MAX_ROWS)];
    let left = if picture.is_some() { PICTURE + 22.0 } else { 4.0 };
    let beside = picture.as_ref().map_or(0.0, |picture| portrait(canvas, picture, notes));

    let labels = shown.iter().map(|row| width(&row.label, TEXT)).fold(0.0, f64::max);
    let from = left + labels.min((WIDTH - left) * 0.42) + 10.0;
    let texts = shown.iter().map(|row| width(&row.text, SMALL)).fold(0.0, f64::max);
    let to = (WIDTH - 16.0 - texts.min((WIDTH - from) * 0.5)).max(from + 40.0);
    let values = shown.iter().flat_map(|row| &row.spans).flat_map(|(from, to)| [*from, *to]);
    let across = Placed::new(axis, values.chain(*end).chain([0.0]), (from, to));

    let pitch = if shown.len() > MANY { DENSE } else { ROW };
    let bottom = 6.0 + pitch * shown.len().max(1) as f64;
    for (tick, label) in &across.ticks {
        let x = across.at(*tick);
        canvas.line("grid", (x, 4.0), (x, bottom));
        canvas.text((x, bottom + 16.0), Anchor::Middle, "small", label);
    }
    for (at, row) in shown.iter().enumerate() {
        let y = 6.0 + pitch * at as f64;
        let middle = y + pitch / 2.0 + 3.5;
        canvas.text((from - 8.0, middle), Anchor::End, "", &shortened(&row.label, TEXT, from - 8.0 - left));
        let mut behind = across.at(0.0);
        for (start, end) in &row.spans {
            let (start, end) = (across.at(*start), across.at(*end));
            // What took no time is still to be seen.
            let area = Area { x: start, y: y + 3.0, width: (end - start).max(1.5), height: pitch - 6.0 };
            canvas.rect("fill s0", area, 1.0);
            behind = behind.max(area.right());
        }
        let text = shortened(&row.text, SMALL, WIDTH - 2.0 - behind - 6.0);
        canvas.text((behind + 6.0, middle), Anchor::Start, "small", &text);
    }
    canvas.line("axis", (across.at(0.0), 4.0), (across.at(0.0), bottom));
    canvas.text(((from + to) / 2.0, bottom + 34.0), Anchor::Middle, "", &title(axis));
    canvas.height = (bottom + 42.0).max(beside);
    let texts = rows.iter().map(|row| format!("{}: {}", row.label, row.text));
    canvas.described.push(format!("{}: {}", title(axis), texts.collect::<Vec<_>>().join(", ")));
    if rows.len() > MAX_ROWS {
        let more = format!("and {} more", rows.len() - MAX_ROWS);
        canvas.text((from - 8.0, bottom + 16.0), Anchor::End, "small", &more);
    }
}

/// Draws the picture with its notes, and returns where they end.
fn portrait(canvas: &mut Canvas<'_>, picture: &Picture, notes: &[String]) -> f64 {
    let sides = (f64::from(picture.width.max(1)), f64::from(picture.height.max(1)));
    let scale = (PICTURE / sides.0).min(PICTURE / sides.1);
    let area = Area { x: 4.0, y: 6.0, width: sides.0 * scale, height: sides.1 * scale };
    if canvas.define(picture) {
        canvas.described.push(picture.alt.clone());
        canvas.cell(Area { x: 0.0, y: 0.0, width: sides.0, height: sides.1 }, area);
        canvas.rect("box", area, 1.0);
    } else {
        canvas.gone(area);
    }
    let mut y = area.bottom();
    for line in notes.iter().flat_map(|note| wrapped(note, SMALL, PICTURE, 3)) {
        y += 16.0;
        canvas.text((4.0, y), Anchor::Start, "small", &line);
    }
    canvas.described.extend(notes.iter().cloned());
    y + 8.0
}

/// The bar without what is no number.
fn drawable(row: &Bar) -> Bar {
    let spans = row.spans.iter().copied().filter(|(from, to)| from.is_finite() && to.is_finite());
    Bar { spans: spans.collect(), ..row.clone() }
}
