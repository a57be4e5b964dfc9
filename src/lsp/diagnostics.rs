//! What `check` says, as the editor shows it.

use lsp_types::{Diagnostic, DiagnosticSeverity, Position, Range};

use super::document::{Document, Host};
use crate::diagnostic::Severity;
use crate::secret::shown;

/// The most problems that an editor is sent of a document.
const MAX_SENT: usize = 500;

/// Returns the problems of a document. Of a document that is no runbook there are none.
pub fn diagnostics(document: &Document, host: &Host) -> Vec<Diagnostic> {
    let Some(analysis) = document.analysis(host) else {
        return too_long(document, host).into_iter().collect();
    };
    // If not all are sent, the errors are.
    let mut problems: Vec<_> = analysis.diagnostics.iter().collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    problems.truncate(MAX_SENT);
    problems.sort_by_key(|problem| problem.span.start);
    let sent = problems.into_iter().map(|problem| {
        let mut message = shown(&problem.message);
        for hint in &problem.hints {
            message.push_str(&format!("\nhint: {}", shown(hint)));
        }
        let severity = match problem.severity {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        };
        of(document.range(&problem.span), severity, message)
    });
    sent.collect()
}

fn of(range: Range, severity: DiagnosticSeverity, message: String) -> Diagnostic {
    Diagnostic {
        range,
        severity: Some(severity),
        source: Some("opsml".into()),
        message,
        ..Diagnostic::default()
    }
}

fn too_long(document: &Document, host: &Host) -> Option<Diagnostic> {
    let message = format!("this is larger than {} bytes, and is not checked", host.most);
    let start = Range::new(Position::new(0, 0), Position::new(0, 0));
    (document.length() > host.most).then(|| of(start, DiagnosticSeverity::WARNING, message))
}
