//! The far end of a container's pair, inside the container's network namespace: a thread of its own goes there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::AsRawFd,
    thread,
};

use netlink_packet_route::{address::AddressHeaderFlags, route::RouteMessage};
use nix::sched::{CloneFlags, setns};
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder, new_connection};
use tokio::{runtime, sync::oneshot};

use super::{
    Inside, LinkError,
    netlink::{Failure, Netlink, index},
    sysctl,
};
use crate::network::Namespace;

/// Moves a link of the host into a namespace and renames it, in one step: it is never seen there under another name.
pub(super) async fn enter(netlink: &Netlink, link: &str, namespace: &Namespace, name: &str) -> Result<(), LinkError> {
    let index = netlink.index(link).await?;
    let message = LinkUnspec::new_with_index(index)
        .setns_by_fd(namespace.as_raw_fd())
        .name(name.to_owned())
        .build();
    let moved = netlink.handle.link().set(message).execute().await;
    moved.map_err(|error| Failure::from(error).about(format!("put link {link} into the container as {name}")))
}

/// See [`super::Furnishing`].
pub(super) async fn furnish(namespace: Namespace, inside: Inside) -> Result<(), LinkError> {
    let (sender, done) = oneshot::channel();
    let body = move || drop(sender.send(furnish_there(&namespace, &inside)));
    let none = |why: String| LinkError::NoNetlink(why);
    let started = thread::Builder::new().name("endpoint".to_owned()).spawn(body);
    started.map_err(|error| none(error.to_string()))?;
    done.await
        .unwrap_or_else(|_| Err(none("its thread has ended".to_owned())))
}

fn furnish_there(namespace: &Namespace, inside: &Inside) -> Result<(), LinkError> {
    let none = |why: String| LinkError::NoNetlink(why);
    setns(&**namespace, CloneFlags::CLONE_NEWNET).map_err(|error| none(error.to_string()))?;
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| none(error.to_string()))?.block_on(async {
        let (requests, handle, _) = new_connection().map_err(|error| none(error.to_string()))?;
        let requests = tokio::spawn(requests);
        let outcome = furnish_by(&handle, inside).await;
        requests.abort();
        outcome
    })
}

async fn furnish_by(handle: &Handle, inside: &Inside) -> Result<(), LinkError> {
    let name = &inside.name;
    if inside.address.addr().is_ipv4() {
        sysctl::without_ipv6(name)?;
    }
    let index = index(handle, name).await?;
    let up = handle
        .link()
        .set(LinkUnspec::new_with_index(index).up().build())
        .execute();
    up.await
        .map_err(|error| Failure::from(error).about(format!("set up {name} in the container")))?;
    address(handle, index, inside).await?;
    let Some(gateway) = inside.gateway else { return Ok(()) };
    let route = handle.route().add(by_default(gateway, index)).replace().execute().await;
    route.map_err(|error| Failure::from(error).about(format!("route {name} of the container by {gateway}")))
}

/// Managers give each address once: nobody need be asked whether it is free.
async fn address(handle: &Handle, index: u32, inside: &Inside) -> Result<(), LinkError> {
    let (addr, prefix) = (inside.address.addr(), inside.address.prefix_len());
    let mut request = handle.address().add(index, addr, prefix);
    if addr.is_ipv6() {
        request.message_mut().header.flags |= AddressHeaderFlags::Nodad;
    }
    match request.execute().await.map_err(Failure::from) {
        Ok(()) | Err(Failure::Exists) => Ok(()),
        Err(failure) => Err(failure.about(format!("give {addr} to {} in the container", inside.name))),
    }
}

fn by_default(gateway: IpAddr, index: u32) -> RouteMessage {
    match gateway {
        IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .output_interface(index)
            .build(),
        IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new()
            .gateway(gateway)
            .output_interface(index)
            .build(),
    }
}
