//! Patterns with wildcards and variables, in resources and in conditions.
//!
//! The crate `wildmatch` matches actions, but can't be used here: it has no literal `*`, which `${*}` and the values of
//! variables need, and its `*` doesn't treat an ARN's colons specially.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html>

use super::context::Context;

/// The index of an ARN's last segment, which may contain colons.
const LAST_SEGMENT: usize = 5;

/// A pattern in a policy.
#[derive(Clone, Debug)]
pub struct Pattern(Vec<Piece>);

/// What wildcards match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Anything, as in StringLike.
    Text,
    /// As in a statement's resources: a `*` at the end of an ARN's segment also matches colons, another `*` doesn't.
    Resource,
    /// Anything but the colons between an ARN's segments, as in ArnLike. A pattern with fewer segments than an ARN is a
    /// text.
    Segment,
}

#[derive(Clone, Debug)]
enum Piece {
    Char(char),
    /// `?`
    One {
        crosses: bool,
    },
    /// `*`
    Many {
        crosses: bool,
    },
    /// `${aws:username}`, or with a default `${aws:PrincipalTag/team, 'none'}`
    Variable(String),
}

impl Pattern {
    /// Reads a pattern. Variables are only read in policies of version 2012-10-17.
    pub fn new(written: &str, variables: bool, reach: Reach) -> Self {
        let mut pieces = Vec::new();
        let (mut rest, mut segment) = (written, 0);
        while let Some(c) = rest.chars().next() {
            if variables && let Some((variable, after)) = leading_variable(rest) {
                pieces.push(match variable {
                    "*" | "?" | "$" => Piece::Char(variable.chars().next().unwrap_or('$')),
                    name => Piece::Variable(name.to_owned()),
                });
                rest = after;
                continue;
            }
            rest = &rest[c.len_utf8()..];
            let last = segment >= LAST_SEGMENT;
            let ends_segment = reach == Reach::Resource && (rest.is_empty() || rest.starts_with(':'));
            pieces.push(match c {
                '*' => Piece::Many { crosses: last || ends_segment },
                '?' => Piece::One { crosses: last },
                c => Piece::Char(c),
            });
            segment += usize::from(c == ':');
        }
        if reach == Reach::Text || (reach == Reach::Segment && segment < LAST_SEGMENT) {
            for piece in &mut pieces {
                if let Piece::One { crosses } | Piece::Many { crosses } = piece {
                    *crosses = true;
                }
            }
        }
        Self(pieces)
    }

    /// Returns whether `text` matches. None: a variable has no value, so the pattern doesn't apply.
    pub fn fits(&self, text: &str, context: &Context) -> Option<bool> {
        if !self.0.iter().any(|piece| matches!(piece, Piece::Variable(_))) {
            return Some(glob(&self.0, text));
        }
        let mut pieces = Vec::with_capacity(self.0.len());
        for piece in &self.0 {
            match piece {
                Piece::Variable(name) => pieces.extend(value_of(name, context)?.chars().map(Piece::Char)),
                other => pieces.push(other.clone()),
            }
        }
        Some(glob(&pieces, text))
    }
}

