//! A service that is being evened out: the next few tasks move when the last few run. How many replicas it has meanwhile
//! says [`Rebalance::extra`]; with stop-first tasks are replaced in their slots, with start-first a slot more comes and
//! then one goes.

use model::{Rebalance, Service, Slot, Task, TaskState, UpdateOrder};
use store::Command;

use super::SlotTasks;
use crate::{
    draft::Draft,
    rebalance::{Move, moves},
};

/// What a step of it comes to.
#[derive(Default)]
pub(super) struct Step {
    /// Slots beyond the replicas.
    pub extra: u32,
    /// Slots whose tasks are to be replaced.
    pub move_away: Vec<Slot>,
}

/// Decides the next step; `slots` are all slots of the service.
pub(super) fn step(draft: &mut Draft<'_>, service: &Service, replicas: u32, slots: &[SlotTasks<'_>]) -> Step {
    let Some(rebalance) = service.rebalance else {
        return Step::default();
    };
    let current: Vec<&Task> = slots.iter().filter_map(SlotTasks::current).collect();
    let runs = |task: &&Task| task.status.state == TaskState::Running;
    let all = current.len() == (replicas + rebalance.extra) as usize && current.iter().all(runs);
    if !all || draft.base().has_outdated_tasks(service) {
        return Step {
            extra: rebalance.extra,
            ..Step::default()
        };
    }
    let (step, next) = advance(draft, service, rebalance, &current);
    draft.decide_service(Command::Rebalance {
        id: service.id,
        version: service.version,
        rebalance: next,
    });
    step
}

/// All tasks run: those that are too many go, or the next few move.
fn advance(draft: &Draft<'_>, service: &Service, rebalance: Rebalance, current: &[&Task]) -> (Step, Option<Rebalance>) {
    if rebalance.extra > 0 {
        return (Step::default(), Some(Rebalance { extra: 0, ..rebalance }));
    }
    let mut moves = moves(draft.base(), service, draft.now);
    moves.truncate(rebalance.budget.min(rebalance.left) as usize);
    if moves.is_empty() {
        return (Step::default(), None);
    }
    let count = u32::try_from(moves.len()).unwrap_or(rebalance.left);
    let left = rebalance.left.saturating_sub(count);
    let order = service.spec.update.unwrap_or_default().order;
    if order == UpdateOrder::StartFirst {
        let step = Step {
            extra: count,
            ..Step::default()
        };
        let next = Rebalance {
            left,
            extra: count,
            ..rebalance
        };
        return (step, Some(next));
    }
    let step = Step {
        move_away: leaving(&moves, current),
        ..Step::default()
    };
    (step, Some(Rebalance { left, ..rebalance }))
}

/// Slots with tasks where one has to leave, those with the highest numbers.
fn leaving(moves: &[Move], current: &[&Task]) -> Vec<Slot> {
    let mut leaving: Vec<Slot> = Vec::new();
    for (from, _) in moves {
        let mut there = current.iter().rev().filter(|task| task.node == Some(*from));
        leaving.extend(there.find(|task| !leaving.contains(&task.slot)).map(|task| task.slot));
    }
    leaving
}
