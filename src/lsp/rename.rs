//! Goes to where a step or a parameter is declared, finds where it is named, and renames it.

use lsp_types::{Position, Range, TextEdit};

use super::document::{Analysis, Document, Host};
use super::names::{Named, Thing};
use crate::diagnostic::{Severity, Span};
use crate::runbook::template;

/// Returns where the thing at a position is declared.
pub fn definition(document: &Document, host: &Host, position: Position) -> Option<Range> {
    let analysis = document.analysis(host)?;
    let thing = thing_at(analysis, document.byte(position))?.thing.clone();
    let declared = analysis.names().of(&thing).find(|named| named.declares)?;
    Some(document.range(&declared.span))
}

/// Returns where the thing at a position is named.
pub fn references(
    document: &Document,
    host: &Host,
    position: Position,
    declaration: bool,
) -> Option<Vec<Range>> {
    let analysis = document.analysis(host)?;
    let thing = thing_at(analysis, document.byte(position))?.thing.clone();
    let named = analysis.names().of(&thing).filter(|named| declaration || !named.declares);
    Some(named.map(|named| document.range(&named.span)).collect())
}

/// Returns the range of the name at a position, if it can be renamed, and the name.
pub fn prepare(document: &Document, host: &Host, position: Position) -> Option<(Range, String)> {
    let analysis = document.analysis(host)?;
    let named = thing_at(analysis, document.byte(position))?;
    Some((document.range(&named.span), name_of(&named.thing).to_owned()))
}

/// Returns the edits that rename the thing at a position, or why it can't be renamed.
pub fn rename(
    document: &Document,
    host: &Host,
    position: Position,
    new: &str,
) -> Result<Vec<TextEdit>, String> {
    let analysis = document.analysis(host).ok_or("this document is no runbook")?;
    let named = thing_at(analysis, document.byte(position)).ok_or("no step or parameter is named here")?;
    let thing = named.thing.clone();
    let old = name_of(&thing);
    let line = |span: &Span| analysis.runbook.source.position(span.start).line;
    if !template::is_identifier(new) {
        return Err(format!(
            "`{new}` can't be a name: letters, digits and _, 32 at most, and no digit first"
        ));
    }
    if template::RESERVED.contains(&new) {
        return Err(format!("`{new}` means something in templates and can't be a name"));
    }
    if let Some(file) = analysis.runbook.source.included_files().next() {
        return Err(format!("{file}, which this runbook includes, may name `{old}`: rename it by hand"));
    }
    let names = analysis.names();
    if let Some((span, what)) = &names.unread {
        return Err(format!("line {} has {what}, which may name `{old}`: repair it first", line(span)));
    }
    if new == old {
        return Ok(Vec::new());
    }
    if names.of(&thing).all(|named| !named.declares) {
        return Err(format!("nothing declares `{old}`"));
    }
    let renamed = match thing {
        Thing::Step(_) => Thing::Step(new.to_owned()),
        Thing::Param(_) => Thing::Param(new.to_owned()),
    };
    if let Some(other) = names.of(&renamed).next() {
        return Err(format!("`{new}` is a name already, in line {}", line(&other.span)));
    }
    let (mut edits, mut text, mut at) = (Vec::new(), String::new(), 0);
    // Each name must mean what it meant: the new one may be one that a template declares, or an output without a prefix.
    let mut expected = Vec::new();
    for named in &names.all {
        expected.push((&named.thing, text.len() + named.span.start - at));
        if named.thing != thing {
            continue;
        }
        if analysis.text().get(named.span.clone()) != Some(old) {
            let line = line(&named.span);
            return Err(format!("`{old}` is written in another way in line {line}: rename it by hand"));
        }
        edits.push(TextEdit { range: document.range(&named.span), new_text: new.to_owned() });
        text.push_str(&analysis.text()[at..named.span.start]);
        text.push_str(new);
        at = named.span.end;
    }
    text.push_str(&analysis.text()[at..]);
    let after = Analysis::of(analysis.runbook.source.path.clone(), &text, host);
    let after = after.ok_or("the document would be too long")?;
    if let Some(problem) = worse(analysis, &after) {
        return Err(problem);
    }
    let meant = |other: &Thing| if *other == thing { renamed.clone() } else { other.clone() };
    let now: Vec<(Thing, usize)> =
        after.names().all.iter().map(|named| (named.thing.clone(), named.span.start)).collect();
    let expected: Vec<(Thing, usize)> = expected.into_iter().map(|(other, at)| (meant(other), at)).collect();
    if now != expected {
        let same = now.iter().zip(&expected).take_while(|(now, expected)| now == expected).count();
        let at = now.get(same).or(expected.get(same)).map_or(0, |(_, at)| *at);
        let line = after.runbook.source.position(at).line;
        return Err(format!("`{new}` would mean something else in line {line}"));
    }
    Ok(edits)
}

/// Returns the first error that a change would bring.
fn worse(before: &Analysis, after: &Analysis) -> Option<String> {
    let errors = |analysis: &Analysis| {
        let errors = analysis.diagnostics.iter().filter(|problem| problem.severity == Severity::Error);
        errors
            .map(|problem| {
                (analysis.runbook.source.position(problem.span.start).line, problem.message.clone())
            })
            .collect()
    };
    let (before, after): (Vec<(usize, String)>, Vec<_>) = (errors(before), errors(after));
    if after.len() <= before.len() {
        return None;
    }
    let new = after.iter().find(|(line, _)| before.iter().all(|(other, _)| other != line));
    let (line, message) = new.or(after.first())?;
    Some(format!("then line {line} is wrong: {message}"))
}

fn thing_at(analysis: &Analysis, at: usize) -> Option<&Named> {
    analysis.names().at(at)
}

fn name_of(thing: &Thing) -> &str {
    match thing {
        Thing::Step(name) | Thing::Param(name) => name,
    }
}
