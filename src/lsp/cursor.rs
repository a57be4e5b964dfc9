//! Where in a block's YAML the cursor is, by lines and indentation: while it is typed, it is no YAML.

use crate::diagnostic::Span;

/// What may stand at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Key,
    Value,
    /// An item of a list: a value, or the first key of a mapping.
    Either,
}

/// The place of the cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The keys around it, from the block's root on. `None` is an item of a list. Of a value, the last one is its own key.
    pub path: Vec<Option<String>>,
    /// The keys that stand beside it in the same mapping.
    pub beside: Vec<String>,
    pub what: What,
    /// What is typed of its word, up to the cursor.
    pub word: Span,
    /// How many columns stand before the mapping that it is in.
    pub column: usize,
}

/// Returns where the cursor is in the lines of a block. `None` where nothing can be completed: in comments and in text of several
/// lines.
pub fn place(text: &str, body: &Span, cursor: usize) -> Option<Place> {
    if cursor < body.start || cursor > body.end {
        return None;
    }
    let (entries, stack) = (Vec::new(), Vec::new());
    let mut reader = Reader { text, end: body.end, cursor, entries, stack, found: None, passed: body.start };
    let (mut at, mut scalar) = (body.start, None);
    // A body that ends with a line break has one more line, for the cursor.
    loop {
        let line = text[at..body.end].split('\n').next().unwrap_or_default();
        let here = at..=at + line.len();
        reader.line(at, line.trim_end_matches('\r'), &mut scalar, here.contains(&cursor));
        at += line.len() + 1;
        if at > body.end {
            break;
        }
    }
    reader.finish()
}

/// A key or an item of a list.
struct Entry {
    column: usize,
    parent: Option<usize>,
    /// `None` for an item.
    name: Option<String>,
}

/// A bracket that is open at the cursor.
struct Bracket {
    is_list: bool,
    /// The item of a list, or what a mapping is the value of.
    entry: Option<usize>,
    /// In a mapping, the key whose value is read.
    key: Option<usize>,
}

struct Reader<'a> {
    text: &'a str,
    end: usize,
    cursor: usize,
    entries: Vec<Entry>,
    /// The entries around the line that is read.
    stack: Vec<usize>,
    /// The parent of what is at the cursor.
    found: Option<(Option<usize>, What, Span, usize)>,
    /// Up to where text is read already: a text or brackets of several lines.
    passed: usize,
}

