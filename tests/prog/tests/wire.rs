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
    assert_eq!(seen.ip(), NODE1);
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
    let server = w.one.host.run(|| UdpSocket::bind((DNS_ADDR, 53)).unwrap());
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

/// A server that answers each byte with `name`, on every connection.
fn oracle(ns: &Ns, name: u8) {
    let listener = ns.run(|| TcpListener::bind("0.0.0.0:80").unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() && stream.write_all(&[name]).is_ok() {}
            });
        }
    });
}

/// Asks over an open connection who answers.
fn ask(s: &mut TcpStream) -> Result<u8, std::io::Error> {
    s.write_all(&[0])?;
    let mut byte = [0];
    s.read_exact(&mut byte)?;
    Ok(byte[0])
}

/// `count` connections of the client to node 1's published port.
fn dial(w: &Wire, count: usize) -> Vec<TcpStream> {
    w.client.run(|| {
        let one = || {
            let s = TcpStream::connect_timeout(&(Ipv4Addr::new(172, 16, 1, 1), 8080).into(), PATIENCE).unwrap();
            s.set_read_timeout(Some(PATIENCE)).unwrap();
            s
        };
        (0..count).map(|_| one()).collect()
    })
}

/// Gives the published port's only slot to `owner` with `previous` on every node.
fn swap(w: &mut Wire, owner: u32, previous: u32) {
    for n in w.nodes() {
        n.node.frontend(8080, IPPROTO_TCP, owner, owner, previous);
    }
}

#[test]
fn open_connections_survive_a_change_of_the_whole_ring() {
    let mut w = wire();
    for n in w.nodes().map(|n| &mut n.node) {
        for (id, addr, node) in [(1, E, NODE1), (2, G, NODE2), (3, H, NODE3)] {
            n.backend_on(id, addr, node, 80, IPPROTO_TCP, 0);
        }
    }
    for (ns, name) in [(&w.one.task, 1), (&w.two.task, 2), (&w.three.task, 3)] {
        oracle(ns, name);
    }
    // Every move between the three nodes: the ingress node itself, another, and a third.
    for (from, to) in [(1, 2), (2, 1), (2, 3), (3, 1), (1, 3), (3, 2)] {
        swap(&mut w, from, 0);
        let mut old = dial(&w, 20);
        assert!(old.iter_mut().all(|s| ask(s).unwrap() == from as u8));
        swap(&mut w, to, from);
        let mut new = dial(&w, 20);
        for s in &mut new {
            assert_eq!(ask(s).unwrap(), to as u8, "new connections go to the new owner");
        }
        for s in &mut old {
            let who = ask(s).unwrap_or_else(|e| panic!("{from} to {to}: an open connection broke: {e}"));
            assert_eq!(who, from as u8);
        }
    }
}

#[test]
fn datagram_flows_stay_with_their_backend_when_the_ring_changes() {
    let mut w = wire();
    for n in w.nodes().map(|n| &mut n.node) {
        for (id, addr, node) in [(1, E, NODE1), (2, G, NODE2), (3, H, NODE3)] {
            n.backend_on(id, addr, node, 80, IPPROTO_UDP, 0);
        }
    }
    for (ns, name) in [(&w.one.task, 1), (&w.two.task, 2), (&w.three.task, 3)] {
        let server = ns.run(|| UdpSocket::bind("0.0.0.0:80").unwrap());
        std::thread::spawn(move || {
            let mut byte = [0];
            while let Ok((_, from)) = server.recv_from(&mut byte) {
                let _ = server.send_to(&[name], from);
            }
        });
    }
    let turn = |w: &mut Wire, owner, previous| {
        for n in w.nodes() {
            n.node.frontend(8080, IPPROTO_UDP, owner, owner, previous);
        }
    };
    let dial = |w: &Wire| {
        let s = w.client.run(|| UdpSocket::bind("0.0.0.0:0").unwrap());
        s.set_read_timeout(Some(PATIENCE)).unwrap();
        s.connect((Ipv4Addr::new(172, 16, 1, 1), 8080)).unwrap();
        s
    };
    let ask = |s: &UdpSocket| {
        let mut byte = [0];
        s.send(&[0]).and_then(|_| s.recv(&mut byte)).map(|_| byte[0])
    };
    for (from, to) in [(1, 2), (2, 1), (2, 3), (3, 1)] {
        turn(&mut w, from, 0);
        let old = dial(&w);
        assert_eq!(ask(&old).unwrap(), from as u8);
        turn(&mut w, to, from);
        let new = dial(&w);
        for round in 0..3 {
            assert_eq!(ask(&new).unwrap(), to as u8, "{from} to {to}, new, round {round}");
            assert_eq!(ask(&old).unwrap(), from as u8, "{from} to {to}, old, round {round}");
        }
    }
}

#[test]
fn without_a_previous_owner_open_connections_are_reset_at_once() {
    let mut w = wire();
    for n in w.nodes().map(|n| &mut n.node) {
        n.backend_on(2, G, NODE2, 80, IPPROTO_TCP, 0);
        n.backend_on(3, H, NODE3, 80, IPPROTO_TCP, 0);
    }
    oracle(&w.two.task, 2);
    oracle(&w.three.task, 3);
    swap(&mut w, 2, 0);
    let mut old = dial(&w, 1);
    assert_eq!(ask(&mut old[0]).unwrap(), 2);
    swap(&mut w, 3, 0);
    let e = ask(&mut old[0]).unwrap_err();
    assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset);
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
