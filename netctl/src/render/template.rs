//! `--format`: words, and the part of Go's templates that people type: `{{.Field.Field}}` and `{{json .Field}}`.

use serde_json::Value;

use crate::failure::Failure;

/// What `--format` asks for.
pub enum Format {
    /// Docker's own table.
    Table,
    /// JSON.
    Json,
    /// Text with fields filled in.
    Template(Template),
    /// A table of such texts, cells parted by tabs.
    TableOf(Template),
}

/// A text with fields to fill in.
pub struct Template {
    /// As typed, `\t` and `\n` replaced.
    pub source: String,
}

impl Format {
    /// Reads the value of `--format`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let template = |source: &str| {
            let source = source.replace("\\t", "\t").replace("\\n", "\n");
            let template = Template { source };
            template.actions()?;
            Ok(template)
        };
        match text {
            "" | "table" => Ok(Self::Table),
            "json" | "{{json .}}" => Ok(Self::Json),
            _ => match text.strip_prefix("table ") {
                Some(rest) => template(rest).map(Self::TableOf),
                None => template(text).map(Self::Template),
            },
        }
    }
}

/// A literal text, or a path into the object.
enum Action<'a> {
    Text(&'a str),
    Field { path: &'a str, json: bool },
}

impl Template {
    /// Puts the fields of `object` in.
    pub fn fill(&self, object: &Value) -> Result<String, Failure> {
        let mut text = String::new();
        for action in self.actions()? {
            match action {
                Action::Text(literal) => text.push_str(literal),
                Action::Field { path, json } => match (lookup(object, path)?, json) {
                    (Value::String(value), false) => text.push_str(value),
                    (Value::Null, false) => text.push_str("<nil>"),
                    (value, _) => text.push_str(&value.to_string()),
                },
            }
        }
        Ok(text)
    }

    fn actions(&self) -> Result<Vec<Action<'_>>, Failure> {
        let mut actions = Vec::new();
        let mut rest = self.source.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let (inner, tail) = after
                .split_once("}}")
                .ok_or_else(|| Failure::Wrong(format!("invalid template \"{}\": unclosed action", self.source)))?;
            actions.push(Action::Text(before));
            actions.push(action(inner.trim())?);
            rest = tail;
        }
        actions.push(Action::Text(rest));
        Ok(actions)
    }
}

/// The names of the fields between tabs, as headers.
pub fn field_names(source: &str) -> Vec<String> {
    let header = |cell: &str| {
        let inner = cell.trim().trim_start_matches("{{").trim_end_matches("}}").trim();
        inner.rsplit('.').next().unwrap_or_default().to_uppercase()
    };
    source.split('\t').map(header).collect()
}

fn action(inner: &str) -> Result<Action<'_>, Failure> {
    let (path, json) = match inner.strip_prefix("json ") {
        Some(path) => (path.trim(), true),
        None => (inner, false),
    };
    match path.strip_prefix('.') {
        Some(path) if path.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '_') => {
            Ok(Action::Field { path, json })
        }
        _ => Err(Failure::Unbuilt(format!(
            "template action \"{{{{{inner}}}}}\" (so far: {{{{.Field}}}} and {{{{json .Field}}}})"
        ))),
    }
}

fn lookup<'a>(object: &'a Value, path: &str) -> Result<&'a Value, Failure> {
    path.split('.')
        .filter(|name| !name.is_empty())
        .try_fold(object, |value, name| {
            value
                .get(name)
                .ok_or_else(|| Failure::Wrong(format!("template: no field \"{name}\" in \".{path}\"")))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(source: &str) -> Result<String, String> {
        let object = json!({ "Spec": { "Name": "web", "Replicas": 3 }, "ID": "x" });
        match Format::parse(source) {
            Ok(Format::Template(template)) => template.fill(&object).map_err(|failure| failure.to_string()),
            Ok(_) => Err("no template".into()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn fields_are_filled_in() {
        assert_eq!(fill("{{.ID}}: {{ .Spec.Name }}").unwrap(), "x: web");
        assert_eq!(fill("{{json .Spec.Name}} {{.Spec.Replicas}}").unwrap(), "\"web\" 3");
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        assert!(fill("{{.Nope}}").unwrap_err().contains("Nope"));
        assert!(fill("{{range .}}x{{end}}").unwrap_err().contains("not built yet"));
        assert!(fill("{{.ID").unwrap_err().contains("unclosed"));
    }
}
