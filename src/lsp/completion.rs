//! What may be typed at the cursor: kinds, keys, values, instance types with their prices, and names in templates.

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionList, CompletionTextEdit, Documentation, InsertTextFormat,
    MarkupContent, MarkupKind, Position, TextEdit,
};

use super::cursor::{self, Place, What};
use super::document::{Analysis, Document, Host};
use super::expression::{self, Word};
use super::schema::{Field, front_matter, instance_in_words, plain};
use crate::diagnostic::Span;
use crate::price;
use crate::runbook::{BLOCKS, Block, FILTERS, FUNCTIONS, PROSE_FUNCTIONS, Piece, RUN, TESTS, outputs_of};
use crate::step::{common_schema, kinds};

/// The most items of an answer: beyond them, the editor asks again as more is typed.
const MAX_ITEMS: usize = 1000;

/// What is offered.
struct Offer {
    label: String,
    kind: CompletionItemKind,
    detail: String,
    about: Option<String>,
    /// What is inserted, and the same as a snippet.
    insert: Option<(String, String)>,
    /// What comes first in the list.
    rank: u8,
}

impl Offer {
    fn new(label: impl Into<String>, kind: CompletionItemKind, detail: impl Into<String>) -> Self {
        Self { label: label.into(), kind, detail: detail.into(), about: None, insert: None, rank: 1 }
    }
}

/// Returns what may be typed at a position. `snippets` says whether the editor knows them.
pub fn completion(
    document: &Document,
    host: &Host,
    position: Position,
    snippets: bool,
) -> Option<CompletionList> {
    let analysis = document.analysis(host)?;
    let at = document.byte(position);
    let (offers, word) = offers(analysis, at)?;
    let range = document.range(&word);
    let typed = analysis.text()[word].to_lowercase();
    let is_incomplete = offers.len() > MAX_ITEMS;
    let fits = |offer: &Offer| !is_incomplete || offer.label.to_lowercase().starts_with(&typed);
    let item = |offer: Offer| {
        let (text, snippet) = offer.insert.unwrap_or_else(|| (offer.label.clone(), String::new()));
        let is_snippet = snippets && !snippet.is_empty();
        let new_text = if is_snippet { snippet } else { text };
        CompletionItem {
            kind: Some(offer.kind),
            detail: Some(offer.detail).filter(|detail| !detail.is_empty()),
            documentation: offer.about.map(|value| {
                Documentation::MarkupContent(MarkupContent { kind: MarkupKind::Markdown, value })
            }),
            sort_text: Some(format!("{}{}", offer.rank, offer.label)),
            insert_text_format: is_snippet.then_some(InsertTextFormat::SNIPPET),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit { range, new_text })),
            label: offer.label,
            ..CompletionItem::default()
        }
    };
    let items = offers.into_iter().filter(fits).take(MAX_ITEMS).map(item).collect();
    Some(CompletionList { is_incomplete, items })
}

fn offers(analysis: &Analysis, at: usize) -> Option<(Vec<Offer>, Span)> {
    let text = analysis.text();
    let block = analysis.block(at);
    let Some(block) = block else {
        let prose = analysis.runbook.pieces.iter().find_map(|piece| match piece {
            Piece::Prose(span) if span.start <= at && at <= span.end => Some(span.clone()),
            _ => None,
        })?;
        let start = expression::opening(text, prose.start, at)?;
        return in_expression(analysis, None, start, at, None);
    };
    if at < block.body.start || at > block.body.end {
        return None;
    }
    if let Some(start) = expression::opening(text, block.body.start, at) {
        return in_expression(analysis, Some(block), start, at, None);
    }
    let place = cursor::place(text, &block.body, at)?;
    let keys: Vec<Option<&str>> = place.path.iter().map(Option::as_deref).collect();
    if let [Some(key @ ("when" | "expect")), ..] = &*keys
        && block.info.is_some()
        && place.what != What::Key
    {
        let start = place.word.start;
        return in_expression(analysis, Some(block), start, at, Some(*key));
    }
    let offers = match (&block.info, &*keys) {
        (Some(_), []) => first_keys(&place),
        (Some(_), [Some("needs"), ..]) => steps(analysis, block),
        (Some(_), [Some(key), path @ ..]) => {
            of_field(Field::in_block(key)?.at(path.iter().copied())?, &place)
        }
        (None, path) => of_field(Field::of(front_matter()).at(path.iter().copied())?, &place),
        _ => return None,
    };
    Some((offers, place.word))
}

/// Returns the keys of a block: the kinds, if it has none yet, and those that any step may have.
fn first_keys(place: &Place) -> Vec<Offer> {
    let mut offers = Vec::new();
    if !kinds().iter().any(|kind| place.beside.iter().any(|name| name == kind.name)) {
        offers.extend(kinds().iter().map(|kind| {
            let fields = Field::of((kind.fields)());
            let required: Vec<&str> = fields.required().collect();
            let (mut plain, mut snippet) = (format!("{}:", kind.name), format!("{}:", kind.name));
            if required.is_empty() {
                plain.push_str("\n  ");
                snippet.push_str("\n  $0");
            }
            for (index, name) in required.iter().enumerate() {
                plain.push_str(&format!("\n  {name}: "));
                snippet.push_str(&format!("\n  {name}: ${}", index + 1));
            }
            Offer {
                insert: Some((plain, snippet)),
                rank: 0,
                ..Offer::new(kind.name, CompletionItemKind::CLASS, kind.about)
            }
        }));
    }
    offers.extend(keys(Field::of(common_schema()), place));
    offers
}

