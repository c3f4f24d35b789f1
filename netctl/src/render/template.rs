//! `--format`: words, or Go templates as docker users write them: crate `gotmpl`, and docker's own functions.

mod functions;

use serde_json::Value;

use crate::failure::Failure;

/// What `--format` asks for.
pub enum Format {
    /// Docker's own table.
    Table,
    /// JSON: of several objects that are inspected an array.
    Json,
    /// JSON of each object apart: `{{json .}}`.
    JsonEach,
    /// Text with fields filled in.
    Template(Template),
    /// A table of such texts, cells parted by tabs.
    TableOf(Template),
}

/// Fields that are maps, where a template looks into them by key.
const MAPS: [&str; 3] = [".Labels.", ".Options.", ".Sysctls."];

/// A template that could be read.
pub struct Template {
    filled: gotmpl::Template,
    /// The same, with functions that leave the names of columns as they are.
    header: gotmpl::Template,
    /// The fields that it names.
    fields: Vec<String>,
}

impl Format {
    /// Reads the value of `--format`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match text {
            "" | "table" => Ok(Self::Table),
            "json" => Ok(Self::Json),
            _ if is_json_of_all(text) => Ok(Self::JsonEach),
            _ => match text.strip_prefix("table ") {
                Some(rest) => Template::parse(rest).map(Self::TableOf),
                None => Template::parse(text).map(Self::Template),
            },
        }
    }
}

/// Whether a template is `{{json .}}` and nothing else: its fields keep their order then.
fn is_json_of_all(text: &str) -> bool {
    let action = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    action.is_some_and(|action| action.split_whitespace().eq(["json", "."]))
}

impl Template {
    fn parse(source: &str) -> Result<Self, Failure> {
        let source = source.trim().replace("\\t", "\t").replace("\\n", "\n");
        // A map has the keys that users gave it: any may be asked for. Objects have their fields, and no others.
        let missing = match MAPS.iter().any(|map| source.contains(map)) {
            true => gotmpl::MissingKey::Invalid,
            false => gotmpl::MissingKey::Error,
        };
        let parse = |functions: gotmpl::FuncMap| {
            let template = gotmpl::Template::new("").missing_key(missing);
            template.funcs(functions).parse(&source).map_err(wrong)
        };
        Ok(Self {
            filled: parse(functions::of_values())?,
            header: parse(functions::of_headers())?,
            fields: fields(&source),
        })
    }

    /// Puts the fields of `object` in.
    pub fn fill(&self, object: &Value) -> Result<String, Failure> {
        fill(&self.filled, object)
    }

    /// The line above a table, from what stands above the column of each field.
    pub fn header(&self, name: impl Fn(&str) -> String) -> Result<String, Failure> {
        let names = self
            .fields
            .iter()
            .map(|field| (field.clone(), Value::String(name(field))));
        fill(&self.header, &Value::Object(names.collect()))
    }
}

/// Words behind a dot.
fn fields(source: &str) -> Vec<String> {
    let word = |rest: &str| {
        rest.split(|c: char| !c.is_alphanumeric() && c != '_')
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    source
        .split('.')
        .skip(1)
        .map(word)
        .filter(|word| !word.is_empty())
        .collect()
}

fn fill(template: &gotmpl::Template, object: &Value) -> Result<String, Failure> {
    let value = gotmpl::to_value(object).map_err(wrong)?;
    template.execute_to_string(&value).map_err(wrong)
}

/// In docker's words.
fn wrong(error: gotmpl::TemplateError) -> Failure {
    Failure::Wrong(format!("template parsing error: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fill(source: &str) -> Result<String, String> {
        let object = json!({ "Spec": { "Name": "web", "Replicas": 3, "Labels": { "b": "2", "a": "1" } }, "ID": "x-y" });
        match Format::parse(source) {
            Ok(Format::Template(template)) => template.fill(&object).map_err(|failure| failure.to_string()),
            Ok(_) => Err("no template".into()),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn fields_are_filled_in() {
        assert_eq!(fill("{{.ID}}: {{ .Spec.Name }}").unwrap(), "x-y: web");
        assert_eq!(fill("{{json .Spec.Name}} {{.Spec.Replicas}}").unwrap(), "\"web\" 3");
        assert_eq!(fill("{{if eq .Spec.Name \"web\"}}yes{{else}}no{{end}}").unwrap(), "yes");
        assert_eq!(
            fill("{{range $k, $v := .Spec.Labels}}{{$k}}={{$v}};{{end}}").unwrap(),
            "a=1;b=2;"
        );
    }

    #[test]
    fn dockers_functions_are_there() {
        for (source, told) in [
            ("{{upper .ID}} {{lower \"ABC\"}} {{title .Spec.Name}}", "X-Y abc Web"),
            ("{{join (split .ID \"-\") \"+\"}}", "x+y"),
            ("{{truncate .Spec.Name 2}}|{{truncate .Spec.Name 9}}", "we|web"),
            ("[{{pad .Spec.Name 1 2}}]", "[ web  ]"),
            ("{{json .Spec.Labels}}", "{\"a\":\"1\",\"b\":\"2\"}"),
            ("{{println .ID}}", "x-y\n"),
            ("{{.Spec.Name | upper}}", "WEB"),
        ] {
            assert_eq!(fill(source).as_deref(), Ok(told), "{source}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        let wrong = |source: &str, named: &str| {
            let failure = fill(source).unwrap_err();
            assert!(
                failure.starts_with("template parsing error: ") && failure.contains(named),
                "{failure}"
            );
        };
        wrong("{{.Nope}}", "Nope");
        wrong("{{.ID", "unclosed");
        wrong("{{frob .ID}}", "frob");
        wrong("{{join .ID}}", "join");
    }
}