impl Reader<'_> {
    fn line(&mut self, start: usize, line: &str, scalar: &mut Option<usize>, has_cursor: bool) {
        let indent = line.len() - line.trim_start_matches(' ').len();
        let content = &line[indent..];
        if content.is_empty() {
            if has_cursor
                && self.passed <= self.cursor
                && scalar.is_none_or(|column| self.cursor - start <= column)
            {
                let column = self.cursor - start;
                let parent = self.around(column, false);
                self.find(parent, What::Key, self.cursor..self.cursor, column);
            }
            return;
        }
        if scalar.is_some_and(|column| indent > column) || start + indent < self.passed {
            return;
        }
        *scalar = None;
        if content.starts_with('#') {
            return;
        }
        let (mut column, mut rest) = (indent, content);
        let mut is_item = false;
        while rest == "-" || rest.starts_with("- ") {
            let parent = self.around(column, true);
            self.push(parent, column, None);
            is_item = true;
            let after = rest[1..].trim_start_matches(' ');
            column += rest.len() - after.len();
            rest = after;
        }
        let at = start + column;
        let is_here = has_cursor && self.cursor >= at;
        let parent = self.around(column, false);
        let Some((name, length)) = key(rest) else {
            if rest.starts_with(['"', '\'', '[', '{']) {
                return self.value(at, parent, scalar, is_here, column);
            }
            if is_here && !is_comment(&self.text[at..self.cursor.min(at + rest.len())]) {
                let what = if is_item { What::Either } else { What::Key };
                self.find(parent, what, at..self.cursor, column);
            }
            return;
        };
        let is_typed = is_here && self.cursor <= at + length;
        if is_typed {
            self.find(parent, What::Key, at..self.cursor, column);
        }
        // The key that is typed is not one beside it.
        let own = self.push(parent, column, Some(if is_typed { String::new() } else { name }));
        self.value(at + length, Some(own), scalar, is_here && !is_typed, column);
    }

    /// Reads what stands behind a key, from its colon on, or in an item.
    fn value(
        &mut self,
        at: usize,
        own: Option<usize>,
        scalar: &mut Option<usize>,
        is_here: bool,
        column: usize,
    ) {
        let line = self.text[at..self.end].split(['\n', '\r']).next().unwrap_or_default();
        let value = line.trim_start_matches([':', ' ']);
        let begin = at + line.len() - value.len();
        match value.bytes().next() {
            Some(b'|' | b'>') => *scalar = Some(column),
            Some(b'{' | b'[') => {
                self.passed = brackets_end(self.text, begin, self.end);
                if begin < self.cursor && (self.cursor < self.passed || self.passed == self.end) {
                    self.brackets(begin, own);
                }
            }
            Some(quote @ (b'"' | b'\'')) => {
                self.passed = quoted_end(self.text, begin, self.end, quote);
                if begin < self.cursor && self.cursor < self.passed {
                    self.find(own, What::Value, begin + 1..self.cursor, column);
                }
            }
            // A value stands behind a colon and a space.
            _ if is_here
                && self.cursor >= begin
                && self.cursor > at + 1
                && !is_comment(&self.text[begin..self.cursor]) =>
            {
                self.find(own, What::Value, begin..self.cursor, column);
            }
            _ => {}
        }
    }

    /// Finds the cursor within brackets.
    fn brackets(&mut self, start: usize, own: Option<usize>) {
        let bytes = self.text.as_bytes();
        let mut open: Vec<Bracket> = Vec::new();
        let (mut at, mut word) = (start, None);
        while at < self.cursor {
            let byte = bytes[at];
            let next = bytes.get(at + 1).copied().unwrap_or(b' ');
            match byte {
                b'{' | b'[' if word.is_none() => {
                    let around = open.last().map_or(own, |bracket| bracket.key.or(bracket.entry));
                    let is_list = byte == b'[';
                    let entry = if is_list { Some(self.entry(around, usize::MAX, None)) } else { around };
                    open.push(Bracket { is_list, entry, key: None });
                }
                b'}' | b']' => {
                    open.pop();
                    word = None;
                }
                b',' => {
                    word = None;
                    if let Some(bracket) = open.last_mut() {
                        bracket.key = None;
                        if bracket.is_list {
                            let around = bracket.entry.and_then(|entry| self.entries[entry].parent);
                            self.entries.push(Entry { column: usize::MAX, parent: around, name: None });
                            bracket.entry = Some(self.entries.len() - 1);
                        }
                    }
                }
                b':' if next.is_ascii_whitespace() || b",}]".contains(&next) => {
                    let name =
                        word.take().map(|start: usize| self.text[start..at].trim().trim_matches(['"', '\'']));
                    if let (Some(name), Some(bracket)) = (name, open.last_mut())
                        && !bracket.is_list
                        && bracket.key.is_none()
                    {
                        let entry =
                            Entry { column: usize::MAX, parent: bracket.entry, name: Some(name.to_owned()) };
                        self.entries.push(entry);
                        bracket.key = Some(self.entries.len() - 1);
                    }
                }
                b'"' | b'\'' if word.is_none() => {
                    word = Some(at);
                    at = quoted_end(self.text, at, self.cursor, byte);
                    continue;
                }
                _ if byte.is_ascii_whitespace() => {}
                _ => _ = word.get_or_insert(at),
            }
            at += 1;
        }
        let Some(bracket) = open.pop() else { return };
        let start = word.unwrap_or(self.cursor);
        let start = start + usize::from(self.text[start..self.cursor].starts_with(['"', '\'']));
        let (parent, what) = match (bracket.is_list, bracket.key) {
            (true, _) => (bracket.entry, What::Either),
            (false, Some(key)) => (Some(key), What::Value),
            (false, None) => (bracket.entry, What::Key),
        };
        self.find(parent, what, start..self.cursor, 0);
    }

    /// Leaves the entries that end before a column, and returns the one around it.
    fn around(&mut self, column: usize, is_item: bool) -> Option<usize> {
        // The items of a list may stand in the column of its key.
        let ends = |entry: &Entry| {
            entry.column > column || (entry.column == column && (entry.name.is_none() || !is_item))
        };
        while self.stack.last().is_some_and(|entry| ends(&self.entries[*entry])) {
            self.stack.pop();
        }
        self.stack.last().copied()
    }

    fn push(&mut self, parent: Option<usize>, column: usize, name: Option<String>) -> usize {
        let entry = self.entry(parent, column, name);
        self.stack.push(entry);
        entry
    }

    fn entry(&mut self, parent: Option<usize>, column: usize, name: Option<String>) -> usize {
        self.entries.push(Entry { column, parent, name });
        self.entries.len() - 1
    }

    fn find(&mut self, parent: Option<usize>, what: What, word: Span, column: usize) {
        self.found.get_or_insert((parent, what, word, column));
    }

    fn finish(self) -> Option<Place> {
        let (parent, what, word, column) = self.found?;
        let mut path = Vec::new();
        let mut at = parent;
        while let Some(entry) = at {
            path.push(self.entries[entry].name.clone());
            at = self.entries[entry].parent;
        }
        path.reverse();
        let beside = self.entries.iter().filter(|entry| entry.parent == parent);
        let beside = beside.filter_map(|entry| entry.name.clone()).filter(|name| !name.is_empty()).collect();
        Some(Place { path, beside, what, word, column })
    }
}

