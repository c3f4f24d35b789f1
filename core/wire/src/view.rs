//! What a node is told.

use model::{EarlierPorts, NameKind, NetworkView, NodeView, PeerView, ServiceView};

use crate::{
    WireError, pb,
    scalar::{list, name, narrow, optional, parse, port, to_list},
};

impl From<PeerView> for pb::PeerView {
    fn from(peer: PeerView) -> Self {
        Self {
            node: peer.node.to_string(),
            hostname: peer.hostname,
            vtep: peer.vtep.to_string(),
        }
    }
}

impl TryFrom<pb::PeerView> for PeerView {
    type Error = WireError;
    fn try_from(peer: pb::PeerView) -> Result<Self, WireError> {
        Ok(Self {
            node: parse("node", &peer.node)?,
            hostname: peer.hostname,
            vtep: parse("vtep", &peer.vtep)?,
        })
    }
}

impl From<NetworkView> for pb::NetworkView {
    fn from(network: NetworkView) -> Self {
        Self {
            id: network.id.to_string(),
            name: network.name.into(),
            vni: network.vni.get(),
            subnet: network.subnet.to_string(),
            gateway: network.gateway.to_string(),
            internal: network.internal,
            ingress: network.ingress,
        }
    }
}

impl TryFrom<pb::NetworkView> for NetworkView {
    type Error = WireError;
    fn try_from(network: pb::NetworkView) -> Result<Self, WireError> {
        Ok(Self {
            id: parse("id", &network.id)?,
            name: name("name", NameKind::Network, &network.name)?,
            vni: narrow("vni", network.vni)?,
            subnet: parse("subnet", &network.subnet)?,
            gateway: parse("gateway", &network.gateway)?,
            internal: network.internal,
            ingress: network.ingress,
        })
    }
}

impl From<ServiceView> for pb::ServiceView {
    fn from(service: ServiceView) -> Self {
        let aliases = service.aliases.into_iter().map(|(network, name)| pb::NetworkAlias {
            network: network.to_string(),
            name: name.into(),
        });
        Self {
            id: service.id.to_string(),
            name: service.name.into(),
            vips: to_list(service.vips),
            aliases: aliases.collect(),
            ports: to_list(service.ports),
            restart: service.restart.map(Into::into),
            canary: service.canary.map(Into::into),
            earlier_ports: to_list(service.earlier_ports),
        }
    }
}

impl TryFrom<pb::ServiceView> for ServiceView {
    type Error = WireError;
    fn try_from(service: pb::ServiceView) -> Result<Self, WireError> {
        let alias = |alias: &pb::NetworkAlias| -> Result<_, WireError> {
            Ok((
                parse("aliases.network", &alias.network)?,
                parse("aliases.name", &alias.name)?,
            ))
        };
        Ok(Self {
            id: parse("id", &service.id)?,
            name: name("name", NameKind::Service, &service.name)?,
            vips: list("vips", service.vips)?,
            aliases: service.aliases.iter().map(alias).collect::<Result<_, _>>()?,
            ports: list("ports", service.ports)?,
            restart: service.restart.map(TryInto::try_into).transpose()?,
            canary: optional("canary", service.canary)?,
            earlier_ports: list("earlier_ports", service.earlier_ports)?,
        })
    }
}

impl From<EarlierPorts> for pb::EarlierPorts {
    fn from(earlier: EarlierPorts) -> Self {
        Self {
            spec_version: earlier.spec_version,
            ports: to_list(earlier.ports),
        }
    }
}

impl TryFrom<pb::EarlierPorts> for EarlierPorts {
    type Error = WireError;
    fn try_from(earlier: pb::EarlierPorts) -> Result<Self, WireError> {
        Ok(Self {
            spec_version: earlier.spec_version,
            ports: list("ports", earlier.ports)?,
        })
    }
}

impl From<NodeView> for pb::NodeView {
    fn from(view: NodeView) -> Self {
        Self {
            seq: view.seq,
            cluster: view.cluster.to_string(),
            node: view.node.to_string(),
            data_port: view.data_port.into(),
            container_mtu: view.container_mtu.into(),
            peers: to_list(view.peers),
            networks: to_list(view.networks),
            tasks: to_list(view.tasks),
            endpoints: to_list(view.endpoints),
            services: to_list(view.services),
            payloads: to_list(view.payloads),
        }
    }
}

impl TryFrom<pb::NodeView> for NodeView {
    type Error = WireError;
    fn try_from(view: pb::NodeView) -> Result<Self, WireError> {
        Ok(Self {
            seq: view.seq,
            cluster: parse("cluster", &view.cluster)?,
            node: parse("node", &view.node)?,
            data_port: port("data_port", view.data_port)?,
            container_mtu: narrow("container_mtu", view.container_mtu)?,
            peers: list("peers", view.peers)?,
            networks: list("networks", view.networks)?,
            tasks: list("tasks", view.tasks)?,
            endpoints: list("endpoints", view.endpoints)?,
            services: list("services", view.services)?,
            payloads: list("payloads", view.payloads)?,
        })
    }
}
