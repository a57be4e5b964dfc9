//! The annotations of GitHub's workflows: lines of output that GitHub shows at a line of a file.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>

use crate::diagnostic::printable;
use crate::secret::shown;

/// A place in a file. Lines and columns count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As the repository names it.
    pub file: String,
    pub line: usize,
    pub end_line: usize,
    pub column: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Error,
    Warning,
}

/// Returns the line, without a line break.
pub fn annotation(level: Level, place: Option<&Place>, title: &str, message: &str) -> String {
    let name = match level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let mut properties = Vec::new();
    if let Some(place) = place {
        properties.push(format!("file={}", property(&place.file)));
        properties.push(format!("line={},endLine={}", place.line, place.end_line));
        properties.extend(place.column.map(|column| format!("col={column}")));
    }
    properties.push(format!("title={}", property(title)));
    format!("::{name} {}::{}", properties.join(","), data(message))
}

fn data(text: &str) -> String {
    printable(&shown(text)).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stays_in_its_place() {
        let place = Place { file: "a,b:c.md".into(), line: 3, end_line: 4, column: Some(2) };
        let line = annotation(Level::Error, Some(&place), "step a", "100 %\n::set-env name=x::y\r");
        assert_eq!(
            line,
            "::error file=a%2Cb%3Ac.md,line=3,endLine=4,col=2,title=step a::100 %25%0A::set-env name=x::y\\r"
        );
        assert_eq!(annotation(Level::Warning, None, "t", "m"), "::warning title=t::m");
    }
}
