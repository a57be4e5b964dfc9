//! Reads the code cells of a notebook, one after the other: what its names stand for, and what it calls.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::syntax::{Argument, Expr, Part, Statement, statement};
use super::thing::{Arguments, Scene, class};
use super::token::{Content, lines};
use super::value::{Piece, Value, arithmetic, sum};

/// The longest cell that is read, in bytes.
const LONGEST: usize = 1 << 20;
/// Functions that only show something.
const SHOWS: &[&str] = &["print", "display", "pprint"];
/// Line magics that set up the notebook.
const SETS_UP: &[&str] =
    &["matplotlib", "pip", "conda", "load_ext", "reload_ext", "autoreload", "config", "time", "cd", "pylab"];

#[derive(Default)]
pub struct Reader {
    pub scene: Scene,
    names: HashMap<String, Value>,
    /// What each imported name means.
    imports: HashMap<String, Vec<String>>,
    /// Functions and classes of the notebook's own.
    own: HashSet<String>,
    /// The lines of this cell that mean nothing here.
    others: Vec<usize>,
}

impl Reader {
    /// Reads a code cell.
    pub fn cell(&mut self, number: usize, source: &str) {
        self.scene.draft.at = (number, 0);
        if source.len() > LONGEST {
            self.scene.draft.note(format!("it has more than {LONGEST} bytes, and is not read"));
            return;
        }
        self.others.clear();
        let (magic, rest) = cell_magic(source);
        match magic {
            Some("bash" | "sh" | "script" | "!") => {
                // Counted from the line of the magic.
                self.scene.draft.at.1 = source.matches('\n').count() - rest.matches('\n').count() + 1;
                self.shell(rest);
            }
            Some("writefile") => {
                let file = source
                    .trim_start()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .trim_start_matches("%%writefile")
                    .trim();
                let file: String = file.chars().take(80).collect();
                self.scene.draft.note(format!(
                    "it writes the file `{file}`, which a script step needs: copy it out of the notebook"
                ));
            }
            Some(
                other @ ("html" | "javascript" | "js" | "latex" | "markdown" | "svg" | "perl" | "ruby" | "R"),
            ) => {
                self.scene.draft.note(format!("a cell of `%%{other}` is not read"));
            }
            _ => self.python(source),
        }
        let others = std::mem::take(&mut self.others);
        if !others.is_empty() {
            self.scene.draft.at = (number, 0);
            self.scene.draft.note(format!("{}: other Python, which is not here", ranges(&others)));
        }
    }

    fn shell(&mut self, text: &str) {
        let names = &self.names;
        self.scene.shell(text, &|name| names.get(name).cloned());
    }

    fn python(&mut self, source: &str) {
        for line in lines(source) {
            self.scene.draft.at.1 = line.number;
            // A line of a block was passed over with the block's first line.
            if line.indented {
                continue;
            }
            self.scene.touched = false;
            match &line.content {
                Content::Magic(magic) => self.magic(magic, line.number),
                Content::Broken(why) => self.scene.draft.note(format!("`{}`: {why}", line.text)),
                Content::Tokens(tokens) => match statement(tokens) {
                    Ok(statement) => self.statement(statement, line.number, line.text),
                    Err(why) => self.scene.draft.note(format!("`{}`: {why}", line.text)),
                },
            }
        }
    }

    fn magic(&mut self, magic: &str, number: usize) {
        if let Some(command) = magic.strip_prefix('!') {
            return self.shell(command.trim_start_matches('!'));
        }
        let name = magic
            .trim_start_matches('%')
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default();
        if !SETS_UP.contains(&name) && !magic.starts_with("%%") {
            self.others.push(number);
        }
    }

