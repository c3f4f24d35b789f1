//! The links that every node has: the VXLAN device of all networks, and the host's own pair.
//!
//! Made once and kept over restarts. A device that is not as it should be (another port after a new cluster) is
//! replaced; addresses, routes and settings are written again each time, which changes nothing when they are there.

use std::net::{IpAddr, Ipv4Addr};

use futures::TryStreamExt;
use model::Mac;
use netlink_packet_route::link::{InfoData, InfoVxlan, LinkAttribute, LinkInfo, LinkMessage};
use plan::network::{HOST_LINK, HOST_PEER_LINK, OVERLAY_LINK};
use rtnetlink::{LinkMessageBuilder, LinkUnspec, LinkVxlan, RouteMessageBuilder};

use super::{
    LinkError, Links, OwnLinks, PairSpec,
    netlink::{Failure, Netlink},
    resolver, sysctl,
};

/// MTU of the VXLAN device: never the limit, since containers have a smaller one that fits the underlay.
const OVERLAY_MTU: u32 = 65485;
/// MAC of the far end of the host's pair; nobody addresses it.
const HOST_PEER_MAC: Mac = Mac([0x02, 0x4e, 0x54, 0x4c, 0x00, 0x03]);

pub(super) async fn ensure(netlink: &Netlink, own: OwnLinks) -> Result<(), LinkError> {
    ensure_vxlan(netlink, own.data_port).await?;
    ensure_host_pair(netlink, own).await?;
    resolver::ensure(netlink, own.mtu).await
}

async fn ensure_vxlan(netlink: &Netlink, port: u16) -> Result<(), LinkError> {
    let existing = find(netlink, OVERLAY_LINK).await;
    match existing {
        Some(message) if is_up_on(&message, port) => return Ok(()),
        Some(_) => netlink.delete(OVERLAY_LINK).await?,
        None => {}
    }
    let message = LinkMessageBuilder::<LinkVxlan>::new(OVERLAY_LINK)
        .collect_metadata(true)
        .port(port)
        .learning(false)
        .mtu(OVERLAY_MTU)
        .address(abi::VXLAN_MAC.to_vec())
        .build();
    let busy = |failure: Failure| match failure {
        // Another device in collect-metadata mode on this port, or another socket.
        Failure::Exists | Failure::Busy => LinkError::DataPortBusy { port },
        other => other.about(format!("create VXLAN device {OVERLAY_LINK}")),
    };
    netlink.add(message).await.map_err(busy)?;
    sysctl::without_ipv6(OVERLAY_LINK)?;
    let index = netlink.index(OVERLAY_LINK).await?;
    let result = netlink.up(index).await.map_err(busy);
    if result.is_err() {
        netlink.delete(OVERLAY_LINK).await?;
    }
    result
}

async fn find(netlink: &Netlink, name: &str) -> Option<LinkMessage> {
    let mut links = netlink.handle.link().get().match_name(name).execute();
    links.try_next().await.ok().flatten()
}

/// Whether the device is ours as [`ensure_vxlan`] makes it.
fn is_up_on(message: &LinkMessage, port: u16) -> bool {
    let infos = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => Some(infos),
        _ => None,
    });
    let data = infos.flatten().filter_map(|info| match info {
        LinkInfo::Data(InfoData::Vxlan(data)) => Some(data),
        _ => None,
    });
    let same_port = data
        .flatten()
        .any(|info| matches!(info, InfoVxlan::Port(p) if *p == port));
    same_port && message.header.flags.contains(netlink_packet_route::link::LinkFlags::Up)
}

async fn ensure_host_pair(netlink: &Netlink, own: OwnLinks) -> Result<(), LinkError> {
    let pair = PairSpec {
        host: HOST_LINK.to_owned(),
        peer: HOST_PEER_LINK.to_owned(),
        mac: HOST_PEER_MAC,
        mtu: own.mtu,
    };
    netlink.ensure_pair(&pair).await?;
    let links = netlink.dump().await?;
    for name in [HOST_LINK, HOST_PEER_LINK] {
        // Setting what is set already would be news to everybody who follows the links, us too.
        if links
            .get(name)
            .is_none_or(|link| !link.up || link.mtu != u32::from(own.mtu))
        {
            sysctl::without_ipv6(name)?;
            set_up(netlink, name, own.mtu).await?;
        }
    }
    // Packets come in here that left by the datapath, so the route back is not always this link.
    sysctl::set("ipv4", HOST_LINK, "rp_filter", "2")?;
    // Ways out of the node are looked up as if the packet had come in here.
    sysctl::set("ipv4", HOST_LINK, "forwarding", "1")?;
    address(netlink, HOST_LINK, abi::DNS_ADDR).await?;
    if let IpAddr::V4(vtep) = own.vtep {
        route(netlink, HOST_LINK, (abi::HOST_GATEWAY, 32), vtep).await?;
    }
    route(netlink, HOST_LINK, (abi::PROBE_ADDR, 32), abi::DNS_ADDR).await?;
    let clients = (abi::DNS_CLIENT_BASE, abi::DNS_CLIENT_PREFIX);
    route(netlink, HOST_LINK, clients, abi::DNS_ADDR).await
}

async fn set_up(netlink: &Netlink, name: &str, mtu: u16) -> Result<(), LinkError> {
    let index = netlink.index(name).await?;
    let message = LinkUnspec::new_with_index(index).mtu(mtu.into()).up().build();
    let result = netlink.handle.link().set(message).execute().await;
    result.map_err(|error| Failure::from(error).about(format!("set up link {name}")))
}

async fn address(netlink: &Netlink, name: &str, addr: Ipv4Addr) -> Result<(), LinkError> {
    let index = netlink.index(name).await?;
    let request = netlink.handle.address().add(index, addr.into(), 32);
    match request.execute().await.map_err(Failure::from) {
        Ok(()) | Err(Failure::Exists) => Ok(()),
        Err(failure) => Err(failure.about(format!("give {addr} to link {name}"))),
    }
}

async fn route(netlink: &Netlink, name: &str, to: (Ipv4Addr, u8), source: Ipv4Addr) -> Result<(), LinkError> {
    let index = netlink.index(name).await?;
    let message = RouteMessageBuilder::<Ipv4Addr>::new()
        .destination_prefix(to.0, to.1)
        .output_interface(index)
        .pref_source(source)
        .scope(netlink_packet_route::route::RouteScope::Link)
        .build();
    let result = netlink.handle.route().add(message).replace().execute().await;
    result.map_err(|error| Failure::from(error).about(format!("route {}/{} to link {name} from {source}", to.0, to.1)))
}