/// Returns a template with its variables replaced by their values. None: one of them has no value.
pub fn expanded(template: &str, context: &Context) -> Option<String> {
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let Some((name, after)) = leading_variable(rest) else { break };
        out.push_str(match name {
            "*" | "?" | "$" => name,
            name => value_of(name, context)?,
        });
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Returns the name in the `${…}` at the start of `text`, and the rest of `text`.
fn leading_variable(text: &str) -> Option<(&str, &str)> {
    text.strip_prefix("${")?.split_once('}')
}

/// Returns the value of a variable in the context, or its default.
fn value_of<'a>(variable: &'a str, context: &'a Context) -> Option<&'a str> {
    let (name, default) = match variable.split_once(',') {
        Some((name, default)) => {
            (name, default.trim().strip_prefix('\'').and_then(|text| text.strip_suffix('\'')))
        }
        None => (variable, None),
    };
    context.single(name.trim()).or(default)
}

/// Returns whether a text matches. It follows all possible positions in the pattern at once, so the time is at most
/// proportional to the pattern's length times the text's.
fn glob(pieces: &[Piece], text: &str) -> bool {
    let enter = |active: &mut Vec<usize>, mut at: usize| {
        while !active.contains(&at) {
            active.push(at);
            // `*` also matches an empty text.
            if !matches!(pieces.get(at), Some(Piece::Many { .. })) {
                break;
            }
            at += 1;
        }
    };
    let mut active = Vec::new();
    enter(&mut active, 0);
    for c in text.chars() {
        let mut next = Vec::new();
        for at in active {
            match pieces.get(at) {
                Some(Piece::Char(wanted)) if *wanted == c => enter(&mut next, at + 1),
                Some(Piece::One { crosses }) if *crosses || c != ':' => enter(&mut next, at + 1),
                Some(Piece::Many { crosses }) if *crosses || c != ':' => enter(&mut next, at),
                _ => {}
            }
        }
        if next.is_empty() {
            return false;
        }
        active = next;
    }
    active.contains(&pieces.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_colons() {
        let fits = |pattern: &str, text: &str| {
            Pattern::new(pattern, true, Reach::Resource).fits(text, &Context::new()).unwrap()
        };
        for (pattern, text, expected) in [
            ("*", "arn:aws:s3:::b/k", true),
            ("*", "*", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c", true),
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b", false),
            ("arn:aws:s3:::b?", "arn:aws:s3:::bé", true),
            ("arn:aws:s3:::b?", "arn:aws:s3:::b", false),
            ("arn:aws:s3*", "arn:aws:s3:::b", true),
            ("arn:aws:logs:us-*-1:1:g", "arn:aws:logs:us-east-1:1:g", true),
            ("arn:aws:logs:us-*-1:1:g", "arn:aws:logs:us-a:b-1:1:g", false),
            ("arn:aws:logs:*:g", "arn:aws:logs:us-east-1:1:g", true),
            ("arn:aws:logs:us-east-?:1:g", "arn:aws:logs:us-east-:::1:g", false),
            ("arn:aws:s3:::${*}", "arn:aws:s3:::b", false),
            ("arn:aws:s3:::${*}", "arn:aws:s3:::*", true),
            ("arn:aws:s3:::${", "arn:aws:s3:::${", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        let long = "a*".repeat(500);
        assert!(!fits(&format!("{long}b"), &"a".repeat(10_000)));
    }

    #[test]
    fn wildcards_reach_as_far_as_their_place_says() {
        let fits =
            |pattern: &str, text: &str, reach| Pattern::new(pattern, true, reach).fits(text, &Context::new());
        for (pattern, text, by_text, by_resource, by_segment) in [
            ("arn:aws:lambda:*:1:f", "arn:aws:lambda:us-east-1:1:f", true, true, true),
            ("arn:aws:lambda:*:f", "arn:aws:lambda:us-east-1:1:f", true, true, true),
            ("arn:aws:s3:*:1:f", "arn:aws:s3:a:b:1:f", true, true, false),
            ("arn:aws:s3:a*b:1:f", "arn:aws:s3:a:b:1:f", true, false, false),
            ("arn:aws:s3:::b*c", "arn:aws:s3:::b:c", true, true, true),
        ] {
            assert_eq!(fits(pattern, text, Reach::Text), Some(by_text), "{pattern}");
            assert_eq!(fits(pattern, text, Reach::Resource), Some(by_resource), "{pattern}");
            assert_eq!(fits(pattern, text, Reach::Segment), Some(by_segment), "{pattern}");
        }
    }

    #[test]
    fn variables_have_one_value_or_a_default() {
        let context = Context::new().with("aws:username", "a*b").with_list("aws:TagKeys", ["x".to_owned()]);
        let fits =
            |pattern: &str, text: &str| Pattern::new(pattern, true, Reach::Resource).fits(text, &context);
        assert_eq!(fits("${aws:UserName}/*", "a*b/k"), Some(true));
        assert_eq!(fits("${aws:username}", "aab"), Some(false));
        assert_eq!(fits("${aws:TagKeys}", "x"), None);
        assert_eq!(fits("${aws:absent}", "x"), None);
        assert_eq!(fits("${aws:absent, 'x y'}", "x y"), Some(true));
        let old = Pattern::new("${aws:username}", false, Reach::Resource);
        assert_eq!(old.fits("${aws:username}", &context), Some(true));
        assert_eq!(expanded("é-${aws:username}${$}", &context).as_deref(), Some("é-a*b$"));
        assert_eq!(expanded("${aws:absent}", &context), None);
    }
}
