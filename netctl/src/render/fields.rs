//! Objects of which some fields may not be set: JSON leaves those out, and templates know their names.

use serde_json::{Map, Value};

/// What stands before the name of a field that is not set, where both faces are still possible.
const NOT_SET: char = '?';

/// Collects the fields of an object, those too that are not set.
pub struct Fields(Map<String, Value>);

impl Fields {
    /// None yet.
    pub fn new() -> Self {
        Self(Map::new())
    }

    /// Goes on with an object of which all fields are set.
    pub fn from(object: Value) -> Self {
        match object {
            Value::Object(fields) => Self(fields),
            _ => Self::new(),
        }
    }

    /// The field, set if there is a value.
    pub fn maybe(mut self, name: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.0.insert(name.to_owned(), value),
            None => self.0.insert(format!("{NOT_SET}{name}"), Value::Null),
        };
        self
    }

    /// The field, set unless it is empty, zero, `false` or nothing.
    pub fn unless_empty(self, name: &str, value: Value) -> Self {
        let empty = match &value {
            Value::Null => true,
            Value::Bool(flag) => !flag,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.keys().all(|name| name.starts_with(NOT_SET)),
        };
        self.maybe(name, (!empty).then_some(value))
    }

    /// The object.
    pub fn value(self) -> Value {
        Value::Object(self.0)
    }
}

/// An object as JSON: without the fields that are not set.
pub fn shown(object: &Value) -> Value {
    renamed(object, |name| (!name.starts_with(NOT_SET)).then_some(name))
}

/// An object as templates see it: what is not set is nothing, under its name.
pub fn named(object: &Value) -> Value {
    renamed(object, |name| Some(name.strip_prefix(NOT_SET).unwrap_or(name)))
}

fn renamed(value: &Value, name: fn(&str) -> Option<&str>) -> Value {
    match value {
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| Some((name(key)?.to_owned(), renamed(value, name)));
            Value::Object(fields.iter().filter_map(field).collect())
        }
        Value::Array(values) => values.iter().map(|value| renamed(value, name)).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_set_has_a_name_for_templates_only() {
        let inner = Fields::new().maybe("A", None).unless_empty("B", json!(false)).value();
        let object = Fields::from(json!({ "Kept": null }))
            .unless_empty("Inner", inner.clone())
            .maybe("List", Some(json!([inner])))
            .unless_empty("Set", json!("x"))
            .value();
        assert_eq!(shown(&object), json!({ "Kept": null, "List": [{}], "Set": "x" }));
        let parts = json!([{ "A": null, "B": null }]);
        assert_eq!(
            named(&object),
            json!({ "Kept": null, "Inner": null, "List": parts, "Set": "x" })
        );
    }
}
