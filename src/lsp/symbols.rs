//! The outline of a document: its parameters and its steps.

use lsp_types::{DocumentSymbol, SymbolKind};

use super::document::{Document, Host};
use super::names::Thing;
use crate::diagnostic::Span;

/// Returns the parameters and the steps of a document, in its order.
pub fn symbols(document: &Document, host: &Host) -> Option<Vec<DocumentSymbol>> {
    let analysis = document.analysis(host)?;
    let params = analysis.names().all.iter().filter_map(|named| match &named.thing {
        Thing::Param(name) if named.declares => {
            Some(symbol(document, name, "parameter", SymbolKind::VARIABLE, (&named.span, &named.span)))
        }
        _ => None,
    });
    let steps = analysis.own_steps().map(|step| {
        // The line break behind the closing fence is none of it.
        let whole = step.span.start..step.span.start + analysis.text()[step.span.clone()].trim_end().len();
        symbol(document, &step.id, &step.kind.name, SymbolKind::FUNCTION, (&whole, &step.id_span))
    });
    Some(params.chain(steps).collect())
}

fn symbol(
    document: &Document,
    name: &str,
    detail: &str,
    kind: SymbolKind,
    (whole, own): (&Span, &Span),
) -> DocumentSymbol {
    #[allow(deprecated, reason = "the type has a field that the protocol no longer uses")]
    DocumentSymbol {
        name: name.to_owned(),
        detail: Some(detail.to_owned()),
        kind,
        tags: None,
        deprecated: None,
        range: document.range(whole),
        selection_range: document.range(own),
        children: None,
    }
}
