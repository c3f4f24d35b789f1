//! Services, and the ports that they publish.

use std::{iter, ops::Bound};

use model::{Name, Protocol, PublishMode, Service, ServiceId, Slot, TaskId};

use super::State;

impl State {
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
}
