//! The elements of a drawing. All numbers are finite and all texts escaped, whatever they come from.

use std::collections::HashMap;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::token::one_line;
use crate::journal::Picture;

/// The width of every drawing. In a column of text of 160 mm, a text of 13 is then 11 points high; on a phone, 8.
pub const WIDTH: f64 = 520.0;

/// The size of a text, and of a smaller one.
pub const TEXT: f64 = 13.0;
pub const SMALL: f64 = 11.5;

/// The bytes of pictures by their digest.
pub type Bytes = HashMap<String, Vec<u8>>;

/// Colours that people of any colour vision tell apart, for light and dark ground and for paper; dashes and marks differ too.
const STYLE: &str = "\
.drawn text{font-family:system-ui,'Helvetica Neue',Helvetica,Arial,'Liberation Sans',sans-serif;font-size:13px;fill:#4a535d}\
.drawn .small{font-size:11.5px}.drawn .tiny{font-size:9px}.drawn .strong{font-weight:600;fill:#1f2328}\
.drawn .grid{stroke:#8c959f;stroke-opacity:.28}.drawn .axis{stroke:#8c959f}.drawn .event{stroke:#4a535d;stroke-dasharray:3 3}\
.drawn .line{fill:none;stroke-width:2;stroke-linejoin:round}\
.drawn .s0{stroke:#0969da;color:#0969da}.drawn .s1{stroke:#bc4c00;color:#bc4c00}.drawn .s2{stroke:#1a7f37;color:#1a7f37}\
.drawn .s3{stroke:#8250df;color:#8250df}.drawn .s1.line{stroke-dasharray:7 4}.drawn .s2.line{stroke-dasharray:2 4}\
.drawn .s3.line{stroke-dasharray:9 3 2 3}.drawn .mark,.drawn .fill,.drawn .area{fill:currentColor;stroke:none}.drawn .area{fill-opacity:.22}.drawn .on{fill:#fff}.drawn .box{fill:none;stroke:#8c959f;stroke-opacity:.6}\
@media screen and (prefers-color-scheme:dark){.drawn text{fill:#a9b3be}.drawn .strong{fill:#dfe5ec}.drawn .event{stroke:#a9b3be}\
.drawn .s0{stroke:#58a6ff;color:#58a6ff}.drawn .s1{stroke:#f0883e;color:#f0883e}.drawn .s2{stroke:#56d364;color:#56d364}\
.drawn .s3{stroke:#bc8cff;color:#bc8cff}.drawn .mark,.drawn .fill,.drawn .area{stroke:none}.drawn .on{fill:#0d1117}}";

#[derive(Clone, Copy)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Area {
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }
}

/// What has been drawn, from the top down.
pub struct Canvas<'a> {
    /// Makes the ids in it unique in a page.
    pub id: &'a str,
    pub pictures: &'a Bytes,
    pub height: f64,
    svg: String,
    /// What it shows, in words: a sentence each.
    pub described: Vec<String>,
}

impl<'a> Canvas<'a> {
    pub fn new(id: &'a str, pictures: &'a Bytes) -> Self {
        Self { id, pictures, height: 0.0, svg: String::new(), described: Vec::new() }
    }

    // Writing to a String cannot fail.

