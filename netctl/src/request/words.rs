//! Small texts that many flags take: `KEY=VALUE` pairs, filters, shell-like command lines.

use std::collections::BTreeMap;

use crate::failure::Failure;

/// Labels as typed: `KEY=VALUE`, or `KEY` alone for an empty value.
pub fn labels(texts: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pair = |text: &String| {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        match key.is_empty() {
            true => Err(Failure::Wrong(format!("invalid label \"{text}\": use KEY=VALUE"))),
            false => Ok((key.to_owned(), value.to_owned())),
        }
    };
    texts.iter().map(pair).collect()
}

/// Splits a command line at blanks outside of quotes (`'...'` or `"..."`), as docker's `--entrypoint` and `--args`. A
/// backslash takes the meaning of the character behind it, but for inside of `'...'`.
pub fn split_command(text: &str) -> Result<Vec<String>, Failure> {
    let invalid = |why: &str| Failure::Wrong(format!("invalid command line \"{text}\": {why}"));
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                let next = rest
                    .next()
                    .ok_or_else(|| invalid("nothing follows the last backslash"))?;
                word.get_or_insert_default().push(next);
            }
            (Some(open), _) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err(invalid("a quote is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// `--filter KEY=VALUE` of a list.
pub struct Filter {
    wanted: Vec<(String, String)>,
}

impl Filter {
    /// Checks that each filter has one of the keys that this list knows. As docker's, they may be in capitals.
    pub fn parse(texts: &[String], keys: &[&str]) -> Result<Self, Failure> {
        let pair = |text: &String| {
            let (key, value) = text.split_once('=').ok_or_else(|| {
                Failure::Wrong(format!(
                    "invalid argument \"{text}\" for \"-f, --filter\" flag: invalid argument format of filter (should be name=value)"
                ))
            })?;
            let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
            match keys.contains(&key.as_str()) {
                true => Ok((key, value)),
                false => Err(Failure::Daemon(format!(
                    "invalid filter '{key}' (there are: {})",
                    keys.join(", ")
                ))),
            }
        };
        let wanted = texts.iter().map(pair).collect::<Result<_, _>>()?;
        Ok(Self { wanted })
    }

    /// Whether an object passes: for each key that is filtered by, one of the given values must fulfil `test`.
    pub fn passes(&self, test: impl Fn(&str, &str) -> bool) -> bool {
        self.wanted.iter().all(|(key, _)| {
            let mut values = self.wanted.iter().filter(|(other, _)| other == key);
            values.any(|(_, value)| test(key, value))
        })
    }
}

/// Whether a map of labels has `KEY` or `KEY=VALUE`.
pub fn has_label(labels: &BTreeMap<String, String>, wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => labels.get(key).is_some_and(|have| have == value),
        None => labels.contains_key(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_split_outside_of_quotes() {
        let split = |text| split_command(text).unwrap();
        assert_eq!(split("sh -c 'echo a b'"), ["sh", "-c", "echo a b"]);
        assert_eq!(split("  a  \"\" b\"c\"  "), ["a", "", "bc"]);
        assert!(split("").is_empty());
        assert!(split_command("a 'b").is_err());
    }

    #[test]
    fn a_backslash_takes_the_meaning_of_what_follows() {
        let split = |text| split_command(text).unwrap();
        assert_eq!(split(r#"a\ b\'c \"d \\e"#), ["a b'c", "\"d", "\\e"]);
        assert_eq!(split(r#"sh -c "echo \"a b\" \\""#), ["sh", "-c", "echo \"a b\" \\"]);
        assert_eq!(split(r"'a\b' \ "), ["a\\b", " "]);
        for open in [r"a \", r#""a\""#, r#""a\"#] {
            assert!(split_command(open).is_err(), "{open}");
        }
    }

    #[test]
    fn filters_of_one_key_are_alternatives_and_keys_must_all_hold() {
        let texts = ["name=a", "name=b", "id=1"].map(String::from);
        let filter = Filter::parse(&texts, &["name", "id"]).unwrap();
        let object = |name: &str, id: &str| {
            filter.passes(|key, value| match key {
                "name" => value == name,
                _ => value == id,
            })
        };
        assert!(object("a", "1") && object("b", "1"));
        assert!(!object("c", "1") && !object("a", "2"));
        let refused = |text: &str| {
            Filter::parse(&[text.to_owned()], &["name", "id"])
                .err()
                .unwrap()
                .to_string()
        };
        assert_eq!(
            refused("colour=red"),
            "Error response from daemon: invalid filter 'colour' (there are: name, id)"
        );
        assert_eq!(
            refused("name"),
            "invalid argument \"name\" for \"-f, --filter\" flag: invalid argument format of filter (should be name=value)"
        );
        assert!(Filter::parse(&["NAME=a".to_owned()], &["name"]).is_ok());
    }

    #[test]
    fn labels_may_lack_a_value_but_not_a_key() {
        let map = labels(&["a=b=c".to_owned(), "d".to_owned()]).unwrap();
        assert_eq!((map["a"].as_str(), map["d"].as_str()), ("b=c", ""));
        assert!(labels(&["=x".to_owned()]).is_err());
        assert!(has_label(&map, "a=b=c") && has_label(&map, "d") && !has_label(&map, "a=x"));
    }
}
