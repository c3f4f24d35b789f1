//! The outside: published ports and the way to the world.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4},
};

use anyhow::Result;
use model::Protocol;
use netns::{BLUE, CLIENT, INGRESS, INNER, Lab, ask, ask_from, open, serve, try_ask};

const NODES: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 7, 1), Ipv4Addr::new(192, 168, 7, 2)];

#[test]
fn a_published_port_answers_on_every_node_and_sees_the_client() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("web", (8080, 80, Protocol::Tcp));
    lab.cluster.ports.insert("dns", (5353, 53, Protocol::Udp));
    let web = lab.cluster.task(1, "web", INGRESS, "10.0.0.3", 2);
    let dns = lab.cluster.task(2, "dns", BLUE, "10.1.0.3", 1);
    lab.reconcile()?;
    let web = lab.start_container(&web)?;
    serve(&web.ns, 80, "web")?;
    let dns = lab.start_container(&dns)?;
    serve(&dns.ns, 53, "dns")?;
    for node in NODES {
        for (protocol, port, name) in [(Protocol::Tcp, 8080, "web"), (Protocol::Udp, 5353, "dns")] {
            for _ in 0..10 {
                let (answer, seen) = ask(&lab.client, protocol, node, port).map_err(|e| e.context(lab.figures()))?;
                assert_eq!((answer.as_str(), seen.ip()), (name, CLIENT.into()));
            }
        }
    }
    Ok(())
}

#[test]
fn one_source_port_of_the_client_reaches_both_nodes_at_once() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("web", (8080, 80, Protocol::Tcp));
    let web = lab.cluster.task(1, "web", INGRESS, "10.0.0.3", 2);
    lab.reconcile()?;
    let web = lab.start_container(&web)?;
    serve(&web.ns, 80, "web")?;
    let figures = || lab.figures();
    lab.client.run(|| -> Result<()> {
        let mut streams = Vec::new();
        for node in NODES {
            streams.push(
                open(40404, SocketAddrV4::new(node, 8080)).map_err(|e| anyhow::Error::from(e).context(figures()))?,
            );
        }
        for _ in 0..3 {
            for stream in &mut streams {
                stream.write_all(b"?")?;
                let mut answer = [0; 64];
                let length = stream.read(&mut answer)?;
                assert!(String::from_utf8_lossy(&answer[..length]).starts_with("web 192.168.7.9:"));
            }
        }
        Ok(())
    })?;
    let remapped = lab.count(0, "event port-remapped")? + lab.count(1, "event port-remapped")?;
    assert_eq!(remapped, 1, "one of the two tuples was taken: {}", lab.figures());
    Ok(())
}

#[test]
fn containers_reach_the_world_unless_their_network_is_internal() -> Result<()> {
    let mut lab = Lab::new()?;
    let open = lab.cluster.task(1, "blue", BLUE, "10.1.0.3", 1);
    let inner = lab.cluster.task(2, "inner", INNER, "10.2.0.3", 1);
    lab.reconcile()?;
    serve(&lab.client, 7000, "world")?;
    let open = lab.start_container(&open)?;
    let inner = lab.start_container(&inner)?;
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let (_, seen) = ask_from(&open.ns, protocol, 0, CLIENT, 7000).map_err(|e| e.context(lab.figures()))?;
        assert_eq!(seen.ip(), NODES[0], "masqueraded with the node's address");
        assert!(seen.port() >= 61000, "{seen}");
        assert_eq!(try_ask(&inner.ns, protocol, CLIENT, 7000), None);
    }
    assert!(lab.count(0, "drop internal-network")? > 0, "{}", lab.figures());
    Ok(())
}

#[test]
fn a_container_reaches_published_ports_and_listeners_of_its_own_node() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("web", (8080, 80, Protocol::Tcp));
    let web = lab.cluster.task(1, "web", INGRESS, "10.0.0.3", 2);
    let caller = lab.cluster.task(2, "blue", BLUE, "10.1.0.3", 1);
    lab.reconcile()?;
    let web = lab.start_container(&web)?;
    serve(&web.ns, 80, "web")?;
    serve(&lab.nodes[0].ns, 9000, "host")?;
    let caller = lab.start_container(&caller)?;
    for node in NODES {
        let answer = try_ask(&caller.ns, Protocol::Tcp, node, 8080);
        assert_eq!(answer.as_deref(), Some("web"), "{node}: {}", lab.figures());
    }
    let answer = try_ask(&caller.ns, Protocol::Tcp, NODES[0], 9000);
    assert_eq!(answer.as_deref(), Some("host"), "{}", lab.figures());
    Ok(())
}

#[test]
fn a_port_that_the_host_listens_on_is_left_alone() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("web", (8080, 80, Protocol::Tcp));
    let web = lab.cluster.task(1, "web", INGRESS, "10.0.0.3", 2);
    serve(&lab.nodes[0].ns, 8080, "host")?;
    lab.reconcile()?;
    let web = lab.start_container(&web)?;
    serve(&web.ns, 80, "web")?;
    assert_eq!(
        try_ask(&lab.client, Protocol::Tcp, NODES[0], 8080).as_deref(),
        Some("host")
    );
    assert_eq!(
        try_ask(&lab.client, Protocol::Tcp, NODES[1], 8080).as_deref(),
        Some("web"),
        "{}",
        lab.figures()
    );
    let report = lab.nodes[0].network()?.report().borrow().clone();
    assert_eq!(report.held.len(), 1, "{report:?}");
    Ok(())
}

#[test]
fn processes_of_a_node_reach_published_ports_by_localhost_and_own_address() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.ports.insert("web", (8080, 80, Protocol::Tcp));
    lab.cluster.ports.insert("dns", (5353, 53, Protocol::Udp));
    let tasks = [
        (lab.cluster.task(1, "web", INGRESS, "10.0.0.3", 2), 80),
        (lab.cluster.task(2, "dns", BLUE, "10.1.0.3", 1), 53),
    ];
    lab.reconcile()?;
    let mut containers = Vec::new();
    for (task, port) in tasks {
        containers.push(lab.start_container(&task)?);
        serve(&containers[containers.len() - 1].ns, port, task.service)?;
    }
    for (node, own) in lab.nodes.iter().zip(NODES) {
        for host in ["127.0.0.1".to_owned(), own.to_string()] {
            for (target, name) in [(format!("tcp/{host}/8080"), "web"), (format!("udp/{host}/5353"), "dns")] {
                let line = format!("exec 3<>/dev/{target}; printf ? >&3; head -c 4 <&3");
                let answer = node
                    .cgroup
                    .bash(&node.ns, &line)
                    .map_err(|e| e.context(lab.figures()))?;
                assert_eq!(answer.trim(), name, "{target} on {own}");
            }
        }
    }
    Ok(())
}
