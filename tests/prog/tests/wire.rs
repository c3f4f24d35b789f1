//! Real sockets through three nodes.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use abi::*;
use prog::wire::{Ns, Wire};
use prog::*;

const SIZE: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

fn pattern() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A server that echoes every connection whole, one after the other, and says whom it saw.
fn echo(ns: &Ns, port: u16) -> Receiver<SocketAddr> {
    let listener = ns.run(|| TcpListener::bind(("0.0.0.0", port)).unwrap());
    let (tell, seen) = channel();
    std::thread::spawn(move || {
        for mut s in listener.incoming().flatten() {
            let mut all = vec![0; SIZE];
            let whole = s.read_exact(&mut all).and_then(|()| s.write_all(&all));
            if whole.is_err() || tell.send(s.peer_addr().unwrap()).is_err() {
                return;
            }
        }
    });
    seen
}

/// Sends the pattern and expects it back; the address the connection was made from.
fn exchange(ns: &Ns, to: (Ipv4Addr, u16)) -> (SocketAddr, SocketAddr) {
    ns.run(|| {
        let mut s = TcpStream::connect_timeout(&to.into(), PATIENCE).unwrap_or_else(|e| panic!("{to:?}: {e}"));
        s.set_read_timeout(Some(PATIENCE)).unwrap();
        let sent = pattern();
        let mut half = s.try_clone().unwrap();
        let writer = {
            let sent = sent.clone();
            std::thread::spawn(move || half.write_all(&sent).unwrap())
        };
        let mut got = vec![0; SIZE];
        s.read_exact(&mut got).unwrap_or_else(|e| panic!("{to:?}: {e}"));
        writer.join().unwrap();
        assert!(got == sent, "bytes changed on the way");
        (s.local_addr().unwrap(), s.peer_addr().unwrap())
    })
}

fn wire() -> Wire {
    Wire::new().unwrap_or_else(|e| panic!("{e:#}"))
}

#[test]
fn tcp_crosses_the_overlay_directly_and_through_a_virtual_address() {
    let mut w = wire();
    w.one.node.vip_to(C);
    let seen = echo(&w.two.member, 8080);
    let (from, _) = exchange(&w.one.member, (C, 8080));
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), from);
    let (from, peer) = exchange(&w.one.member, (VIP, 80));
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), from);
    assert_eq!(peer.to_string(), format!("{VIP}:80"));
}

#[test]
fn datagrams_larger_than_the_mtu_cross_a_virtual_address() {
    let mut w = wire();
    w.one.node.vip_to(C);
    let server = w.two.member.run(|| UdpSocket::bind("0.0.0.0:8080").unwrap());
    let client = w.one.member.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    for size in [10, 1400, 4000, 9000] {
        let sent: Vec<u8> = (0..size).map(|i| i as u8).collect();
        client.send_to(&sent, (VIP, 80)).unwrap();
        let mut got = [0; 16384];
        let (n, from) = server
            .recv_from(&mut got)
            .unwrap_or_else(|e| panic!("{size} bytes there: {e}"));
        assert_eq!(got[..n], sent);
        server.send_to(&got[..n], from).unwrap();
        let (n, from) = client
            .recv_from(&mut got)
            .unwrap_or_else(|e| panic!("{size} bytes back: {e}"));
        assert_eq!((n, from.to_string()), (size, format!("{VIP}:80")));
    }
}

#[test]
fn a_published_port_answers_on_both_nodes_with_the_clients_own_address() {
    let mut w = wire();
    for n in w.nodes().map(|n| &mut n.node) {
        n.backend_on(11, G, NODE2, 80, IPPROTO_TCP, 0);
        n.frontend(8080, IPPROTO_TCP, 11, 11, 0);
    }
    let seen = echo(&w.two.task, 80);
    for i in [1, 2, 3] {
        let (from, _) = exchange(&w.client, (Ipv4Addr::new(172, 16, i, 1), 8080));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), from, "through node {i}");
    }
}

#[test]
fn a_container_reaches_the_world_as_its_node() {
    let w = wire();
    let seen = echo(&w.client, 9000);
    exchange(&w.one.member, (CLIENT, 9000));
    let seen = seen.recv_timeout(PATIENCE).unwrap();
    // By the leg, which is not the device that has the tunnel endpoint.
    assert_eq!(seen.ip(), Ipv4Addr::new(172, 16, 1, 1));
    assert!(seen.port() >= SNAT_PORT_MIN);
}

