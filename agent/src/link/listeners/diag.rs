//! Waiting sockets by the kernel's `sock_diag` (sock_diag(7)): it walks those in the states asked for and no others, where
//! `/proc/net/tcp` walks the table of all connections.

use std::io;

use libc::{IPPROTO_TCP, IPPROTO_UDP};
use model::Protocol;
use netlink_packet_sock_diag::{
    SockDiagMessage,
    constants::{AF_INET, AF_INET6},
    inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags},
};
use rtnetlink::{
    packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload},
    sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG},
};

use super::{Listener, Row};

/// More than the kernel puts into one message of a dump.
const MESSAGE: usize = 64 << 10;

/// All waiting sockets of the calling thread's namespace.
///
/// # Errors
/// The kernel is built without `CONFIG_INET_DIAG`, or not for one of the protocols.
pub(super) fn read() -> io::Result<Vec<Row>> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut rows = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        for family in [AF_INET, AF_INET6] {
            ask(&socket, family, protocol)?;
            receive(&socket, protocol, &mut rows)?;
        }
    }
    Ok(rows)
}

fn ask(socket: &Socket, family: u8, protocol: Protocol) -> io::Result<()> {
    let (number, states) = match protocol {
        Protocol::Tcp => (IPPROTO_TCP, StateFlags::LISTEN),
        // As the kernel calls a socket that is not connected.
        Protocol::Udp => (IPPROTO_UDP, StateFlags::CLOSE),
    };
    let any = if family == AF_INET {
        SocketId::new_v4()
    } else {
        SocketId::new_v6()
    };
    let request = InetRequest {
        family,
        protocol: number as u8,
        extensions: ExtensionFlags::empty(),
        states,
        socket_id: any,
    };
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).map(drop)
}

/// Takes answers until the dump is complete.
fn receive(socket: &Socket, protocol: Protocol, rows: &mut Vec<Row>) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(MESSAGE);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).map_err(io::Error::other)?;
            rest = rest.get(message.header.length as usize..).unwrap_or_default();
            match message.payload {
                NetlinkPayload::Done(done) if done.code == 0 => return Ok(()),
                NetlinkPayload::Done(done) => return Err(io::Error::from_raw_os_error(-done.code)),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(found)) => rows.push(row(&found, protocol)),
                _ => {}
            }
        }
    }
}

fn row(found: &InetResponse, protocol: Protocol) -> Row {
    let InetResponse { header, .. } = found;
    Row {
        addr: header.socket_id.source_address,
        listener: Listener {
            port: header.socket_id.source_port,
            protocol,
            inode: header.inode.into(),
        },
    }
}
