//! At most one container of a spec runs in a slot. Looked at from the machines whenever a container has started: a
//! replacement waits until its predecessor has stopped.
//!
//! Nobody can wait for one whose node is down or removed, and nobody waits for longer than a minute: such a container may
//! run beside its successor from then on, until its node stops it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{DesiredState, NodeId, NodeState, ServiceId, Slot, Task, TaskId};
use plan::container::ContainerState;
use store::{Event, State};

use super::Checked;
use crate::node::Machine;

/// As in crate `control`: how long a replacement waits for its predecessor.
const PATIENCE: Duration = Duration::from_secs(60);

/// What one container at a time may be. A job's next run is another one.
type Place = (ServiceId, Slot, u64, Option<u64>);

/// See the module.
#[derive(Debug, Default)]
pub struct Slots {
    /// Tasks that are not waited for any more.
    outlived: BTreeSet<TaskId>,
    /// Nodes that were removed: whatever may run there.
    removed: BTreeSet<NodeId>,
}

impl Slots {
    /// An entry was applied for the first time.
    pub fn applied(&mut self, state: &State, events: &[Event]) {
        for event in events {
            match event {
                Event::Node(id) => self.node(state, *id),
                Event::Task { task, .. } => {
                    let may_start =
                        |task: &&Task| matches!(task.desired, DesiredState::Running | DesiredState::Complete);
                    let starts = state.task(*task).filter(may_start);
                    starts.into_iter().for_each(|task| self.starts(state, task));
                }
                _ => {}
            }
        }
    }

    fn node(&mut self, state: &State, id: NodeId) {
        match state.node(id) {
            None => drop(self.removed.insert(id)),
            Some(node) if node.status.state == NodeState::Down => {
                self.outlived.extend(state.tasks_on_node(id).map(|task| task.id));
            }
            Some(_) => {}
        }
    }

    /// A task may start now. Both times are of leaders' clocks, as the decision is.
    fn starts(&mut self, state: &State, task: &Task) {
        let others = state
            .tasks_in_slot(task.service, task.slot)
            .filter(|old| old.id != task.id);
        let doomed = others.filter(|old| old.desired > DesiredState::Complete && !old.status.state.is_terminal());
        let late = doomed.filter(|old| task.updated_at.since(old.updated_at) >= PATIENCE);
        self.outlived.extend(late.map(|old| old.id));
    }

    /// No two that are waited for run in one slot.
    pub fn check(&self, machines: &[Machine]) -> Checked {
        let mut taken: BTreeMap<Place, NodeId> = BTreeMap::new();
        for machine in machines.iter().filter(|machine| !self.removed.contains(&machine.id)) {
            let running = machine.engine.iter().filter(|(_, c)| **c == ContainerState::Running);
            let waited_for = running.filter(|(id, _)| !self.outlived.contains(id));
            for task in waited_for.filter_map(|(id, _)| Some(&machine.made.get(id)?.task)) {
                let place = (task.service, task.slot, task.spec_version, task.job_iteration);
                if let Some(other) = taken.insert(place, machine.id) {
                    return Err(format!(
                        "{} runs twice, on node {other} and on node {}",
                        task.name(),
                        machine.id
                    ));
                }
            }
        }
        Ok(())
    }
}
