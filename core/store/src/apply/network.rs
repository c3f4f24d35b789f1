//! Networks: what the allocator chose is checked once more against everything that others have by now.

use ipnet::IpNet;
use model::{Network, NetworkId, TaskState};

use crate::{Event, Kind, NewNetwork, Refused, State};

/// Whether two prefixes share an address.
fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

impl State {
    pub(super) fn create_network(
        &mut self,
        index: u64,
        new: NewNetwork,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let name = new.spec.name.to_string();
        if self.network(new.id).is_some() {
            return Err(Refused::IdTaken {
                kind: Kind::Network,
                id: new.id.to_string(),
            });
        }
        if self.network_named(&new.spec.name).is_some() {
            return Err(Refused::NameTaken {
                kind: Kind::Network,
                name,
            });
        }
        if let (true, Some(other)) = (new.spec.ingress, self.ingress_network()) {
            return Err(Refused::IngressExists(other.spec.name.to_string()));
        }
        if let Some(other) = self.network_with_vni(new.vni) {
            let network = other.spec.name.to_string();
            return Err(Refused::VniTaken {
                vni: new.vni.get(),
                network,
            });
        }
        let unreachable = self.resting_networks().filter(|n| self.has_unreachable_tasks(n.id));
        let mut others = self.networks().chain(unreachable);
        let clash = others.find(|other| overlap(other.subnet, new.subnet)).cloned();
        drop(others);
        if let Some(other) = clash {
            let with = format!("network {} ({})", other.spec.name, other.subnet);
            return Err(Refused::SubnetTaken {
                subnet: new.subnet,
                with,
            });
        }
        let (subnet, addr) = (new.subnet, new.gateway);
        if !subnet.contains(&addr) || addr == subnet.network() || addr == subnet.broadcast() {
            return Err(Refused::AddressOutside {
                addr,
                network: name,
                subnet,
            });
        }
        events.push(Event::Network(new.id));
        self.put_network(Network {
            id: new.id,
            version: index,
            created_at: new.at,
            updated_at: new.at,
            spec: new.spec,
            vni: new.vni,
            subnet,
            gateway: addr,
        });
        Ok(())
    }

    pub(super) fn remove_network(&mut self, id: NetworkId, events: &mut Vec<Event>) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Network,
            what: id.to_string(),
        };
        let found = self.network(id).ok_or_else(missing)?;
        let (name, ingress) = (found.spec.name.to_string(), found.spec.ingress);
        let user = self.services().find(|service| {
            let by_name = service.spec.networks.iter().any(|a| a.network == id);
            by_name || (ingress && service.spec.networks.is_empty())
        });
        if let Some(service) = user {
            let service = service.spec.name.to_string();
            return Err(if ingress {
                Refused::IngressInUse(service)
            } else {
                let network = name;
                Refused::NetworkInUse { network, service }
            });
        }
        if let Some(task) = self
            .tasks_in_network(id)
            .find(|task| task.is_live() && task.status.state < TaskState::Remove)
        {
            let (network, task) = (name, task.id);
            return Err(Refused::NetworkInUseByTask { network, task });
        }
        let network = found.clone();
        events.push(Event::Network(id));
        self.drop_network(id);
        self.rest_network(network);
        Ok(())
    }
}
