//! Ports that must be free. Tried by binding them, for only the kernel knows about sockets of its own (another VXLAN
//! device holds its port without any process).

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use agent::link::listeners;
use model::Protocol;

use super::Unfit;

/// ` by NAME`, as far as the socket has a process.
fn holder(port: u16, protocol: Protocol) -> String {
    let all = listeners();
    let found = all.iter().find(|l| (l.port, l.protocol) == (port, protocol));
    found.map_or_else(String::new, |listener| format!(" by {}", listener.holder()))
}

/// The control port at `addr`.
pub fn control_port(addr: SocketAddr) -> Result<(), Unfit> {
    match TcpListener::bind(addr) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Unfit::ControlPort {
            port: addr.port(),
            holder: holder(addr.port(), Protocol::Tcp),
        }),
        // Other faults have better words where the port is really used.
        _ => Ok(()),
    }
}

/// The tunnels' port; `way_out` says what the user can do about it.
pub fn data_port(port: u16, way_out: &'static str) -> Result<(), Unfit> {
    match UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(Unfit::DataPort {
            port,
            holder: holder(port, Protocol::Udp),
            way_out,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_ports_are_refused_with_the_option_that_helps() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = control_port(tcp.local_addr().unwrap()).unwrap_err().to_string();
        assert!(error.contains("--listen-addr"), "{error}");
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        let error = data_port(port, "choose another").unwrap_err().to_string();
        assert!(error.contains(&port.to_string()), "{error}");
        drop(udp);
        assert_eq!(data_port(port, ""), Ok(()));
    }
}
