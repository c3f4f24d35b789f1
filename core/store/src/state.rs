//! The state of the cluster and how it is read. Written by `apply/` only.

use std::{
    iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    ops::Bound,
    sync::Arc,
};

use model::{
    Cluster, Name, Network, NetworkId, Node, NodeId, NodeTrust, Payload, PayloadId, PayloadKind, Protocol, PublishMode,
    RequestId, RootRotation, Service, ServiceId, Slot, Task, TaskId, Vni,
};

use crate::{
    AddressOwner, Kind, Refused, Reserved,
    index::Indexes,
    shared::Shared,
    tables::{Outcome, Tables},
};

/// How many of the latest requests are remembered, so that a retry changes nothing.
pub const REMEMBERED_REQUESTS: usize = 4096;

/// Everything that the managers agree on. Cloning copies two pointers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pub(crate) tables: Shared<Tables>,
    pub(crate) indexes: Shared<Indexes>,
}

/// A read snapshot: a clone of the state as it was at one index.
pub type View = State;

impl State {
    /// Index of the last entry applied; 0 before the first.
    pub fn applied(&self) -> u64 {
        self.tables.applied
    }

    /// The cluster, once it has been made.
    pub fn cluster(&self) -> Option<&Cluster> {
        self.tables.cluster.as_deref()
    }

    /// The root that is to replace the cluster's, while it does.
    pub fn root_rotation(&self) -> Option<&RootRotation> {
        self.tables.rotation.as_deref()
    }

    /// What a node has of the cluster's authority, as it said last.
    pub fn node_trust(&self, id: NodeId) -> Option<&NodeTrust> {
        self.tables.trust.get(&id).map(AsRef::as_ref)
    }

