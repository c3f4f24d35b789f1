//! What became of the objects that one entry touched: the same on every manager that applies it, so that whoever follows
//! changes at one manager may go on at another.

use model::{Mode, NetworkId, NodeId, PayloadId, PayloadKind, ServiceId, TaskId, TaskState, Timestamp};

use crate::{Event, State};

/// Which object changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// The cluster's own settings.
    Cluster,
    /// A node.
    Node(NodeId),
    /// A network.
    Network(NetworkId),
    /// A service.
    Service(ServiceId),
    /// A secret or config.
    Payload(PayloadKind, PayloadId),
    /// A task.
    Task(TaskId),
}

/// What happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
    /// It was removed.
    Removed,
}

/// One changed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which.
    pub object: Object,
    /// What happened.
    pub action: Action,
    /// Its name as users know it; a removed object's last one.
    pub name: String,
    /// When; of what went without a time the latest one that is known.
    pub at: Timestamp,
    /// Of a task: what it belongs to, where it is and how far.
    pub task: Option<TaskFacts>,
    /// What differs, by docker's names (`state.old`, `state.new`).
    pub attributes: Vec<(&'static str, String)>,
}

/// What rides along with a change of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFacts {
    /// Whose it is.
    pub service: ServiceId,
    /// Where it is, once it has a node.
    pub node: Option<NodeId>,
    /// How far it is; of a removed task: was.
    pub state: TaskState,
    /// Why it failed; empty if it did not.
    pub err: String,
}

/// The changes of an entry that led from `before` to `after` and touched `events`, each object once, in the order of
/// events. An object that came and went within the entry is left out.
pub fn changes(before: &State, after: &State, events: &[Event]) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for event in events {
        let object = Object::of(event);
        if changes.last().is_none_or(|last| last.object != object) {
            changes.extend(change(before, after, object));
        }
    }
    let latest = changes.iter().map(|change| change.at).max().unwrap_or_default();
    let timeless = changes.iter_mut().filter(|change| change.at == Timestamp::default());
    timeless.for_each(|change| change.at = latest);
    changes
}

fn change(before: &State, after: &State, object: Object) -> Option<Change> {
    let (old, new) = (name(before, object), name(after, object));
    let action = match (&old, &new) {
        (None, None) => return None,
        (None, Some(_)) => Action::Created,
        (Some(_), Some(_)) => Action::Updated,
        (Some(_), None) => Action::Removed,
    };
    let facts = |state: &State| match object {
        Object::Task(id) => state.task(id).map(|task| TaskFacts {
            service: task.service,
            node: task.node,
            state: task.status.state,
            err: task.status.err.clone(),
        }),
        _ => None,
    };
    Some(Change {
        object,
        action,
        name: new.or(old)?,
        at: at(after, object).unwrap_or_default(),
        task: facts(after).or_else(|| facts(before)),
        attributes: attributes(before, after, object),
    })
}

/// When the object changed last.
fn at(state: &State, object: Object) -> Option<Timestamp> {
    match object {
        Object::Cluster => None,
        Object::Node(id) => state.node(id).map(|node| node.updated_at),
        Object::Network(id) => state.network(id).map(|network| network.updated_at),
        Object::Service(id) => state.service(id).map(|service| service.updated_at),
        Object::Task(id) => state.task(id).map(|task| task.updated_at),
        Object::Payload(_, id) => state.payload(id).map(|payload| payload.updated_at),
    }
}

