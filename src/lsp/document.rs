//! A document that is open in the editor, and what is known of it.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use lsp_types::{Position, Range};

use super::names::{Names, names};
use super::text::Text;
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::journal::State;
use crate::runbook::yaml::{self, Node};
use crate::runbook::{Block, Declared, Runbook, blocks};

/// The byte order mark, which is no part of a runbook's text.
const MARK: char = '\u{feff}';

/// Returns what is known of a runbook's file.
pub type Lookup<T> = Box<dyn Fn(&Path) -> Option<T>>;

/// What the server needs of the program around it.
pub struct Host {
    /// The most bytes of a runbook.
    pub most: usize,
    /// Reads and checks a runbook as `opsml check` does.
    pub check: fn(Source) -> (Runbook, Vec<Diagnostic>),
    /// When the journal of a runbook was written last, if there is one.
    pub written: Lookup<SystemTime>,
    /// Reads the journal of a runbook.
    pub journal: Lookup<State>,
    /// The program, and the options by which a run finds that journal: `--target aws`.
    pub program: String,
    pub options: Vec<String>,
}

/// What the text of a runbook says.
pub struct Analysis {
    pub runbook: Runbook,
    pub diagnostics: Vec<Diagnostic>,
    pub blocks: Vec<Block>,
    names: OnceCell<Names>,
    front: OnceCell<Option<Node>>,
}

impl Analysis {
    /// Reads the text of a runbook. `None` if it is none, for it has no step's block, or is too long for one.
    pub fn of(path: PathBuf, text: &str, host: &Host) -> Option<Self> {
        let text = text.strip_prefix(MARK).unwrap_or(text);
        if text.len() > host.most {
            return None;
        }
        let blocks = blocks(text);
        if blocks.iter().all(|block| block.info.is_none()) {
            return None;
        }
        let (runbook, diagnostics) = (host.check)(Source::new(path, text));
        Some(Self { runbook, diagnostics, blocks, names: OnceCell::new(), front: OnceCell::new() })
    }

    pub fn text(&self) -> &str {
        &self.runbook.source.text
    }

    /// Returns the block around a place. One that nothing closes yet goes on up to the end of the text.
    pub fn block(&self, at: usize) -> Option<&Block> {
        let is_open = |block: &Block| block.body.end == block.span.end;
        let ends = |block: &Block| block.span.end + usize::from(is_open(block));
        self.blocks.iter().find(|block| block.span.start <= at && at < ends(block))
    }

    /// Returns the step whose block is around a place, if it could be read.
    pub fn step(&self, at: usize) -> Option<&Declared> {
        self.own_steps().find(|step| step.span.contains(&at))
    }

    /// Returns the steps that stand in the document itself, and not in a file that it includes.
    pub fn own_steps(&self) -> impl Iterator<Item = &Declared> {
        let own = self.runbook.source.own();
        self.runbook.steps.iter().filter(move |step| step.span.start < own.end)
    }

    /// Returns the steps that a template at a place may refer to: in a block those before it, in prose all.
    pub fn steps_before(&self, block: Option<&Block>) -> &[Declared] {
        let steps = &self.runbook.steps;
        match block {
            Some(Block { info: Some(_), span, .. }) => {
                &steps[..steps.partition_point(|step| step.stands_at < span.start)]
            }
            _ => steps,
        }
    }

    pub fn names(&self) -> &Names {
        self.names.get_or_init(|| names(&self.runbook, self.front(), &self.blocks))
    }

    /// Returns the tree of the front matter, if it is YAML.
    pub fn front(&self) -> Option<&Node> {
        let tree = || {
            let front = self.blocks.iter().find(|block| block.info.is_none())?;
            self.tree(front)
        };
        self.front.get_or_init(tree).as_ref()
    }

    /// Returns the tree of a block, if it is YAML.
    pub fn tree(&self, block: &Block) -> Option<Node> {
        yaml::parse(self.text(), block.body.clone(), &mut Vec::new())
    }
}

#[derive(Default)]
pub struct Document {
    /// The document's file, if it has one.
    pub path: Option<PathBuf>,
    pub version: i32,
    text: Text,
    analysis: OnceCell<Option<Analysis>>,
    journal: Option<(SystemTime, Option<State>)>,
}

impl Document {
    pub fn new(uri: &str, version: i32, text: String) -> Self {
        let path = url::Url::parse(uri).ok().and_then(|uri| uri.to_file_path().ok());
        Self { path, version, text: Text::new(text), ..Self::default() }
    }

    /// Changes a part of the text, or all of it.
    pub fn change(&mut self, range: Option<Range>, text: String) {
        match range {
            Some(range) => self.text.replace((range.start, range.end), &text),
            None => self.text = Text::new(text),
        }
        self.analysis = OnceCell::new();
    }

    /// Returns how many bytes the text has.
    pub fn length(&self) -> usize {
        self.text.as_str().len()
    }

    /// Returns what the text says, if it is a runbook.
    pub fn analysis(&self, host: &Host) -> Option<&Analysis> {
        let path = || self.path.clone().unwrap_or_else(|| PathBuf::from("unnamed.md"));
        self.analysis.get_or_init(|| Analysis::of(path(), self.text.as_str(), host)).as_ref()
    }

    /// Reads the journal if it was written since it was read. Returns whether that changed anything.
    pub fn refresh(&mut self, host: &Host) -> bool {
        let Some(path) = &self.path else { return false };
        let written = (host.written)(path);
        if written == self.journal.as_ref().map(|(read, _)| *read) {
            return false;
        }
        self.journal = written.map(|written| (written, (host.journal)(path)));
        true
    }

    /// Returns what the journal says, if there is one that can be read.
    pub fn state(&self) -> Option<&State> {
        self.journal.as_ref()?.1.as_ref()
    }

    /// Returns the range in the editor of a span of the runbook's text.
    pub fn range(&self, span: &Span) -> Range {
        let base = self.base();
        Range::new(self.text.position(base + span.start), self.text.position(base + span.end.max(span.start)))
    }

    /// Returns the byte of the runbook's text at a position in the editor.
    pub fn byte(&self, position: Position) -> usize {
        self.text.byte(position).saturating_sub(self.base())
    }

    fn base(&self) -> usize {
        if self.text.as_str().starts_with(MARK) { MARK.len_utf8() } else { 0 }
    }
}