    /// A node by id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.tables.nodes.get(&id).map(AsRef::as_ref)
    }

    /// All nodes in the order of their ids.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.tables.nodes.values().map(AsRef::as_ref)
    }

    /// The nodes that are managers, that shall be, or that raft still has as members, in the order of their ids.
    pub fn managers(&self) -> impl Iterator<Item = &Node> {
        self.indexes.managers.iter().filter_map(|id| self.node(*id))
    }

    /// The node that is raft's member with this id.
    pub fn member(&self, raft_id: u64) -> Option<&Node> {
        self.managers().find(|node| node.raft_id == Some(raft_id))
    }

    /// Highest raft id that any node ever had; the next manager gets one more.
    pub fn highest_raft_id(&self) -> u64 {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::RaftIdReused) {
            return self.managers().filter_map(|node| node.raft_id).max().unwrap_or(0);
        }
        self.tables.highest_raft_id
    }

    /// A network by id.
    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.tables.networks.get(&id).map(AsRef::as_ref)
    }

    /// All networks in the order of their ids.
    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        self.tables.networks.values().map(AsRef::as_ref)
    }

    /// A network by name.
    pub fn network_named(&self, name: &Name) -> Option<&Network> {
        self.network(*self.indexes.network_names.get(name)?)
    }

    /// The network that has a VNI; also one that was removed, as long as a task may be in it.
    pub fn network_with_vni(&self, vni: Vni) -> Option<&Network> {
        let resting = || self.resting_networks().find(|network| network.vni == vni);
        let known = self.indexes.vnis.get(&vni).and_then(|id| self.network(*id));
        known.or_else(resting)
    }

    /// The one network of published services that name none.
    pub fn ingress_network(&self) -> Option<&Network> {
        self.networks().find(|network| network.spec.ingress)
    }

    /// A service by id.
    pub fn service(&self, id: ServiceId) -> Option<&Service> {
        self.tables.services.get(&id).map(AsRef::as_ref)
    }

    /// All services in the order of their ids.
    pub fn services(&self) -> impl Iterator<Item = &Service> {
        self.tables.services.values().map(AsRef::as_ref)
    }

    /// A service by name.
    pub fn service_named(&self, name: &Name) -> Option<&Service> {
        self.service(*self.indexes.service_names.get(name)?)
    }

    /// The jobs that run by a schedule, in the order of their ids.
    pub fn services_scheduled(&self) -> impl Iterator<Item = &Service> {
        self.indexes.scheduled.iter().filter_map(|id| self.service(*id))
    }

    /// The services with an update under way, in the order of their ids.
    pub fn services_updating(&self) -> impl Iterator<Item = &Service> {
        self.indexes.updating.iter().filter_map(|id| self.service(*id))
    }

    /// Who publishes a port, and how. A host-mode port may have several holders, an ingress port has one.
    pub fn port_holders(&self, port: u16, protocol: Protocol) -> impl Iterator<Item = (ServiceId, PublishMode)> {
        let first = (port, protocol, PublishMode::Ingress, ServiceId::from_bits(0));
        let last = (port, protocol, PublishMode::Host, ServiceId::from_bits(u128::MAX));
        self.indexes
            .ports
            .range(first..=last)
            .map(|(_, _, mode, service)| (*service, *mode))
    }

    /// A secret or config by id.
    pub fn payload(&self, id: PayloadId) -> Option<&Payload> {
        self.tables.payloads.get(&id).map(AsRef::as_ref)
    }

    /// All secrets and configs, the superseded ones too, in the order of their ids.
    pub fn payloads(&self) -> impl Iterator<Item = &Payload> {
        self.tables.payloads.values().map(AsRef::as_ref)
    }

    /// The latest secret or config of a name.
    pub fn payload_named(&self, kind: PayloadKind, name: &Name) -> Option<&Payload> {
        self.payload(*self.indexes.payloads.names.get(&(kind, name.clone()))?)
    }

    /// Secrets and configs whose name another one has.
    pub fn superseded_payloads(&self) -> impl Iterator<Item = &Payload> {
        let superseded = self.indexes.payloads.superseded.iter();
        superseded.filter_map(|id| self.payload(*id))
    }

    /// The services whose present or previous spec has a secret or config.
    pub fn services_with_payload(&self, id: PayloadId) -> impl Iterator<Item = &Service> {
        let (first, last) = (ServiceId::from_bits(0), ServiceId::from_bits(u128::MAX));
        let keys = self.indexes.payloads.services.range((id, first)..=(id, last));
        keys.filter_map(|(_, service)| self.service(*service))
    }

    /// Whether a service, or a task that is not known to have ended, has a secret or config.
    pub fn is_payload_used(&self, id: PayloadId) -> bool {
        let (first, last) = (TaskId::from_bits(0), TaskId::from_bits(u128::MAX));
        let mut tasks = self.indexes.payloads.tasks.range((id, first)..=(id, last));
        tasks.next().is_some() || self.services_with_payload(id).next().is_some()
    }

    /// A task by id.
    pub fn task(&self, id: TaskId) -> Option<&Task> {
        self.tables.tasks.get(&id).map(AsRef::as_ref)
    }

    /// All tasks in the order of their ids.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tables.tasks.values().map(AsRef::as_ref)
    }

    /// The tasks of a service, by slot, the ended ones too. Also of a service that is no more.
    pub fn tasks_of_service(&self, service: ServiceId) -> impl DoubleEndedIterator<Item = &Task> {
        let first = (service, Slot::MIN, TaskId::from_bits(0));
        let last = (service, Slot::MAX, TaskId::from_bits(u128::MAX));
        let keys = self.indexes.tasks_of_service.range(first..=last);
        keys.filter_map(|(_, _, task)| self.task(*task))
    }

    /// The tasks of one slot of a service, the ended ones too.
    pub fn tasks_in_slot(&self, service: ServiceId, slot: Slot) -> impl Iterator<Item = &Task> {
        let first = (service, slot, TaskId::from_bits(0));
        let last = (service, slot, TaskId::from_bits(u128::MAX));
        let keys = self.indexes.tasks_of_service.range(first..=last);
        keys.filter_map(|(_, _, task)| self.task(*task))
    }

    /// The tasks on a node, the ended ones too.
    pub fn tasks_on_node(&self, node: NodeId) -> impl Iterator<Item = &Task> {
        let first = (node, TaskId::from_bits(0));
        let last = (node, TaskId::from_bits(u128::MAX));
        let keys = self.indexes.tasks_on_node.range(first..=last);
        keys.filter_map(|(_, task)| self.task(*task))
    }

    /// The tasks that have no node yet.
    pub fn tasks_without_node(&self) -> impl Iterator<Item = &Task> {
        self.indexes.tasks_without_node.iter().filter_map(|id| self.task(*id))
    }

    /// The tasks that are wanted `Ready`: they wait for their restart delay, or for their predecessor to end.
    pub fn tasks_waiting(&self) -> impl Iterator<Item = &Task> {
        self.indexes.tasks_waiting.iter().filter_map(|id| self.task(*id))
    }

    /// The tasks with an address in a network that are not known to have ended, by address.
    pub fn tasks_in_network(&self, network: NetworkId) -> impl Iterator<Item = &Task> {
        let first = (network, IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let last = (network, IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)));
        let owners = self.indexes.addresses.range(first..=last);
        owners.filter_map(|(_, owner)| match owner {
            AddressOwner::Task(task) => self.task(*task),
            AddressOwner::Gateway | AddressOwner::Vip(_) => None,
        })
    }

    /// Who has an address in a network.
    pub fn address_owner(&self, network: NetworkId, addr: IpAddr) -> Option<AddressOwner> {
        self.indexes.addresses.get(&(network, addr)).copied()
    }

    /// `addr` or the first behind it that nobody has in a network; it may lie outside of the subnet. `None` beyond the end
    /// of its family.
    pub fn first_free_address(&self, network: NetworkId, addr: IpAddr) -> Option<IpAddr> {
        self.indexes.taken.first_free(network, addr)
    }

    /// The nodes with how many wanted tasks they have, those with few first, equal ones by id.
    pub fn nodes_by_load(&self) -> impl Iterator<Item = (u32, NodeId)> {
        self.indexes.loads.ascending()
    }

    /// How many wanted tasks a node has.
    pub fn load(&self, node: NodeId) -> u32 {
        self.indexes.loads.of(node)
    }

    /// The nodes that have wanted tasks of a service, with how many.
    pub fn loads_of_service(&self, service: ServiceId) -> impl Iterator<Item = (NodeId, u32)> {
        self.indexes.loads.of_service(service)
    }

    /// How many wanted tasks of a service a node has.
    pub fn load_of_service(&self, service: ServiceId, node: NodeId) -> u32 {
        self.indexes.loads.of_service_on(service, node)
    }

    /// What the tasks on a node have reserved of it.
    pub fn reserved_on(&self, node: NodeId) -> Reserved {
        self.indexes.reservations.of(node)
    }

    /// The wanted tasks of a service that have setbacks behind them.
    pub fn unlucky_tasks(&self, service: ServiceId) -> impl Iterator<Item = &Task> {
        let (first, last) = (TaskId::from_bits(0), TaskId::from_bits(u128::MAX));
        let keys = self
            .indexes
            .reservations
            .unlucky
            .range((service, first)..=(service, last));
        keys.filter_map(|(_, task)| self.task(*task))
    }

    /// The ids of all services that have tasks, those of removed services too.
    pub fn services_with_tasks(&self) -> impl Iterator<Item = ServiceId> {
        let after = |service| (service, Slot::MAX, TaskId::from_bits(u128::MAX));
        let index = &self.indexes.tasks_of_service;
        let next = move |(service, _, _): (ServiceId, _, _)| {
            index
                .range((Bound::Excluded(after(service)), Bound::Unbounded))
                .next()
                .copied()
        };
        iter::successors(index.get_min().copied(), move |key| next(*key)).map(|(service, _, _)| service)
    }

    /// Whether a service has wanted tasks that were made from another spec than its present one.
    pub fn has_outdated_tasks(&self, service: &Service) -> bool {
        let first = (service.id, 0);
        let mut specs = self.indexes.live_specs.range(first..=(service.id, u64::MAX));
        specs.any(|((_, version), _)| *version != service.spec_version)
    }

    /// The address given last in a network.
    pub fn address_cursor(&self, network: NetworkId) -> Option<IpAddr> {
        self.tables.cursors.get(&network).copied()
    }

    /// How a request that was applied before ended; `None`: not seen, or too long ago.
    pub fn outcome(&self, request: RequestId) -> Option<Result<(), Refused>> {
        let outcome = self.tables.outcomes.get(&request)?;
        Some(outcome.refused.as_deref().cloned().map_or(Ok(()), Err))
    }
}