    fn statement(&mut self, statement: Statement, number: usize, text: &str) {
        match statement {
            Statement::Import(names) => self.imports.extend(names),
            Statement::Block(word, name) => {
                if ["def", "class"].contains(&word.as_str()) {
                    self.own.extend(name);
                }
                if !["elif", "else", "except", "finally"].contains(&word.as_str()) {
                    self.scene.draft.note(format!("`{text}`: a block, which is not read"));
                }
            }
            Statement::Other(_) => self.others.push(number),
            Statement::Expression(value) => {
                let means_nothing =
                    matches!(value, Expr::Name(_) | Expr::Attribute(..) | Expr::Text(_) | Expr::Constant(_));
                let shows = matches!(&value, Expr::Call(called, _) if matches!(&**called, Expr::Name(name) if SHOWS.contains(&name.as_str())));
                self.evaluate(&value);
                if !self.scene.touched && !means_nothing && !shows {
                    self.others.push(number);
                }
            }
            Statement::Assign(targets, value) => {
                let value = self.evaluate(&value);
                if matches!(value, Value::Unknown(_)) && !self.scene.touched {
                    self.others.push(number);
                }
                targets.iter().for_each(|target| self.assign(target, value.clone()));
            }
        }
    }

    fn assign(&mut self, target: &Expr, value: Value) {
        match (target, value) {
            (Expr::Name(name), Value::Unknown(_)) => {
                drop(self.names.insert(name.clone(), Value::Unknown(Some(name.clone()))))
            }
            (Expr::Name(name), value) => drop(self.names.insert(name.clone(), value)),
            (Expr::List(targets), Value::List(values)) if targets.len() == values.len() => {
                targets
                    .iter()
                    .zip(values.iter())
                    .for_each(|(target, value)| self.assign(target, value.clone()));
            }
            (Expr::List(targets), _) => {
                targets.iter().for_each(|target| self.assign(target, Value::Unknown(None)));
            }
            // `hyperparameters["epochs"] = 3`
            (Expr::Item(of, key), value) => {
                let key = self.evaluate(key).literal();
                if let (Expr::Name(name), Some(key)) = (&**of, key)
                    && let Some(Value::Map(entries)) = self.names.get(name)
                {
                    let mut entries = entries.to_vec();
                    entries.retain(|(given, _)| *given != key);
                    entries.push((key, value));
                    self.names.insert(name.clone(), Value::map(entries));
                }
            }
            // `predictor.serializer = …`, of which a runbook knows nothing.
            _ => {}
        }
    }

    fn evaluate(&mut self, expr: &Expr) -> Value {
        match expr {
            Expr::Constant(value) => Value::Plain(value.clone()),
            Expr::Name(name) => {
                self.names.get(name).cloned().unwrap_or_else(|| Value::Unknown(Some(name.clone())))
            }
            Expr::Text(parts) => self.text(parts),
            Expr::List(items) => Value::list(items.iter().map(|item| self.evaluate(item)).collect()),
            Expr::Dict(entries) => self.dict(entries),
            Expr::Attribute(of, name) => match self.evaluate(of) {
                Value::Thing(index) => self.scene.attribute(index, name),
                _ => Value::Unknown(Some(name.clone())),
            },
            Expr::Item(of, key) => {
                let (of, key) = (self.evaluate(of), self.evaluate(key));
                match (&of, &key) {
                    (Value::Thing(index), key) => self.scene.item(*index, key),
                    (Value::Map(_), key) => {
                        let key = key.literal();
                        key.and_then(|key| of.entry(&key).cloned()).unwrap_or(Value::Unknown(None))
                    }
                    (Value::List(items), Value::Plain(at)) => {
                        let at = at.as_i64().and_then(|at| {
                            if at < 0 { at.checked_add(items.len() as i64) } else { Some(at) }
                        });
                        let item = at.and_then(|at| items.get(usize::try_from(at).ok()?));
                        item.cloned().unwrap_or(Value::Unknown(None))
                    }
                    _ => Value::Unknown(None),
                }
            }
            Expr::Call(called, arguments) => self.call(called, arguments),
            Expr::Negative(value) => match self.evaluate(value) {
                Value::Plain(number) => {
                    arithmetic("-", &0.into(), &number).map_or(Value::Unknown(None), Value::Plain)
                }
                _ => Value::Unknown(None),
            },
            Expr::Binary(sign, left, right) => {
                let (left, right) = (self.evaluate(left), self.evaluate(right));
                let value = match (*sign, &left, &right) {
                    ("+", ..) => sum(&left, &right),
                    ("%", Value::Text(_), _) => left.literal().and_then(|form| percent(&form, &right)),
                    (sign, Value::Plain(left), Value::Plain(right)) => {
                        arithmetic(sign, left, right).map(Value::Plain)
                    }
                    _ => None,
                };
                value.unwrap_or(Value::Unknown(None))
            }
            Expr::Other => Value::Unknown(None),
        }
    }

