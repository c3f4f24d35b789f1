//! What became of the objects that one entry touched: the same on every manager that applies it, so that whoever follows
//! changes at one manager may go on at another.

use model::{NetworkId, NodeId, PayloadId, PayloadKind, ServiceId, TaskId, TaskState};

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
    /// Of a task: what it belongs to, where it is and how far.
    pub task: Option<TaskFacts>,
}

/// What rides along with a change of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskFacts {
    /// Whose it is.
    pub service: ServiceId,
    /// Where it is, once it has a node.
    pub node: Option<NodeId>,
    /// How far it is; of a removed task: was.
    pub state: TaskState,
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
        }),
        _ => None,
    };
    Some(Change {
        object,
        action,
        name: new.or(old)?,
        task: facts(after).or_else(|| facts(before)),
    })
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
}
