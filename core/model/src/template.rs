//! Templates in specs and payloads, as docker's users write them: text with `{{ }}` around values of the task that it is
//! filled in for. A subset of Go's `text/template`: fields, `index`, `join`, and the functions of payloads, each also at
//! the end of a pipe. What a template says is known when it is parsed; only the values are missing.

mod parse;

use thiserror::Error;

/// A value of a task, its service or its node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the values are what they are")]
pub enum Field {
    ServiceId,
    ServiceName,
    /// The service's label of this name.
    ServiceLabel(String),
    NodeId,
    NodeHostname,
    NodeOs,
    NodeArchitecture,
    TaskId,
    TaskName,
    TaskSlot,
}

/// What a payload can contain beside fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `secret "TARGET"`: another secret of the task, by the name of its file.
    Secret,
    /// `config "TARGET"`: the same of a config.
    Config,
    /// `env "NAME"`: a variable of the task's environment.
    Env,
}

/// An expression. Everything that it can be is a text in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Itself.
    Text(String),
    /// A value.
    Field(Field),
    /// `join SEPARATOR TEXT...`
    Join(Vec<Expr>),
    /// A function of payloads.
    From(Source, Box<Expr>),
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Stands for itself.
    Text(String),
    /// Is filled in.
    Value(Expr),
}

/// Where a template stands, which decides what it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a spec: fields only.
    Spec,
    /// The bytes of a secret or config.
    Payload,
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("template \"{template}\": {reason}")]
pub struct TemplateError {
    /// The text, or its beginning.
    pub template: String,
    /// What is wrong with it, and the way out.
    pub reason: String,
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Its parts, in order.
    pub pieces: Vec<Piece>,
}

/// Characters of a template that an error shows.
const SHOWN: usize = 60;

impl Template {
    /// Reads a template.
    pub fn parse(text: &str, scope: Scope) -> Result<Self, TemplateError> {
        parse::pieces(text, scope)
            .map(|pieces| Self { pieces })
            .map_err(|reason| TemplateError {
                template: match scope {
                    Scope::Spec => text.chars().take(SHOWN).collect(),
                    // Of a secret nothing is shown.
                    Scope::Payload => "{{...}}".to_owned(),
                },
                reason,
            })
    }

    /// Whether a text has anything to fill in.
    pub fn is_one(text: &str) -> bool {
        text.contains("{{")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Piece>, String> {
        let parsed = Template::parse(text, Scope::Payload);
        parsed.map(|t| t.pieces).map_err(|e| e.reason)
    }

    fn field(field: Field) -> Piece {
        Piece::Value(Expr::Field(field))
    }

    #[test]
    fn fields_and_functions_are_read_as_go_reads_them() {
        let text = |text: &str| Piece::Text(text.to_owned());
        assert_eq!(
            parsed("a-{{.Task.Slot}}b{{ .Service.Name }}"),
            Ok(vec![
                text("a-"),
                field(Field::TaskSlot),
                text("b"),
                field(Field::ServiceName)
            ])
        );
        let tier = || Field::ServiceLabel("a.tier".to_owned());
        assert_eq!(parsed("{{index .Service.Labels \"a.tier\"}}"), Ok(vec![field(tier())]));
        assert_eq!(
            parsed("{{.Service.Labels.tier}}"),
            Ok(vec![field(Field::ServiceLabel("tier".to_owned()))])
        );
        let join = Expr::Join(vec![
            Expr::Text("-".to_owned()),
            Expr::Field(Field::NodeHostname),
            Expr::Field(tier()),
        ]);
        let words = "{{join `-` .Node.Hostname (index .Service.Labels \"a.tier\")}}";
        assert_eq!(parsed(words), Ok(vec![Piece::Value(join)]));
        let secret = Expr::From(Source::Secret, Box::new(Expr::Text("db".to_owned())));
        assert_eq!(parsed("{{secret \"db\"}}"), Ok(vec![Piece::Value(secret.clone())]));
        assert_eq!(parsed("{{\"db\" | secret}}"), Ok(vec![Piece::Value(secret)]));
        assert_eq!(
            parsed("a \n {{- .Task.ID -}}\n b"),
            Ok(vec![text("a"), field(Field::TaskId), text("b")])
        );
        assert_eq!(parsed("a{{/* why */}}b"), Ok(vec![text("a"), text("b")]));
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (bad, named) in [
            ("{{.Task.ID", "\"}}\""),
            ("{{.Node.Label}}", ".Node.Label"),
            ("{{.Service.Labels}}", "index .Service.Labels"),
            ("{{if true}}x{{end}}", "true"),
            ("{{join}}", "join"),
            ("{{index .Task.Name \"x\"}}", "index"),
            ("{{\"open}}", "quote"),
            ("{{(.Task.ID}}", "\")\""),
            ("{{}}", "empty"),
            ("{{secret}}", "secret"),
            ("{{.Task.ID .Task.Name}}", ".Task.Name"),
        ] {
            let reason = parsed(bad).unwrap_err();
            assert!(reason.contains(named), "{bad}: {reason}");
        }
        let in_spec = Template::parse("{{secret \"db\"}}", Scope::Spec).unwrap_err();
        assert!(
            in_spec.to_string().contains("only templated secrets and configs"),
            "{in_spec}"
        );
    }
}
