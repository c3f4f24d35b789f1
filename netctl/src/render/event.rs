//! One event, as docker prints it: `2026-01-02T15:04:05.000000000Z service create ID (name=web)`. Tasks have events too.

use model::{TaskState, Timestamp};
use serde_json::{Value, json};
use wire::pb;

/// What became of one object.
pub struct Event {
    index: u64,
    change: pb::Change,
}

impl Event {
    /// The change that the log entry with this index made.
    pub fn new(index: u64, change: pb::Change) -> Self {
        Self { index, change }
    }

    /// When.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.change.at)
    }

    fn kind(&self) -> &'static str {
        match self.change.kind() {
            pb::ObjectKind::Cluster => "cluster",
            pb::ObjectKind::Node => "node",
            pb::ObjectKind::Network => "network",
            pb::ObjectKind::Service => "service",
            pb::ObjectKind::Task => "task",
            pb::ObjectKind::Secret => "secret",
            pb::ObjectKind::Config => "config",
            pb::ObjectKind::Unspecified => "object",
        }
    }

    fn action(&self) -> &'static str {
        match self.change.action() {
            pb::ChangeAction::Created => "create",
            pb::ChangeAction::Updated => "update",
            pb::ChangeAction::Removed => "remove",
            pb::ChangeAction::Unspecified => "change",
        }
    }

    /// Names and values in the order of names, as docker's.
    fn attributes(&self) -> Vec<(String, String)> {
        let change = &self.change;
        let state = change.state.and_then(|state| pb::TaskState::try_from(state).ok());
        let state = state.and_then(|state| TaskState::try_from(state).ok());
        let of_task = [
            ("service", change.service.clone()),
            ("node", change.node.clone()),
            ("state", state.map(|state| state.word().to_lowercase())),
            ("error", Some(change.error.clone()).filter(|error| !error.is_empty())),
            ("index", Some(self.index.to_string())),
            ("name", Some(change.name.clone())),
        ];
        let given = of_task
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)));
        let told = change
            .attributes
            .iter()
            .map(|label| (label.name.clone(), label.value.clone()));
        let mut all: Vec<_> = given.chain(told).collect();
        all.sort();
        all
    }

    /// The line.
    pub fn line(&self) -> String {
        let pair = |(name, value): (String, String)| format!("{name}={value}");
        let attributes = self.attributes().into_iter().map(pair).collect::<Vec<_>>().join(", ");
        let (kind, action, id) = (self.kind(), self.action(), &self.change.id);
        let gap = if id.is_empty() { "" } else { " " };
        format!("{} {kind} {action} {id}{gap}({attributes})", self.at())
    }

    /// As docker's `--format json`.
    pub fn json(&self) -> Value {
        let attributes = self.attributes().into_iter().map(|(name, value)| (name, json!(value)));
        let nanos = self.change.at;
        json!({
            "Type": self.kind(),
            "Action": self.action(),
            "Actor": {
                "ID": self.change.id,
                "Attributes": Value::Object(attributes.collect()),
            },
            "scope": "swarm",
            "time": nanos.div_euclid(1_000_000_000),
            "timeNano": nanos,
        })
    }

    /// Whether one `--filter KEY=VALUE` lets it pass. An object is meant by its id, the beginning of that, or its name; by
    /// their services and nodes tasks are meant too.
    pub fn fits(&self, key: &str, value: &str) -> bool {
        let change = &self.change;
        let own = || change.name == value || !value.is_empty() && change.id.starts_with(value);
        let begins = |id: &Option<String>| id.as_ref().is_some_and(|id| !value.is_empty() && id.starts_with(value));
        let of_task = self.kind() == "task";
        match key {
            "type" => self.kind() == value,
            "event" => self.action() == value,
            // web.1 is of web.
            "service" if of_task => {
                begins(&change.service) || change.name.rsplit_once('.').is_some_and(|(name, _)| name == value)
            }
            "node" if of_task => begins(&change.node),
            _ => self.kind() == key && own(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Event {
        let change = pb::Change {
            kind: pb::ObjectKind::Service.into(),
            action: pb::ChangeAction::Updated.into(),
            id: "svc1".into(),
            name: "web".into(),
            at: 7,
            attributes: vec![pb::Label {
                name: "image.new".into(),
                value: "web:2".into(),
            }],
            ..pb::Change::default()
        };
        Event::new(12, change)
    }

    fn task() -> Event {
        let change = pb::Change {
            kind: pb::ObjectKind::Task.into(),
            action: pb::ChangeAction::Updated.into(),
            id: "tsk1".into(),
            name: "web.1".into(),
            service: Some("svc1".into()),
            node: Some("nod1".into()),
            state: Some(pb::TaskState::Failed.into()),
            error: "task: non-zero exit (1)".into(),
            ..pb::Change::default()
        };
        Event::new(13, change)
    }

    #[test]
    fn an_event_is_a_line_as_dockers() {
        assert_eq!(
            service().line(),
            "1970-01-01T00:00:00.000000007Z service update svc1 (image.new=web:2, index=12, name=web)"
        );
        assert_eq!(
            task().line(),
            "1970-01-01T00:00:00.000000000Z task update tsk1 (error=task: non-zero exit (1), index=13, name=web.1, \
             node=nod1, service=svc1, state=failed)"
        );
    }

    #[test]
    fn json_has_dockers_fields() {
        assert_eq!(
            service().json().to_string(),
            r#"{"Type":"service","Action":"update","Actor":{"ID":"svc1","Attributes":{"image.new":"web:2","index":"12","name":"web"}},"scope":"swarm","time":0,"timeNano":7}"#
        );
    }

    #[test]
    fn filters_mean_objects_and_their_tasks() {
        for (key, value) in [
            ("type", "task"),
            ("event", "update"),
            ("service", "web"),
            ("service", "svc1"),
            ("node", "nod1"),
        ] {
            assert!(task().fits(key, value), "{key}={value}");
        }
        for (key, value) in [
            ("type", "service"),
            ("event", "create"),
            ("service", "we"),
            ("node", "nod2"),
            ("node", ""),
        ] {
            assert!(!task().fits(key, value), "{key}={value}");
        }
        assert!(service().fits("service", "web") && !service().fits("node", "web"));
    }
}
