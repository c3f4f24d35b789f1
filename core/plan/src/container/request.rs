//! What a task's container is made from: its name, labels and endpoints, out of the node's view.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;
use model::{ContainerSpec, Mac, NetworkId, NodeView, Task, TaskId};
use thiserror::Error;

/// One endpoint of a container, as it is handed to the network driver through the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointRequest {
    /// Its network.
    pub network: NetworkId,
    /// Its address with the subnet's prefix length.
    pub address: IpNet,
    /// Its hardware address.
    pub mac: Mac,
    /// Next hop of the default route; `Some` for exactly one endpoint of a container.
    pub gateway: Option<IpAddr>,
}

/// A container to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerRequest {
    /// Whose container it is.
    pub task: TaskId,
    /// `<service>.<slot>.<task id>`, as Swarm names them.
    pub name: String,
    /// The spec's labels and ours, by which a restarted agent finds its containers again.
    pub labels: BTreeMap<String, String>,
    /// What runs.
    pub spec: ContainerSpec,
    /// Its endpoints; the first is the gateway endpoint.
    pub endpoints: Vec<EndpointRequest>,
}

/// A task that cannot get a container from this view.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unprepared {
    /// Its network is not in the view.
    #[error("network {0} not found")]
    NoNetwork(NetworkId),
    /// Its address does not fit a prefix (an IPv4 address in an IPv6 network, or the other way round).
    #[error("address {addr} is not in subnet {subnet} of network {network}")]
    OutsideSubnet {
        /// The network.
        network: NetworkId,
        /// The task's address.
        addr: IpAddr,
        /// The network's subnet.
        subnet: IpNet,
    },
}

/// Derives the container of `task` from the node's view.
pub fn container_request(view: &NodeView, task: &Task) -> Result<ContainerRequest, Unprepared> {
    let endpoints = task
        .attachments
        .iter()
        .enumerate()
        .map(|(position, attachment)| endpoint(view, attachment.network, attachment.addr, position == 0))
        .collect::<Result<_, _>>()?;
    Ok(ContainerRequest {
        task: task.id,
        name: format!("{}.{}", task.name(), task.id),
        labels: labels(view, task),
        spec: ContainerSpec::clone(&task.container),
        endpoints,
    })
}

fn endpoint(view: &NodeView, id: NetworkId, addr: IpAddr, gateway: bool) -> Result<EndpointRequest, Unprepared> {
    let network = view
        .networks
        .iter()
        .find(|n| n.id == id)
        .ok_or(Unprepared::NoNetwork(id))?;
    let outside = || Unprepared::OutsideSubnet {
        network: id,
        addr,
        subnet: network.subnet,
    };
    if !network.subnet.contains(&addr) {
        return Err(outside());
    }
    Ok(EndpointRequest {
        network: id,
        address: IpNet::new(addr, network.subnet.prefix_len()).map_err(|_| outside())?,
        mac: Mac::of(addr),
        gateway: gateway.then_some(network.gateway),
    })
}

fn labels(view: &NodeView, task: &Task) -> BTreeMap<String, String> {
    let mut labels = task.container.labels.clone();
    for (name, value) in [
        ("com.docker.swarm.node.id", view.node.to_string()),
        ("com.docker.swarm.service.id", task.service.to_string()),
        ("com.docker.swarm.service.name", task.service_name.to_string()),
        ("com.docker.swarm.task", String::new()),
        ("com.docker.swarm.task.id", task.id.to_string()),
        ("com.docker.swarm.task.name", format!("{}.{}", task.name(), task.id)),
        (TASK_LABEL, task.id.to_string()),
    ] {
        labels.insert(name.to_owned(), value);
    }
    labels
}

/// Label that marks a container as ours; its value is the task id.
pub const TASK_LABEL: &str = "netctl.task";

#[cfg(test)]
mod tests {
    use super::super::fixture::{task, view};
    use super::*;

    #[test]
    fn the_first_endpoint_alone_has_the_gateway() {
        let view = view();
        let request = container_request(&view, &task(1)).unwrap();
        let gateways: Vec<_> = request.endpoints.iter().map(|e| e.gateway).collect();
        assert_eq!(gateways, [Some(view.networks[0].gateway), None]);
        assert_eq!(request.endpoints[0].address.to_string(), "10.1.0.5/24");
        assert_eq!(request.endpoints[0].mac.to_string(), "02:42:0a:01:00:05");
    }

    #[test]
    fn names_and_labels_are_swarms_and_users_cannot_forge_ours() {
        let mut task = task(1);
        let container = std::sync::Arc::make_mut(&mut task.container);
        container.labels.insert(TASK_LABEL.to_owned(), "forged".to_owned());
        let request = container_request(&view(), &task).unwrap();
        assert_eq!(request.name, format!("web.1.{}", task.id));
        assert_eq!(request.labels[TASK_LABEL], task.id.to_string());
        assert_eq!(request.labels["com.docker.swarm.service.name"], "web");
    }

    #[test]
    fn a_network_missing_in_the_view_is_named() {
        let mut view = view();
        let gone = view.networks.remove(1);
        assert_eq!(container_request(&view, &task(1)), Err(Unprepared::NoNetwork(gone.id)));
    }
}
