//! Nodes: joining, what they say of themselves, what is wished of them, leaving.

use std::net::{IpAddr, SocketAddr};

use model::{Node, NodeDescription, NodeId, NodeSpec, NodeState, Role, TaskState, Timestamp};

use crate::{Event, Kind, Refused, State};

impl State {
    /// A node that joins again with its id keeps the time it was made at, and its raft id as long as raft has the member;
    /// one that is gone is never used again.
    pub(super) fn upsert_node(&mut self, index: u64, mut node: Node, events: &mut Vec<Event>) -> Result<(), Refused> {
        let old = self.node(node.id);
        let highest = self.highest_raft_id();
        match (node.raft_id, old.and_then(|old| old.raft_id)) {
            (Some(new), before) if before != Some(new) && new <= highest => {
                return Err(Refused::RaftIdUsed { raft_id: new, highest });
            }
            (Some(new), _) => self.tables.highest_raft_id = highest.max(new),
            (None, before) => node.raft_id = before,
        }
        if let Some(old) = self.node(node.id) {
            node.created_at = old.created_at;
        }
        node.version = index;
        events.push(Event::Node(node.id));
        self.put_node(node);
        Ok(())
    }

    pub(super) fn change_node(
        &mut self,
        index: u64,
        id: NodeId,
        at: Timestamp,
        events: &mut Vec<Event>,
        change: impl FnOnce(&mut Node),
    ) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Node,
            what: id.to_string(),
        };
        let old = self.node(id).ok_or_else(missing)?;
        let mut node = old.clone();
        change(&mut node);
        if node != *old {
            node.version = index;
            node.updated_at = at;
            events.push(Event::Node(id));
            self.put_node(node);
        }
        Ok(())
    }

    /// While its engine does not answer, what a node said of it before still counts: constraints on engine labels must
    /// not move the tasks that run there.
    pub(super) fn describe_node(
        &mut self,
        index: u64,
        id: NodeId,
        at: Timestamp,
        (addr, control): (IpAddr, Option<SocketAddr>),
        mut description: NodeDescription,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.change_node(index, id, at, events, |node| {
            if let Some(before) = node.description.take().filter(|_| !description.engine_error.is_empty()) {
                description = NodeDescription {
                    arch: before.arch,
                    engine_version: before.engine_version,
                    engine_labels: before.engine_labels,
                    nano_cpus: before.nano_cpus,
                    memory_bytes: before.memory_bytes,
                    generic_resources: before.generic_resources,
                    plugins: before.plugins,
                    ..description
                };
            }
            node.description = Some(description);
            node.status.addr = addr;
            node.manager_addr = control.or(node.manager_addr);
        })
    }

    pub(super) fn node_status(
        &mut self,
        index: u64,
        id: NodeId,
        at: Timestamp,
        state: NodeState,
        message: String,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.change_node(index, id, at, events, |node| {
            node.status.state = state;
            node.status.message = message;
        })
    }

    pub(super) fn update_node_spec(
        &mut self,
        index: u64,
        id: NodeId,
        version: u64,
        at: Timestamp,
        spec: NodeSpec,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        if let Some(node) = self.node(id).filter(|node| node.version != version) {
            let (name, now) = (node.hostname(), node.version);
            return Err(Refused::OutOfSequence {
                kind: Kind::Node,
                name,
                read: version,
                now,
            });
        }
        self.check_role(id, spec.role)?;
        self.change_node(index, id, at, events, |node| node.spec = spec)
    }

    /// Refused for managers and as long as raft has the node as a member, and for nodes that are not down unless forced.
    /// The node's tasks are orphaned at once: nobody is left to report on them. Those that have ended stay as they ended,
    /// or a job would do again what is done.
    pub(super) fn remove_node(
        &mut self,
        index: u64,
        id: NodeId,
        at: Timestamp,
        force: bool,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Node,
            what: id.to_string(),
        };
        let node = self.node(id).ok_or_else(missing)?;
        if node.role() == Role::Manager {
            return Err(Refused::NodeIsManager(node.hostname()));
        }
        if !force && node.status.state != NodeState::Down {
            return Err(Refused::NodeNotDown(node.hostname()));
        }
        let tasks = self.tasks_on_node(id).filter(|task| !task.status.state.is_terminal());
        let tasks: Vec<_> = tasks.cloned().collect();
        for mut task in tasks {
            task.status.state = TaskState::Orphaned;
            task.status.at = at;
            task.status.err = "assigned node no longer exists".to_owned();
            self.write_task(index, at, task, events);
        }
        events.push(Event::Node(id));
        self.drop_node(id);
        Ok(())
    }
}
