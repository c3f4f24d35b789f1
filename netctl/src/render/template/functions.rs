//! The functions that docker adds to Go's templates.

use std::sync::Arc;

use gotmpl::{FuncMap, TemplateError, Value};

type Outcome = Result<Value, TemplateError>;

/// For fields.
pub(super) fn of_values() -> FuncMap {
    let mut all = FuncMap::new();
    let mut add = |name: &str, function: fn(&[Value]) -> Outcome| {
        all.insert(name.to_owned(), Arc::new(function));
    };
    add("json", |given| Ok(text(json(first("json", given)?).to_string())));
    add("lower", |given| Ok(text(word("lower", given, 0)?.to_lowercase())));
    add("upper", |given| Ok(text(word("upper", given, 0)?.to_uppercase())));
    add("title", |given| Ok(text(title(&word("title", given, 0)?))));
    add("split", |given| {
        let (whole, sign) = (word("split", given, 0)?, word("split", given, 1)?);
        Ok(Value::List(whole.split(sign.as_str()).map(text).collect()))
    });
    add("join", |given| {
        let parts = match first("join", given)? {
            Value::List(parts) => parts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            _ => return Err(wrong("join", "a list and a string")),
        };
        Ok(text(parts.join(&word("join", given, 1)?)))
    });
    add("truncate", |given| {
        let (whole, length) = (word("truncate", given, 0)?, count("truncate", given, 1)?);
        Ok(text(whole.chars().take(length).collect::<String>()))
    });
    add("pad", pad);
    all
}

/// For the names of columns: they are shown as they are, whatever is done to the fields.
pub(super) fn of_headers() -> FuncMap {
    let mut all = FuncMap::new();
    let same: fn(&[Value]) -> Outcome = |given| Ok(first("it", given)?.clone());
    for name in ["json", "lower", "upper", "title", "split", "join", "truncate"] {
        all.insert(name.to_owned(), Arc::new(same));
    }
    all.insert("pad".to_owned(), Arc::new(pad));
    all
}

/// Blanks before and after; nothing stays nothing.
fn pad(given: &[Value]) -> Outcome {
    let (whole, before, after) = (word("pad", given, 0)?, count("pad", given, 1)?, count("pad", given, 2)?);
    Ok(text(match whole.is_empty() {
        true => whole,
        false => format!("{:before$}{whole}{:after$}", "", ""),
    }))
}

fn text(text: impl AsRef<str>) -> Value {
    Value::String(text.as_ref().into())
}

fn wrong(name: &str, wanted: &str) -> TemplateError {
    TemplateError::Exec(format!("{name} takes {wanted}"))
}

fn first<'a>(name: &str, given: &'a [Value]) -> Result<&'a Value, TemplateError> {
    given.first().ok_or_else(|| wrong(name, "a value"))
}

fn word(name: &str, given: &[Value], at: usize) -> Result<String, TemplateError> {
    let found = given.get(at).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| wrong(name, "a string"))
}

/// Beyond that no line is wide.
const WIDEST: i64 = 1 << 16;

fn count(name: &str, given: &[Value], at: usize) -> Result<usize, TemplateError> {
    let found = given
        .get(at)
        .and_then(Value::as_int)
        .filter(|count| (0..=WIDEST).contains(count));
    let found = found.and_then(|count| usize::try_from(count).ok());
    found.ok_or_else(|| wrong(name, "a number of characters"))
}

/// The first letter of each word as a capital.
fn title(whole: &str) -> String {
    let mut inside = false;
    let letter = |c: char| {
        let begins = !inside && c.is_alphanumeric();
        inside = c.is_alphanumeric() || c == '_' || c == '\'';
        if begins {
            c.to_uppercase().next().unwrap_or(c)
        } else {
            c
        }
    };
    whole.chars().map(letter).collect()
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Uint(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::String(value) => value.as_ref().into(),
        Value::List(values) => values.iter().map(json).collect(),
        // Without what is not set, as docker's omits it.
        Value::Map(pairs) => {
            let set = pairs.iter().filter(|(_, value)| !matches!(value, Value::Nil));
            let pairs = set.map(|(name, value)| (name.to_string(), json(value)));
            serde_json::Value::Object(pairs.collect())
        }
        _ => serde_json::Value::Null,
    }
}
