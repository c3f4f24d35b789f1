//! What a node should have: the whole datapath as a function of its view and of the machine.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use abi::{
    ABI_VERSION, Addr, Be16, Config, Endpoint, EndpointKey, FrontendKey, PORT_GATEWAY, PORT_INGRESS_ONLY,
    PORT_INTERNAL, Port, SNAT_PORT_MAX, SNAT_PORT_MIN,
};
use model::{EndpointView, Mac, NetworkId, NetworkView, NodeId, NodeView, PublishedPort, ServiceId};
use thiserror::Error;

use super::{
    DesiredBackend, DesiredFrontend, HOST_LINK, HOST_PEER_LINK, Hook, Link, LocalFacts, OVERLAY_LINK, RESOLVER_LINK,
    frontend::{Context, Services},
    is_container_link, link_name,
};

/// Why nothing can be planned yet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unready {
    /// The view does not list the node that it is for.
    #[error("node {0} is not among the peers of its own view")]
    NotAPeer(NodeId),
    /// One of the node's own links is missing.
    #[error("link {0} is missing")]
    NoLink(&'static str),
}

/// A node's network as it should be, before the node's own numbers are given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// The node's row.
    pub config: Config,
    /// Own addresses.
    pub host_addrs: BTreeSet<Addr>,
    /// Tunnel endpoints of the cluster.
    pub peers: BTreeSet<Addr>,
    /// Endpoints of the view's networks, remote ones and local ones with a link.
    pub endpoints: BTreeMap<EndpointKey, Endpoint>,
    /// Local endpoints by ifindex of their link; the index within is not given yet.
    pub ports: BTreeMap<u32, Port>,
    /// Source of containers' packets by ifindex of the device they leave by.
    pub sources: BTreeMap<u32, Addr>,
    /// Frontends.
    pub frontends: BTreeMap<FrontendKey, DesiredFrontend>,
    /// Backends, and whether they drain.
    pub backends: BTreeMap<DesiredBackend, bool>,
    /// Our programs by ifindex.
    pub hooks: BTreeMap<u32, Hook>,
    /// Container links that belong to no endpoint of the view.
    pub stale_links: Vec<String>,
    /// Published ports that something on this host holds: not captured here, to be reported.
    pub held: Vec<PublishedPort>,
}

/// Lays out the whole datapath of the node that `view` is for.
pub fn desired(view: &NodeView, facts: &LocalFacts) -> Result<Desired, Unready> {
    let networks: BTreeMap<NetworkId, &NetworkView> = view.networks.iter().map(|n| (n.id, n)).collect();
    let vteps: BTreeMap<NodeId, Addr> = view.peers.iter().map(|p| (p.node, p.vtep.into())).collect();
    let own = *vteps.get(&view.node).ok_or(Unready::NotAPeer(view.node))?;
    let mut endpoints: BTreeMap<ServiceId, Vec<&EndpointView>> = BTreeMap::new();
    for endpoint in &view.endpoints {
        endpoints.entry(endpoint.service).or_default().push(endpoint);
    }
    let services = Services::of(&Context {
        view,
        facts,
        networks: &networks,
        vteps: &vteps,
        endpoints,
    });
    let mut plan = Desired {
        config: config(view, facts, own)?,
        host_addrs: facts.own_addrs().map(Addr::from).collect(),
        peers: vteps.values().copied().collect(),
        endpoints: BTreeMap::new(),
        ports: BTreeMap::new(),
        sources: facts
            .sources(own.into())
            .map(|(index, addr)| (index, addr.into()))
            .collect(),
        frontends: services.frontends,
        backends: services.backends,
        hooks: hooks(facts)?,
        stale_links: Vec::new(),
        held: services.held,
    };
    let mut wanted = BTreeSet::new();
    for endpoint in &view.endpoints {
        if let (Some(network), Some(vtep)) = (networks.get(&endpoint.network), vteps.get(&endpoint.node)) {
            if endpoint.node == view.node {
                let name = link_name(endpoint.task, endpoint.network);
                if let Some(link) = facts.links.get(&name) {
                    plan.add_local(endpoint, network, *vtep, link);
                }
                wanted.insert(name);
            } else {
                plan.add_remote(endpoint, network, *vtep);
            }
        }
    }
    let links = facts.links.keys();
    plan.stale_links = links
        .filter(|name| is_container_link(name) && !wanted.contains(*name))
        .cloned()
        .collect();
    Ok(plan)
}

