//! A view that an earlier run saved, and a kernel that knows more.

use super::*;

/// As [`converge`], by a view that the managers have not confirmed.
fn adopt(tables: &mut Tables, view: &NodeView, facts: &LocalFacts) {
    let plan = desired(view, facts).unwrap();
    let ops = steps_by_saved(tables, &plan, facts).ops;
    assert!(ops.iter().all(|op| !matches!(op, Op::DeleteLink(_))), "{ops:?}");
    ops.iter().for_each(|op| tables.apply(op));
    assert_eq!(
        steps_by_saved(tables, &plan, facts).ops,
        [],
        "a second run has nothing to do"
    );
}

fn key(number: u8) -> abi::EndpointKey {
    abi::EndpointKey {
        vni: 4097,
        addr: IpAddr::from([10, 1, 0, number]).into(),
    }
}

/// The numbers of the tasks to which new flows of a frontend go.
fn targets(tables: &Tables, frontend: &FrontendKey) -> Vec<u8> {
    let owners = owners(tables, frontend);
    let leads = |number: &u8| owners.contains(&Some(key(*number).addr));
    (1..10).filter(leads).collect()
}

#[test]
fn what_was_started_since_the_view_was_saved_stays() {
    let facts = facts(&[3, 4]);
    let mut tables = reached(&view(1, vec![endpoint(3, 1), endpoint(4, 1), endpoint(5, 2)]), &facts);
    let before = tables.clone();
    let older = view(1, vec![endpoint(3, 1)]);
    adopt(&mut tables, &older, &facts);
    assert_eq!(tables, before);
    converge(&mut tables, &older, &facts);
    assert!(!tables.ports.contains_key(&104), "the managers have spoken");
    assert_eq!(targets(&tables, &published()), [3]);
}

#[test]
fn tasks_that_took_the_place_of_those_that_the_view_names_go_on_serving() {
    let facts = facts(&[4]);
    let mut tables = reached(&view(1, vec![endpoint(4, 1), endpoint(5, 2)]), &facts);
    adopt(&mut tables, &view(1, vec![endpoint(6, 1), endpoint(7, 2)]), &facts);
    for frontend in [published(), virtual_ip()] {
        assert_eq!(targets(&tables, &frontend), [4, 5]);
    }
}

#[test]
fn a_service_that_the_view_does_not_name_goes_on_serving() {
    let facts = facts(&[3]);
    let mut tables = reached(&view(1, vec![endpoint(3, 1)]), &facts);
    let before = tables.frontends.clone();
    let mut older = view(1, vec![]);
    older.services.clear();
    older.peers.remove(1);
    adopt(&mut tables, &older, &facts);
    assert_eq!((&tables.frontends, tables.peers.len()), (&before, 2));
    let mut held = facts.clone();
    held.held.insert((8080, Protocol::Tcp));
    adopt(&mut tables, &older, &held);
    assert_eq!(
        tables.frontends[&published()].flags,
        FRONTEND_HELD,
        "somebody else has the port"
    );
}

#[test]
fn a_container_that_has_ended_takes_no_new_flows_whether_or_not_the_view_names_it() {
    let all = view(1, vec![endpoint(3, 1), endpoint(4, 1), endpoint(5, 2)]);
    let mut down = endpoint(3, 1);
    down.serving = false;
    for older in [vec![down.clone(), endpoint(5, 2)], vec![down]] {
        let mut tables = reached(&all, &facts(&[3, 4]));
        adopt(&mut tables, &view(1, older), &facts(&[]));
        for number in [3, 4] {
            let rows = tables.backends.values().filter(|row| row.addr == key(number).addr);
            assert!(rows.clone().count() == 2 && rows.clone().all(|row| row.flags & BACKEND_DRAINING != 0));
            assert!(!tables.endpoints.contains_key(&key(number)));
        }
        assert!(
            tables.ports.keys().eq([&2]) && tables.dns_clients.is_empty(),
            "the uplink"
        );
        for frontend in [published(), virtual_ip()] {
            assert_eq!(targets(&tables, &frontend), [5]);
        }
    }
}

#[test]
fn the_last_container_that_ends_leaves_a_service_of_which_the_view_does_not_know_without_any() {
    let mut tables = reached(&view(1, vec![endpoint(3, 1)]), &facts(&[3]));
    adopt(&mut tables, &view(1, vec![]), &facts(&[]));
    for frontend in [published(), virtual_ip()] {
        assert!(owners(&tables, &frontend).iter().all(Option::is_none));
    }
}

#[test]
fn an_address_that_a_container_of_this_node_has_is_not_given_to_an_older_owner() {
    let facts = facts(&[4]);
    let mut tables = reached(&view(1, vec![endpoint(4, 1)]), &facts);
    let elsewhere = || EndpointView {
        task: task(9),
        ..endpoint(4, 2)
    };
    adopt(&mut tables, &view(1, vec![elsewhere()]), &facts);
    assert_eq!(tables.endpoints[&key(4)].ifindex, 104);
    converge(&mut tables, &view(1, vec![elsewhere()]), &facts);
    assert_eq!(tables.endpoints[&key(4)].ifindex, 0);
}

#[test]
fn a_node_that_boots_alone_serves_what_its_saved_view_says() {
    let (mut small, facts) = (view(1, vec![endpoint(3, 1), endpoint(4, 2)]), facts(&[3]));
    let mut tables = Tables::default();
    adopt(&mut tables, &small, &facts);
    assert_eq!(tables, reached(&small, &facts));
    small.endpoints[0].serving = false;
    adopt(&mut tables, &small, &facts);
    assert_eq!(targets(&tables, &published()), [4]);
    small.endpoints[0].serving = true;
    adopt(&mut tables, &small, &facts);
    assert_eq!(targets(&tables, &published()), [3, 4], "one that is well again");
}
