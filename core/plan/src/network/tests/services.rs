//! Frontends, rings and backends: who owns which slot, and who did before.

use super::*;

#[test]
fn a_published_port_appears_only_with_backends_and_goes_with_the_last() {
    let facts = facts(&[]);
    let keys = |tables: &Tables| tables.frontends.keys().copied().collect::<Vec<_>>();
    let mut tables = reached(&view(1, vec![]), &facts);
    assert_eq!(keys(&tables), [virtual_ip()]);
    converge(&mut tables, &view(1, vec![endpoint(4, 2)]), &facts);
    assert_eq!(keys(&tables), [published(), virtual_ip()]);
    converge(&mut tables, &view(1, vec![]), &facts);
    assert_eq!(keys(&tables), [virtual_ip()]);
    assert!(tables.backends.is_empty() && tables.rings.is_empty());
}

#[test]
fn a_virtual_ip_without_backends_keeps_its_row_without_a_ring() {
    let facts = facts(&[]);
    let mut tables = reached(&view(1, vec![endpoint(4, 2)]), &facts);
    assert_eq!(tables.frontends[&virtual_ip()].ring_slots, 251);
    converge(&mut tables, &view(1, vec![]), &facts);
    assert_eq!(tables.frontends[&virtual_ip()].ring_slots, 0);
    let mut without = view(1, vec![]);
    without.services.clear();
    converge(&mut tables, &without, &facts);
    assert!(tables.frontends.is_empty());
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
fn a_port_of_one_node_leads_to_the_task_that_was_given_it() {
    let mut view = view(1, vec![endpoint(3, 1), endpoint(4, 1), endpoint(5, 2)]);
    let port = &mut view.services[0].ports[0];
    port.mode = PublishMode::Host;
    let mut given = crate::container::fixture::task(0);
    given.id = task(4);
    given.host_ports = vec![port.clone()];
    let mut older = given.clone();
    older.id = task(3);
    older.host_ports.clear();
    view.tasks = vec![older, given];
    let tables = reached(&view, &facts(&[3, 4]));
    let owners = owners(&tables, &published());
    assert!(!owners.is_empty() && owners.iter().all(|owner| *owner == Some(ip("10.1.0.4").into())));
}

#[test]
fn a_task_listens_where_its_own_spec_said_that_it_would() {
    let mut view = view(1, vec![endpoint(3, 1), endpoint(4, 2)]);
    view.endpoints[1].spec_version = 2;
    let service = &mut view.services[0];
    let mut before = service.ports.clone();
    before[0].target = 8000;
    service.earlier_ports = vec![model::EarlierPorts {
        spec_version: 1,
        ports: before,
    }];
    let tables = reached(&view, &facts(&[3]));
    let ring = tables.ring(&tables.frontends[&published()]);
    let listens: BTreeMap<Addr, u16> = ring
        .iter()
        .map(|slot| tables.backends[&slot.owner])
        .map(|backend| (backend.addr, backend.port.get()))
        .collect();
    let expected = [(ip("10.1.0.3").into(), 8000), (ip("10.1.0.4").into(), 80)];
    assert_eq!(listens, expected.into());
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
fn of_too_many_earlier_owners_those_on_a_node_that_is_asked_anyway_go_first() {
    let facts = facts(&[4]);
    let on = [1, 2, 2, 2, 2, 2];
    let endpoints = |count: usize| -> Vec<EndpointView> {
        let serving = |index: usize| EndpointView {
            serving: index + 1 == count,
            ..endpoint(4 + index as u8, on[index])
        };
        (0..count).map(serving).collect()
    };
    let mut tables = reached(&view(1, endpoints(1)), &facts);
    for count in 2..=on.len() {
        converge(&mut tables, &view(1, endpoints(count)), &facts);
    }
    let addr = |id: &u32| tables.backends[id].addr;
    for slot in tables.ring(&tables.frontends[&published()]) {
        assert_eq!(addr(&slot.owner), ip("10.1.0.9").into());
        let earlier: Vec<_> = slot.earlier.iter().map(addr).collect();
        let expected = ["10.1.0.8", "10.1.0.7", "10.1.0.4"].map(|text| ip(text).into());
        assert_eq!(earlier, expected, "the only one on the first node stays");
    }
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