    fn text(&mut self, parts: &[Part]) -> Value {
        let mut pieces = Vec::new();
        for part in parts {
            match part {
                Part::Literal(text) if text.is_empty() => {}
                Part::Literal(text) => pieces.push(Piece::Literal(text.clone())),
                Part::Value(expr) => match self.evaluate(expr).as_pieces() {
                    Some(more) => pieces.extend(more),
                    None => return Value::Unknown(None),
                },
            }
        }
        Value::pieces(pieces)
    }

    fn dict(&mut self, entries: &[(Option<Expr>, Expr)]) -> Value {
        let mut map: Vec<(String, Value)> = Vec::new();
        for (key, value) in entries {
            let value = self.evaluate(value);
            match (key.as_ref().map(|key| self.evaluate(key).literal()), value) {
                (Some(Some(key)), value) => map.push((key, value)),
                (None, Value::Map(more)) => map.extend(more.iter().cloned()),
                _ => return Value::Unknown(None),
            }
        }
        Value::map(map)
    }

    fn arguments(&mut self, given: &[Argument]) -> Arguments {
        let mut arguments = Arguments::default();
        for argument in given {
            let value = self.evaluate(&argument.value);
            match (&argument.name, argument.spreads, value) {
                (Some(name), _, value) => arguments.named.push((name.clone(), value)),
                (None, false, value) => arguments.positional.push(value),
                (None, true, Value::Map(entries)) => arguments.named.extend(entries.iter().cloned()),
                (None, true, Value::List(items)) => arguments.positional.extend(items.iter().cloned()),
                (None, true, _) => self.scene.draft.note("arguments behind `*` are not known"),
            }
        }
        arguments
    }

    fn call(&mut self, called: &Expr, given: &[Argument]) -> Value {
        if let Some(path) = path(called)
            && !self.names.contains_key(&path[0])
        {
            let arguments = self.arguments(given);
            return self.function(&path, arguments);
        }
        let Expr::Attribute(of, name) = called else {
            self.evaluate(called);
            self.arguments(given);
            return Value::Unknown(None);
        };
        let of_value = self.evaluate(of);
        let arguments = self.arguments(given);
        match of_value {
            Value::Thing(index) => self.scene.method(index, name, &arguments),
            Value::Text(pieces) => text_method(&pieces, name, &arguments).unwrap_or(Value::Unknown(None)),
            Value::Map(entries) => match (name.as_str(), arguments.positional.first()) {
                ("get", Some(key)) => {
                    let found = key.literal().and_then(|key| Value::Map(entries).entry(&key).cloned());
                    found.or(arguments.positional.get(1).cloned()).unwrap_or(Value::Unknown(None))
                }
                ("copy", None) => Value::Map(entries),
                ("update", _) => {
                    let mut all = entries.to_vec();
                    let more = arguments.positional.first().cloned();
                    let more = if let Some(Value::Map(more)) = more { more.to_vec() } else { Vec::new() };
                    for (key, value) in more.into_iter().chain(arguments.named) {
                        all.retain(|(given, _)| *given != key);
                        all.push((key, value));
                    }
                    if let Expr::Name(name) = &**of {
                        self.names.insert(name.clone(), Value::map(all));
                        self.scene.touched = true;
                    }
                    Value::Plain(Json::Null)
                }
                _ => Value::Unknown(None),
            },
            _ => Value::Unknown(None),
        }
    }

