//! Socket hooks at the cgroup2 root: `localhost:PUBLISHED` and own-address:PUBLISHED become the host
//! gateway, and look to the process as what it dialled. Act only in the node's own network namespace.

use abi::*;
use aya_ebpf::EbpfContext as _;
use aya_ebpf::bindings::bpf_sock_addr;
use aya_ebpf::helpers::generated::{bpf_get_netns_cookie, bpf_get_socket_cookie};
use aya_ebpf::macros::cgroup_sock_addr;
use aya_ebpf::programs::SockAddrContext;
use decide::{SocketVerdict, outgoing_socket};

use crate::kernel::{Kernel, config, tally};
use crate::maps::SOCK;

const ALLOW: i32 = 1;
const REFUSE: i32 = 0;

#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    outgoing(&ctx)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    outgoing(&ctx)
}

#[cgroup_sock_addr(recvmsg4)]
pub fn recvmsg4(ctx: SockAddrContext) -> i32 {
    incoming(&ctx)
}

#[cgroup_sock_addr(getpeername4)]
pub fn getpeername4(ctx: SockAddrContext) -> i32 {
    incoming(&ctx)
}

/// The node's configuration when the socket lives in the node's namespace.
#[inline(always)]
fn node(ctx: &SockAddrContext) -> Option<&'static Config> {
    let c = config().ok()?;
    // SAFETY: valid context.
    let cookie = unsafe { bpf_get_netns_cookie(ctx.as_ptr()) };
    if cookie == c.netns_cookie { Some(c) } else { None }
}

#[inline(always)]
fn sock_key(ctx: &SockAddrContext, port: Be16) -> SockKey {
    // SAFETY: valid context.
    let cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    SockKey {
        cookie,
        port,
        reserved: [0; 6],
    }
}

#[inline(always)]
fn outgoing(ctx: &SockAddrContext) -> i32 {
    let Some(c) = node(ctx) else { return ALLOW };
    let a: *mut bpf_sock_addr = ctx.sock_addr;
    // SAFETY: valid context; reads of the fields that the hook may read.
    let (ip, port, proto) = unsafe { ((*a).user_ip4, (*a).user_port as u16, (*a).protocol as u8) };
    let (dst, port) = (Addr::v4(Be32::from_raw(ip)), Be16::from_raw(port));
    let k = Kernel {
        skb: core::ptr::null_mut(),
    };
    match outgoing_socket(&k, c, &dst, port, proto) {
        SocketVerdict::Leave => ALLOW,
        SocketVerdict::Refuse => {
            tally(DropReason::ForgedTunnel as u32, 0);
            REFUSE
        }
        SocketVerdict::ToHostGateway => {
            // A full table costs the process the address it dialled, nothing else.
            let _ = SOCK.insert(&sock_key(ctx, port), &dst, 0);
            tally(EVENT_BASE + Event::SocketRedirected as u32, 0);
            // SAFETY: valid context; connect4 and sendmsg4 may write the address.
            unsafe { (*a).user_ip4 = HOST_GATEWAY.to_bits().to_be() };
            ALLOW
        }
    }
}

#[inline(always)]
fn incoming(ctx: &SockAddrContext) -> i32 {
    if node(ctx).is_none() {
        return ALLOW;
    }
    let a: *mut bpf_sock_addr = ctx.sock_addr;
    // SAFETY: as in `outgoing`.
    let (ip, port) = unsafe { ((*a).user_ip4, (*a).user_port as u16) };
    if ip != HOST_GATEWAY.to_bits().to_be() {
        return ALLOW;
    }
    // SAFETY: a map element, read at once.
    if let Some(dialled) = unsafe { SOCK.get(&sock_key(ctx, Be16::from_raw(port))) } {
        // SAFETY: recvmsg4 and getpeername4 may write the address.
        unsafe { (*a).user_ip4 = dialled.low().raw() };
    }
    ALLOW
}
