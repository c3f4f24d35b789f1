//! Reads templates: recursive descent over the words between `{{` and `}}`.

use std::{iter::Peekable, vec::IntoIter};

use super::{Expr, Field, Piece, Scope, Source};

/// Parentheses within each other that are followed.
const DEPTH: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    Field(String),
    Name(String),
    Text(String),
    Open,
    Close,
    Pipe,
}

/// The parts of `text`.
pub(super) fn pieces(text: &str, scope: Scope) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut rest, mut trim) = (Vec::new(), text, false);
    while let Some((before, after)) = rest.split_once("{{") {
        let (inside, end) = action(after)?;
        let (inside, trims_left) = trimmed(inside, |i| i.strip_prefix("- ").or(i.strip_prefix("-\n")));
        let (inside, trims_right) = trimmed(inside, |i| i.strip_suffix(" -").or(i.strip_suffix("\n-")));
        let before = if trim { before.trim_start() } else { before };
        push(&mut pieces, if trims_left { before.trim_end() } else { before });
        let inside = inside.trim();
        if !(inside.starts_with("/*") && inside.ends_with("*/")) {
            pieces.push(Piece::Value(expression(inside, scope)?));
        }
        (rest, trim) = (end, trims_right);
    }
    push(&mut pieces, if trim { rest.trim_start() } else { rest });
    Ok(pieces)
}

fn trimmed<'a>(inside: &'a str, strip: impl Fn(&'a str) -> Option<&'a str>) -> (&'a str, bool) {
    strip(inside).map_or((inside, false), |inside| (inside, true))
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// What is before the `}}` that ends an action, and what is behind it. Quoted ones do not.
fn action(text: &str) -> Result<(&str, &str), String> {
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'}') if text.as_bytes().get(at + 1) == Some(&b'}') => return Ok((&text[..at], &text[at + 2..])),
            (None, b'"' | b'`') => quote = Some(byte),
            (Some(b'"'), b'\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(open), byte) if open == byte && !escaped => quote = None,
            _ => {}
        }
        escaped = false;
    }
    match quote {
        Some(_) => Err("a quote is not closed".to_owned()),
        None => Err("\"{{\" without \"}}\"".to_owned()),
    }
}

fn expression(inside: &str, scope: Scope) -> Result<Expr, String> {
    let mut words = words(inside)?.into_iter().peekable();
    let found = pipeline(&mut words, scope, 0)?;
    match words.next() {
        None => Ok(found),
        Some(_) => Err("unexpected \")\"".to_owned()),
    }
}

fn words(inside: &str) -> Result<Vec<Word>, String> {
    let mut words = Vec::new();
    let mut rest = inside.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '(' => (Word::Open, &rest[1..]),
            ')' => (Word::Close, &rest[1..]),
            '|' => (Word::Pipe, &rest[1..]),
            '"' => quoted(rest)?,
            '`' => {
                let (text, after) = rest[1..].split_once('`').ok_or("a quote is not closed")?;
                (Word::Text(text.to_owned()), after)
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "()|\"`".contains(c);
                let (word, after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
                let word = match word.strip_prefix('.') {
                    Some(_) => Word::Field(word.to_owned()),
                    None => Word::Name(word.to_owned()),
                };
                (word, after)
            }
        };
        words.push(word);
        rest = after.trim_start();
    }
    Ok(words)
}

/// A text in double quotes, which has the escapes that are the same in JSON and Go and matter here.
fn quoted(text: &str) -> Result<(Word, &str), String> {
    let mut found = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((Word::Text(found), &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => found.push('\n'),
                Some((_, 't')) => found.push('\t'),
                Some((_, same @ ('"' | '\\'))) => found.push(same),
                _ => return Err("a quoted text knows the escapes \\n, \\t, \\\" and \\\\ only".to_owned()),
            },
            char => found.push(char),
        }
    }
    Err("a quote is not closed".to_owned())
}

type Words = Peekable<IntoIter<Word>>;

/// Commands joined by `|`: what one comes to is the last argument of the next.
fn pipeline(words: &mut Words, scope: Scope, depth: usize) -> Result<Expr, String> {
    if depth > DEPTH {
        return Err(format!("more than {DEPTH} parentheses within each other"));
    }
    let mut found = command(words, scope, None, depth)?;
    while words.next_if_eq(&Word::Pipe).is_some() {
        found = command(words, scope, Some(found), depth)?;
    }
    Ok(found)
}