    /// Calls what is no method of a value that is known. `path` is its name as it is written.
    fn function(&mut self, path: &[String], arguments: Arguments) -> Value {
        let full = match self.imports.get(&path[0]) {
            Some(means) => [&means[..], &path[1..]].concat(),
            None => path.to_vec(),
        };
        let is_own = full.len() == 1 && self.own.contains(&full[0]);
        // A notebook in pieces may lack its imports.
        let is_sdk =
            full[0] == "sagemaker" || (path.len() == 1 && !self.imports.contains_key(&path[0]) && !is_own);
        let last = full.last().map(String::as_str).unwrap_or_default();
        if is_sdk || full.iter().any(|part| part == "image_uris") {
            if let Some(info) = class(last) {
                return self.scene.construct(info, arguments);
            }
            if let Some(value) = self.scene.function(&full, &arguments) {
                return value;
            }
        }
        if let (Some(first), true) = (arguments.positional.first(), full.len() == 1 && !is_own) {
            match last {
                "int" | "float" => return cast(last, first),
                "str" => return first.as_pieces().map_or(Value::Unknown(None), Value::pieces),
                "list" | "tuple" | "sorted" if matches!(first, Value::List(_)) => return first.clone(),
                _ => {}
            }
        }
        match full.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["dict"] if arguments.positional.is_empty() => Value::map(arguments.named),
            ["os", "path", "join"] => {
                let mut pieces = Vec::new();
                for part in &arguments.positional {
                    let has_slash = match pieces.last() {
                        None => true,
                        Some(Piece::Literal(before)) => before.ends_with('/'),
                        Some(Piece::Reference(_)) => false,
                    };
                    if !has_slash {
                        pieces.push(Piece::Literal("/".into()));
                    }
                    match part.as_pieces() {
                        Some(more) => pieces.extend(more),
                        None => return Value::Unknown(None),
                    }
                }
                Value::pieces(pieces)
            }
            ["os", "system"] | ["subprocess", "run" | "call" | "check_call" | "check_output" | "Popen"] => {
                let words = |value: &Value| match value {
                    Value::List(items) => {
                        let words: Option<Vec<String>> = items.iter().map(Value::literal).collect();
                        words.map(|words| words.join(" "))
                    }
                    other => other.literal(),
                };
                if let Some(text) = arguments.positional.first().and_then(words) {
                    self.shell(&text);
                }
                Value::Unknown(None)
            }
            ["json" | "ast", "loads" | "literal_eval"] => {
                arguments.positional.first().cloned().unwrap_or(Value::Unknown(None))
            }
            ["boto3", what] => {
                self.scene.draft.note(format!("`boto3.{what}(…)`: calls of boto3 are not read"));
                self.scene.touched = true;
                Value::Unknown(None)
            }
            _ => Value::Unknown(None),
        }
    }
}

/// Returns `a.b.c` as a list, if that is all that the expression is.
fn path(expr: &Expr) -> Option<Vec<String>> {
    match expr {
        Expr::Name(name) => Some(vec![name.clone()]),
        Expr::Attribute(of, name) => {
            let mut path = path(of)?;
            path.push(name.clone());
            Some(path)
        }
        _ => None,
    }
}

fn cast(to: &str, value: &Value) -> Value {
    let number = match value {
        Value::Plain(number) => number.as_f64(),
        // What a step puts out stays what it is.
        Value::Text(_) => match value.literal() {
            Some(text) => text.trim().parse().ok(),
            None => return value.clone(),
        },
        _ => None,
    };
    match (to, number) {
        (_, None) => Value::Unknown(None),
        ("int", Some(number)) if number.abs() < 9e15 => Value::Plain((number.trunc() as i64).into()),
        (_, Some(number)) => serde_json::Number::from_f64(number)
            .map_or(Value::Unknown(None), |n| Value::Plain(Json::Number(n))),
    }
}