/// Returns what may stand at the place of a field.
fn of_field(field: Field<'_>, place: &Place) -> Vec<Offer> {
    match place.what {
        What::Key => keys(field, place),
        What::Value => values(field),
        What::Either => keys(field, place).into_iter().chain(values(field)).collect(),
    }
}

fn keys(field: Field<'_>, place: &Place) -> Vec<Offer> {
    let members = field.members().into_iter();
    let offer = |(name, member): (&str, Field<'_>)| {
        let required = field.requires(name);
        let insert = match member.is_nested() && member.values().is_empty() && !member.is_text() {
            true => format!("{name}:"),
            false => format!("{name}: "),
        };
        Offer {
            about: Some(member.describe(name)),
            insert: Some((insert, String::new())),
            rank: if required { 0 } else { 1 },
            ..Offer::new(name, CompletionItemKind::FIELD, member.in_words())
        }
    };
    members.filter(|(name, _)| !place.beside.iter().any(|other| other == name)).map(offer).collect()
}

fn values(field: Field<'_>) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for (value, about) in field.values() {
        let label = plain(value);
        offers.push(match price::instance(&label) {
            // Those whose price is known come first.
            Some(instance) => {
                let detail = instance_in_words(&instance);
                Offer { rank: 0, ..Offer::new(label, CompletionItemKind::ENUM_MEMBER, detail) }
            }
            None => Offer {
                about: about.map(str::to_owned),
                ..Offer::new(label, CompletionItemKind::ENUM_MEMBER, "")
            },
        });
    }
    for instance in field.instance_types() {
        offers.push(Offer::new(instance.name, CompletionItemKind::ENUM_MEMBER, instance_in_words(instance)));
    }
    if field.is_boolean() {
        offers.extend(["true", "false"].map(|word| Offer::new(word, CompletionItemKind::KEYWORD, "")));
    }
    offers
}

/// Returns the steps before a block.
fn steps(analysis: &Analysis, block: &Block) -> Vec<Offer> {
    let steps = analysis.steps_before(Some(block)).iter();
    steps.map(|step| Offer::new(&*step.id, CompletionItemKind::MODULE, &*step.kind.name)).collect()
}

/// Returns what may be typed in an expression. `key` is the one whose value it is, if it has no braces.
fn in_expression(
    analysis: &Analysis,
    block: Option<&Block>,
    start: usize,
    at: usize,
    key: Option<&str>,
) -> Option<(Vec<Offer>, Span)> {
    let (word, span) = expression::word(analysis.text(), start, at)?;
    let words = |words: &[&str], kind: CompletionItemKind| -> Vec<Offer> {
        words.iter().map(|word| Offer::new(*word, kind, "")).collect()
    };
    let in_prose = block.is_none_or(|block| block.info.is_none());
    let offers = match word {
        Word::Filter => {
            let mut offers = words(FILTERS, CompletionItemKind::FUNCTION);
            offers.extend(words(if in_prose { BLOCKS } else { &[] }, CompletionItemKind::FUNCTION));
            offers
        }
        Word::Test => words(TESTS, CompletionItemKind::KEYWORD),
        Word::Step => {
            let steps = analysis.runbook.steps.iter();
            steps.map(|step| Offer::new(&*step.id, CompletionItemKind::MODULE, &*step.kind.name)).collect()
        }
        Word::Name(path) => match &*path {
            [] => {
                let steps = analysis.steps_before(block).iter();
                let mut offers: Vec<Offer> = steps
                    .map(|step| Offer::new(&*step.id, CompletionItemKind::MODULE, &*step.kind.name))
                    .collect();
                let own = analysis.step(at).filter(|_| key == Some("expect"));
                if let Some(own) = own {
                    offers
                        .extend(outputs(Field::of(outputs_of(own))).map(|offer| Offer { rank: 0, ..offer }));
                }
                offers.push(Offer::new("params", CompletionItemKind::VARIABLE, "the runbook's parameters"));
                offers.push(Offer::new("run", CompletionItemKind::VARIABLE, "the run itself"));
                offers.extend(words(FUNCTIONS, CompletionItemKind::FUNCTION));
                offers.extend(words(
                    if in_prose { PROSE_FUNCTIONS } else { &[] },
                    CompletionItemKind::FUNCTION,
                ));
                offers
            }
            [Some("params")] => {
                let params = analysis.runbook.front.params.iter();
                let offer = |(name, param): (&String, &crate::runbook::Param)| {
                    let detail = param.help.clone().unwrap_or_default();
                    Offer::new(name, CompletionItemKind::VARIABLE, detail)
                };
                params.map(offer).collect()
            }
            [Some("run")] => words(RUN, CompletionItemKind::VARIABLE),
            [Some(root), path @ ..] => {
                let step = analysis.steps_before(block).iter().find(|step| step.id == *root);
                let field = match (step, analysis.step(at)) {
                    (Some(step), _) => Field::of(outputs_of(step)).at(path.iter().copied()),
                    (None, Some(own)) if key == Some("expect") => {
                        Field::of(outputs_of(own)).at([Some(*root)].into_iter().chain(path.iter().copied()))
                    }
                    _ => None,
                };
                field.into_iter().flat_map(outputs).collect()
            }
            _ => return None,
        },
    };
    Some((offers, span))
}

fn outputs(field: Field<'_>) -> impl Iterator<Item = Offer> + '_ {
    let offer = |(name, member): (&str, Field<'_>)| Offer {
        about: Some(member.describe(name)),
        ..Offer::new(name, CompletionItemKind::PROPERTY, member.in_words())
    };
    field.members().into_iter().map(offer)
}
