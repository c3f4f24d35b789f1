//! Published ports: the one asked for, if the cluster does not need it itself and no service has it, or the lowest free
//! one of the dynamic range that no node's host holds.

use std::collections::BTreeSet;

use model::{
    DYNAMIC_PORT_FIRST, DYNAMIC_PORT_LAST, PortSpec, Protocol, PublishMode, PublishedPort, Service, ServiceSpec,
};
use store::{Refused, View};

/// Port of the managers' API.
const CONTROL_PORT: u16 = 2377;
/// First port of the range that containers' connections to the outside get on a node.
const EGRESS_FIRST: u16 = 61000;

/// The numbers of all ports of `spec`; a port that the service has already keeps its number.
pub(crate) fn choose(view: &View, spec: &ServiceSpec, before: Option<&Service>) -> Result<Vec<PublishedPort>, Refused> {
    let mut chosen: Vec<PublishedPort> = Vec::new();
    for wish in &spec.ports {
        let published = match wish.published.or_else(|| kept(wish, before, &chosen)) {
            Some(port) => checked(view, wish, port, before)?,
            None => dynamic(view, wish, spec, &chosen)?,
        };
        chosen.push(PublishedPort {
            published,
            target: wish.target,
            protocol: wish.protocol,
            mode: wish.mode,
        });
    }
    Ok(chosen)
}

/// The number that the allocator gave to this port before.
fn kept(wish: &PortSpec, before: Option<&Service>, chosen: &[PublishedPort]) -> Option<u16> {
    let same = |port: &&PublishedPort| {
        (port.target, port.protocol, port.mode) == (wish.target, wish.protocol, wish.mode)
            && (DYNAMIC_PORT_FIRST..=DYNAMIC_PORT_LAST).contains(&port.published)
            && !chosen.contains(port)
    };
    before?.ports.iter().find(same).map(|port| port.published)
}

fn checked(view: &View, wish: &PortSpec, port: u16, before: Option<&Service>) -> Result<u16, Refused> {
    let data_port = view.cluster().map_or(4789, |cluster| cluster.settings.data_port);
    let purpose = match port {
        CONTROL_PORT => "control port",
        _ if port == data_port => "data port",
        EGRESS_FIRST.. => "range for connections of containers to the outside",
        _ => "",
    };
    if !purpose.is_empty() {
        return Err(Refused::PortReserved {
            port,
            purpose: purpose.to_owned(),
        });
    }
    match clash(view, port, wish.protocol, wish.mode, before) {
        Some(refused) => Err(refused),
        None => Ok(port),
    }
}

fn clash(view: &View, port: u16, protocol: Protocol, mode: PublishMode, own: Option<&Service>) -> Option<Refused> {
    let others = view
        .port_holders(port, protocol)
        .filter(|(holder, _)| Some(*holder) != own.map(|service| service.id));
    let (id, mode) = others
        .into_iter()
        .find(|(_, theirs)| *theirs == PublishMode::Ingress || mode == PublishMode::Ingress)?;
    let name = view.service(id)?.spec.name.to_string();
    Some(Refused::PortTaken { port, name, id, mode })
}

fn dynamic(view: &View, wish: &PortSpec, spec: &ServiceSpec, chosen: &[PublishedPort]) -> Result<u16, Refused> {
    let held = view
        .nodes()
        .filter_map(|node| node.description.as_ref())
        .flat_map(|d| &d.held_ports);
    let mut taken: BTreeSet<u16> = held.filter(|h| h.protocol == wish.protocol).map(|h| h.port).collect();
    taken.extend(
        chosen
            .iter()
            .filter(|p| p.protocol == wish.protocol)
            .map(|p| p.published),
    );
    taken.extend(
        spec.ports
            .iter()
            .filter(|p| p.protocol == wish.protocol)
            .filter_map(|p| p.published),
    );
    let free = |port: &u16| !taken.contains(port) && view.port_holders(*port, wish.protocol).next().is_none();
    (DYNAMIC_PORT_FIRST..=DYNAMIC_PORT_LAST)
        .find(free)
        .ok_or(Refused::NoPort {
            first: DYNAMIC_PORT_FIRST,
            last: DYNAMIC_PORT_LAST,
            target: wish.target,
        })
}
