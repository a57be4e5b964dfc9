//! Shell lines of a notebook: what fetches and unpacks data, and what copies it to S3.

use super::thing::Scene;
use super::value::{Piece, Value, templated};

/// Commands that a runbook needs no more: they set up the notebook, or look around.
const LOOKS: &[&str] = &[
    "pip",
    "pip3",
    "conda",
    "apt",
    "apt-get",
    "ls",
    "pwd",
    "echo",
    "cat",
    "head",
    "tail",
    "du",
    "df",
    "tree",
    "find",
    "wc",
    "nvidia-smi",
    "mkdir",
    "cd",
    "which",
    "rm",
    "set",
    "export",
    "sudo",
    "git",
    "true",
];

impl Scene {
    /// Reads the lines of a shell. `known` returns the value of a name of the notebook, which IPython puts in the place of
    /// `{name}` and `$name`.
    pub fn shell(&mut self, text: &str, known: &dyn Fn(&str) -> Option<Value>) {
        let joined = text.replace("\\\n", " ");
        let first = self.draft.at.1;
        for (number, line) in joined.lines().enumerate() {
            for command in commands(line, known) {
                self.draft.at.1 = first + number;
                self.command(&command);
            }
        }
        self.touched = true;
    }

    fn command(&mut self, words: &[Vec<Piece>]) {
        let literal = |word: &Vec<Piece>| Value::pieces(word.clone()).literal();
        let plain: Vec<Option<String>> = words.iter().map(literal).collect();
        let plain: Vec<&str> = plain.iter().map(|word| word.as_deref().unwrap_or_default()).collect();
        match plain.as_slice() {
            ["aws", "s3", "sync" | "cp" | "mv", ..] => self.copy(&words[2..]),
            ["wget" | "curl", rest @ ..] => {
                let url =
                    rest.iter().find(|word| word.starts_with("http://") || word.starts_with("https://"));
                let is_zip =
                    |url: &&&str| url.split(['?', '#']).next().is_some_and(|path| path.ends_with(".zip"));
                match url.filter(is_zip) {
                    Some(url) => self.dataset(url),
                    None => {
                        self.draft.note(format!("`{}` fetches no zip of images, and is not here", plain[0]))
                    }
                }
            }
            ["unzip", rest @ ..] => {
                let archive = rest.iter().find(|word| word.ends_with(".zip")).copied();
                match archive.map(|archive| archive.trim_start_matches("./")) {
                    Some(archive) if !self.archives.iter().any(|it| archive.ends_with(it.as_str())) => {
                        let outside =
                            archive.starts_with(['/', '~']) || archive.split('/').any(|part| part == "..");
                        match outside {
                            true => self
                                .draft
                                .note(format!("`{archive}` lies outside of the folder, and is not here")),
                            false => self.dataset(archive),
                        }
                    }
                    Some(_) => {}
                    None => self.draft.note("`unzip` of what is not known is not here"),
                }
            }
            [] => {}
            [name, ..] if LOOKS.contains(name) => {}
            ["python" | "python3", "-m", "pip", ..] => {}
            [name, ..] => {
                let name: String = name.chars().take(40).collect();
                self.draft.note(format!("the shell command `{name}` is not here; a `command` step runs one"));
            }
        }
    }

    /// `aws s3 sync FOLDER s3://…`: words behind `aws s3`.
    fn copy(&mut self, words: &[Vec<Piece>]) {
        let literal = |word: &Vec<Piece>| Value::pieces(word.clone()).literal();
        let begins = |word: &&Vec<Piece>, what: &str| matches!(word.first(), Some(Piece::Literal(text)) if text.starts_with(what));
        let is_folder = literal(&words[0]).as_deref() == Some("sync")
            || words.iter().any(|word| literal(word).as_deref() == Some("--recursive"));
        let places: Vec<&Vec<Piece>> = words[1..].iter().filter(|word| !begins(word, "--")).take(2).collect();
        let [from, to] = places.as_slice() else {
            self.draft.note("`aws s3` without two places is not here");
            return;
        };
        match (begins(from, "s3://"), begins(to, "s3://")) {
            (false, true) if is_folder => {
                let Value::Text(place) = Value::pieces(without_scheme(to)) else { return };
                let (bucket, prefix) = split(&place);
                // A prefix with a reference in it stays a template.
                let prefix = templated(&prefix);
                self.upload(&Value::pieces((*from).clone()), Some(&Value::pieces(bucket)), &prefix);
            }
            (false, true) => {
                self.draft.note("`aws s3 cp` of a single file is not here: an `upload` step takes a folder")
            }
            (true, false) => {
                self.draft.note("`aws s3` from S3 to the notebook is not here: a step reads S3 itself")
            }
            _ => self.draft.note("`aws s3` between two buckets is not here"),
        }
    }
}