/// Returns the key that a line begins with, and how many bytes it has.
fn key(line: &str) -> Option<(String, usize)> {
    if let Some(quote) = line.bytes().next().filter(|byte| matches!(byte, b'"' | b'\'')) {
        let end = quoted_end(line, 0, line.len(), quote);
        let is_key = line[end..].trim_start_matches(' ').starts_with(':');
        return is_key.then(|| (line[1..end - 1].to_owned(), end));
    }
    let is_colon = |at: &usize| line[at + 1..].is_empty() || line[at + 1..].starts_with(' ');
    let end = line.match_indices(':').map(|(at, _)| at).find(is_colon)?;
    let name = line[..end].trim_end();
    let is_plain = !name.is_empty()
        && !name.contains(" #")
        && !name.starts_with(['{', '[', '#', '|', '>', '@', '`', '&', '*', '!']);
    is_plain.then(|| (name.to_owned(), name.len()))
}

/// Whether a comment begins in what stands before the cursor on its line.
fn is_comment(before: &str) -> bool {
    before.starts_with('#') || before.contains(" #")
}

/// Returns the end of quoted text, behind its closing quote, or `end` if nothing closes it.
fn quoted_end(text: &str, start: usize, end: usize, quote: u8) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while at < end {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    end
}

/// Returns the end of brackets, behind the one that closes the first, or `end` if nothing closes it.
fn brackets_end(text: &str, start: usize, end: usize) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (start, 0usize);
    while at < end {
        match bytes[at] {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            quote @ (b'"' | b'\'') if !bytes[at - 1].is_ascii_alphanumeric() => {
                at = quoted_end(text, at, end, quote);
                continue;
            }
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return at;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says where the cursor, `^`, is: the path, what may stand there, the word and the keys beside it.
    fn at(marked: &str) -> String {
        let cursor = marked.find('^').unwrap();
        let text = marked.replace('^', "");
        let Some(place) = place(&text, &(0..text.len()), cursor) else { return "nowhere".to_owned() };
        let path: Vec<&str> = place.path.iter().map(|name| name.as_deref().unwrap_or("-")).collect();
        format!(
            "{:?} {} `{}` beside {}",
            place.what,
            path.join("."),
            &text[place.word],
            place.beside.join(",")
        )
    }

    #[test]
    fn the_cursor_is_found_while_a_block_is_typed() {
        for (marked, shown) in [
            ("^", "Key  `` beside "),
            ("tr^", "Key  `tr` beside "),
            ("tr^ain:\n  role: x\nwhen: y\n", "Key  `tr` beside when"),
            ("train:\n  ^", "Key train `` beside "),
            ("train:\n  role: x\n  ^\n  image: y\nwhen: z", "Key train `` beside role,image"),
            ("train:\n  role: x\n^", "Key  `` beside train"),
            ("train:\n  role: x\n  inst^\n", "Key train `inst` beside role"),
            ("train:\n  instance_type: ml.m5^\n", "Value train.instance_type `ml.m5` beside "),
            ("train:\n  instance_type: ^\n  role: x", "Value train.instance_type `` beside "),
            ("train:\n  instance_type:^\n", "nowhere"),
            ("train:\n  instance_type: \"ml^\"\n", "Value train.instance_type `ml` beside "),
            ("role:\n  allow:\n    - actions: [s3:Get^]\n", "Either role.allow.-.actions.- `s3:Get` beside "),
            ("role:\n  allow:\n  - actions: [a]\n    res^", "Key role.allow.- `res` beside actions"),
            ("role:\n  allow:\n    - ^", "Either role.allow.- `` beside "),
            ("role:\n  allow:\n    - a: 1\n    - b^", "Either role.allow.- `b` beside "),
            ("role:\n  allow:\n    - a: 1\n  ser^", "Key role `ser` beside allow"),
            ("train:\n  inputs: {training: \"a,b\", ^}\n", "Key train.inputs `` beside training"),
            ("train:\n  inputs: {training: \"^\"}\n", "Value train.inputs.training `` beside "),
            ("train:\n  inputs: {training: x^\n", "Value train.inputs.training `x` beside "),
            ("params:\n  a: {default: [1, {b: 2}], he^lp: x}\n", "Key params.a `he` beside default"),
            ("params:\n  a: {\n    default: 1,\n    ^\n  }\n  c: 1", "Key params.a `` beside default"),
            ("train:\n  script: |\n    role: ^\n", "nowhere"),
            ("train:\n  script: |\n    role:\n\n  ^\n", "Key train `` beside script"),
            ("train:\n  # role: ^\n", "nowhere"),
            ("train:\n  role: x # ^\n", "nowhere"),
            ("needs:\n- a\n- ^", "Either needs.- `` beside "),
            ("needs: [a, b^", "Either needs.- `b` beside "),
            ("needs:\r\n- a\r\nwh^\r\n", "Key  `wh` beside needs"),
            ("a: \"b\n  c: ^\n\"\n", "Value a `b\n  c: ` beside "),
            ("\"a\": 1\n^", "Key  `` beside a"),
        ] {
            assert_eq!(at(marked), shown, "{marked}");
        }
    }

    #[test]
    fn any_text_and_place_has_an_answer() {
        let pieces =
            ["a:", " ", "\n", "- ", "{", "}", "[", "]", ",", "\"", "'", "|", "#", "é", "\\", "\t", ": ", "𝄞"];
        let mut seed = 7u32;
        for _ in 0..400 {
            let mut next = || {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                seed as usize >> 16
            };
            let text: String = (0..next() % 30).map(|_| pieces[next() % pieces.len()]).collect();
            for cursor in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
                if let Some(place) = place(&text, &(0..text.len()), cursor) {
                    assert!(text.get(place.word.clone()).is_some(), "{text:?} at {cursor}: {place:?}");
                }
            }
        }
    }
}