impl Desired {
    fn add_local(&mut self, endpoint: &EndpointView, network: &NetworkView, vtep: Addr, link: &Link) {
        let flags = flags(endpoint, network);
        let mac = Mac::of(endpoint.addr).0;
        let row = Endpoint {
            vtep,
            ifindex: link.index,
            netns: link.peer_netns.map_or(0, |id| id.saturating_add(1)),
            mac,
            flags,
        };
        self.endpoints.insert(key(endpoint, network), row);
        let port = Port {
            addr: endpoint.addr.into(),
            vni: network.vni.get(),
            mac,
            flags,
            prefix: mapped_prefix(network),
            ..Port::default()
        };
        self.ports.insert(link.index, port);
        self.hooks.insert(link.index, Hook::FromContainer);
    }

    fn add_remote(&mut self, endpoint: &EndpointView, network: &NetworkView, vtep: Addr) {
        let row = Endpoint {
            vtep,
            mac: Mac::of(endpoint.addr).0,
            flags: flags(endpoint, network),
            ..Endpoint::default()
        };
        self.endpoints.insert(key(endpoint, network), row);
    }
}

fn key(endpoint: &EndpointView, network: &NetworkView) -> EndpointKey {
    EndpointKey {
        vni: network.vni.get(),
        addr: endpoint.addr.into(),
    }
}

fn flags(endpoint: &EndpointView, network: &NetworkView) -> u16 {
    let bit = |set: bool, flag: u16| if set { flag } else { 0 };
    bit(endpoint.gateway, PORT_GATEWAY) | bit(network.internal, PORT_INTERNAL) | bit(network.ingress, PORT_INGRESS_ONLY)
}

/// A network's prefix length within 16 bytes: IPv4 counts behind the 96 bits of its mapping.
fn mapped_prefix(network: &NetworkView) -> u8 {
    match network.subnet.addr() {
        IpAddr::V4(_) => 96 + network.subnet.prefix_len(),
        IpAddr::V6(_) => network.subnet.prefix_len(),
    }
}

fn own_link<'a>(facts: &'a LocalFacts, name: &'static str) -> Result<&'a Link, Unready> {
    facts.links.get(name).ok_or(Unready::NoLink(name))
}

fn config(view: &NodeView, facts: &LocalFacts, own: Addr) -> Result<Config, Unready> {
    let host = own_link(facts, HOST_LINK)?;
    Ok(Config {
        abi_version: ABI_VERSION,
        vx_ifindex: own_link(facts, OVERLAY_LINK)?.index,
        host_ifindex: host.index,
        hostp_ifindex: own_link(facts, HOST_PEER_LINK)?.index,
        vtep: own,
        snat_addr: own,
        netns_cookie: facts.netns_cookie,
        snat_port_min: SNAT_PORT_MIN,
        snat_port_max: SNAT_PORT_MAX,
        data_port: Be16::new(view.data_port),
        host_mac: host.mac,
        resolver_ifindex: own_link(facts, RESOLVER_LINK)?.index,
    })
}

/// Hooks of everything but containers.
fn hooks(facts: &LocalFacts) -> Result<BTreeMap<u32, Hook>, Unready> {
    let mut hooks: BTreeMap<u32, Hook> = facts
        .uplinks()
        .map(|(_, link)| (link.index, Hook::FromUplink))
        .collect();
    hooks.insert(own_link(facts, OVERLAY_LINK)?.index, Hook::FromOverlay);
    for name in [HOST_PEER_LINK, RESOLVER_LINK] {
        hooks.insert(own_link(facts, name)?.index, Hook::FromHost);
    }
    Ok(hooks)
}
