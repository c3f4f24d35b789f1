//! Variables in Compose files. `serde-saphyr` puts them in where the values are; what it does not tell is which of them
//! are not set and become empty.

use std::{
    collections::{BTreeSet, HashMap},
    env,
};

use serde_saphyr::Error;

/// Variables by their names.
pub type Variables = HashMap<String, String>;

/// Those of this process. Bytes that are no text are replaced.
pub fn environment() -> Variables {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}

/// The variables of a file that are not set, and for which the file says nothing else.
pub fn unset(text: &str, set: &Variables) -> BTreeSet<String> {
    let mut unset = BTreeSet::new();
    for line in text.lines().map(without_comment) {
        look(line, set, &mut unset);
    }
    unset
}

/// What goes before `#`, if that is outside of quotes at the begin of a word.
fn without_comment(line: &str) -> &str {
    let begins = |at: usize| {
        let before = &line[..at];
        let quoted = |quote| before.matches(quote).count() % 2 == 1;
        (before.is_empty() || before.ends_with([' ', '\t'])) && !quoted('"') && !quoted('\'')
    };
    let comment = line.match_indices('#').find(|(at, _)| begins(*at));
    comment.map_or(line, |(at, _)| &line[..at])
}

fn look(text: &str, set: &Variables, unset: &mut BTreeSet<String>) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let (body, after) = braced(inside);
            let (name, otherwise) = named(body);
            match (otherwise, set.get(name)) {
                ("", None) if !name.is_empty() => drop(unset.insert(name.to_owned())),
                _ => look(chosen(otherwise, set.get(name)), set, unset),
            }
            rest = after;
        } else {
            let (name, after) = named(rest);
            if !name.is_empty() && !set.contains_key(name) {
                unset.insert(name.to_owned());
            }
            rest = after;
        }
    }
}

/// What is inside the braces, and what comes after them.
fn braced(text: &str) -> (&str, &str) {
    let mut depth = 1;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[..at], &text[at + 1..]);
        }
    }
    (text, "")
}

/// The name that a text begins with, and the rest.
fn named(text: &str) -> (&str, &str) {
    let part = |(at, c): (usize, char)| c == '_' || c.is_ascii_alphabetic() || (at > 0 && c.is_ascii_digit());
    let length = text.char_indices().take_while(|at| part(*at)).count();
    text.split_at(length)
}

/// The text of an operator that takes the place of the variable, if it does.
fn chosen<'a>(otherwise: &'a str, value: Option<&String>) -> &'a str {
    let (filled, operator) = match otherwise.strip_prefix(':') {
        Some(operator) => (value.is_some_and(|value| !value.is_empty()), operator),
        None => (value.is_some(), otherwise),
    };
    match operator.split_at_checked(1) {
        Some(("-", text)) if !filled => text,
        Some(("+", text)) if filled => text,
        _ => "",
    }
}

/// What a user is told when a file cannot be read, without where that is.
pub fn words(error: &Error) -> String {
    match error {
        Error::PropertyRequiredButUnset { name, message, .. }
        | Error::PropertyRequiredButEmpty { name, message, .. } => {
            format!("required variable {name} is missing a value: {message}")
        }
        Error::InvalidPropertyName { name, .. } => {
            format!("invalid interpolation format: {name:?}; you may need to escape any $ with another $")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_becomes_empty_unasked_is_told() {
        let set: Variables = [("SET", "1"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        for (text, want) in [
            ("image: web:$TAG", &["TAG"][..]),
            ("image: ${NAME}:${TAG}-$SET", &["NAME", "TAG"]),
            ("image: $$TAG ${SET} $EMPTY", &[]),
            ("${TAG:-1} ${TAG-1} ${TAG:?no} ${TAG:+1}", &[]),
            ("${TAG:-${OTHER}} ${SET:-${IDLE}} ${EMPTY:-$LAST}", &["LAST", "OTHER"]),
            ("${SET+$THERE} ${EMPTY:+$IDLE}", &["THERE"]),
            ("# image: $TAG", &[]),
            ("image: a#$TAG # $COMMENT", &["TAG"]),
            ("a: '# $TAG'", &["TAG"]),
            ("$ $1 ${ ${}", &[]),
        ] {
            let found = unset(text, &set);
            assert_eq!(found.iter().collect::<Vec<_>>(), want, "{text}");
        }
    }
}
