//! The socket hooks: processes of the host reaching published ports by `localhost` or an own address.
//!
//! Such traffic would stay on `lo`; the hook sends it to the host gateway, which is routed through
//! `ntl-host`, where `from_host` serves it. The hooks also stop host processes that write to a data port.

use abi::*;

use crate::tables::Tables;

/// What becomes of a connect() or sendmsg().
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketVerdict {
    /// As it is.
    Leave,
    /// To the host gateway, same port.
    ToHostGateway,
    /// EPERM.
    Refuse,
}

/// Decides over a socket of the node's own namespace that addresses `dst:port`.
#[inline(always)]
pub fn outgoing_socket<T: Tables>(t: &T, c: &Config, dst: &Addr, port: Be16, proto: u8) -> SocketVerdict {
    let own = t.is_own(dst);
    if proto == IPPROTO_UDP && port.raw() == c.data_port.raw() && (own || t.is_peer(dst)) {
        return SocketVerdict::Refuse;
    }
    if !own && dst.low().get() >> 24 != 127 {
        return SocketVerdict::Leave;
    }
    let key = FrontendKey {
        scope: SCOPE_PUBLISHED,
        addr: Addr::NONE,
        port,
        proto,
        reserved: 0,
    };
    match t.frontend(&key) {
        Some(f) if f.flags & FRONTEND_HELD == 0 => SocketVerdict::ToHostGateway,
        _ => SocketVerdict::Leave,
    }
}
