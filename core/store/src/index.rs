//! Indexes over the tables, so that no read of the deciders and no check of `apply` scans a table. Derived, never
//! stored; the only writers are the `put_` and `drop_` functions of `state.rs`.

use std::net::IpAddr;

use model::{DesiredState, Name, NetworkId, NodeId, Protocol, PublishMode, ServiceId, Slot, Task, TaskId, Vni};
use rpds::{RedBlackTreeMapSync, RedBlackTreeSetSync};

use crate::tables::Tables;

/// Who has an address in a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressOwner {
    /// The network's gateway.
    Gateway,
    /// Virtual IP of a service.
    Vip(ServiceId),
    /// Endpoint of a task that is not known to have ended.
    Task(TaskId),
}

/// A published port: number, protocol, mode, by whom.
pub(crate) type PortKey = (u16, Protocol, PublishMode, ServiceId);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Indexes {
    pub service_names: RedBlackTreeMapSync<Name, ServiceId>,
    pub network_names: RedBlackTreeMapSync<Name, NetworkId>,
    pub vnis: RedBlackTreeMapSync<Vni, NetworkId>,
    pub ports: RedBlackTreeSetSync<PortKey>,
    pub tasks_of_service: RedBlackTreeSetSync<(ServiceId, Slot, TaskId)>,
    pub tasks_on_node: RedBlackTreeSetSync<(NodeId, TaskId)>,
    pub tasks_in_network: RedBlackTreeSetSync<(NetworkId, TaskId)>,
    pub tasks_without_node: RedBlackTreeSetSync<TaskId>,
    pub tasks_waiting: RedBlackTreeSetSync<TaskId>,
    pub addresses: RedBlackTreeMapSync<(NetworkId, IpAddr), AddressOwner>,
}

impl Indexes {
    /// The indexes of `tables`.
    pub fn of(tables: &Tables) -> Self {
        let mut indexes = Self::default();
        for network in tables.networks.values() {
            indexes.link_network(network);
        }
        for service in tables.services.values() {
            indexes.link_service(service);
        }
        for task in tables.tasks.values() {
            indexes.link_task(task);
        }
        indexes
    }

    pub fn link_network(&mut self, network: &model::Network) {
        self.network_names.insert_mut(network.spec.name.clone(), network.id);
        self.vnis.insert_mut(network.vni, network.id);
        self.addresses
            .insert_mut((network.id, network.gateway), AddressOwner::Gateway);
    }

    pub fn unlink_network(&mut self, network: &model::Network) {
        self.network_names.remove_mut(&network.spec.name);
        self.vnis.remove_mut(&network.vni);
        self.addresses.remove_mut(&(network.id, network.gateway));
    }

    pub fn link_service(&mut self, service: &model::Service) {
        self.service_names.insert_mut(service.spec.name.clone(), service.id);
        for port in &service.ports {
            self.ports
                .insert_mut((port.published, port.protocol, port.mode, service.id));
        }
        for vip in &service.vips {
            self.addresses
                .insert_mut((vip.network, vip.addr), AddressOwner::Vip(service.id));
        }
    }

    pub fn unlink_service(&mut self, service: &model::Service) {
        self.service_names.remove_mut(&service.spec.name);
        for port in &service.ports {
            self.ports
                .remove_mut(&(port.published, port.protocol, port.mode, service.id));
        }
        for vip in &service.vips {
            self.addresses.remove_mut(&(vip.network, vip.addr));
        }
    }

    /// A task that has ended gives its addresses back, but stays in its slot's history.
    pub fn link_task(&mut self, task: &Task) {
        self.tasks_of_service.insert_mut((task.service, task.slot, task.id));
        match task.node {
            Some(node) => self.tasks_on_node.insert_mut((node, task.id)),
            None => self.tasks_without_node.insert_mut(task.id),
        }
        if task.desired == DesiredState::Ready {
            self.tasks_waiting.insert_mut(task.id);
        }
        if !task.status.state.is_terminal() {
            for attachment in &task.attachments {
                self.tasks_in_network.insert_mut((attachment.network, task.id));
                self.addresses
                    .insert_mut((attachment.network, attachment.addr), AddressOwner::Task(task.id));
            }
        }
    }

    pub fn unlink_task(&mut self, task: &Task) {
        self.tasks_of_service.remove_mut(&(task.service, task.slot, task.id));
        match task.node {
            Some(node) => self.tasks_on_node.remove_mut(&(node, task.id)),
            None => self.tasks_without_node.remove_mut(&task.id),
        };
        self.tasks_waiting.remove_mut(&task.id);
        if !task.status.state.is_terminal() {
            for attachment in &task.attachments {
                self.tasks_in_network.remove_mut(&(attachment.network, task.id));
                self.addresses.remove_mut(&(attachment.network, attachment.addr));
            }
        }
    }
}
