//! Steps: their order, that a plan can be cut anywhere, that what is there is adopted.

use super::*;

/// No frontend without its ring, no slot that names a backend that is not there.
fn assert_consistent(tables: &Tables, cut: usize) {
    for (key, frontend) in &tables.frontends {
        let slots = tables.ring(frontend);
        assert_eq!(
            slots.len(),
            frontend.ring_slots as usize,
            "after {cut} steps {key:?} has no ring"
        );
        for id in slots.iter().flat_map(|slot| [slot.owner, slot.earlier[0]]) {
            assert!(
                id == 0 || tables.backends.contains_key(&id),
                "after {cut} steps a slot of {key:?} names {id}"
            );
        }
    }
    // Those of index 0 are of devices that lead out.
    for (index, port) in tables.ports.iter().filter(|(_, port)| port.index != 0) {
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
fn links_of_nobody_are_deleted_last() {
    let ops = steps(
        &reached(&view(1, vec![endpoint(3, 1)]), &facts(&[3])),
        &desired(&view(1, vec![]), &facts(&[3])).unwrap(),
    )
    .ops;
    assert_eq!(ops.last(), Some(&Op::DeleteLink(link_name(task(3), BLUE))));
}
