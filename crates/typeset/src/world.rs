//! What typst may see of the world: one template, the files that were handed over, the fonts that are compiled in.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use typst::diag::{FileError, FileResult};
use typst::foundations::{Bytes, Datetime, Duration};
use typst::syntax::{FileId, RootedPath, Source, VirtualPath, VirtualRoot};
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;
use typst::{Library, LibraryExt as _, World};

use crate::fonts;

/// The files that a template may read, by their paths: `report.json`, `figures/figure-1.svg`.
pub type Contents = BTreeMap<String, Vec<u8>>;

static LIBRARY: LazyLock<LazyHash<Library>> = LazyLock::new(|| LazyHash::new(Library::default()));

/// A template and the files that it may read.
pub struct Files {
    template: Source,
    contents: HashMap<String, Bytes>,
    today: Option<Datetime>,
}

impl Files {
    pub fn new(template: &str, contents: Contents, today: Option<Datetime>) -> Self {
        let root = VirtualPath::new("template.typ").expect("the path is a constant");
        let id = RootedPath::new(VirtualRoot::Project, root).intern();
        let contents = contents.into_iter().map(|(path, bytes)| (path, Bytes::new(bytes))).collect();
        Self { template: Source::new(id, template.to_owned()), contents, today }
    }

    /// The line of a place in the template, from 1.
    pub fn line(&self, byte: usize) -> Option<usize> {
        Some(self.template.lines().byte_to_line(byte)? + 1)
    }
}

impl World for Files {
    fn library(&self) -> &LazyHash<Library> {
        &LIBRARY
    }

    fn book(&self) -> &LazyHash<FontBook> {
        fonts::book()
    }

    fn main(&self) -> FileId {
        self.template.id()
    }

    fn source(&self, id: FileId) -> FileResult<Source> {
        if id == self.template.id() {
            return Ok(self.template.clone());
        }
        let text = String::from_utf8(self.file(id)?.to_vec()).map_err(|_| FileError::InvalidUtf8)?;
        Ok(Source::new(id, text))
    }

    fn file(&self, id: FileId) -> FileResult<Bytes> {
        let path = id.get();
        let name = path.vpath().get_without_slash();
        // There are no packages.
        let found = matches!(path.root(), VirtualRoot::Project).then(|| self.contents.get(name)).flatten();
        found.cloned().ok_or_else(|| FileError::NotFound(name.into()))
    }

    fn font(&self, index: usize) -> Option<Font> {
        fonts::font(index)
    }

    fn today(&self, _: Option<Duration>) -> Option<Datetime> {
        self.today
    }
}
