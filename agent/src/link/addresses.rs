//! Reading devices, addresses and routes.

use std::{collections::BTreeMap, net::IpAddr};

use futures::{TryStreamExt, future};
use ipnet::IpNet;
use netlink_packet_route::{
    AddressFamily,
    address::AddressAttribute,
    link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType},
};
use plan::network::{Link, is_our_link};
use rtnetlink::{Handle, RouteMessageBuilder};

use super::{
    LinkError, LinkTable,
    netlink::{Failure, is_link_local_v6},
};

/// All devices with their addresses. IPv6 link-local addresses are left out: every device that is up has one, also
/// those that carry no traffic of the host.
pub(super) async fn dump(handle: &Handle) -> Result<LinkTable, LinkError> {
    let mut addrs: BTreeMap<u32, Vec<IpAddr>> = BTreeMap::new();
    for (index, net) in addresses(handle).await? {
        addrs.entry(index).or_default().push(net.addr());
    }
    let about = |error: rtnetlink::Error| Failure::from(error).about("list links");
    let messages: Vec<LinkMessage> = handle.link().get().execute().try_collect().await.map_err(about)?;
    let links = messages.iter().filter_map(|message| {
        let (name, mut link) = read(message)?;
        link.addrs = addrs.remove(&link.index).unwrap_or_default();
        Some((name, link))
    });
    Ok(links.collect())
}

fn read(message: &LinkMessage) -> Option<(String, Link)> {
    let mut name = None;
    let mut link = Link {
        index: message.header.index,
        mac: [0; 6],
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up),
        ethernet: message.header.link_layer_type == LinkLayerType::Ether,
        addrs: Vec::new(),
        peer_netns: None,
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = Some(text.clone()),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().unwrap_or_default(),
            LinkAttribute::LinkNetNsId(id) => link.peer_netns = u32::try_from(*id).ok(),
            _ => {}
        }
    }
    Some((name?, link))
}

/// Addresses with their prefixes, by index of the device.
async fn addresses(handle: &Handle) -> Result<Vec<(u32, IpNet)>, LinkError> {
    let messages = handle.address().get().execute();
    let found = messages.try_fold(Vec::new(), |mut found, message| {
        let length = message.header.prefix_len;
        let own = message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(addr) => Some(*addr),
            _ => None,
        });
        let addr = own.or_else(|| {
            message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Address(addr) => Some(*addr),
                _ => None,
            })
        });
        let net = addr
            .filter(|addr| !is_link_local_v6(addr))
            .and_then(|addr| IpNet::new(addr, length).ok());
        found.extend(net.map(|net| (message.header.index, net)));
        future::ok(found)
    });
    found
        .await
        .map_err(|error| Failure::from(error).about("list addresses"))
}

/// Prefixes of addresses and routes of the host, without default routes and without ours.
pub(super) async fn prefixes(handle: &Handle) -> Result<Vec<IpNet>, LinkError> {
    let links = dump(handle).await?;
    let ours: Vec<u32> = links
        .iter()
        .filter(|(name, _)| is_our_link(name))
        .map(|(_, link)| link.index)
        .collect();
    let is_ours = |index: &u32| ours.contains(index);
    let mut found: Vec<IpNet> = addresses(handle)
        .await?
        .into_iter()
        .filter(|(index, _)| !is_ours(index))
        .map(|(_, net)| net.trunc())
        .collect();
    let filter = RouteMessageBuilder::<IpAddr>::new().build();
    let routes: Vec<RouteMessage> = handle
        .route()
        .get(filter)
        .execute()
        .try_collect()
        .await
        .map_err(|error| Failure::from(error).about("list routes"))?;
    let routes = routes.iter().filter(|route| route.header.kind == RouteType::Unicast);
    found.extend(
        routes
            .filter(|route| !device(route).as_ref().is_some_and(is_ours))
            .filter_map(destination),
    );
    found.retain(|net| net.prefix_len() > 0 && !net.addr().is_loopback() && !is_link_local_v6(&net.addr()));
    found.sort();
    found.dedup();
    Ok(found)
}

fn device(route: &RouteMessage) -> Option<u32> {
    route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    })
}

fn destination(route: &RouteMessage) -> Option<IpNet> {
    if !matches!(route.header.address_family, AddressFamily::Inet | AddressFamily::Inet6) {
        return None;
    }
    let addr = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        RouteAttribute::Destination(RouteAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    })?;
    Some(IpNet::new(addr, route.header.destination_prefix_length).ok()?.trunc())
}