/// Writers; each keeps its table and the indexes in step.
impl State {
    pub(crate) fn remember(&mut self, request: RequestId, refused: Option<Refused>) {
        let tables = &mut self.tables;
        if tables.outcomes.len() >= REMEMBERED_REQUESTS
            && let Some(oldest) = tables.arrivals.pop_front()
        {
            tables.outcomes.remove(&oldest);
        }
        let refused = refused.map(Arc::new);
        tables.outcomes.insert(request, Outcome { refused });
        tables.arrivals.push_back(request);
    }

    pub(crate) fn put_node(&mut self, node: Node) {
        self.indexes.link_node(&node);
        self.tables.nodes.insert(node.id, Arc::new(node));
    }

    pub(crate) fn drop_node(&mut self, id: NodeId) {
        self.indexes.unlink_node(id);
        self.tables.nodes.remove(&id);
        self.tables.trust.remove(&id);
    }

    pub(crate) fn put_network(&mut self, network: Network) {
        self.indexes.link_network(&network);
        self.tables.networks.insert(network.id, Arc::new(network));
    }

    pub(crate) fn drop_network(&mut self, id: NetworkId) {
        if let Some(old) = self.tables.networks.remove(&id) {
            self.indexes.unlink_network(&old);
        }
        self.tables.cursors.remove(&id);
    }

