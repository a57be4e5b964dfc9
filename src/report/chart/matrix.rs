//! A confusion matrix as a heat map: with numbers and names if they can be read, and otherwise as one picture of all.

use super::canvas::{Anchor, Area, Canvas, SMALL, TEXT, WIDTH, shortened, width};
use crate::journal::Matrix;
use crate::written::decimal;

/// The most names that stand at the sides, with a number in each cell.
const MAX_NAMED: usize = 20;
/// The most rows that are drawn at all.
const MAX_ROWS: usize = 1000;
/// The largest side of a cell.
const CELL: f64 = 36.0;
/// From this share of its row on, a cell is dark, and its number light.
const DARK: f64 = 0.55;

pub fn matrix(canvas: &mut Canvas<'_>, matrix: &Matrix) {
    let count = matrix.names.len().min(MAX_ROWS);
    // A cell outside is no cell.
    let cells = matrix.cells.iter().filter(|(row, column, _)| *row < count && *column < count);
    let cells: Vec<(usize, usize, u64)> = cells.copied().collect();
    let mut sums = vec![0_u64; count];
    for (row, _, n) in &cells {
        sums[*row] = sums[*row].saturating_add(*n);
    }
    let named = count <= MAX_NAMED;
    let names: Vec<String> = match named {
        true => matrix.names.iter().map(|name| shortened(name, SMALL, 120.0)).collect(),
        false => Vec::new(),
    };
    let longest = names.iter().map(|name| width(name, SMALL)).fold(if named { 0.0 } else { 26.0 }, f64::max);
    let left = 24.0 + longest + 8.0;
    let top = 24.0 + longest + 8.0;
    let side = ((WIDTH - left - 8.0) / count.max(1) as f64).min(CELL);
    let all = side * count as f64;

    canvas.text((left, 15.0), Anchor::Start, "strong", &shortened(&matrix.column, TEXT, WIDTH - left));
    canvas.upright((15.0, top + all.max(60.0)), "strong", &shortened(&matrix.row, TEXT, all.max(60.0)));
    let middle = |at: usize| side * (at as f64 + 0.5);
    for (at, name) in names.iter().enumerate() {
        canvas.text((left - 7.0, top + middle(at) + 4.0), Anchor::End, "small", name);
        canvas.upright((left + middle(at) + 4.0, top - 7.0), "small", name);
    }
    if !named {
        let every = if count > 100 { 20 } else { 10 };
        for at in (0..count).filter(|at| *at == 0 || (at + 1) % every == 0) {
            let label = (at + 1).to_string();
            canvas.text((left - 7.0, top + middle(at) + 4.0), Anchor::End, "small", &label);
            canvas.text((left + middle(at), top - 7.0), Anchor::Middle, "small", &label);
        }
    }
    for (row, column, n) in &cells {
        let share = *n as f64 / sums[*row].max(1) as f64;
        // What is right is blue, and what is wrong orange: few mistakes must still be seen.
        let colour = if row == column { "fill s0" } else { "fill s1" };
        let (x, y) = (left + side * *column as f64, top + side * *row as f64);
        let strength = 0.12 + 0.88 * share.sqrt();
        canvas.rect(colour, Area { x, y, width: side, height: side }, strength);
        if named {
            let class = if strength >= DARK { "small on" } else { "small" };
            let number = shortened(&n.to_string(), SMALL, side);
            canvas.text((x + side / 2.0, y + side / 2.0 + 4.0), Anchor::Middle, class, &number);
        }
    }
    canvas.rect("box", Area { x: left, y: top, width: all, height: all }, 1.0);
    canvas.height = top + all.max(60.0) + 8.0;
    if !named {
        let note = format!("{count} classes, numbered in the order of their names");
        canvas.text((left, canvas.height + 10.0), Anchor::Start, "small", &note);
        canvas.height += 18.0;
    }
    canvas.described.push(described(matrix, &cells, &sums));
}

/// Returns how many were right, and the most frequent mistakes.
fn described(matrix: &Matrix, cells: &[(usize, usize, u64)], sums: &[u64]) -> String {
    let all: u64 = sums.iter().fold(0, |sum, one| sum.saturating_add(*one));
    let on_diagonal = cells.iter().filter(|(row, column, _)| row == column);
    let right = on_diagonal.fold(0_u64, |sum, (.., n)| sum.saturating_add(*n));
    let mut wrong: Vec<_> = cells.iter().filter(|(row, column, _)| row != column).collect();
    wrong.sort_by_key(|(.., n)| std::cmp::Reverse(*n));
    let name = |at: usize| matrix.names.get(at).map_or("", String::as_str);
    let wrong = wrong
        .iter()
        .take(10)
        .map(|(row, column, n)| format!("{} {} taken for {}", decimal(*n as f64), name(*row), name(*column)));
    let parts = [format!("{right} of {all} on the diagonal")].into_iter().chain(wrong);
    format!("{} by {}: {}", matrix.row, matrix.column, parts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::canvas::Bytes;
    use super::*;

    fn drawn(names: usize, cells: &[(usize, usize, u64)]) -> String {
        let bytes = Bytes::new();
        let mut canvas = Canvas::new("f", &bytes);
        let names = (0..names).map(|n| format!("class {n}")).collect();
        super::matrix(
            &mut canvas,
            &Matrix { row: "true".into(), column: "said".into(), names, cells: cells.into() },
        );
        canvas.finish("c")
    }

    #[test]
    fn few_classes_have_numbers_and_many_have_none() {
        let few = drawn(3, &[(0, 0, 7), (0, 1, 2), (2, 2, 5)]);
        assert!(few.contains(">7<") && few.contains(">2<") && few.contains(">class 2<"), "{few}");
        assert!(few.contains("12 of 14 on the diagonal, 2 class 0 taken for class 1"), "{few}");
        let many = drawn(133, &[(0, 0, 7), (132, 1, 2)]);
        assert!(!many.contains(">7<") && many.contains("133 classes"), "{many}");
        assert_eq!(many.matches("class=\"fill").count(), 2);
    }

    #[test]
    fn cells_outside_and_huge_counts_are_no_trouble() {
        let svg = drawn(2, &[(0, 9, 1), (usize::MAX, 0, 1), (0, 0, u64::MAX), (0, 1, u64::MAX)]);
        assert_eq!(svg.matches("class=\"fill").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        drawn(0, &[]);
    }
}
