//! What a container has nobody else gets as long as it may run: its addresses, the segments and subnets of its networks,
//! the virtual IPs of its service. Looked at from the machines, reachable or not: it ends when the container does, when
//! its node is removed, or when the node has been down for a day.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use ipnet::IpNet;
use model::{NetworkView, NodeId, NodeState, PublishMode, TaskId, TaskState, Timestamp};
use plan::container::ContainerState;
use store::{AddressOwner, Event, State};

use super::Checked;
use crate::node::{Machine, Made};

/// Not much less than a day: clocks may be off.
const NEARLY_A_DAY: Duration = Duration::from_secs(24 * 3600 - 120);

/// See the module.
#[derive(Debug, Default)]
pub struct Quarantine {
    /// Since when each node is down.
    down: BTreeMap<NodeId, Timestamp>,
    /// Tasks that were given up after their node had been down for a day.
    given_up: BTreeSet<TaskId>,
}

impl Quarantine {
    /// An entry was applied for the first time.
    pub fn applied(&mut self, state: &State, events: &[Event], now: Timestamp) -> Checked {
        for event in events {
            match event {
                Event::Node(id) => match state.node(*id) {
                    // When it was found down, not when that was applied: a day may have leapt in between.
                    Some(node) if node.status.state == NodeState::Down => {
                        self.down.entry(*id).or_insert(node.updated_at.min(now));
                    }
                    _ => drop(self.down.remove(id)),
                },
                Event::Task { task, node, .. } if state.task(*task).is_none() => self.forgotten(*task, *node, now),
                Event::Task { task, .. } => self.ended(state, *task, now)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn down_for_a_day(&self, node: NodeId, now: Timestamp) -> bool {
        let since = self.down.get(&node);
        since.is_some_and(|since| now.since(*since) >= NEARLY_A_DAY)
    }

    /// A task may be given up and forgotten in one step.
    fn forgotten(&mut self, task: TaskId, node: Option<NodeId>, now: Timestamp) {
        if node.is_some_and(|node| self.down_for_a_day(node, now)) {
            self.given_up.insert(task);
        }
    }

    fn ended(&mut self, state: &State, id: TaskId, now: Timestamp) -> Checked {
        let task = state.task(id).filter(|task| task.status.state == TaskState::Orphaned);
        let node = task.and_then(|task| state.node(task.node?));
        let Some(node) = node.filter(|_| !self.given_up.contains(&id)) else {
            return Ok(());
        };
        ensure!(
            self.down_for_a_day(node.id, now),
            "task {id} is given up, but its node {} is down since {:?} only",
            node.hostname(),
            self.down.get(&node.id)
        );
        self.given_up.insert(id);
        Ok(())
    }

    /// Nobody else has what a container has.
    pub fn check(&self, state: &State, machines: &[Machine]) -> Checked {
        let mut taken = BTreeSet::new();
        for machine in machines.iter().filter(|machine| state.node(machine.id).is_some()) {
            // What was made and never started runs only as long as its task has not ended.
            let wanted = |id: &TaskId| state.task(*id).is_some_and(|task| !task.status.state.is_terminal());
            let runs = |id: &TaskId| match machine.engine.get(id) {
                Some(ContainerState::Created) => wanted(id),
                Some(container) => container.runs(),
                None => false,
            };
            let may_run = |id: &TaskId| runs(id) && !self.given_up.contains(id);
            for (id, made) in machine.made.iter().filter(|(id, _)| may_run(id)) {
                for a in &made.task.attachments {
                    ensure!(taken.insert((a.network, a.addr)), "two containers have {}", a.addr);
                }
                held(state, *id, made)?;
            }
        }
        Ok(())
    }
}

fn held(state: &State, id: TaskId, made: &Made) -> Checked {
    let name = made.task.name();
    for a in &made.task.attachments {
        let owner = state.address_owner(a.network, a.addr);
        ensure!(
            owner.is_none_or(|owner| owner == AddressOwner::Task(id)),
            "{} of {name}, which may run, is given to {owner:?}",
            a.addr
        );
    }
    for vip in &made.vips {
        let owner = state.address_owner(vip.network, vip.addr);
        ensure!(
            owner.is_none_or(|owner| owner == AddressOwner::Vip(made.task.service)),
            "virtual IP {} of {name}, which may run, is given to {owner:?}",
            vip.addr
        );
    }
    let lost = made.task.node.and_then(|id| state.node(id));
    let lost = lost.filter(|node| node.status.state == NodeState::Down);
    let lost = lost.map(|node| node.version);
    made.networks
        .iter()
        .try_for_each(|network| segment_held(state, &name, network, lost))
}

/// A subnet is free as soon as its network is gone from all nodes that are heard: these make room for the next one first.
/// `lost`: the entry since which the node is known not to be; what was given before that no manager could know.
fn segment_held(state: &State, name: &str, network: &NetworkView, lost: Option<u64>) -> Checked {
    for other in state.networks().filter(|other| other.id != network.id) {
        ensure!(
            other.vni != network.vni,
            "VNI {} of {name}, which may run, is given to {}",
            network.vni,
            other.spec.name
        );
        ensure!(
            lost.is_none_or(|since| other.version < since) || !overlap(other.subnet, network.subnet),
            "subnet {} of {name}, which may run, is given to {}",
            network.subnet,
            other.spec.name
        );
    }
    Ok(())
}

fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// Ports of a node belong to one of its tasks at a time.
pub fn one_task_per_host_port(state: &State) -> Checked {
    let mut taken = BTreeSet::new();
    for task in state.tasks().filter(|task| !task.status.state.is_terminal()) {
        let (Some(node), Some(service)) = (task.node, state.service(task.service)) else {
            continue;
        };
        for port in service.ports.iter().filter(|port| port.mode == PublishMode::Host) {
            // Tasks from before a change of the ports have others.
            let own = task.spec_version == service.spec_version;
            ensure!(
                !own || taken.insert((node, port.published, port.protocol)),
                "{} and another task have port {} of one node",
                task.name(),
                port.published
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::{Role, ServiceId, Slot};
    use store::{Command, Entry};

    use super::*;
    use crate::world::node;

    #[test]
    fn a_task_that_is_given_up_and_forgotten_at_once_after_a_day_counts_as_given_up() {
        let (id, task) = (NodeId::from_bits(1), TaskId::from_bits(2));
        let mut lost = node(id, 1, Role::Worker, Timestamp(0));
        lost.status.state = NodeState::Down;
        let mut state = State::default();
        let command = Command::UpsertNode(Box::new(lost));
        let request = model::RequestId::from_bits(1);
        state.apply(1, Entry { request, command }).unwrap();
        let gone = Event::Task {
            task,
            service: ServiceId::from_bits(3),
            slot: Slot::MIN,
            node: Some(id),
            ended: true,
        };
        for (hours, given_up) in [(23, false), (24, true)] {
            let mut quarantine = Quarantine::default();
            quarantine.applied(&state, &[Event::Node(id)], Timestamp(0)).unwrap();
            let now = Timestamp(0) + Duration::from_secs(3600 * hours);
            quarantine.applied(&state, std::slice::from_ref(&gone), now).unwrap();
            assert_eq!(quarantine.given_up.contains(&task), given_up, "after {hours} hours");
        }
    }
}