    pub(crate) fn put_service(&mut self, service: Service) {
        if let Some(old) = self.tables.services.get(&service.id) {
            self.indexes.unlink_service(old);
        }
        self.indexes.link_service(&service);
        self.tables.services.insert(service.id, Arc::new(service));
    }

    pub(crate) fn drop_service(&mut self, id: ServiceId) {
        if let Some(old) = self.tables.services.remove(&id) {
            self.indexes.unlink_service(&old);
        }
    }

    pub(crate) fn put_payload(&mut self, payload: Payload) {
        self.drop_payload(payload.id);
        self.indexes.payloads.link(&payload);
        self.tables.payloads.insert(payload.id, Arc::new(payload));
    }

    pub(crate) fn drop_payload(&mut self, id: PayloadId) {
        if let Some(old) = self.tables.payloads.remove(&id) {
            self.indexes.payloads.unlink(&old);
        }
    }

    pub(crate) fn put_task(&mut self, task: Task) {
        let task = Arc::new(task);
        let old = self.tables.tasks.insert(task.id, task.clone());
        self.indexes.relink_task(old.as_deref(), Some(&task));
    }

    pub(crate) fn drop_task(&mut self, id: TaskId) {
        if let Some(old) = self.tables.tasks.remove(&id) {
            self.indexes.relink_task(Some(&old), None);
        }
    }

    /// Checks that `addr` can become `owner`'s in `network`, and moves the cursor there.
    pub(crate) fn claim(&mut self, network: NetworkId, addr: IpAddr, owner: AddressOwner) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Network,
            what: network.to_string(),
        };
        let found = self.network(network).ok_or_else(missing)?;
        let (name, subnet) = (|| found.spec.name.to_string(), found.subnet);
        if !subnet.contains(&addr) || addr == subnet.network() || addr == subnet.broadcast() {
            return Err(Refused::AddressOutside {
                addr,
                network: name(),
                subnet,
            });
        }
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::DoubledAddress) {
            return Ok(());
        }
        match self.address_owner(network, addr) {
            Some(other) if other != owner => {
                let network = name();
                return Err(Refused::AddressTaken { addr, network });
            }
            Some(_) => {}
            None => {
                self.tables.cursors.insert(network, addr);
            }
        }
        Ok(())
    }
}
