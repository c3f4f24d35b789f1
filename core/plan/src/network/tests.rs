//! Plans of small clusters: what becomes visible when, and that a plan can be cut anywhere.

use std::{collections::BTreeMap, net::IpAddr};

use abi::{Addr, BACKEND_DRAINING, FRONTEND_HELD, Frontend, FrontendKey, SCOPE_PUBLISHED};
use model::{
    ClusterId, EndpointView, NetworkId, NetworkView, NodeId, NodeView, PeerView, Protocol, PublishMode, PublishedPort,
    ServiceId, ServiceView, TaskId, VirtualIp,
};

use super::*;

const BLUE: NetworkId = NetworkId::from_bits(1);
const RED: NetworkId = NetworkId::from_bits(2);
const WEB: ServiceId = ServiceId::from_bits(1);
const VIP: &str = "10.1.0.2";

fn node(number: u128) -> NodeId {
    NodeId::from_bits(number)
}

fn task(number: u128) -> TaskId {
    TaskId::from_bits(number << 64 | number)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn network(id: NetworkId, vni: u32) -> NetworkView {
    NetworkView {
        id,
        name: format!("net-{vni}").parse().unwrap(),
        vni: vni.try_into().unwrap(),
        subnet: "10.1.0.0/24".parse().unwrap(),
        gateway: ip("10.1.0.1"),
        internal: false,
        ingress: false,
    }
}

/// Task `number` of the web service on node `on`, at 10.1.0.(number).
fn endpoint(number: u8, on: u128) -> EndpointView {
    EndpointView {
        task: task(number.into()),
        service: WEB,
        slot: u32::from(number).try_into().unwrap(),
        network: BLUE,
        addr: IpAddr::from([10, 1, 0, number]),
        node: node(on),
        gateway: true,
        serving: true,
    }
}

/// Two nodes, a blue and a red network with the same subnet, one published service on blue.
fn view(here: u128, endpoints: Vec<EndpointView>) -> NodeView {
    let peer = |number: u8| PeerView {
        node: node(number.into()),
        hostname: format!("n{number}"),
        vtep: IpAddr::from([192, 0, 2, number]),
    };
    NodeView {
        seq: 1,
        cluster: ClusterId::from_bits(9),
        node: node(here),
        data_port: 4789,
        container_mtu: 1450,
        peers: vec![peer(1), peer(2)],
        networks: vec![network(BLUE, 4097), network(RED, 4098)],
        tasks: Vec::new(),
        endpoints,
        services: vec![ServiceView {
            id: WEB,
            name: "web".parse().unwrap(),
            vips: vec![VirtualIp {
                network: BLUE,
                addr: ip(VIP),
            }],
            aliases: Vec::new(),
            ports: vec![PublishedPort {
                published: 8080,
                target: 80,
                protocol: Protocol::Tcp,
                mode: PublishMode::Ingress,
            }],
        }],
    }
}

fn link(index: u32, addrs: &[&str]) -> Link {
    Link {
        index,
        mac: [2, 0, 0, 0, 0, index as u8],
        mtu: 1500,
        up: true,
        ethernet: true,
        addrs: addrs.iter().map(|a| ip(a)).collect(),
        peer_netns: None,
    }
}

/// A host with one uplink, our own links, and links for these tasks on blue.
fn facts(tasks: &[u8]) -> LocalFacts {
    let mut lo = link(1, &["127.0.0.1"]);
    lo.ethernet = false;
    let mut links = BTreeMap::from([
        ("lo".to_owned(), lo),
        ("eth0".to_owned(), link(2, &["192.0.2.1"])),
        ("eth1".to_owned(), link(3, &[])),
        (OVERLAY_LINK.to_owned(), link(4, &[])),
        (HOST_LINK.to_owned(), link(5, &["169.254.63.53"])),
        (HOST_PEER_LINK.to_owned(), link(6, &[])),
    ]);
    for number in tasks {
        let name = link_name(task((*number).into()), BLUE);
        links.insert(name, link(100 + u32::from(*number), &[]));
    }
    LocalFacts {
        links,
        netns_cookie: 7,
        ..LocalFacts::default()
    }
}

fn published() -> FrontendKey {
    FrontendKey {
        scope: SCOPE_PUBLISHED,
        port: abi::Be16::new(8080),
        proto: 6,
        ..FrontendKey::default()
    }
}

fn virtual_ip() -> FrontendKey {
    FrontendKey {
        scope: 4097,
        addr: ip(VIP).into(),
        ..FrontendKey::default()
    }
}

fn converge(tables: &mut Tables, view: &NodeView, facts: &LocalFacts) {
    let steps = steps(tables, &desired(view, facts).unwrap());
    assert_eq!(steps.problems, []);
    for op in &steps.ops {
        tables.apply(op);
    }
}

fn reached(view: &NodeView, facts: &LocalFacts) -> Tables {
    let mut tables = Tables::default();
    converge(&mut tables, view, facts);
    tables
}

/// Addresses of a frontend's owners, slot by slot.
fn owners(tables: &Tables, key: &FrontendKey) -> Vec<Option<Addr>> {
    let slots = tables.ring(&tables.frontends[key]).iter();
    slots
        .map(|slot| tables.backends.get(&slot.owner).map(|row| row.addr))
        .collect()
}

/// No frontend without its ring, no slot that names a backend that is not there.
fn assert_consistent(tables: &Tables, cut: usize) {
    for (key, frontend) in &tables.frontends {
        let slots = tables.ring(frontend);
        assert!(!slots.is_empty(), "after {cut} steps {key:?} has no ring");
        for id in slots.iter().flat_map(|slot| [slot.owner, slot.earlier[0]]) {
            assert!(
                id == 0 || tables.backends.contains_key(&id),
                "after {cut} steps a slot of {key:?} names {id}"
            );
        }
    }
    for (index, port) in &tables.ports {
        assert!(
            tables.dns_clients.contains_key(&port.index),
            "after {cut} steps port {index} has no DNS row"
        );
    }
}

fn assert_safe_at_every_cut(from: &Tables, view: &NodeView, facts: &LocalFacts) {
    let ops = steps(from, &desired(view, facts).unwrap()).ops;
    for cut in 0..=ops.len() {
        let mut tables = from.clone();
        ops[..cut].iter().for_each(|op| tables.apply(op));
        assert_consistent(&tables, cut);
        converge(&mut tables, view, facts);
        let mut left = steps(&tables, &desired(view, facts).unwrap()).ops;
        left.retain(|op| op.phase() != Phase::DropLinks);
        assert_eq!(left, [], "after a cut at {cut} the next plan finishes the work");
    }
}

#[test]
fn a_second_run_has_nothing_to_do() {
    let (view, facts) = (view(1, vec![endpoint(3, 1), endpoint(4, 2)]), facts(&[3]));
    let tables = reached(&view, &facts);
    assert_eq!(steps(&tables, &desired(&view, &facts).unwrap()).ops, []);
}

#[test]
fn a_plan_can_be_cut_anywhere() {
    let facts = facts(&[3]);
    let small = view(1, vec![endpoint(3, 1)]);
    let large = view(1, vec![endpoint(3, 1), endpoint(4, 2), endpoint(5, 2)]);
    let other = view(1, vec![endpoint(6, 2)]);
    let empty = view(1, vec![]);
    let views = [&empty, &small, &large, &other];
    for from in views {
        for to in views {
            assert_safe_at_every_cut(&reached(from, &facts), to, &facts);
        }
    }
}

#[test]
fn a_frontend_appears_only_with_backends_and_goes_with_the_last() {
    let facts = facts(&[]);
    assert!(reached(&view(1, vec![]), &facts).frontends.is_empty());
    let mut tables = reached(&view(1, vec![endpoint(4, 2)]), &facts);
    assert_eq!(
        tables.frontends.keys().copied().collect::<Vec<_>>(),
        [published(), virtual_ip()]
    );
    converge(&mut tables, &view(1, vec![]), &facts);
    assert!(tables.frontends.is_empty() && tables.backends.is_empty() && tables.rings.is_empty());
}

#[test]
fn a_virtual_ip_keeps_the_port_and_a_published_port_gets_its_target() {
    let tables = reached(&view(1, vec![endpoint(4, 2)]), &facts(&[]));
    let backend = |key: &FrontendKey| tables.backends[&tables.ring(&tables.frontends[key])[0].owner];
    assert_eq!(
        (backend(&virtual_ip()).port.get(), backend(&virtual_ip()).proto),
        (0, 0)
    );
    assert_eq!((backend(&published()).port.get(), backend(&published()).proto), (80, 6));
}

#[test]
fn published_rings_are_the_same_on_every_node() {
    let endpoints = vec![endpoint(3, 1), endpoint(4, 2), endpoint(5, 2)];
    let first = reached(&view(1, endpoints.clone()), &facts(&[3]));
    let mut other_facts = facts(&[4, 5]);
    other_facts.links.get_mut("eth0").unwrap().addrs = vec![ip("192.0.2.2")];
    let reversed = endpoints.iter().rev().cloned().collect();
    // The second node has had other backends before, so its ids differ.
    let mut second = reached(&view(2, vec![endpoint(9, 2), endpoint(8, 2)]), &other_facts);
    converge(&mut second, &view(2, reversed), &other_facts);
    assert_eq!(owners(&first, &published()), owners(&second, &published()));
    assert_ne!(first.backends, second.backends);
}

#[test]
fn a_slot_that_moves_remembers_its_owner_until_that_is_gone() {
    let facts = facts(&[]);
    let mut tables = reached(&view(1, vec![endpoint(4, 2)]), &facts);
    let before = tables.frontends[&published()];
    converge(&mut tables, &view(1, vec![endpoint(4, 2), endpoint(5, 2)]), &facts);
    let after = tables.frontends[&published()];
    assert_ne!(before.ring_base, after.ring_base, "a ring in use is never written");
    let moved: Vec<_> = tables.ring(&after).iter().filter(|slot| slot.earlier[0] != 0).collect();
    assert!(moved.len() > 400, "{} slots moved", moved.len());
    assert!(
        moved
            .iter()
            .all(|slot| tables.backends[&slot.earlier[0]].addr == ip("10.1.0.4").into())
    );
    converge(&mut tables, &view(1, vec![endpoint(5, 2)]), &facts);
    let slots = tables.ring(&tables.frontends[&published()]);
    assert!(slots.iter().all(|slot| slot.earlier == [0; 3]));
}

#[test]
fn a_draining_backend_keeps_its_row_but_owns_no_slot() {
    let facts = facts(&[]);
    let mut tables = reached(&view(1, vec![endpoint(4, 2), endpoint(5, 2)]), &facts);
    let mut draining = endpoint(4, 2);
    draining.serving = false;
    converge(&mut tables, &view(1, vec![draining.clone(), endpoint(5, 2)]), &facts);
    let four = tables.backends.values().filter(|row| row.addr == ip("10.1.0.4").into());
    assert!(four.clone().count() == 2 && four.clone().all(|row| row.flags & BACKEND_DRAINING != 0));
    assert!(
        owners(&tables, &published())
            .iter()
            .all(|owner| *owner == Some(ip("10.1.0.5").into()))
    );
    // The last one that serves goes: its open connections and those of the draining one are still found.
    let mut last = endpoint(5, 2);
    last.serving = false;
    converge(&mut tables, &view(1, vec![draining, last]), &facts);
    let slots = tables.ring(&tables.frontends[&published()]);
    assert!(slots.iter().all(|slot| slot.owner == 0 && slot.earlier[0] != 0));
}

#[test]
fn numbers_are_adopted_after_a_restart() {
    let facts = facts(&[3, 4]);
    let mut tables = reached(&view(1, vec![endpoint(2, 1), endpoint(3, 1), endpoint(4, 1)]), &facts);
    converge(&mut tables, &view(1, vec![endpoint(3, 1), endpoint(4, 1)]), &facts);
    let steps = steps(
        &tables.clone(),
        &desired(&view(1, vec![endpoint(4, 1), endpoint(3, 1)]), &facts).unwrap(),
    );
    assert_eq!(steps.ops, []);
}

#[test]
fn a_local_endpoint_is_known_once_its_link_is_there() {
    let view = view(1, vec![endpoint(3, 1), endpoint(4, 2)]);
    let without = reached(&view, &facts(&[]));
    assert_eq!(without.endpoints.len(), 1, "the remote one");
    let with = reached(&view, &facts(&[3]));
    let key = abi::EndpointKey {
        vni: 4097,
        addr: ip("10.1.0.3").into(),
    };
    assert_eq!(with.endpoints[&key].ifindex, 103);
    assert_eq!(with.hooks[&103], Hook::FromContainer);
    assert_eq!((with.ports[&103].index, with.ports[&103].prefix), (1, 120));
}

#[test]
fn links_of_nobody_are_deleted_last() {
    let ops = steps(
        &reached(&view(1, vec![endpoint(3, 1)]), &facts(&[3])),
        &desired(&view(1, vec![]), &facts(&[3])).unwrap(),
    )
    .ops;
    assert_eq!(ops.last(), Some(&Op::DeleteLink(link_name(task(3), BLUE))));
}

#[test]
fn a_held_port_is_marked_and_reported() {
    let mut facts = facts(&[]);
    facts.held.insert((8080, Protocol::Tcp));
    let view = view(1, vec![endpoint(4, 2)]);
    let plan = desired(&view, &facts).unwrap();
    assert_eq!(plan.held.len(), 1);
    let mut tables = reached(&view, &facts);
    assert_eq!(tables.frontends[&published()].flags, FRONTEND_HELD);
    let base = tables.frontends[&published()].ring_base;
    facts.held.clear();
    converge(&mut tables, &view, &facts);
    let expected = Frontend {
        flags: 0,
        ring_base: base,
        ..tables.frontends[&published()]
    };
    assert_eq!(tables.frontends[&published()], expected, "the ring stays where it is");
}

#[test]
fn programs_hang_on_addressed_devices_of_the_host_and_on_ours() {
    let hooks = reached(&view(1, vec![]), &facts(&[])).hooks;
    let expected = [(2, Hook::FromUplink), (4, Hook::FromOverlay), (6, Hook::FromHost)];
    assert_eq!(hooks, BTreeMap::from(expected));
}

#[test]
fn own_links_and_loopback_are_no_addresses_of_the_host() {
    let tables = reached(&view(1, vec![]), &facts(&[]));
    assert_eq!(
        tables.host_addrs.into_iter().collect::<Vec<_>>(),
        [ip("192.0.2.1").into()]
    );
}

#[test]
fn a_view_without_its_own_node_is_refused() {
    let mut view = view(1, vec![]);
    view.peers.remove(0);
    assert_eq!(desired(&view, &facts(&[])).unwrap_err(), Unready::NotAPeer(node(1)));
}

#[test]
fn a_full_ring_array_leaves_the_old_frontend_and_is_reported() {
    let facts = facts(&[]);
    let mut tables = reached(&view(1, vec![endpoint(4, 2)]), &facts);
    let before = tables.frontends[&published()];
    let blocker = FrontendKey {
        scope: 5000,
        ..FrontendKey::default()
    };
    let row = Frontend {
        ring_base: tables
            .rings
            .iter()
            .map(|(base, slots)| base + slots.len() as u32)
            .max()
            .unwrap(),
        ring_slots: abi::RING_MAX,
        ..Frontend::default()
    };
    tables.frontends.insert(blocker, row);
    let plan = desired(&view(1, vec![endpoint(5, 2)]), &facts).unwrap();
    let numbered = number(&tables, &plan);
    assert_eq!(numbered.problems.len(), 2, "{:?}", numbered.problems);
    assert_eq!(numbered.tables.frontends[&published()], before);
    assert!(numbered.problems[0].to_string().contains(":8080"));
}
