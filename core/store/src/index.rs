//! Indexes over the tables, so that no read of the deciders and no check of `apply` scans a table. Derived, never
//! stored; the only writers are the `put_` and `drop_` functions of `state.rs`.

mod loads;
mod payload;
mod reserved;
mod taken;
mod task;

use std::net::IpAddr;

use imbl::{OrdMap, OrdSet};
use model::{Name, NetworkId, Node, NodeId, Protocol, PublishMode, Role, ServiceId, Slot, TaskId, Vni};

use crate::tables::Tables;
use loads::Loads;
use payload::PayloadIndex;
use reserved::Reservations;
pub use reserved::Reserved;
use taken::Taken;

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
    pub managers: OrdSet<NodeId>,
    pub service_names: OrdMap<Name, ServiceId>,
    /// Jobs that run by a schedule.
    pub scheduled: OrdSet<ServiceId>,
    /// Services with an update under way.
    pub updating: OrdSet<ServiceId>,
    pub network_names: OrdMap<Name, NetworkId>,
    pub vnis: OrdMap<Vni, NetworkId>,
    pub ports: OrdSet<PortKey>,
    pub tasks_of_service: OrdSet<(ServiceId, Slot, TaskId)>,
    pub tasks_on_node: OrdSet<(NodeId, TaskId)>,
    pub tasks_without_node: OrdSet<TaskId>,
    pub tasks_waiting: OrdSet<TaskId>,
    /// How many wanted tasks there are of each spec that they were made from.
    pub live_specs: OrdMap<(ServiceId, u64), u32>,
    pub loads: Loads,
    pub reservations: Reservations,
    pub addresses: OrdMap<(NetworkId, IpAddr), AddressOwner>,
    pub taken: Taken,
    pub payloads: PayloadIndex,
}

impl Indexes {
    /// The indexes of `tables`.
    pub fn of(tables: &Tables) -> Self {
        let mut indexes = Self::default();
        for node in tables.nodes.values() {
            indexes.link_node(node);
        }
        for network in tables.networks.values() {
            indexes.link_network(network);
        }
        for payload in tables.payloads.values() {
            indexes.payloads.link(payload);
        }
        for service in tables.services.values() {
            indexes.link_service(service);
        }
        for task in tables.tasks.values() {
            indexes.relink_task(None, Some(task));
        }
        for (service, vips) in &tables.resting.vips {
            vips.iter().for_each(|vip| indexes.hold_vip(vip, *service));
        }
        indexes
    }

    fn own(&mut self, network: NetworkId, addr: IpAddr, owner: AddressOwner) {
        self.addresses.insert((network, addr), owner);
        self.taken.insert(network, addr);
    }

    fn disown(&mut self, network: NetworkId, addr: IpAddr) {
        self.addresses.remove(&(network, addr));
        self.taken.remove(network, addr);
    }

    /// Managers are those that are, that shall be, and that raft still has.
    pub fn link_node(&mut self, node: &Node) {
        self.loads.link_node(node.id);
        if node.role() == Role::Manager {
            self.managers.insert(node.id);
        } else {
            self.managers.remove(&node.id);
        }
    }

    pub fn unlink_node(&mut self, id: NodeId) {
        self.loads.unlink_node(id);
        self.managers.remove(&id);
    }

    pub fn link_network(&mut self, network: &model::Network) {
        self.network_names.insert(network.spec.name.clone(), network.id);
        self.vnis.insert(network.vni, network.id);
        self.own(network.id, network.gateway, AddressOwner::Gateway);
    }

    pub fn unlink_network(&mut self, network: &model::Network) {
        self.network_names.remove(&network.spec.name);
        self.vnis.remove(&network.vni);
        self.disown(network.id, network.gateway);
    }

    pub fn link_service(&mut self, service: &model::Service) {
        self.service_names.insert(service.spec.name.clone(), service.id);
        if service.spec.schedule.is_some() {
            self.scheduled.insert(service.id);
        }
        self.payloads.link_service(service);
        if service.update_status.as_ref().is_some_and(|s| s.state.is_under_way()) {
            self.updating.insert(service.id);
        }
        for port in &service.ports {
            self.ports
                .insert((port.published, port.protocol, port.mode, service.id));
        }
        for vip in &service.vips {
            self.own(vip.network, vip.addr, AddressOwner::Vip(service.id));
        }
    }

    pub fn unlink_service(&mut self, service: &model::Service) {
        self.service_names.remove(&service.spec.name);
        self.scheduled.remove(&service.id);
        self.payloads.unlink_service(service);
        self.updating.remove(&service.id);
        for port in &service.ports {
            self.ports
                .remove(&(port.published, port.protocol, port.mode, service.id));
        }
        for vip in &service.vips {
            self.disown(vip.network, vip.addr);
        }
    }

    /// An address that a removed service's tasks may still answer for.
    pub fn hold_vip(&mut self, vip: &model::VirtualIp, service: ServiceId) {
        self.own(vip.network, vip.addr, AddressOwner::Vip(service));
    }

    pub fn release_vip(&mut self, vip: &model::VirtualIp) {
        self.disown(vip.network, vip.addr);
    }
}
