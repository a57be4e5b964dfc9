//! What a name of a notebook stands for, as far as its literals say.

use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

/// The most parts of a list or map, with what is in it: `a = [a, a]`, written sixty times, would be too large for any machine.
const LARGEST: usize = 10_000;
/// The most bytes of a text.
const LONGEST: usize = 1 << 16;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None, a truth or a number.
    Plain(Json),
    Text(Rc<Vec<Piece>>),
    List(Rc<Vec<Value>>),
    Map(Rc<Vec<(String, Value)>>),
    /// An object of SageMaker's SDK, by its index.
    Thing(usize),
    /// What can't be known without running the notebook. The name is the one that it was given last, if any.
    Unknown(Option<String>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    /// An expression of the runbook's templates: `bucket.uri`.
    Reference(String),
}

impl Value {
    pub fn text(text: impl Into<String>) -> Self {
        Self::pieces(vec![Piece::Literal(text.into())])
    }

    pub fn reference(expression: impl Into<String>) -> Self {
        Self::pieces(vec![Piece::Reference(expression.into())])
    }

    /// Returns a text, or an unknown value if it is too long.
    pub fn pieces(pieces: Vec<Piece>) -> Self {
        let length = |piece: &Piece| match piece {
            Piece::Literal(text) | Piece::Reference(text) => text.len() + 1,
        };
        match pieces.iter().map(length).sum::<usize>() <= LONGEST {
            true => Self::Text(Rc::new(pieces)),
            false => Self::Unknown(None),
        }
    }

    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::new(items)).bounded()
    }

    pub fn map(entries: Vec<(String, Self)>) -> Self {
        Self::Map(Rc::new(entries)).bounded()
    }

    fn bounded(self) -> Self {
        let mut left = LARGEST;
        if self.fits(&mut left, 0) { self } else { Self::Unknown(None) }
    }

    fn fits(&self, left: &mut usize, depth: usize) -> bool {
        if *left == 0 || depth > 50 {
            return false;
        }
        *left -= 1;
        match self {
            Self::List(items) => items.iter().all(|item| item.fits(left, depth + 1)),
            Self::Map(entries) => entries.iter().all(|(_, value)| value.fits(left, depth + 1)),
            _ => true,
        }
    }

    pub fn is_none(&self) -> bool {
        *self == Self::Plain(Json::Null)
    }

    /// Returns a text that has no references.
    pub fn literal(&self) -> Option<String> {
        let Self::Text(pieces) = self else { return None };
        let literal = |piece: &Piece| match piece {
            Piece::Literal(text) => Some(text.clone()),
            Piece::Reference(_) => None,
        };
        pieces.iter().map(literal).collect()
    }

    pub fn entry(&self, name: &str) -> Option<&Self> {
        let Self::Map(entries) = self else { return None };
        entries.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Returns the pieces that the value adds to a text.
    pub fn as_pieces(&self) -> Option<Vec<Piece>> {
        match self {
            Self::Text(pieces) => Some(pieces.to_vec()),
            Self::Plain(Json::Number(number)) => Some(vec![Piece::Literal(number.to_string())]),
            Self::Plain(Json::Bool(true)) => Some(vec![Piece::Literal("True".into())]),
            Self::Plain(Json::Bool(false)) => Some(vec![Piece::Literal("False".into())]),
            Self::Plain(Json::Null) => Some(vec![Piece::Literal("None".into())]),
            _ => None,
        }
    }

    /// Returns the value as a field of a runbook.
    ///
    /// # Errors
    /// A part of it isn't known: the name that this part has, if any.
    pub fn to_field(&self) -> Result<Json, Option<String>> {
        Ok(match self {
            Self::Plain(value) => value.clone(),
            Self::Text(pieces) => Json::String(templated(pieces)),
            Self::List(items) => items.iter().map(Self::to_field).collect::<Result<_, _>>()?,
            Self::Map(entries) => {
                let mut map = Map::new();
                for (name, value) in entries.iter() {
                    map.insert(name.clone(), value.to_field()?);
                }
                Json::Object(map)
            }
            Self::Thing(_) => return Err(None),
            Self::Unknown(name) => return Err(name.clone()),
        })
    }
}

