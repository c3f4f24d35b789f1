//! Sockets of the host that wait for traffic: a published port that one of them has is reported and not captured.

mod diag;
mod proc;

use std::{collections::BTreeSet, fs, net::IpAddr, path::PathBuf, sync::Once};

use model::Protocol;

/// A port that somebody listens on. The order is that of ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Port, host order.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Inode of the socket, by which [`holder`](Self::holder) finds the process.
    inode: u64,
}

/// A waiting socket and what it is bound to.
#[derive(Debug)]
struct Row {
    addr: IpAddr,
    listener: Listener,
}

impl Row {
    /// Whether it holds a port of the host. The agent's own resolver does not: it answers only at its own address.
    fn holds_port(&self) -> bool {
        self.listener.port != 0 && self.addr != IpAddr::V4(abi::DNS_ADDR)
    }
}

/// All listeners of the calling thread's namespace, whatever address they are bound to: the socket hooks capture
/// loopback too.
pub fn listeners() -> Vec<Listener> {
    let rows = diag::read().unwrap_or_else(|error| {
        static SAID: Once = Once::new();
        SAID.call_once(|| tracing::info!(%error, "no sock_diag (CONFIG_INET_DIAG): listeners are read from /proc/net"));
        proc::read()
    });
    let found: BTreeSet<Listener> = rows
        .into_iter()
        .filter(Row::holds_port)
        .map(|row| row.listener)
        .collect();
    let mut listeners: Vec<Listener> = found.into_iter().collect();
    listeners.dedup_by_key(|listener| (listener.port, listener.protocol));
    listeners
}

impl Listener {
    /// Who it is, in words for a user: the process's name and number, as far as it can be found.
    pub fn holder(&self) -> String {
        let socket = PathBuf::from(format!("socket:[{}]", self.inode));
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes.filter(|p| p.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit())) {
            let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
            if files
                .into_iter()
                .any(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == socket))
            {
                let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return format!("{} (pid {})", name.trim(), process.file_name().to_string_lossy());
            }
        }
        "a process of the host".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    };

    use super::*;

    #[test]
    fn a_listener_of_this_process_is_named() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let listener = listeners().into_iter().find(|l| l.port == port).unwrap();
        assert!(
            listener.holder().contains(&std::process::id().to_string()),
            "{}",
            listener.holder()
        );
    }

    #[test]
    fn our_resolver_holds_no_port() {
        let row = |addr: Ipv4Addr, port| Row {
            addr: addr.into(),
            listener: Listener {
                port,
                protocol: Protocol::Udp,
                inode: 1,
            },
        };
        assert!(row(Ipv4Addr::UNSPECIFIED, 53).holds_port() && row(Ipv4Addr::LOCALHOST, 53).holds_port());
        assert!(!row(abi::DNS_ADDR, 53).holds_port() && !row(Ipv4Addr::UNSPECIFIED, 0).holds_port());
    }

    /// Other tests of this process open sockets meanwhile, so only our own are compared.
    #[test]
    fn both_ways_to_ask_the_kernel_find_the_same_waiting_sockets_and_no_connected_ones() {
        let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let connected = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        connected.connect(udp.local_addr().unwrap()).unwrap();
        let stream = TcpStream::connect(v4.local_addr().unwrap()).unwrap();
        let (tcp, datagram) = (Protocol::Tcp, Protocol::Udp);
        let waiting = [
            (tcp, v4.local_addr()),
            (tcp, v6.local_addr()),
            (datagram, udp.local_addr()),
        ];
        let others = [(tcp, stream.local_addr()), (datagram, connected.local_addr())];
        for rows in [diag::read().unwrap(), proc::read()] {
            let count = |(protocol, addr): &(Protocol, io::Result<SocketAddr>)| {
                let addr = addr.as_ref().unwrap();
                let same = |row: &&Row| (row.addr, row.listener.port) == (addr.ip(), addr.port());
                rows.iter()
                    .filter(same)
                    .filter(|row| row.listener.protocol == *protocol)
                    .count()
            };
            assert_eq!(waiting.each_ref().map(count), [1; 3]);
            assert_eq!(others.each_ref().map(count), [0; 2]);
        }
    }
}
