//! Fills in the templates of a task's spec, and of its secrets and configs.

use model::{Expr, Field, NodeView, PayloadKind, Piece, Scope, Source, Task, Template};

/// What a node says of itself in templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Operating system as the engine names it (`linux`).
    pub os: &'static str,
    /// Architecture as the engine names it (`x86_64`).
    pub arch: &'static str,
}

/// Where values come from.
pub(super) struct Context<'a> {
    pub view: &'a NodeView,
    pub task: &'a Task,
    pub facts: NodeFacts,
}

impl Context<'_> {
    /// The text with its values filled in, or in words what is missing.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        if Template::is_one(text) {
            self.fill(text, Scope::Spec)
        } else {
            Ok(text.to_owned())
        }
    }

    /// The same of a payload's bytes. What they say is in no error.
    pub fn expand_payload(&self, bytes: &[u8]) -> Result<String, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "a template is UTF-8 text".to_owned())?;
        self.fill(text, Scope::Payload)
    }

    fn fill(&self, text: &str, scope: Scope) -> Result<String, String> {
        let template = Template::parse(text, scope).map_err(|why| why.to_string())?;
        let mut filled = String::with_capacity(text.len());
        for piece in &template.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Value(expr) => filled.push_str(&self.value(expr)?),
            }
        }
        Ok(filled)
    }

    fn value(&self, expr: &Expr) -> Result<String, String> {
        match expr {
            Expr::Text(text) => Ok(text.clone()),
            Expr::Field(field) => self.field(field),
            Expr::Join(parts) => {
                let parts: Vec<String> = parts.iter().map(|part| self.value(part)).collect::<Result<_, _>>()?;
                let (separator, texts) = parts.split_first().ok_or("join needs a separator")?;
                Ok(texts.join(separator))
            }
            Expr::From(source, name) => self.from(*source, &self.value(name)?),
        }
    }

    fn field(&self, field: &Field) -> Result<String, String> {
        let Self { view, task, facts } = self;
        Ok(match field {
            Field::ServiceId => task.service.to_string(),
            Field::ServiceName => task.service_name.to_string(),
            Field::ServiceLabel(name) => {
                let label = task.service_labels.get(name).cloned();
                return label.ok_or_else(|| format!("service {} has no label \"{name}\"", task.service_name));
            }
            Field::NodeId => view.node.to_string(),
            Field::NodeHostname => {
                let own = view.peers.iter().find(|peer| peer.node == view.node);
                return own
                    .map(|peer| peer.hostname.clone())
                    .ok_or_else(|| "this node has no host name".to_owned());
            }
            Field::NodeOs => facts.os.to_owned(),
            Field::NodeArchitecture => facts.arch.to_owned(),
            Field::TaskId => task.id.to_string(),
            Field::TaskName => format!("{}.{}", task.name(), task.id),
            // As in Swarm: a global service counts nothing but nodes.
            Field::TaskSlot => task
                .pinned
                .map_or_else(|| task.slot.to_string(), |node| node.to_string()),
        })
    }

    fn from(&self, source: Source, name: &str) -> Result<String, String> {
        let kind = match source {
            Source::Env => return self.env(name),
            Source::Secret => PayloadKind::Secret,
            Source::Config => PayloadKind::Config,
        };
        let mut files = self.task.container.payloads();
        let file = files.find(|(k, file)| *k == kind && file.target == name);
        let id = file
            .map(|(_, file)| file.id)
            .ok_or_else(|| format!("the task has no {kind} \"{name}\""))?;
        let payload = self
            .view
            .payload(id)
            .ok_or_else(|| format!("{kind} \"{name}\" is not here"))?;
        let text = std::str::from_utf8(payload.bytes.as_bytes());
        text.map(str::to_owned)
            .map_err(|_| format!("{kind} \"{name}\" is no UTF-8 text"))
    }

    fn env(&self, name: &str) -> Result<String, String> {
        let mut variables = self.task.container.env.iter().rev();
        let value = variables.find_map(|variable| variable.strip_prefix(name)?.strip_prefix('='));
        let value = value.ok_or_else(|| format!("the task has no variable \"{name}\""))?;
        self.expand(value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::{ContainerSpec, PayloadBytes, PayloadId, PayloadRef, PayloadView, PeerView};

    use super::*;
    use crate::container::fixture;

    const FACTS: NodeFacts = NodeFacts {
        os: "linux",
        arch: "x86_64",
    };

    fn stage() -> (NodeView, Task) {
        let (mut view, mut task) = (fixture::view(), fixture::task(1));
        view.peers = vec![PeerView {
            node: view.node,
            hostname: "n1".to_owned(),
            vtep: [192, 0, 2, 1].into(),
        }];
        let (id, kind) = (PayloadId::from_bits(5), PayloadKind::Secret);
        view.payloads = vec![PayloadView {
            id,
            kind,
            templated: false,
            bytes: PayloadBytes::new(b"hunter2"),
        }];
        task.service_labels = Arc::new([("tier".to_owned(), "front".to_owned())].into());
        let spec: &mut ContainerSpec = Arc::make_mut(&mut task.container);
        spec.secrets = vec![PayloadRef::of(id, "db".parse().unwrap())];
        spec.env = vec!["SLOT=s{{.Task.Slot}}".to_owned()];
        (view, task)
    }

    #[test]
    fn values_are_those_of_the_task() {
        let (view, task) = stage();
        let context = Context {
            view: &view,
            task: &task,
            facts: FACTS,
        };
        let task_name = format!("web.1.{}", task.id);
        for (text, want) in [
            ("plain {", "plain {"),
            ("{{.Service.Name}}-{{.Task.Slot}}", "web-1"),
            ("{{.Task.Name}}", task_name.as_str()),
            (
                "{{.Node.Hostname}}/{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}",
                "n1/linux/x86_64",
            ),
            (
                "{{join \",\" .Service.Name (index .Service.Labels \"tier\")}}",
                "web,front",
            ),
        ] {
            assert_eq!(context.expand(text).as_deref(), Ok(want), "{text}");
        }
        let missing = context.expand("{{index .Service.Labels \"x\"}}").unwrap_err();
        assert_eq!(missing, "service web has no label \"x\"");
        let payload = b"{{secret \"db\"}} {{env \"SLOT\"}} {{.Service.ID}}";
        let filled = context.expand_payload(payload).unwrap();
        assert_eq!(filled, format!("hunter2 s1 {}", task.service));
        let missing = context.expand_payload(b"{{config \"db\"}}").unwrap_err();
        assert_eq!(missing, "the task has no config \"db\"");
    }
}
