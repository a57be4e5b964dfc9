//! A sheet of pictures with their labels below them, as text.

use super::canvas::{Anchor, Area, Canvas, SMALL, WIDTH, wrapped};
use crate::journal::Sheet;

/// Between cells, and between small ones.
const GAP: f64 = 8.0;
const SMALL_GAP: f64 = 5.0;
/// The widest that a cell is drawn.
const MAX_CELL: f64 = 254.0;
/// The most cells.
const MAX_CELLS: usize = 400;
/// From this many columns on, labels are small.
const TINY_FROM: usize = 9;

pub fn sheet(canvas: &mut Canvas<'_>, sheet: &Sheet) {
    let cells = &sheet.labels[..sheet.labels.len().min(MAX_CELLS)];
    let columns = sheet.columns.clamp(1, 40);
    let rows = sheet.labels.len().div_ceil(columns).max(1);
    // A cell in pixels of the picture, and as it is drawn.
    let (width, height) = (f64::from(sheet.picture.width.max(1)), f64::from(sheet.picture.height.max(1)));
    let part = Area { x: 0.0, y: 0.0, width: width / columns as f64, height: height / rows as f64 };
    let gap = if columns >= TINY_FROM { SMALL_GAP } else { GAP };
    let across = ((WIDTH - 4.0 + gap) / columns as f64 - gap).clamp(4.0, MAX_CELL);
    let down = (across * part.height / part.width).clamp(4.0, 2.0 * MAX_CELL);

    let (class, size, line, most) =
        if columns >= TINY_FROM { ("tiny", 9.0, 10.5, 2) } else { ("small", SMALL, 14.0, 2) };
    let lines = |label: &[String]| -> Vec<String> {
        label.iter().take(4).flat_map(|one| wrapped(one, size, across, most)).collect()
    };
    let there = canvas.define(&sheet.picture);
    let mut y = 2.0;
    for (row, labels) in cells.chunks(columns).enumerate() {
        let mut used = 0;
        for (column, label) in labels.iter().enumerate() {
            let area = Area { x: 2.0 + column as f64 * (across + gap), y, width: across, height: down };
            let from = Area { x: part.width * column as f64, y: part.height * row as f64, ..part };
            if there {
                canvas.cell(from, area)
            } else {
                canvas.gone(area)
            }
            let lines = lines(label);
            for (at, text) in lines.iter().enumerate() {
                let at = (area.x, area.bottom() + line * (at + 1) as f64);
                canvas.text(at, Anchor::Start, class, text);
            }
            used = used.max(lines.len());
        }
        y += down + line * used as f64 + GAP + 2.0;
    }
    canvas.height = y;
    if there {
        canvas.described.push(sheet.picture.alt.clone());
    }
    canvas.described.extend(sheet.labels.iter().map(|label| label.join(", ")));
}