/// Returns text as a template of the runbook, in which braces of the notebook mean nothing.
pub fn templated(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Reference(expression) => text.push_str(&format!("{{{{ {expression} }}}}")),
            Piece::Literal(literal) => text.push_str(literal),
        }
    }
    let has_braces = |piece: &Piece| matches!(piece, Piece::Literal(text) if text.contains(['{', '}']));
    if !pieces.iter().any(has_braces) || !["{{", "{%", "{#"].iter().any(|opens| text.contains(opens)) {
        return text;
    }
    // Two pieces may open a template together, so each literal with a brace is an expression of its own.
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Reference(expression) => format!("{{{{ {expression} }}}}"),
            Piece::Literal(literal) if literal.contains(['{', '}']) => {
                let braces = |c: char| if c == '{' { "\\u007b".to_owned() } else { "\\u007d".to_owned() };
                let quoted = Json::String(literal.clone()).to_string();
                let quoted: String = quoted
                    .chars()
                    .map(|c| if "{}".contains(c) { braces(c) } else { c.to_string() })
                    .collect();
                format!("{{{{ {quoted} }}}}")
            }
            Piece::Literal(literal) => literal.clone(),
        })
        .collect()
}

/// Returns the sum of two values as Python has it.
pub fn sum(left: &Value, right: &Value) -> Option<Value> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Some(Value::pieces([&left[..], &right[..]].concat())),
        (Value::List(left), Value::List(right)) => Some(Value::list([&left[..], &right[..]].concat())),
        (Value::Plain(left), Value::Plain(right)) => arithmetic("+", left, right).map(Value::Plain),
        _ => None,
    }
}

/// Returns what an operator makes of two numbers.
pub fn arithmetic(sign: &str, left: &Json, right: &Json) -> Option<Json> {
    if let (Some(left), Some(right)) = (left.as_i64(), right.as_i64()) {
        let whole = match sign {
            "+" => left.checked_add(right),
            "-" => left.checked_sub(right),
            "*" => left.checked_mul(right),
            "//" => left.checked_div_euclid(right).filter(|_| right > 0),
            "%" => left.checked_rem_euclid(right).filter(|_| right > 0),
            "**" => u32::try_from(right).ok().and_then(|right| left.checked_pow(right)),
            _ => None,
        };
        if let Some(whole) = whole {
            return Some(whole.into());
        }
        if ["//", "%"].contains(&sign) {
            return None;
        }
    }
    let (left, right) = (left.as_f64()?, right.as_f64()?);
    let value = match sign {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        "/" if right != 0.0 => left / right,
        "**" => left.powf(right),
        _ => return None,
    };
    Number::from_f64(value).map(Json::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn braces_of_the_notebook_are_no_template() {
        let table = [
            (vec![Piece::Literal("([0-9]{2})".into())], "([0-9]{2})"),
            (vec![Piece::Literal("a {{ b }}".into())], r#"{{ "a \u007b\u007b b \u007d\u007d" }}"#),
            (
                vec![
                    Piece::Literal("x{".into()),
                    Piece::Reference("bucket.uri".into()),
                    Piece::Literal("/y".into()),
                ],
                r#"{{ "x\u007b" }}{{ bucket.uri }}/y"#,
            ),
            (vec![Piece::Reference("bucket.uri".into()), Piece::Literal("/y".into())], "{{ bucket.uri }}/y"),
        ];
        for (pieces, expected) in table {
            assert_eq!(templated(&pieces), expected);
        }
    }

    #[test]
    fn what_grows_without_end_is_unknown() {
        let mut list = Value::list(vec![Value::text("a")]);
        let mut text = Value::text("abc");
        for _ in 0..64 {
            list = Value::list(vec![list.clone(), list]);
            text = sum(&text, &text).unwrap_or(Value::Unknown(None));
        }
        assert!(!format!("{list:?}").contains("abc") && matches!(text, Value::Unknown(None)));
        let mut left = LARGEST;
        assert!(list.fits(&mut left, 0));
    }

    #[test]
    fn numbers_are_pythons() {
        let table = [
            ("+", json!(1), json!(2), Some(json!(3))),
            ("*", json!(i64::MAX), json!(2), Some(json!(1.844_674_407_370_955_2e19))),
            ("**", json!(10), json!(-3), Some(json!(0.001))),
            ("/", json!(1), json!(2), Some(json!(0.5))),
            ("/", json!(1), json!(0), None),
            ("//", json!(7), json!(2), Some(json!(3))),
            ("%", json!(7), json!(0), None),
            ("**", json!(1e300), json!(1e300), None),
            ("+", json!(null), json!(1), None),
        ];
        for (sign, left, right, expected) in table {
            assert_eq!(arithmetic(sign, &left, &right), expected, "{left} {sign} {right}");
        }
    }
}
