//! A text whose places are counted as the protocol counts them: lines, and UTF-16 units in a line.

use lsp_types::Position;

/// For how many bytes the units are summed up: a document may be one line.
const STRIDE: usize = 512;

#[derive(Debug, Default)]
pub struct Text {
    text: String,
    /// Where each line begins.
    lines: Vec<usize>,
    /// How many UTF-16 units stand before each stride.
    units: Vec<usize>,
}

impl Text {
    pub fn new(text: String) -> Self {
        let bytes = text.as_bytes();
        let ends =
            |at: usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
        let lines = (0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1);
        let lines = std::iter::once(0).chain(lines).collect();
        let (mut units, mut at, mut sum) = (Vec::new(), 0, 0);
        for stride in (0..=text.len()).step_by(STRIDE) {
            let next = text.floor_char_boundary(stride);
            sum += text[at..next].encode_utf16().count();
            at = next;
            units.push(sum);
        }
        Self { text, lines, units }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns how many UTF-16 units stand before a byte.
    fn units_before(&self, byte: usize) -> usize {
        let stride = byte / STRIDE;
        let start = self.text.floor_char_boundary(stride * STRIDE);
        self.units[stride] + self.text[start..byte].encode_utf16().count()
    }

    /// Returns the position of a byte. Behind the end it is the end.
    pub fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte);
        let line = self.lines.partition_point(|start| *start <= byte) - 1;
        let character = self.units_before(byte) - self.units_before(self.lines[line]);
        Position::new(u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(character).unwrap_or(u32::MAX))
    }

    /// Returns the byte at a position. Behind the end of a line it is the line's end.
    pub fn byte(&self, position: Position) -> usize {
        let line = position.line as usize;
        let Some(&start) = self.lines.get(line) else { return self.text.len() };
        let end = self.lines.get(line + 1).copied().unwrap_or(self.text.len());
        let end = start + self.text[start..end].trim_end_matches(['\r', '\n']).len();
        let wanted = self.units_before(start) + position.character as usize;
        let stride = self.units.partition_point(|units| *units <= wanted).saturating_sub(1);
        let mut at = self.text.floor_char_boundary(stride * STRIDE).clamp(start, end);
        let mut units = self.units_before(at);
        for c in self.text[at..end].chars() {
            units += c.len_utf16();
            if units > wanted {
                break;
            }
            at += c.len_utf8();
        }
        at
    }

    /// Puts other text in the place of what is between two positions.
    pub fn replace(&mut self, (start, end): (Position, Position), other: &str) {
        let start = self.byte(start);
        let end = self.byte(end).max(start);
        let mut text = std::mem::take(&mut self.text);
        text.replace_range(start..end, other);
        *self = Self::new(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Positions as the protocol says, without strides.
    fn plain(text: &str, byte: usize) -> Position {
        let before = &text[..byte].replace("\r\n", "\n").replace('\r', "\n");
        let line = before.matches('\n').count();
        let last = before.rsplit('\n').next().unwrap();
        Position::new(line as u32, last.encode_utf16().count() as u32)
    }

    #[test]
    fn positions_count_units_of_utf_16() {
        let mixed = "aé€𝄞\n".repeat(300) + &"x𝄞".repeat(2000) + "\r\nz\ré\n";
        for text in ["", "a", "é𝄞b\nc", "\n\n", "a\r\nb\rc\n", &mixed] {
            let counted = Text::new(text.to_owned());
            for (byte, c) in text.char_indices().chain([(text.len(), ' ')]) {
                let within_end = byte > 0 && c == '\n' && text.as_bytes()[byte - 1] == b'\r';
                if within_end {
                    continue;
                }
                let position = counted.position(byte);
                assert_eq!(position, plain(text, byte), "{byte} of {} bytes", text.len());
                assert_eq!(counted.byte(position), byte);
            }
        }
    }

    #[test]
    fn what_is_behind_an_end_is_the_end() {
        let text = Text::new("é𝄞\r\nb".to_owned());
        assert_eq!(text.byte(Position::new(0, 99)), 6);
        // In the middle of a pair: before it.
        assert_eq!(text.byte(Position::new(0, 2)), 2);
        assert_eq!(text.byte(Position::new(1, u32::MAX)), 9);
        assert_eq!(text.byte(Position::new(u32::MAX, u32::MAX)), 9);
        assert_eq!(text.position(usize::MAX), Position::new(1, 1));
    }

    #[test]
    fn edits_are_those_of_the_protocol() {
        let mut text = Text::new("é𝄞\nb".to_owned());
        text.replace((Position::new(0, 1), Position::new(0, 3)), "x\n");
        assert_eq!(text.as_str(), "éx\n\nb");
        text.replace((Position::new(9, 9), Position::new(0, 0)), "!");
        assert_eq!(text.as_str(), "éx\n\nb!");
    }
}
