//! Service to service, across nodes.

use std::{collections::BTreeSet, net::Ipv4Addr};

use anyhow::Result;
use model::Protocol;
use netns::{BLUE, Lab, RED, ask, serve, try_ask};

const VIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 2);

#[test]
fn a_virtual_ip_reaches_every_task_on_every_port() -> Result<()> {
    let mut lab = Lab::new()?;
    lab.cluster.vips.insert(("api", BLUE), VIP);
    let tasks = [
        lab.cluster.task(1, "api", BLUE, "10.1.0.3", 1),
        lab.cluster.task(2, "api", BLUE, "10.1.0.4", 2),
        lab.cluster.task(3, "api", BLUE, "10.1.0.5", 2),
    ];
    let caller = lab.cluster.task(4, "web", BLUE, "10.1.0.6", 1);
    lab.reconcile()?;
    let mut containers = Vec::new();
    for task in &tasks {
        let container = lab.start_container(task)?;
        for port in [80, 5000] {
            serve(&container.ns, port, &format!("api{}", task.number))?;
        }
        containers.push(container);
    }
    let caller = lab.start_container(&caller)?;
    for (protocol, port) in [(Protocol::Tcp, 80), (Protocol::Udp, 5000), (Protocol::Tcp, 5000)] {
        let mut seen = BTreeSet::new();
        for _ in 0..30 {
            let (name, from) = ask(&caller.ns, protocol, VIP, port).map_err(|e| e.context(lab.figures()))?;
            assert_eq!(from.ip(), caller.task.addr, "the caller's own address is seen");
            seen.insert(name);
        }
        assert_eq!(seen.len(), 3, "{protocol} {port}: {seen:?}");
    }
    // A task that asks its own service may get itself.
    for _ in 0..10 {
        ask(&containers[0].ns, Protocol::Tcp, VIP, 80).map_err(|e| e.context(lab.figures()))?;
    }
    Ok(())
}

#[test]
fn networks_with_the_same_subnet_do_not_meet() -> Result<()> {
    let mut lab = Lab::new()?;
    let blue = [
        lab.cluster.task(1, "blue", BLUE, "10.1.0.3", 2),
        lab.cluster.task(2, "blue", BLUE, "10.1.0.4", 1),
        lab.cluster.task(3, "blue", BLUE, "10.1.0.9", 2),
    ];
    let red = [
        lab.cluster.task(4, "red", RED, "10.1.0.3", 2),
        lab.cluster.task(5, "red", RED, "10.1.0.4", 1),
    ];
    lab.reconcile()?;
    let start = |task| {
        let container = lab.start_container(task)?;
        serve(&container.ns, 80, task.service)?;
        anyhow::Ok(container)
    };
    let blue = blue.iter().map(start).collect::<Result<Vec<_>>>()?;
    let red = red.iter().map(start).collect::<Result<Vec<_>>>()?;
    let three = Ipv4Addr::new(10, 1, 0, 3);
    assert_eq!(
        try_ask(&blue[1].ns, Protocol::Tcp, three, 80).as_deref(),
        Some("blue"),
        "{}",
        lab.figures()
    );
    assert_eq!(
        try_ask(&red[1].ns, Protocol::Tcp, three, 80).as_deref(),
        Some("red"),
        "{}",
        lab.figures()
    );
    let nine = Ipv4Addr::new(10, 1, 0, 9);
    assert_eq!(try_ask(&blue[1].ns, Protocol::Udp, nine, 80).as_deref(), Some("blue"));
    assert_eq!(
        try_ask(&red[1].ns, Protocol::Udp, nine, 80),
        None,
        "that address is another network's"
    );
    Ok(())
}

#[test]
fn a_container_cannot_take_anothers_address() -> Result<()> {
    let mut lab = Lab::new()?;
    let victim = lab.cluster.task(1, "blue", BLUE, "10.1.0.3", 2);
    let other = lab.cluster.task(2, "blue", BLUE, "10.1.0.4", 1);
    lab.reconcile()?;
    let victim = lab.start_container(&victim)?;
    serve(&victim.ns, 80, "victim")?;
    let other = lab.start_container(&other)?;
    assert_eq!(
        try_ask(&other.ns, Protocol::Udp, victim.task.addr, 80).as_deref(),
        Some("victim")
    );
    other
        .ns
        .ip("addr del 10.1.0.4/24 dev eth0\naddr add 10.1.0.77/24 dev eth0")?;
    assert_eq!(try_ask(&other.ns, Protocol::Udp, victim.task.addr, 80), None);
    assert!(
        lab.count(0, "drop spoofed-source")? + lab.count(0, "drop spoofed-arp")? > 0,
        "{}",
        lab.figures()
    );
    Ok(())
}