/// What users look for in a change, old and new.
fn attributes(before: &State, after: &State, object: Object) -> Vec<(&'static str, String)> {
    let pairs = match object {
        Object::Node(id) => {
            let words = |state: &State| {
                let node = state.node(id)?;
                let words = [
                    node.status.state.word().to_lowercase(),
                    node.spec.availability.word().to_lowercase(),
                    node.spec.role.word().to_owned(),
                ];
                Some(words.to_vec())
            };
            let names = [
                ("state.old", "state.new"),
                ("availability.old", "availability.new"),
                ("role.old", "role.new"),
            ];
            (names.to_vec(), words(before), words(after))
        }
        Object::Service(id) => {
            let words = |state: &State| {
                let spec = &state.service(id)?.spec;
                let replicas = match spec.mode {
                    Mode::Replicated { replicas } => replicas.to_string(),
                    mode => mode.word().to_owned(),
                };
                Some(vec![spec.container.image.clone(), replicas])
            };
            let names = [("image.old", "image.new"), ("replicas.old", "replicas.new")];
            (names.to_vec(), words(before), words(after))
        }
        Object::Cluster | Object::Network(_) | Object::Task(_) | Object::Payload(..) => return Vec::new(),
    };
    let (names, Some(old), Some(new)) = pairs else {
        return Vec::new();
    };
    let differing = names
        .into_iter()
        .zip(old.into_iter().zip(new))
        .filter(|(_, (old, new))| old != new);
    differing
        .flat_map(|((before, after), (old, new))| [(before, old), (after, new)])
        .collect()
}

fn name(state: &State, object: Object) -> Option<String> {
    match object {
        Object::Cluster => state.cluster().map(|_| "default".to_owned()),
        Object::Node(id) => state.node(id).map(model::Node::hostname),
        Object::Network(id) => state.network(id).map(|network| network.spec.name.to_string()),
        Object::Service(id) => state.service(id).map(|service| service.spec.name.to_string()),
        Object::Payload(_, id) => state.payload(id).map(|payload| payload.spec.name.to_string()),
        Object::Task(id) => state.task(id).map(model::Task::name),
    }
}

impl Object {
    fn of(event: &Event) -> Self {
        match event {
            Event::Cluster => Self::Cluster,
            Event::Node(id) => Self::Node(*id),
            Event::Network(id) => Self::Network(*id),
            Event::Service(id) => Self::Service(*id),
            Event::Payload { id, kind } => Self::Payload(*kind, *id),
            Event::Task { task, .. } => Self::Task(*task),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Entry, TaskOp, fixture::*};

    #[test]
    fn each_object_is_told_once_with_what_became_of_it() {
        let mut after = state();
        let mut step = |command: Command| {
            let before = after.clone();
            let index = after.applied() + 1;
            let request = model::RequestId::from_bits(u128::from(index));
            let events = after.apply(index, Entry { request, command }).unwrap();
            let told = changes(&before, &after, &events);
            told.into_iter().map(|c| (c.name, c.action)).collect::<Vec<_>>()
        };
        let told = |name: &str, action| (name.to_owned(), action);
        assert_eq!(step(service(2, "api", None, None)), [told("api", Action::Created)]);
        assert_eq!(
            step(report(1, 1, TaskState::Running, 5)),
            [told("web.1", Action::Updated)]
        );
        let remove = Command::RemoveService {
            id: ServiceId::from_bits(1),
            at: AT,
        };
        assert_eq!(
            step(remove),
            [told("web", Action::Removed), told("web.1", Action::Updated)]
        );
        let task = TaskId::from_bits(1);
        assert_eq!(
            step(report(1, 1, TaskState::Shutdown, 6)),
            [told("web.1", Action::Updated)]
        );
        let gone = Command::Tasks(vec![TaskOp::Remove { task }]);
        assert_eq!(step(gone), [told("web.1", Action::Removed)]);
    }

    #[test]
    fn changes_say_when_and_what_differs() {
        let before = state();
        let mut after = before.clone();
        let command = Command::NodeStatus {
            id: NodeId::from_bits(1),
            at: Timestamp(7_000),
            state: model::NodeState::Down,
            message: "heartbeat failure".to_owned(),
        };
        let request = model::RequestId::from_bits(9);
        let events = after.apply(after.applied() + 1, Entry { request, command }).unwrap();
        let told = changes(&before, &after, &events);
        assert_eq!(told[0].at, Timestamp(7_000));
        let told: Vec<_> = told[0]
            .attributes
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(told, [("state.old", "ready"), ("state.new", "down")]);
    }
}
