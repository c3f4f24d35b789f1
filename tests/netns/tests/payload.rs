//! What is sent arrives as it was: streams, large datagrams, names.

use std::{
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, UdpSocket},
    time::Duration,
};

use anyhow::{Result, ensure};
use model::Protocol;
use netns::{BLUE, Lab, Ns, RED, ask, open, ping, serve};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);
const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 63, 53);
/// Bytes of a stream: many segments of every size that offloads make.
const STREAM: usize = 8 << 20;

/// A server that sends back whatever comes, until the other side has finished.
fn echo(ns: &Ns, port: u16) -> Result<()> {
    let address = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
    let (tcp, udp) = ns.run(|| Ok::<_, std::io::Error>((TcpListener::bind(address)?, UdpSocket::bind(address)?)))?;
    std::thread::spawn(move || {
        for stream in tcp.incoming().flatten() {
            std::thread::spawn(move || std::io::copy(&mut &stream, &mut &stream));
        }
    });
    std::thread::spawn(move || {
        let mut datagram = vec![0; 65536];
        while let Ok((length, from)) = udp.recv_from(&mut datagram) {
            let _ = udp.send_to(&datagram[..length], from);
        }
    });
    Ok(())
}

/// Bytes that repeat nowhere within a packet.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .take(length)
        .collect()
}

fn stream_comes_back(ns: &Ns, to: SocketAddrV4) -> Result<()> {
    ns.run(|| {
        let sent = pattern(STREAM);
        let stream = open(0, to)?;
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                (&stream).write_all(&sent)?;
                stream.shutdown(std::net::Shutdown::Write)
            });
            let mut received = Vec::new();
            (&stream).read_to_end(&mut received)?;
            writer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            ensure!(
                received == sent,
                "{to}: {} of {} bytes, or others",
                received.len(),
                sent.len()
            );
            Ok(())
        })
    })
}

fn datagram_comes_back(ns: &Ns, to: SocketAddrV4, length: usize) -> Result<()> {
    ns.run(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.connect(to)?;
        let (sent, mut received) = (pattern(length), vec![0; 65536]);
        socket.send(&sent)?;
        let got = socket.recv(&mut received)?;
        ensure!(received[..got] == sent, "{to}: {got} of {length} bytes, or others");
        Ok(())
    })
}

#[test]
fn streams_and_fragmented_datagrams_arrive_unchanged() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.vips.insert(("near", BLUE), VIP);
    lab.cluster.vips.insert(("far", BLUE), Ipv4Addr::new(10, 1, 0, 9));
    lab.cluster.ports.insert("far", (8080, 80, Protocol::Tcp));
    lab.cluster.ports.insert("near", (8081, 80, Protocol::Udp));
    let near = lab.cluster.task(1, "near", BLUE, "10.1.0.3", 1);
    let far = lab.cluster.task(2, "far", BLUE, "10.1.0.4", 2);
    let caller = lab.cluster.task(3, "caller", BLUE, "10.1.0.5", 1);
    lab.reconcile()?;
    let (near, far) = (lab.start_container(&near)?, lab.start_container(&far)?);
    echo(&near.ns, 80)?;
    echo(&far.ns, 80)?;
    let caller = lab.start_container(&caller)?;
    for addr in [VIP, Ipv4Addr::new(10, 1, 0, 9), Ipv4Addr::new(10, 1, 0, 4)] {
        let to = SocketAddrV4::new(addr, 80);
        stream_comes_back(&caller.ns, to).map_err(|e| e.context(lab.figures()))?;
        for length in [1, 1400, 4000, 30000] {
            datagram_comes_back(&caller.ns, to, length).map_err(|e| e.context(lab.figures()))?;
        }
    }
    stream_comes_back(&lab.client, SocketAddrV4::new(NODE, 8080)).map_err(|e| e.context(lab.figures()))?;
    for node in [NODE, Ipv4Addr::new(192, 168, 7, 2)] {
        for length in [1, 1300, 4000] {
            let to = SocketAddrV4::new(node, 8081);
            datagram_comes_back(&lab.client, to, length).map_err(|e| e.context(lab.figures()))?;
        }
    }
    Ok(())
}

#[test]
fn the_resolver_tells_callers_with_equal_addresses_apart() -> Result<()> {
    let mut lab = Lab::new()?;
    let blue = lab.cluster.task(1, "blue", BLUE, "10.1.0.3", 1);
    let red = lab.cluster.task(2, "red", RED, "10.1.0.3", 1);
    lab.reconcile()?;
    serve(&lab.nodes[0].resolver()?, 53, "resolver")?;
    let containers = [lab.start_container(&blue)?, lab.start_container(&red)?];
    let clients = agent::network::Network::dns_clients(lab.nodes[0].network()?)
        .borrow()
        .clone();
    for container in &containers {
        for protocol in [Protocol::Tcp, Protocol::Udp] {
            let answer = ask(&container.ns, protocol, RESOLVER, 53);
            let (_, seen): (_, SocketAddr) = answer.map_err(|e| e.context(lab.figures()))?;
            let IpAddr::V4(addr) = seen.ip() else {
                anyhow::bail!("{seen}");
            };
            let index = addr.to_bits() - Ipv4Addr::new(169, 254, 64, 0).to_bits();
            assert_eq!(
                clients.get(&index).map(|(task, _)| *task),
                Some(container.task.id()),
                "{seen}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_virtual_ip_answers_ping_and_refuses_callers_when_nobody_serves() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.vips.insert(("api", BLUE), VIP);
    let api = lab.cluster.task(1, "api", BLUE, "10.1.0.3", 2);
    let caller = lab.cluster.task(2, "web", BLUE, "10.1.0.4", 1);
    lab.reconcile()?;
    let (api, caller) = (lab.start_container(&api)?, lab.start_container(&caller)?);
    serve(&api.ns, 80, "api")?;
    assert!(ping(&caller.ns, VIP)?, "{}", lab.figures());
    assert_eq!(ask(&caller.ns, Protocol::Tcp, VIP, 80)?.0, "api");
    lab.cluster.tasks[0].serving = false;
    lab.reconcile()?;
    let refused = caller.ns.run(|| open(0, SocketAddrV4::new(VIP, 80))).unwrap_err();
    assert_eq!(
        refused.kind(),
        std::io::ErrorKind::ConnectionRefused,
        "{}",
        lab.figures()
    );
    Ok(())
}
