//! The fonts of all documents, compiled in. A template finds no other, so a document looks the same on every machine.

use std::sync::LazyLock;

use typst::foundations::Bytes;
use typst::text::{Font, FontBook};
use typst::utils::LazyHash;

/// Text and headings, code, and last what the others don't have: signs, arrows, more scripts.
const FILES: &[&[u8]] = &[
    include_bytes!("../fonts/SourceSans3-Regular.otf"),
    include_bytes!("../fonts/SourceSans3-It.otf"),
    include_bytes!("../fonts/SourceSans3-Semibold.otf"),
    include_bytes!("../fonts/SourceSans3-SemiboldIt.otf"),
    include_bytes!("../fonts/SourceCodePro-Regular.otf"),
    include_bytes!("../fonts/SourceCodePro-Semibold.otf"),
    include_bytes!("../fonts/DejaVuSansMono.ttf"),
];

struct Fonts {
    book: LazyHash<FontBook>,
    fonts: Vec<Font>,
}

static FONTS: LazyLock<Fonts> = LazyLock::new(|| {
    let fonts: Vec<Font> = FILES.iter().flat_map(|file| Font::iter(Bytes::new(*file))).collect();
    Fonts { book: LazyHash::new(FontBook::from_fonts(&fonts)), fonts }
});

pub fn book() -> &'static LazyHash<FontBook> {
    &FONTS.book
}

pub fn font(index: usize) -> Option<Font> {
    FONTS.fonts.get(index).cloned()
}

/// Whether the character can be shown: a font has a sign for it, or it needs none. PDF/UA-1 forbids text that is shown
/// as an empty box, and marks of the byte order.
pub fn is_covered(character: char) -> bool {
    match character {
        ' '..='~' | '\t' | '\n' => true,
        // They choose between forms of the sign before them.
        '\u{fe00}'..='\u{fe0f}' => true,
        '\0'..='\u{9f}' | '\u{feff}' => false,
        _ => FONTS.fonts.iter().any(|font| font.info().coverage.contains(u32::from(character))),
    }
}
