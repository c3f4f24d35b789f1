//! Rings that change under open connections and datagram flows, with real sockets on three nodes.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use abi::*;
use prog::wire::{Ns, Wire};
use prog::*;

const PATIENCE: Duration = Duration::from_secs(5);

fn wire() -> Wire {
    Wire::new().unwrap_or_else(|e| panic!("{e:#}"))
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
