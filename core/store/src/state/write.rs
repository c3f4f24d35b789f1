//! The writers; each keeps its table and the indexes in step.

use std::{net::IpAddr, sync::Arc};

use model::{Network, NetworkId, Node, NodeId, Payload, PayloadId, RequestId, Service, ServiceId, Task, TaskId};

use super::{REMEMBERED_REQUESTS, State};
use crate::{AddressOwner, Kind, Refused, tables::Outcome};

impl State {
    pub(crate) fn remember(&mut self, request: RequestId, refused: Option<Refused>) {
        let tables = &mut self.tables;
        if tables.outcomes.len() >= REMEMBERED_REQUESTS
            && let Some(oldest) = tables.arrivals.pop_front()
        {
            let outcome = tables.outcomes.remove(&oldest);
            tables.forgotten = outcome.map_or(0, |outcome| outcome.at).max(tables.forgotten);
        }
        let (refused, at) = (refused.map(Arc::new), tables.applied);
        tables.outcomes.insert(request, Outcome { refused, at });
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