fn without_scheme(uri: &[Piece]) -> Vec<Piece> {
    let mut pieces = uri.to_vec();
    if let Some(Piece::Literal(first)) = pieces.first_mut() {
        *first = first.trim_start_matches("s3://").to_owned();
    }
    pieces
}

/// Returns the bucket and what stands behind it.
fn split(place: &[Piece]) -> (Vec<Piece>, Vec<Piece>) {
    let (mut bucket, mut prefix, mut in_prefix) = (Vec::new(), Vec::new(), false);
    for piece in place {
        match piece {
            Piece::Literal(text) if !in_prefix => match text.split_once('/') {
                Some((before, behind)) => {
                    in_prefix = true;
                    bucket.push(Piece::Literal(before.to_owned()));
                    prefix.push(Piece::Literal(behind.to_owned()));
                }
                None => bucket.push(piece.clone()),
            },
            _ if in_prefix => prefix.push(piece.clone()),
            _ => bucket.push(piece.clone()),
        }
    }
    bucket.retain(|piece| *piece != Piece::Literal(String::new()));
    (bucket, prefix)
}

/// Returns the commands of a line, each as its words.
fn commands(line: &str, known: &dyn Fn(&str) -> Option<Value>) -> Vec<Vec<Vec<Piece>>> {
    let mut commands = vec![Vec::new()];
    let mut word: Option<Vec<Piece>> = None;
    let mut quote = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        let literal = |word: &mut Option<Vec<Piece>>, c: char| {
            let pieces = word.get_or_insert_default();
            match pieces.last_mut() {
                Some(Piece::Literal(text)) => text.push(c),
                _ => pieces.push(Piece::Literal(c.into())),
            }
        };
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            ('\\', None | Some('"')) => {
                if let Some(next) = rest.chars().next() {
                    rest = &rest[next.len_utf8()..];
                    literal(&mut word, next);
                }
            }
            ('{' | '$', _) => {
                match name(c, rest).and_then(|(name, length)| Some((known(name)?.as_pieces()?, length))) {
                    Some((pieces, length)) => {
                        rest = &rest[length..];
                        word.get_or_insert_default().extend(pieces);
                    }
                    None => literal(&mut word, c),
                }
            }
            (c, None) if c.is_whitespace() => {
                commands.last_mut().into_iter().for_each(|command| command.extend(word.take()))
            }
            ('#', None) if word.is_none() => break,
            (';' | '&' | '|', None) => {
                commands.last_mut().into_iter().for_each(|command| command.extend(word.take()));
                commands.push(Vec::new());
            }
            (c, _) => literal(&mut word, c),
        }
    }
    if let Some(command) = commands.last_mut() {
        command.extend(word);
    }
    commands
}

/// Returns the name in `{name}`, `$name` or `${name}` behind its first character, and how much of the text it takes.
fn name(opens: char, rest: &str) -> Option<(&str, usize)> {
    let braced = opens == '{' || rest.starts_with('{');
    let begin = usize::from(opens == '$' && braced);
    let length =
        rest[begin..].find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len() - begin);
    let end = begin + length;
    match braced {
        true if !rest[end..].starts_with('}') => None,
        _ => Some((&rest[begin..end], end + usize::from(braced))).filter(|_| length > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_with_quotes_and_names() {
        let known = |name: &str| (name == "bucket").then(|| Value::reference("bucket.name"));
        let literal = |text: &str| vec![Piece::Literal(text.to_owned())];
        let bucket = |before: &str, behind: &str| {
            let pieces = [
                Piece::Literal(before.into()),
                Piece::Reference("bucket.name".into()),
                Piece::Literal(behind.into()),
            ];
            pieces.into_iter().filter(|piece| *piece != Piece::Literal(String::new())).collect::<Vec<_>>()
        };
        let line = r#"cd "a b" && aws s3 sync 'x y' s3://{bucket}/p "$bucket/q" ${bucket} {other} \$x # no"#;
        let found = commands(line, &known);
        let found: Vec<_> = found.into_iter().filter(|command| !command.is_empty()).collect();
        assert_eq!(found[0], [literal("cd"), literal("a b")]);
        assert_eq!(
            found[1][3..],
            [
                literal("x y"),
                bucket("s3://", "/p"),
                bucket("", "/q"),
                bucket("", ""),
                literal("{other}"),
                literal("$x")
            ]
        );
        for odd in ["$", "{", "${", "${bucket", "\\", "'", "é\"", "a;;b||", "$é{"] {
            commands(odd, &known);
        }
    }
}