fn command(words: &mut Words, scope: Scope, piped: Option<Expr>, depth: usize) -> Result<Expr, String> {
    let function = match words.peek() {
        Some(Word::Name(name)) => Some(name.clone()),
        Some(_) => None,
        None => return Err("an action is empty".to_owned()),
    };
    if function.is_some() {
        words.next();
    }
    if function.as_deref() == Some("index") {
        return index(words);
    }
    let mut operands = Vec::new();
    while let Some(word) = words.next_if(|word| !matches!(word, Word::Pipe | Word::Close)) {
        operands.push(operand(word, words, scope, depth)?);
    }
    operands.extend(piped);
    match function {
        Some(name) => call(&name, operands, scope),
        None => one(operands).ok_or_else(|| {
            "one value at a time: .Task.Name, (...) or a text are no functions that take others".to_owned()
        }),
    }
}

fn operand(word: Word, words: &mut Words, scope: Scope, depth: usize) -> Result<Expr, String> {
    Ok(match word {
        Word::Text(text) => Expr::Text(text),
        Word::Field(path) => Expr::Field(field(&path)?),
        Word::Open => {
            let inner = pipeline(words, scope, depth + 1)?;
            words.next_if_eq(&Word::Close).ok_or("\"(\" without \")\"")?;
            inner
        }
        Word::Name(name) => return Err(unknown(&name)),
        Word::Close | Word::Pipe => return Err("an action is empty".to_owned()),
    })
}

fn one(mut operands: Vec<Expr>) -> Option<Expr> {
    let last = operands.pop()?;
    operands.is_empty().then_some(last)
}

/// `index .Service.Labels "NAME"`: the only map that there is.
fn index(words: &mut Words) -> Result<Expr, String> {
    let labels = words.next_if_eq(&Word::Field(".Service.Labels".to_owned()));
    match (labels, words.next()) {
        (Some(_), Some(Word::Text(name))) => Ok(Expr::Field(Field::ServiceLabel(name))),
        _ => Err("use index .Service.Labels \"NAME\"".to_owned()),
    }
}

fn call(name: &str, mut operands: Vec<Expr>, scope: Scope) -> Result<Expr, String> {
    let source = match name {
        "join" if operands.is_empty() => return Err("join needs a separator and texts".to_owned()),
        "join" => return Ok(Expr::Join(operands)),
        "secret" => Source::Secret,
        "config" => Source::Config,
        "env" => Source::Env,
        _ => return Err(unknown(name)),
    };
    if scope == Scope::Spec {
        return Err(format!(
            "{name} is for the bytes of a payload: only templated secrets and configs have it"
        ));
    }
    match (operands.pop(), operands.is_empty()) {
        (Some(name), true) => Ok(Expr::From(source, Box::new(name))),
        _ => Err(format!("{name} takes one name: {name} \"NAME\"")),
    }
}

fn unknown(name: &str) -> String {
    format!(
        "\"{name}\" is not known: use fields (.Service.Name), index .Service.Labels \"NAME\", join SEPARATOR TEXT..."
    )
}

fn field(path: &str) -> Result<Field, String> {
    Ok(match path {
        ".Service.ID" => Field::ServiceId,
        ".Service.Name" => Field::ServiceName,
        ".Node.ID" => Field::NodeId,
        ".Node.Hostname" => Field::NodeHostname,
        ".Node.Platform.OS" => Field::NodeOs,
        ".Node.Platform.Architecture" => Field::NodeArchitecture,
        ".Task.ID" => Field::TaskId,
        ".Task.Name" => Field::TaskName,
        ".Task.Slot" => Field::TaskSlot,
        ".Service.Labels" => return Err("use index .Service.Labels \"NAME\"".to_owned()),
        _ => match path.strip_prefix(".Service.Labels.") {
            Some(name) if !name.contains('.') => Field::ServiceLabel(name.to_owned()),
            _ => {
                return Err(format!(
                    "{path} is not known: there are .Service.ID, .Service.Name, .Service.Labels, .Node.ID, .Node.Hostname, .Node.Platform.OS, .Node.Platform.Architecture, .Task.ID, .Task.Name and .Task.Slot"
                ));
            }
        },
    })
}
