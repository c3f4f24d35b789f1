//! Secrets and configs, and who uses them.

use std::collections::{BTreeMap, BTreeSet};

use model::{Name, Payload, PayloadId, PayloadKind, Service, ServiceId, TaskId};

use super::State;

impl State {
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

    /// The latest secret or config of a name and those that had it before.
    pub fn payloads_of_name(&self, kind: PayloadKind, name: &Name) -> BTreeSet<PayloadId> {
        let earlier = self.superseded_payloads();
        let earlier = earlier.filter(|payload| (payload.kind, &payload.spec.name) == (kind, name));
        earlier
            .chain(self.payload_named(kind, name))
            .map(|payload| payload.id)
            .collect()
    }

    /// The services whose present spec has one of these secrets and configs.
    pub fn users_of_payloads(&self, payloads: &BTreeSet<PayloadId>) -> BTreeMap<ServiceId, &Service> {
        let found = payloads.iter().flat_map(|id| self.services_with_payload(*id));
        let uses = |service: &&Service| {
            let mut files = service.spec.container.payloads();
            files.any(|(_, file)| payloads.contains(&file.id))
        };
        found.filter(uses).map(|service| (service.id, service)).collect()
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
}
