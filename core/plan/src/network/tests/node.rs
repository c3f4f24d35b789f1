//! The node itself: its links, addresses and programs.

use super::*;

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
fn programs_hang_on_addressed_devices_of_the_host_and_on_ours() {
    let hooks = reached(&view(1, vec![]), &facts(&[])).hooks;
    let expected = [
        (2, Hook::FromUplink),
        (4, Hook::FromOverlay),
        (6, Hook::FromHost),
        (7, Hook::FromHost),
    ];
    assert_eq!(hooks, BTreeMap::from(expected));
}

#[test]
fn packets_of_containers_leave_with_the_address_of_the_device_they_leave_by() {
    let mut facts = facts(&[]);
    let second = super::link(8, &["2001:db8::1", "203.0.113.5", "203.0.113.6"]);
    let eth0 = facts.links.get_mut("eth0").unwrap();
    eth0.addrs.insert(0, ip("198.51.100.1"));
    facts.links.insert("eth2".to_owned(), second);
    let mut tables = reached(&view(1, vec![]), &facts);
    let sources = |tables: &Tables| -> Vec<(u32, abi::Addr)> {
        tables.ports.iter().map(|(index, row)| (*index, row.addr)).collect()
    };
    let (first, second) = ((2, ip("192.0.2.1").into()), (8, ip("203.0.113.5").into()));
    assert_eq!(sources(&tables), [first, second]);
    facts.links.remove("eth2");
    converge(&mut tables, &view(1, vec![]), &facts);
    assert_eq!(sources(&tables), [first]);
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
