//! What one node is told of its tasks that are let go: each once, when all nodes have acknowledged that it takes no new
//! flows.

use std::collections::{BTreeMap, BTreeSet};

use model::TaskId;
use tokio::sync::watch;
use wire::pb;

/// See the module.
pub(super) struct Release {
    reached: watch::Receiver<u64>,
    /// Let go, with the index that all nodes have to reach.
    waiting: BTreeMap<TaskId, u64>,
    told: BTreeSet<TaskId>,
}

impl Release {
    pub fn new(reached: watch::Receiver<u64>) -> Self {
        Self {
            reached,
            waiting: BTreeMap::new(),
            told: BTreeSet::new(),
        }
    }

    /// The node's tasks that are let go are these now.
    pub fn take(&mut self, let_go: BTreeMap<TaskId, u64>) {
        self.told.retain(|task| let_go.contains_key(task));
        self.waiting = let_go;
        self.waiting.retain(|task, _| !self.told.contains(task));
    }

    /// What the node is to be told now.
    pub fn next(&mut self) -> Option<pb::Released> {
        let reached = *self.reached.borrow_and_update();
        let free: Vec<TaskId> = self
            .waiting
            .extract_if(.., |_, index| *index <= reached)
            .map(|(task, _)| task)
            .collect();
        let tasks: Vec<String> = free.iter().map(ToString::to_string).collect();
        self.told.extend(free);
        (!tasks.is_empty()).then_some(pb::Released { tasks })
    }

    /// Waits until there may be something; for ever while nothing is let go.
    pub async fn changed(&mut self) {
        if self.waiting.is_empty() || self.reached.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> TaskId {
        TaskId::from_bits(number)
    }

    #[test]
    fn each_task_is_told_once_when_all_nodes_are_past_its_index() {
        let level = watch::Sender::new(4);
        let mut release = Release::new(level.subscribe());
        let told = |release: &mut Release| release.next().map(|released| released.tasks.len());
        release.take([(id(1), 4), (id(2), 6)].into());
        assert_eq!((told(&mut release), told(&mut release)), (Some(1), None));
        release.take([(id(1), 9), (id(2), 6), (id(3), 6)].into());
        assert_eq!(told(&mut release), None);
        level.send_replace(6);
        assert_eq!((told(&mut release), told(&mut release)), (Some(2), None));
        level.send_replace(20);
        assert_eq!(told(&mut release), None, "its version grows while it ends");
    }
}
