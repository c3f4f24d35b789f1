//! Which tasks of a service would have to move for all nodes, and on each level of its preferences all branches, to have
//! as many as the others, give or take one. Pure; begun by an operator, carried out by the orchestrator a few at a time.

use std::collections::BTreeMap;

use model::{Mode, NodeId, Rebalance, Service, ServiceId, Timestamp};
use store::{Command, Kind, Refused, View};

use crate::scheduler::{NodePlace, places};

/// One task less here, one more there.
pub(crate) type Move = (NodeId, NodeId);

/// The moves that even out a service, each of which makes it more even. Nodes that take no more tasks lose some, and get
/// none.
pub(crate) fn moves(view: &View, service: &Service, now: Timestamp) -> Vec<Move> {
    let mut places = places(view, service, now);
    let all: u32 = places.iter().map(|place| place.tasks).sum();
    let mut moves = Vec::new();
    for _ in 0..all {
        let Some((from, to)) = step(&places.iter().collect::<Vec<_>>(), 0) else {
            break;
        };
        for place in &mut places {
            place.tasks -= u32::from(place.node == from);
            place.tasks += u32::from(place.node == to);
        }
        moves.push((from, to));
    }
    moves
}

/// The first move that is worth it, from the coarsest level on.
fn step(places: &[&NodePlace], level: usize) -> Option<Move> {
    let mut branches: BTreeMap<&str, Vec<&NodePlace>> = BTreeMap::new();
    for place in places {
        match place.path.get(level) {
            Some(value) => branches.entry(value).or_default().push(place),
            None => return between(places),
        }
    }
    let tasks = |branch: &[&NodePlace]| branch.iter().map(|place| place.tasks).sum::<u32>();
    let most = branches.values().max_by_key(|branch| tasks(branch))?;
    let open = branches
        .values()
        .filter(|branch| branch.iter().any(|place| place.takes));
    if let Some(fewest) = open.min_by_key(|branch| tasks(branch))
        && tasks(most) >= tasks(fewest) + 2
    {
        return Some((fullest(most)?.node, emptiest(fewest)?.node));
    }
    branches.values().find_map(|branch| step(branch, level + 1))
}

/// On the last level: between two nodes.
fn between(places: &[&NodePlace]) -> Option<Move> {
    let (from, to) = (fullest(places)?, emptiest(places)?);
    (from.tasks >= to.tasks + 2).then_some((from.node, to.node))
}

fn fullest<'a>(places: &[&'a NodePlace]) -> Option<&'a NodePlace> {
    places.iter().copied().max_by_key(|place| (place.tasks, place.node))
}

fn emptiest<'a>(places: &[&'a NodePlace]) -> Option<&'a NodePlace> {
    let open = places.iter().copied().filter(|place| place.takes);
    open.min_by_key(|place| (place.tasks, place.node))
}

/// Begins to even out a service, at most `budget` tasks at a time.
///
/// # Errors
/// The service is not there, is not a replicated one, or the budget is 0.
pub fn plan_rebalance_service(view: &View, id: ServiceId, budget: u32, now: Timestamp) -> Result<Command, Refused> {
    let missing = || Refused::NotFound {
        kind: Kind::Service,
        what: id.to_string(),
    };
    let service = view.service(id).ok_or_else(missing)?;
    let name = &service.spec.name;
    if !matches!(service.spec.mode, Mode::Replicated { .. }) {
        let mode = service.spec.mode.word();
        let words = format!("service {name} is a {mode} service: only replicated services can be rebalanced");
        return Err(Refused::Invalid(words));
    }
    if budget == 0 {
        let words = format!("service {name} cannot be rebalanced with a budget of 0: must be at least 1");
        return Err(Refused::Invalid(words));
    }
    let left = u32::try_from(moves(view, service, now).len()).unwrap_or(u32::MAX);
    let rebalance = (left > 0).then_some(Rebalance { budget, left, extra: 0 });
    let version = service.version;
    Ok(Command::Rebalance { id, version, rebalance })
}

#[cfg(test)]
mod tests;
