//! Sockets of the host that wait for traffic: a published port that one of them has is reported and not captured.

use std::{collections::BTreeSet, fs, path::PathBuf};

use model::Protocol;

/// A port that somebody listens on. The order is that of ports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Port, host order.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Inode of the socket, by which [`holder`] finds the process.
    inode: u64,
}

/// State column of `/proc/net/tcp` for a listening socket.
const TCP_LISTEN: &str = "0A";
/// State column of `/proc/net/udp` for a socket that is not connected.
const UDP_UNCONNECTED: &str = "07";

/// All listeners of the calling thread's namespace, whatever address they are bound to: the socket hooks capture
/// loopback too. What cannot be read counts as empty.
pub fn listeners() -> Vec<Listener> {
    let tables = [
        ("tcp", Protocol::Tcp, TCP_LISTEN),
        ("tcp6", Protocol::Tcp, TCP_LISTEN),
        ("udp", Protocol::Udp, UDP_UNCONNECTED),
        ("udp6", Protocol::Udp, UDP_UNCONNECTED),
    ];
    let found: BTreeSet<Listener> = tables
        .into_iter()
        .flat_map(|(file, protocol, state)| {
            let text = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
            parse(&text, protocol, state)
        })
        .collect();
    let mut listeners: Vec<Listener> = found.into_iter().collect();
    listeners.dedup_by_key(|listener| (listener.port, listener.protocol));
    listeners
}

/// The agent's resolver as these tables write an address: it answers only there, so it holds no port of the host.
fn own_resolver() -> String {
    format!("{:08X}", u32::from_ne_bytes(abi::DNS_ADDR.octets()))
}

fn parse(table: &str, protocol: Protocol, state: &str) -> Vec<Listener> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let (addr, port) = columns.get(1)?.rsplit_once(':')?;
        (*columns.get(3)? == state && addr != own_resolver()).then_some(())?;
        Some(Listener {
            port: u16::from_str_radix(port, 16).ok()?,
            protocol,
            inode: columns.get(9)?.parse().ok()?,
        })
    })
    .filter(|listener| listener.port != 0)
    .collect()
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
    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   2: 353FFEA9:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
   1: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
";

    #[test]
    fn listening_sockets_are_found_and_neither_connections_nor_our_resolver() {
        let found = parse(TABLE, Protocol::Tcp, TCP_LISTEN);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].port, found[0].inode), (8080, 4711));
    }

    #[test]
    fn a_listener_of_this_process_is_named() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let listener = listeners().into_iter().find(|l| l.port == port).unwrap();
        assert!(
            listener.holder().contains(&std::process::id().to_string()),
            "{}",
            listener.holder()
        );
    }
}
