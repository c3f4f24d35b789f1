//! The ended containers that one node keeps for their logs, and which of them it may remove: what the state has forgotten.

use std::collections::BTreeSet;

use model::{NodeId, TaskId};
use store::View;
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};
use wire::pb;

/// Between two looks at what is forgotten.
const LOOK: Duration = Duration::from_secs(1);
/// Of more containers nothing is taken in: a node keeps fewer.
const MOST: usize = 10_000;

/// The set; cheap to clone. Whoever reads a session adds to it, whoever tells the node takes away.
#[derive(Clone, Default)]
pub(super) struct Kept(watch::Sender<BTreeSet<TaskId>>);

impl Kept {
    /// The node has said so. Ids that make no sense name nothing.
    pub fn said(&self, kept: &pb::Kept) {
        let tasks = kept.tasks.iter().filter_map(|id| id.parse::<TaskId>().ok());
        self.0.send_modify(|known| {
            let room = MOST.saturating_sub(known.len());
            known.extend(tasks.take(room));
        });
    }
}

/// What is told of it.
pub(super) struct Clearance {
    node: NodeId,
    kept: Kept,
    /// When it is looked at again.
    next: Instant,
}

impl Clearance {
    pub fn new(node: NodeId, kept: Kept) -> Self {
        let next = Instant::now();
        Self { node, kept, next }
    }

    /// What the node is to be told now.
    pub fn next(&mut self, view: &View) -> Option<pb::Forgotten> {
        let now = Instant::now();
        if now < self.next {
            return None;
        }
        self.next = now + LOOK;
        let gone = control::forgotten(view, self.node, self.kept.0.borrow().iter().copied());
        self.kept.0.send_if_modified(|known| {
            for task in &gone {
                known.remove(task);
            }
            false
        });
        let tasks: Vec<String> = gone.iter().map(ToString::to_string).collect();
        (!tasks.is_empty()).then_some(pb::Forgotten { tasks })
    }
}

#[cfg(test)]
mod tests {
    use store::State;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_nobody_remembers_is_told_once() {
        let (kept, state) = (Kept::default(), State::default());
        let mut clearance = Clearance::new(NodeId::from_bits(1), kept.clone());
        assert_eq!(clearance.next(&state), None);
        let tasks = vec![TaskId::from_bits(1).to_string(), "no id".to_owned()];
        kept.said(&pb::Kept { tasks });
        assert_eq!(clearance.next(&state), None, "not so soon again");
        tokio::time::advance(LOOK).await;
        let told = clearance.next(&state).unwrap();
        assert_eq!(told.tasks, [TaskId::from_bits(1).to_string()]);
        tokio::time::advance(LOOK).await;
        assert_eq!(clearance.next(&state), None);
    }
}
