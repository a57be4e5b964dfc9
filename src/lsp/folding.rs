//! What can be folded: the front matter, blocks, keys with several lines, and the parts under headings.

use lsp_types::{FoldingRange, FoldingRangeKind};
use pulldown_cmark::{Event, HeadingLevel, Parser, Tag};

use super::document::{Analysis, Document, Host};
use crate::diagnostic::Span;
use crate::runbook::markdown_options;
use crate::runbook::yaml::{Node, NodeKind};

/// Returns what can be folded in a document, by line.
pub fn folding(document: &Document, host: &Host) -> Option<Vec<FoldingRange>> {
    let analysis = document.analysis(host)?;
    let mut spans = headings(analysis);
    for block in &analysis.blocks {
        spans.push(block.span.clone());
        if let Some(tree) = analysis.tree(block) {
            nested(&tree, &mut spans);
        }
    }
    let text = analysis.text();
    let fold = |span: Span| {
        // It ends with its last line that has something.
        let end = span.start + text[span.clone()].trim_end().len();
        let range = document.range(&(span.start..end));
        let (start_line, end_line) = (range.start.line, range.end.line);
        let kind = Some(FoldingRangeKind::Region);
        (end_line > start_line).then(|| FoldingRange {
            start_line,
            end_line,
            kind,
            ..FoldingRange::default()
        })
    };
    let mut folds: Vec<FoldingRange> = spans.into_iter().filter_map(fold).collect();
    folds.sort_by_key(|fold| (fold.start_line, std::cmp::Reverse(fold.end_line)));
    folds.dedup_by_key(|fold| fold.start_line);
    Some(folds)
}

/// Adds the places of the keys of a tree with what is below them.
fn nested(node: &Node, spans: &mut Vec<Span>) {
    match &node.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                spans.push(key.span.start..value.span.end.max(key.span.end));
                nested(value, spans);
            }
        }
        NodeKind::List(items) => items.iter().for_each(|item| nested(item, spans)),
        _ => {}
    }
}

/// Returns each heading with what is under it: up to the next heading that is not lower.
fn headings(analysis: &Analysis) -> Vec<Span> {
    let text = analysis.text();
    let (mut open, mut spans) = (Vec::<(HeadingLevel, usize)>::new(), Vec::new());
    for (event, span) in Parser::new_ext(text, markdown_options()).into_offset_iter() {
        if let Event::Start(Tag::Heading { level, .. }) = event {
            while let Some((_, start)) = open.pop_if(|(other, _)| *other >= level) {
                spans.push(start..span.start);
            }
            open.push((level, span.start));
        }
    }
    spans.extend(open.into_iter().map(|(_, start)| start..text.len()));
    spans
}