    pub fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let text = escape(&one_line(text));
        if !text.is_empty() {
            let anchor = anchor.word();
            let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
            let _ = write!(
                self.svg,
                r#"<text{class} x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
            );
        }
    }

    /// A text that reads upwards, and ends at the point.
    pub fn upright(&mut self, (x, y): (f64, f64), class: &str, text: &str) {
        let text = escape(&one_line(text));
        let _ = write!(
            self.svg,
            r#"<text class="{class}" transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="start">{text}</text>"#
        );
    }

    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = write!(
            self.svg,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    pub fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let _ = write!(self.svg, r#"<polyline class="{class}" points="{}"/>"#, joined(points));
    }

    pub fn polygon(&mut self, class: &str, points: &[(f64, f64)]) {
        let _ = write!(self.svg, r#"<polygon class="{class}" points="{}"/>"#, joined(points));
    }

    /// A rectangle, filled as far as `opacity` says, 0 to 1.
    pub fn rect(&mut self, class: &str, area: Area, opacity: f64) {
        let Area { x, y, width, height } = area;
        let opacity = if opacity < 1.0 { format!(r#" fill-opacity="{opacity:.2}""#) } else { String::new() };
        let _ = write!(
            self.svg,
            r#"<rect class="{class}" x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}"{opacity}/>"#
        );
    }

    /// The mark of a series: each of four has a shape of its own.
    pub fn mark(&mut self, series: usize, (x, y): (f64, f64)) {
        let class = format!("mark {}", style(series));
        let _ = match series % 4 {
            0 => write!(self.svg, r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3.6"/>"#),
            1 => write!(
                self.svg,
                r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="6.8" height="6.8"/>"#,
                x - 3.4,
                y - 3.4
            ),
            2 => write!(self.svg, r#"<path class="{class}" d="M{x:.1} {:.1}l4.4 7.6h-8.8z"/>"#, y - 4.8),
            _ => write!(self.svg, r#"<path class="{class}" d="M{x:.1} {:.1}l5 5-5 5-5-5z"/>"#, y - 5.0),
        };
    }

    /// Puts a picture's bytes where [`Self::cell`] finds them. Returns whether they are there.
    pub fn define(&mut self, picture: &Picture) -> bool {
        let Some(bytes) = self.pictures.get(&picture.digest) else {
            self.described.push(format!("The picture is gone: {}", picture.alt));
            return false;
        };
        let (id, media_type, data) = (self.id, escape(&picture.media_type), STANDARD.encode(bytes));
        let _ = write!(
            self.svg,
            r#"<defs><image id="{id}-picture" width="{}" height="{}" preserveAspectRatio="none" href="data:{media_type};base64,{data}"/></defs>"#,
            picture.width, picture.height
        );
        true
    }

    /// A part of the picture that was defined last, given in its pixels, scaled into `area`.
    pub fn cell(&mut self, part: Area, area: Area) {
        let (id, Area { x, y, width, height }) = (self.id, area);
        let _ = write!(
            self.svg,
            r##"<svg x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" viewBox="{} {} {} {}" preserveAspectRatio="none"><use href="#{id}-picture"/></svg>"##,
            part.x, part.y, part.width, part.height
        );
    }

    /// What stands in the place of a picture that is gone.
    pub fn gone(&mut self, area: Area) {
        self.rect("box", area, 1.0);
        let at = (area.x + area.width / 2.0, area.y + area.height / 2.0 + 4.0);
        self.text(at, Anchor::Middle, "small", &shortened("picture gone", SMALL, area.width));
    }

    /// The drawing as a document, complete with its style.
    pub fn finish(self, caption: &str) -> String {
        let Self { id, height, svg, described, .. } = self;
        let (title, described) = (escape(&one_line(caption)), escape(&one_line(&described.join("; "))));
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" class="drawn" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-labelledby="{id}-title {id}-desc"><title id="{id}-title">{title}</title><desc id="{id}-desc">{described}</desc><style>{STYLE}</style>{svg}</svg>"#
        )
    }
}

/// The class of a series' colour.
pub fn style(series: usize) -> String {
    format!("s{}", series % 4)
}

fn joined(points: &[(f64, f64)]) -> String {
    let places: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    places.join(" ")
}

pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// About how wide a text is, rather too wide than too narrow: the font is the reader's.
pub fn width(text: &str, size: f64) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | '('
        | ')' | '-' => 0.37,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 0.92,
        'A'..='Z' => 0.71,
        '\u{0}'..='\u{2fff}' => 0.59,
        _ => 1.05,
    };
    text.chars().map(of).sum::<f64>() * size
}

/// The text, or as much of it as fits with an ellipsis.
pub fn shortened(text: &str, size: f64, room: f64) -> String {
    let text = one_line(text);
    if width(&text, size) <= room {
        return text;
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width(&short, size) + width("…", size) > room {
            short.pop();
            break;
        }
    }
    format!("{}…", short.trim_end())
}

/// The text on at most `lines` lines that fit. It breaks behind spaces and signs, and inside a word that is too long.
pub fn wrapped(text: &str, size: f64, room: f64, lines: usize) -> Vec<String> {
    let mut rest = one_line(text);
    let mut wrapped = Vec::new();
    while !rest.is_empty() && wrapped.len() + 1 < lines && width(&rest, size) > room {
        let mut line = String::new();
        let mut end = 0;
        for (at, c) in rest.char_indices() {
            line.push(c);
            if width(line.trim_end(), size) > room {
                break;
            }
            // Behind a sign, or before the letter that is too much.
            if !c.is_alphanumeric() {
                end = at + c.len_utf8();
            }
        }
        let fits = line.len() - line.chars().next_back().map_or(0, char::len_utf8);
        // A short word before a long one would waste the line.
        let end = if width(&rest[..end], size) < room * 0.4 { 0 } else { end };
        let end = if end == 0 { fits.max(rest.chars().next().map_or(0, char::len_utf8)) } else { end };
        let tail = rest.split_off(end);
        wrapped.push(rest.trim_end().to_owned());
        rest = tail.trim_start().to_owned();
    }
    if !rest.is_empty() {
        wrapped.push(shortened(&rest, size, room));
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_broken_where_they_fit() {
        for text in [
            "American_staffordshire_terrier",
            "a b c d e f g h i j k l",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "犬犬犬犬犬犬犬犬犬",
        ] {
            for room in [1.0, 40.0, 80.0, 1000.0] {
                let lines = wrapped(text, SMALL, room, 3);
                assert!((1..=3).contains(&lines.len()), "{lines:?}");
                for line in &lines {
                    let one = line.chars().count() <= 1;
                    assert!(one || width(line, SMALL) <= room, "{line:?} is wider than {room}");
                }
            }
        }
        assert_eq!(wrapped("Staffordshire terrier", SMALL, 90.0, 2), ["Staffordshire", "terrier"]);
        assert_eq!(wrapped("short", SMALL, 90.0, 2), ["short"]);
        assert!(wrapped("", SMALL, 90.0, 2).is_empty());
    }
}
