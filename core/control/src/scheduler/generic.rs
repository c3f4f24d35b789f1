//! Resources with operators' names: which of a node's a task gets.

use std::collections::BTreeSet;

use model::{GenericResource, Node};
use store::View;

/// What a task that wishes for these numbers gets on a node: names where the node gives names, numbers where it gives
/// numbers. `None`: there is not enough left.
pub(super) fn claim(view: &View, wishes: &[GenericResource], node: &Node) -> Option<Vec<GenericResource>> {
    if wishes.is_empty() {
        return Some(Vec::new());
    }
    let offered = node.description.as_ref().map_or(&[][..], |d| &d.generic_resources);
    let on_node = view
        .tasks_on_node(node.id)
        .filter(|task| !task.status.state.is_terminal());
    let mut held: Vec<GenericResource> = on_node
        .flat_map(|task| task.generic_resources.iter().cloned())
        .collect();
    let already = held.len();
    for wish in wishes {
        if let GenericResource::Discrete { kind, amount } = wish {
            let given = take(kind, *amount, offered, &held)?;
            held.extend(given);
        }
    }
    Some(held.split_off(already))
}

fn take(
    kind: &str,
    amount: u64,
    offered: &[GenericResource],
    held: &[GenericResource],
) -> Option<Vec<GenericResource>> {
    let of_kind = |resource: &&GenericResource| resource.kind() == kind;
    let taken: BTreeSet<&GenericResource> = held.iter().collect();
    let named = |resource: &&GenericResource| matches!(resource, GenericResource::Named { .. });
    let free = offered
        .iter()
        .filter(of_kind)
        .filter(named)
        .filter(|r| !taken.contains(r));
    let mut names: Vec<GenericResource> = free.cloned().collect();
    let wished = usize::try_from(amount).ok()?;
    if names.len() >= wished {
        names.truncate(wished);
        return Some(names);
    }
    let left = count(offered.iter().filter(of_kind)).saturating_sub(count(held.iter().filter(of_kind)));
    let kind = kind.to_owned();
    (left >= amount).then(|| vec![GenericResource::Discrete { kind, amount }])
}

fn count<'a>(resources: impl Iterator<Item = &'a GenericResource>) -> u64 {
    let amounts = resources.map(|resource| match resource {
        GenericResource::Discrete { amount, .. } => *amount,
        GenericResource::Named { .. } => 0,
    });
    amounts.fold(0, u64::saturating_add)
}