/// Methods of texts. A text with references stays as it is where a method only trims it: `best["lr"].replace('"', "")`.
fn text_method(pieces: &[Piece], name: &str, arguments: &Arguments) -> Option<Value> {
    let value = Value::pieces(pieces.to_vec());
    let first = arguments.positional.first().and_then(Value::literal);
    match (name, value.literal()) {
        ("format", Some(form)) => format(&form, arguments),
        ("join", Some(between)) => {
            let Some(Value::List(items)) = arguments.positional.first() else { return None };
            let mut all = Vec::new();
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    all.push(Piece::Literal(between.clone()));
                }
                all.extend(item.as_pieces()?);
            }
            Some(Value::pieces(all))
        }
        ("replace", Some(text)) => {
            let second = arguments.positional.get(1)?.literal()?;
            let first = first.filter(|first| !first.is_empty())?;
            let grows = text.matches(&first).count().saturating_mul(second.len());
            (grows < 1 << 16).then(|| Value::text(text.replace(&first, &second)))
        }
        ("strip" | "lstrip" | "rstrip", Some(text)) => {
            let cut = first.unwrap_or_else(|| " \t\r\n".into());
            let is_cut = |c: char| cut.contains(c);
            Some(Value::text(match name {
                "strip" => text.trim_matches(is_cut),
                "lstrip" => text.trim_start_matches(is_cut),
                _ => text.trim_end_matches(is_cut),
            }))
        }
        ("lower", Some(text)) => Some(Value::text(text.to_lowercase())),
        ("upper", Some(text)) => Some(Value::text(text.to_uppercase())),
        ("replace" | "strip" | "lstrip" | "rstrip" | "lower" | "upper", None) => Some(value),
        _ => None,
    }
}

/// `"s3://{}/{}".format(a, b)`
fn format(form: &str, arguments: &Arguments) -> Option<Value> {
    let (mut pieces, mut rest, mut next) = (Vec::new(), form, 0);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at(at);
        pieces.push(Piece::Literal(before.to_owned()));
        if braces.starts_with("{{") || braces.starts_with("}}") {
            pieces.push(Piece::Literal(braces[..1].to_owned()));
            rest = &braces[2..];
            continue;
        }
        let end = braces.find('}').filter(|end| *end > 0)?;
        let name = &braces[1..end];
        let value = match (name.is_empty(), name.parse::<usize>()) {
            (true, _) => {
                next += 1;
                arguments.positional.get(next - 1)
            }
            (false, Ok(place)) => arguments.positional.get(place),
            (false, Err(_)) => {
                arguments.named.iter().find(|(given, _)| given == name).map(|(_, value)| value)
            }
        };
        pieces.extend(value?.as_pieces()?);
        rest = &braces[end + 1..];
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Literal(String::new()));
    Some(Value::pieces(pieces))
}

/// `"s3://%s/%s" % (a, b)`
fn percent(form: &str, given: &Value) -> Option<Value> {
    let values = match given {
        Value::List(items) => items.to_vec(),
        other => vec![other.clone()],
    };
    let (mut values, mut pieces, mut rest) = (values.into_iter(), Vec::new(), form);
    while let Some(at) = rest.find('%') {
        pieces.push(Piece::Literal(rest[..at].to_owned()));
        match rest.get(at + 1..at + 2)? {
            "%" => pieces.push(Piece::Literal("%".into())),
            "s" | "d" => pieces.extend(values.next()?.as_pieces()?),
            _ => return None,
        }
        rest = &rest[at + 2..];
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    pieces.retain(|piece| *piece != Piece::Literal(String::new()));
    Some(Value::pieces(pieces))
}

/// Returns the name of the magic that a cell begins with, and what is behind its line.
fn cell_magic(source: &str) -> (Option<&str>, &str) {
    let trimmed = source.trim_start();
    let Some(rest) = trimmed.strip_prefix("%%") else { return (None, source) };
    let (line, behind) = rest.split_once('\n').unwrap_or((rest, ""));
    (Some(line.split_whitespace().next().unwrap_or_default()), behind)
}

/// `lines 1 to 3, 7`
fn ranges(lines: &[usize]) -> String {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for line in lines {
        match found.last_mut() {
            Some((_, last)) if *line <= *last + 1 => *last = *line,
            _ => found.push((*line, *line)),
        }
    }
    let one = |(first, last): &(usize, usize)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let word = if lines.len() == 1 { "line" } else { "lines" };
    format!("{word} {}", found.iter().map(one).collect::<Vec<_>>().join(", "))
}
