//! Preferences: nodes as a tree, one level for each of them, whose branches are the values of a label. On each level the
//! branch with the fewest tasks of the service is taken, as in Swarm; a node without the label is in a branch of its own.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use model::{Node, NodeId, Service, SpreadOver};
use store::State;

use super::{
    needs::Needs,
    spread::{Rank, next_of},
};

/// A part of the tree.
#[derive(Default)]
pub(super) struct Branch {
    /// Wanted tasks of the service on its nodes.
    tasks: u32,
    /// By value of the next level's label; empty on the last level.
    branches: BTreeMap<String, Branch>,
    /// On the last level: its nodes, the best first.
    nodes: BinaryHeap<Rank>,
}

impl Branch {
    /// The whole tree.
    pub fn over_nodes(state: &State, needs: &Needs<'_>, unlucky: &BTreeMap<NodeId, u32>) -> Self {
        let mut root = Self::default();
        for node in state.nodes() {
            let own = state.load_of_service(needs.service.id, node.id);
            let failures = unlucky.get(&node.id).copied().unwrap_or_default();
            let mut branch = &mut root;
            branch.tasks += own;
            for value in path(needs.service, node) {
                branch = branch.branches.entry(value.to_owned()).or_default();
                branch.tasks += own;
            }
            branch
                .nodes
                .push(Reverse((failures, own, state.load(node.id), node.id)));
        }
        root
    }

    /// The node for the next task. A branch that takes no more is cut off.
    pub fn pick(&mut self, state: &State, needs: &Needs<'_>) -> Option<NodeId> {
        let mut picked = next_of(&mut self.nodes, state, needs);
        while picked.is_none() {
            let fewest = self
                .branches
                .iter()
                .min_by_key(|(value, branch)| (branch.tasks, *value));
            let value = fewest.map(|(value, _)| value.clone())?;
            picked = self
                .branches
                .get_mut(&value)
                .and_then(|branch| branch.pick(state, needs));
            if picked.is_none() {
                self.branches.remove(&value);
            }
        }
        self.tasks += 1;
        picked
    }
}

/// The branches that lead to a node, the coarsest first.
pub(crate) fn path<'a>(service: &'a Service, node: &'a Node) -> impl Iterator<Item = &'a str> {
    let levels = service.spec.placement.preferences.iter();
    levels.map(move |level| value(level, node))
}

fn value<'a>(level: &SpreadOver, node: &'a Node) -> &'a str {
    let value = match level {
        SpreadOver::NodeLabel(name) => node.spec.labels.get(name),
        SpreadOver::EngineLabel(name) => node.description.as_ref().and_then(|d| d.engine_labels.get(name)),
    };
    value.map_or("", String::as_str)
}
