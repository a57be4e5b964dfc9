//! Tables as they are read: numbers with one precision in a column.

use super::view::Body;

/// The most decimals that a column is filled up to.
const DECIMALS: usize = 4;

pub fn table(columns: Vec<String>, mut rows: Vec<Vec<String>>) -> Body {
    let numeric: Vec<bool> = (0..columns.len()).map(|at| even_out(&mut rows, at)).collect();
    Body::Table { columns, numeric, rows }
}

/// Gives the numbers of a column the same number of decimals, and says whether it holds numbers alone. Empty cells are neither.
pub fn even_out(rows: &mut [Vec<String>], at: usize) -> bool {
    let cells = || rows.iter().filter_map(|row| row.get(at)).filter(|cell| !cell.is_empty());
    let all: Option<Vec<usize>> = cells().map(|cell| decimals(cell)).collect();
    let Some(most) = all.and_then(|all| all.into_iter().max()) else { return false };
    if (1..=DECIMALS).contains(&most) {
        for cell in rows.iter_mut().filter_map(|row| row.get_mut(at)).filter(|cell| !cell.is_empty()) {
            let missing = most - decimals(cell).unwrap_or(most);
            if missing == most {
                cell.push('.');
            }
            cell.extend(std::iter::repeat_n('0', missing));
        }
    }
    true
}

/// How many decimals a plain number has; `None` for any other text.
fn decimals(cell: &str) -> Option<usize> {
    let digits = cell.strip_prefix(['-', '\u{2212}']).unwrap_or(cell);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let point_alone = digits.ends_with('.');
    (!whole.is_empty() && is_number(whole) && is_number(part) && !point_alone).then_some(part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_column_have_one_precision() {
        for (cells, expected, numeric) in [
            (["0.0464", "0.05", "1"], ["0.0464", "0.0500", "1.0000"], true),
            (["3", "", "-12"], ["3", "", "-12"], true),
            (["0.123456", "1", "2"], ["0.123456", "1", "2"], true),
            (["1", "2.5 s", "3"], ["1", "2.5 s", "3"], false),
            (["1.", "2", "3"], ["1.", "2", "3"], false),
            (["", "", ""], ["", "", ""], false),
        ] {
            let mut rows: Vec<Vec<String>> = cells.iter().map(|cell| vec![(*cell).to_owned()]).collect();
            assert_eq!(even_out(&mut rows, 0), numeric, "{cells:?}");
            assert_eq!(rows.concat(), expected);
        }
    }
}