#[test]
fn a_container_reaches_its_node_and_published_ports_of_both_nodes() {
    let mut w = wire();
    for n in w.nodes().map(|n| &mut n.node) {
        n.backend_on(11, G, NODE2, 80, IPPROTO_TCP, 0);
        n.frontend(8080, IPPROTO_TCP, 11, 11, 0);
    }
    let seen = echo(&w.one.host, 2222);
    exchange(&w.one.member, (NODE1, 2222));
    assert_eq!(seen.recv_timeout(PATIENCE).unwrap().ip(), HOST_GATEWAY);
    let seen = echo(&w.two.task, 80);
    for (ns, node) in [
        (&w.one.member, NODE1),
        (&w.one.member, NODE2),
        (&w.two.member, NODE2),
        (&w.two.task, NODE1),
    ] {
        exchange(ns, (node, 8080));
        seen.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn dns_queries_reach_the_resolver_and_name_their_caller() {
    let w = wire();
    let server = w.one.resolver.run(|| UdpSocket::bind((DNS_ADDR, 53)).unwrap());
    let client = w.one.member.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    client.send_to(b"who", (DNS_ADDR, 53)).unwrap();
    let mut got = [0; 64];
    let (_, from) = server.recv_from(&mut got).unwrap();
    assert_eq!(
        from.ip(),
        Ipv4Addr::from(DNS_CLIENT_BASE.to_bits() + u32::from(A.octets()[3]))
    );
    server.send_to(b"you", from).unwrap();
    let (n, from) = client.recv_from(&mut got).unwrap();
    assert_eq!((&got[..n], from.ip()), (&b"you"[..], DNS_ADDR.into()));
}

#[test]
fn processes_of_the_host_reach_published_ports_by_localhost_and_by_own_address() {
    let mut w = wire();
    for n in w.nodes().map(|n| &mut n.node) {
        n.backend_on(11, G, NODE2, 80, IPPROTO_TCP, 0);
        n.backend_on(12, G, NODE2, 80, IPPROTO_UDP, 0);
        n.frontend(8080, IPPROTO_TCP, 11, 11, 0);
        n.frontend(8080, IPPROTO_UDP, 12, 12, 0);
    }
    w.one.hook().unwrap();
    w.two.hook().unwrap();
    let seen = echo(&w.two.task, 80);
    for host in [&w.one.host, &w.two.host] {
        let own = if std::ptr::eq(host, &w.one.host) { NODE1 } else { NODE2 };
        for dialled in [Ipv4Addr::LOCALHOST, own] {
            let (_, peer) = exchange(host, (dialled, 8080));
            assert_eq!(peer.ip(), dialled, "the process sees what it dialled");
            assert_eq!(seen.recv_timeout(PATIENCE).unwrap().ip(), own);
        }
    }
    let server = w.two.task.run(|| UdpSocket::bind("0.0.0.0:80").unwrap());
    let client = w.one.host.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    client.send_to(b"ping", ("127.0.0.1", 8080)).unwrap();
    let mut got = [0; 64];
    let (_, from) = server.recv_from(&mut got).unwrap();
    server.send_to(b"pong", from).unwrap();
    let (_, from) = client.recv_from(&mut got).unwrap();
    assert_eq!(from.to_string(), "127.0.0.1:8080");
    let forged = w.one.host.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    assert!(
        forged.send_to(b"x", (NODE2, DATA_PORT)).is_err(),
        "a host process cannot forge a tunnel"
    );
}

#[test]
fn a_service_that_loses_its_last_backend_resets_and_refuses() {
    let mut w = wire();
    w.one.node.vip_to(C);
    let _seen = echo(&w.two.member, 8080);
    let mut open = w.one.member.run(|| TcpStream::connect((VIP, 80)).unwrap());
    w.one.node.remove::<u32, Backend>(map::BACKEND, 1);
    let refused = w
        .one
        .member
        .run(|| TcpStream::connect_timeout(&(VIP, 80).into(), PATIENCE));
    assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    open.set_read_timeout(Some(PATIENCE)).unwrap();
    let broken = open.write_all(&[0; 100_000]).and_then(|()| open.read_exact(&mut [0]));
    assert_eq!(broken.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}
