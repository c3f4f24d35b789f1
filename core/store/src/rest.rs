//! What was given up while somebody may still use it: networks and virtual IPs whose tasks are not known to have ended.
//! Nobody else gets them until the last of those tasks has ended, its node is removed, or it has been orphaned. (A task's
//! own addresses stay its own for as long.)

use std::collections::BTreeMap;

use model::{Network, NetworkId, NodeState, ServiceId, Task, VirtualIp};
use serde::{Deserialize, Serialize};

use crate::State;

/// Part of the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Resting {
    /// Removed networks that a task still has an address in: their subnets and segments.
    pub networks: BTreeMap<NetworkId, Network>,
    /// Virtual IPs of services that are removed or have left a network, while their tasks in it may run.
    pub vips: BTreeMap<ServiceId, Vec<VirtualIp>>,
}

impl State {
    /// Removed networks whose subnets and segments are not free yet.
    pub fn resting_networks(&self) -> impl Iterator<Item = &Network> {
        self.tables.resting.networks.values()
    }

    /// Whether a task that may run in a network is on a node that is not heard from.
    pub fn has_unreachable_tasks(&self, network: NetworkId) -> bool {
        let down = |task: &Task| {
            let node = task.node.and_then(|id| self.node(id));
            node.is_some_and(|node| node.status.state == NodeState::Down)
        };
        self.tasks_in_network(network).any(down)
    }

    pub(crate) fn rest_network(&mut self, network: Network) {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::NothingRests) {
            return;
        }
        if self.tasks_in_network(network.id).next().is_some() {
            self.tables.resting.networks.insert(network.id, network);
        }
    }

    /// Virtual IPs that a service has no longer.
    pub(crate) fn rest_vips(&mut self, service: ServiceId, mut vips: Vec<VirtualIp>) {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::NothingRests) {
            return;
        }
        vips.retain(|vip| self.may_run_in(service, vip.network));
        if vips.is_empty() {
            return;
        }
        for vip in &vips {
            self.indexes.hold_vip(vip, service);
        }
        self.tables.resting.vips.entry(service).or_default().extend(vips);
    }

    /// Virtual IPs that a service has again.
    pub(crate) fn wake_vips(&mut self, service: ServiceId, vips: &[VirtualIp]) {
        if let Some(resting) = self.tables.resting.vips.get_mut(&service) {
            resting.retain(|vip| !vips.contains(vip));
            if resting.is_empty() {
                self.tables.resting.vips.remove(&service);
            }
        }
    }

    /// A task has ended or is no more: what rested for its sake only is free.
    pub(crate) fn release(&mut self, task: &Task) {
        for attachment in &task.attachments {
            let network = attachment.network;
            let waits = self.tables.resting.networks.contains_key(&network);
            if waits && self.tasks_in_network(network).next().is_none() {
                self.tables.resting.networks.remove(&network);
            }
        }
        let Some(vips) = self.tables.resting.vips.get(&task.service).cloned() else {
            return;
        };
        let over = |vip: &VirtualIp| !self.may_run_in(task.service, vip.network);
        let over: Vec<VirtualIp> = vips.into_iter().filter(over).collect();
        for vip in &over {
            self.indexes.release_vip(vip);
        }
        self.wake_vips(task.service, &over);
    }

    /// Whether a task of a service that is in a network has a node and has not ended, as far as is known.
    fn may_run_in(&self, service: ServiceId, network: NetworkId) -> bool {
        let may_run = |task: &Task| task.node.is_some() && !task.status.state.is_terminal();
        let mut tasks = self.tasks_of_service(service).filter(|task| may_run(task));
        tasks.any(|task| task.attachments.iter().any(|a| a.network == network))
    }
}

#[cfg(test)]
mod tests {
    use model::{NetworkId, NodeId, TaskId, TaskState};

    use crate::{Command, Refused, TaskOp, fixture::*};

    const NET: NetworkId = NetworkId::from_bits(1);

    /// The service and its network removed while its task runs on node 1.
    fn removed() -> crate::State {
        let mut state = state();
        apply(&mut state, report(1, 1, TaskState::Running, 2)).unwrap();
        let id = model::ServiceId::from_bits(1);
        apply(&mut state, Command::RemoveService { id, at: AT }).unwrap();
        state
    }

    fn down(state: &mut crate::State) {
        let (id, message) = (NodeId::from_bits(1), String::new());
        let command = Command::NodeStatus {
            id,
            at: AT,
            state: model::NodeState::Down,
            message,
        };
        apply(state, command).unwrap();
    }

    #[test]
    fn addresses_rest_until_the_last_task_has_ended() {
        let mut state = removed();
        let owned =
            |state: &crate::State| ["10.1.0.2", "10.1.0.3"].map(|addr| state.address_owner(NET, ip(addr)).is_some());
        assert_eq!(owned(&state), [true, true]);
        let vip = apply(&mut state, service(2, "other", Some("10.1.0.2"), None));
        assert!(matches!(vip, Err(Refused::AddressTaken { .. })), "{vip:?}");
        let again = crate::State::decode(&state.encode().unwrap()).unwrap();
        assert_eq!(again, state, "also after a restart");
        let removal = apply(
            &mut state,
            Command::Tasks(vec![TaskOp::Remove {
                task: TaskId::from_bits(1),
            }]),
        );
        assert!(matches!(removal, Err(Refused::TaskNotEnded { .. })), "{removal:?}");
        apply(&mut state, report(1, 1, TaskState::Shutdown, 3)).unwrap();
        assert_eq!(owned(&state), [false, false]);
        apply(&mut state, service(2, "other", Some("10.1.0.2"), None)).unwrap();
    }

    #[test]
    fn a_removed_nodes_tasks_give_everything_back() {
        let mut state = state();
        apply(&mut state, Command::UpsertNode(Box::new(node(2, None)))).unwrap();
        let task = model::Task {
            id: TaskId::from_bits(2),
            slot: model::Slot::new(2).unwrap(),
            ..task(2)
        };
        apply(&mut state, Command::Tasks(vec![TaskOp::Create(Box::new(task))])).unwrap();
        apply(&mut state, allocate(2, "10.1.0.4")).unwrap();
        apply(&mut state, assign(2, 2)).unwrap();
        let id = NodeId::from_bits(2);
        apply(
            &mut state,
            Command::RemoveNode {
                id,
                at: AT,
                force: true,
            },
        )
        .unwrap();
        assert_eq!(state.address_owner(NET, ip("10.1.0.4")), None);
    }

    #[test]
    fn a_removed_network_keeps_its_segment_and_from_unreachable_nodes_its_subnet() {
        let mut state = removed();
        apply(&mut state, Command::RemoveNetwork { id: NET }).unwrap();
        assert_eq!(state.resting_networks().count(), 1);
        let same_vni = apply(&mut state, network(2, "two", 4096, "10.2.0.0/24", "10.2.0.1"));
        assert!(matches!(same_vni, Err(Refused::VniTaken { .. })), "{same_vni:?}");
        let mut lost = state.clone();
        down(&mut lost);
        let same_subnet = network(2, "two", 4097, "10.1.0.0/25", "10.1.0.1");
        let refused = apply(&mut lost, same_subnet.clone());
        assert!(matches!(refused, Err(Refused::SubnetTaken { .. })), "{refused:?}");
        apply(&mut state.clone(), same_subnet).unwrap();
        apply(&mut lost, report(1, 1, TaskState::Shutdown, 3)).unwrap();
        assert_eq!(lost.resting_networks().count(), 0);
        apply(&mut lost, network(2, "two", 4096, "10.1.0.0/24", "10.1.0.1")).unwrap();
    }
}
