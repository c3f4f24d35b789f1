//! Crash, restart, change under traffic, and the end.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpStream, UdpSocket},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use aya::programs::{SchedClassifier, TcAttachType};
use model::Protocol;
use netns::{BLUE, INGRESS, Lab, Ns, ask, open, serve};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);
const NODE: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);

/// Asks numbered questions at about 1,000 a second until told to stop; the number that was not answered.
fn numbered_datagrams(ns: &Ns, to: SocketAddrV4, stop: &AtomicBool) -> Result<(u32, u32)> {
    ns.run(|| {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.connect(to)?;
        let (mut sent, mut answered) = (0u32, 0u32);
        let mut answer = [0; 256];
        while !stop.load(Ordering::Relaxed) {
            socket.send(sent.to_string().as_bytes())?;
            sent += 1;
            if let Ok(length) = socket.recv(&mut answer) {
                let wanted = format!(" {}", sent - 1);
                ensure!(
                    String::from_utf8_lossy(&answer[..length]).ends_with(&wanted),
                    "an answer out of order"
                );
                answered += 1;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((sent, answered))
    })
}

/// Asks over one connection until told to stop; the number of answers.
fn one_connection(ns: &Ns, to: SocketAddrV4, stop: &AtomicBool) -> Result<u32> {
    ns.run(|| {
        let mut stream = open(0, to)?;
        let mut answers = 0;
        while !stop.load(Ordering::Relaxed) {
            exchange(&mut stream).with_context(|| format!("after {answers} answers"))?;
            answers += 1;
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(answers)
    })
}

fn exchange(stream: &mut TcpStream) -> Result<String> {
    stream.write_all(b"?")?;
    let mut answer = [0; 256];
    let length = stream.read(&mut answer)?;
    ensure!(length > 0, "the connection was closed");
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
fn a_crash_and_restart_under_traffic_loses_nothing() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.vips.insert(("api", BLUE), VIP);
    lab.cluster.ports.insert("api", (8080, 80, Protocol::Tcp));
    let tasks = [
        lab.cluster.task(1, "api", BLUE, "10.1.0.3", 1),
        lab.cluster.task(2, "api", BLUE, "10.1.0.4", 2),
    ];
    let caller = lab.cluster.task(3, "web", BLUE, "10.1.0.6", 1);
    lab.reconcile()?;
    let _containers = tasks
        .iter()
        .map(|task| {
            let container = lab.start_container(task)?;
            serve(&container.ns, 80, "api")?;
            Ok(container)
        })
        .collect::<Result<Vec<_>>>()?;
    let caller = lab.start_container(&caller)?;
    let (stop, vip, published) = (
        AtomicBool::new(false),
        SocketAddrV4::new(VIP, 80),
        SocketAddrV4::new(NODE, 8080),
    );
    let client = Ns::clone_of(&lab.client)?;
    std::thread::scope(|scope| {
        let datagrams = scope.spawn(|| numbered_datagrams(&caller.ns, vip, &stop));
        let inside = scope.spawn(|| one_connection(&caller.ns, vip, &stop));
        let outside = scope.spawn(|| one_connection(&client, published, &stop));
        let restarts = (|| {
            for round in 0..2 {
                std::thread::sleep(Duration::from_millis(300));
                for node in &mut lab.nodes {
                    node.crash();
                }
                std::thread::sleep(Duration::from_millis(300));
                for node in &mut lab.nodes {
                    node.start().with_context(|| format!("restart {round}"))?;
                }
                lab.reconcile()?;
            }
            std::thread::sleep(Duration::from_millis(300));
            anyhow::Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        let join = |handle: std::thread::ScopedJoinHandle<'_, Result<u32>>| {
            handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let (sent, answered) = datagrams
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        let (inside, outside) = (join(inside)?, join(outside)?);
        restarts?;
        assert!(sent > 500 && inside > 500 && outside > 500, "{sent} {inside} {outside}");
        assert_eq!(sent, answered, "datagrams were lost: {}", lab.figures());
        Ok(())
    })
}

#[test]
fn open_connections_survive_a_change_of_the_ring() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("api", (8080, 80, Protocol::Tcp));
    let first = lab.cluster.task(1, "api", INGRESS, "10.0.0.3", 2);
    lab.reconcile()?;
    let old = lab.start_container(&first)?;
    serve(&old.ns, 80, "old")?;
    let client = Ns::clone_of(&lab.client)?;
    let target = SocketAddrV4::new(NODE, 8080);
    let mut streams = client.run(|| {
        (0..20)
            .map(|_| Ok(open(0, target)?))
            .collect::<Result<Vec<TcpStream>>>()
    })?;
    for stream in &mut streams {
        assert!(exchange(stream)?.starts_with("old "));
    }
    // A second task takes half of the ring, then the first drains.
    let second = lab.cluster.task(2, "api", INGRESS, "10.0.0.4", 1);
    lab.reconcile()?;
    let new = lab.start_container(&second)?;
    serve(&new.ns, 80, "new")?;
    for stream in &mut streams {
        assert!(
            exchange(stream)
                .map_err(|e| e.context(lab.figures()))?
                .starts_with("old ")
        );
    }
    lab.cluster.tasks[0].serving = false;
    lab.reconcile()?;
    for stream in &mut streams {
        assert!(
            exchange(stream)
                .map_err(|e| e.context(lab.figures()))?
                .starts_with("old ")
        );
    }
    for _ in 0..10 {
        let (name, _) = ask(&client, Protocol::Tcp, NODE, 8080).map_err(|e| e.context(lab.figures()))?;
        assert_eq!(name, "new", "a draining task gets no new connection");
    }
    Ok(())
}

#[test]
fn a_removed_service_leaves_no_row() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.vips.insert(("api", BLUE), VIP);
    lab.cluster.ports.insert("api", (8080, 80, Protocol::Tcp));
    let task = lab.cluster.task(1, "api", BLUE, "10.1.0.3", 1);
    let caller = lab.cluster.task(2, "web", BLUE, "10.1.0.6", 2);
    lab.reconcile()?;
    let (task, caller) = (lab.start_container(&task)?, lab.start_container(&caller)?);
    serve(&task.ns, 80, "api")?;
    ask(&caller.ns, Protocol::Tcp, VIP, 80).map_err(|e| e.context(lab.figures()))?;
    ask(&lab.client, Protocol::Tcp, NODE, 8080).map_err(|e| e.context(lab.figures()))?;
    lab.cluster.tasks.clear();
    lab.reconcile()?;
    for node in [0, 1] {
        let uplinks = lab.count(node, "map PORT")?;
        assert_eq!(uplinks, 1, "node {node}, its uplink apart: {}", lab.figures());
        for map in ["ENDPOINT", "DNS_CLIENT", "BACKEND", "FRONTEND", "CT", "REV", "SNAT"] {
            assert_eq!(
                lab.count(node, &format!("map {map}"))?,
                0,
                "node {node}: {}",
                lab.figures()
            );
        }
        let links = lab
            .counts(node)?
            .into_iter()
            .filter(|(name, _)| name.starts_with("link "))
            .count();
        assert_eq!(links, 4, "only the node's own links are left");
    }
    Ok(())
}

#[test]
fn detach_all_leaves_nothing() -> Result<()> {
    let mut lab = Lab::new()?;
    let task = lab.cluster.task(1, "api", BLUE, "10.1.0.3", 1);
    lab.reconcile()?;
    let _container = lab.start_container(&task)?;
    let before = lab.nodes[0].ns.output("ip -o link")?;
    assert!(before.contains("ntl-vx0") && lab.nodes[0].pins().exists(), "{before}");
    lab.detach_all(0)?;
    let links = lab.nodes[0].ns.output("ip -o link")?;
    assert!(!links.contains("ntl"), "{links}");
    let programs = || Ok(SchedClassifier::query_tcx("eth0", TcAttachType::Ingress)?.1.len());
    let programs: Result<usize> = lab.nodes[0].ns.run(programs);
    assert_eq!(programs?, 0, "the uplink is as it was");
    assert!(!lab.nodes[0].pins().exists(), "pins are gone");
    let routes = lab.nodes[0].ns.output("ip route")?;
    assert!(!routes.contains("169.254"), "{routes}");
    // And it may begin again.
    lab.nodes[0].start()?;
    lab.reconcile()
}

#[test]
fn a_busy_data_port_is_refused_with_the_option_that_helps() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.nodes[0]
        .ns
        .ip("link add name other type vxlan external dstport 4789\nlink set dev other up")?;
    let error = lab.reconcile().unwrap_err().to_string();
    assert!(error.contains("4789") && error.contains("--data-path-port"), "{error}");
    Ok(())
}

#[test]
fn programs_follow_new_devices_and_addresses() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("api", (8080, 80, Protocol::Tcp));
    let task = lab.cluster.task(1, "api", INGRESS, "10.0.0.3", 2);
    lab.reconcile()?;
    let task = lab.start_container(&task)?;
    serve(&task.ns, 80, "api")?;
    lab.nodes[0].ns.ip("addr add 192.168.7.77/24 dev eth0")?;
    let added = Ipv4Addr::new(192, 168, 7, 77);
    let deadline = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < deadline {
        if ask(&lab.client, Protocol::Tcp, added, 8080).is_ok() {
            return Ok(());
        }
    }
    anyhow::bail!("an address that was added later does not answer: {}", lab.figures())
}
