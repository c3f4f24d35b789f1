//! Waiting sockets by `/proc/net` (proc(5)), for kernels without `sock_diag`. The kernel walks all connections for it.

use std::{fs, net::IpAddr};

use model::Protocol;

use super::{Listener, Row};

/// State column of `/proc/net/tcp` for a listening socket.
const TCP_LISTEN: &str = "0A";
/// State column of `/proc/net/udp` for a socket that is not connected.
const UDP_UNCONNECTED: &str = "07";

/// All waiting sockets of the calling thread's namespace; what cannot be read counts as empty.
pub(super) fn read() -> Vec<Row> {
    let tables = [
        ("tcp", Protocol::Tcp, TCP_LISTEN),
        ("tcp6", Protocol::Tcp, TCP_LISTEN),
        ("udp", Protocol::Udp, UDP_UNCONNECTED),
        ("udp6", Protocol::Udp, UDP_UNCONNECTED),
    ];
    let read = |(file, protocol, state): (&str, Protocol, &str)| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
        parse(&text, protocol, state)
    };
    tables.into_iter().flat_map(read).collect()
}

fn parse(table: &str, protocol: Protocol, state: &str) -> Vec<Row> {
    let rows = table.lines().skip(1);
    rows.filter_map(|row| {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let (addr, port) = columns.get(1)?.rsplit_once(':')?;
        (*columns.get(3)? == state).then_some(Row {
            addr: address(addr)?,
            listener: Listener {
                port: u16::from_str_radix(port, 16).ok()?,
                protocol,
                inode: columns.get(9)?.parse().ok()?,
            },
        })
    })
    .collect()
}

/// An address as words of 32 bits in hexadecimal digits, each in the machine's byte order.
fn address(text: &str) -> Option<IpAddr> {
    let words = text.as_bytes().chunks(8).map(|word| {
        let digits = str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    let v4 = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:0050 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0
   2: 00000000000000000000000001000000:0035 00000000:0000 0A 0:0 0:0 0     0        0 4713 1 0 100 0 0 10 0
";

    #[test]
    fn listening_sockets_are_found_and_no_connections() {
        let found = parse(TABLE, Protocol::Tcp, TCP_LISTEN);
        let [v4, v6] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (v4.addr.to_string().as_str(), v4.listener.port, v4.listener.inode),
            ("0.0.0.0", 8080, 4711)
        );
        assert_eq!(
            (v6.addr.to_string().as_str(), v6.listener.port, v6.listener.inode),
            ("::1", 53, 4713)
        );
    }
}
