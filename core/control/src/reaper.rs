//! Which tasks are forgotten: those never placed and not wanted any more, those of removed services and slots once they
//! have ended, and the oldest of each slot's history. A task on an unreachable node may run, and keeps its addresses:
//! it counts as ended when its node says so, is removed, or has been down for a day.

use std::time::Duration;

use model::{DesiredState, NodeState, ServiceId, Task, TaskId};
use store::{Command, TaskOp, View};

use crate::{
    dirty::Scope,
    draft::Draft,
    orchestrator::{tasks_of, witness},
};

/// As in Swarm.
const ORPHANED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Reaps among the tasks of a service, also of a removed one.
pub(crate) fn reap(draft: &mut Draft<'_>, service: ServiceId, scope: &Scope) {
    let (lost, mut gone) = look(draft, service, scope);
    if !lost.is_empty() {
        let at = draft.now;
        for task in lost {
            draft.decide(TaskOp::Orphan { task, at });
        }
        (_, gone) = look(draft, service, scope);
    }
    for task in gone {
        draft.decide(TaskOp::Remove { task });
    }
}

/// The tasks that count as ended, and those that are to be forgotten.
fn look(draft: &Draft<'_>, service: ServiceId, scope: &Scope) -> (Vec<TaskId>, Vec<TaskId>) {
    let state = draft.state();
    let tasks: Vec<&Task> = tasks_of(state, service, scope).collect();
    let chosen = |is: &dyn Fn(&Task) -> bool| {
        let chosen = tasks.iter().filter(|task| is(task));
        chosen.map(|task| task.id).collect::<Vec<_>>()
    };
    let mut gone = chosen(&|task| is_forgotten(state, task));
    gone.extend(beyond_history(state, service, &tasks));
    (chosen(&|task| is_lost(draft, task)), gone)
}

/// Secrets and configs that were rotated and that nobody uses any more, nor can come back to.
pub(crate) fn reap_payloads(view: &View) -> impl Iterator<Item = Command> {
    let unused = view
        .superseded_payloads()
        .filter(|payload| !view.is_payload_used(payload.id));
    unused.map(|payload| Command::RemovePayload { id: payload.id })
}

fn is_forgotten(view: &View, task: &Task) -> bool {
    let Some(node) = task.node else {
        return task.desired >= DesiredState::Shutdown;
    };
    let gone = view.node(node).is_none();
    task.desired == DesiredState::Remove && (gone || task.status.state.is_terminal())
}

/// Whether a task that is not wanted any more is on a node that has been down for too long.
fn is_lost(draft: &Draft<'_>, task: &Task) -> bool {
    if task.desired < DesiredState::Shutdown || task.status.state.is_terminal() {
        return false;
    }
    let at = draft.now;
    #[cfg(feature = "planted")]
    let at = planted::instead(planted::Bug::OrphanedAtOnce, at, || Some(at + ORPHANED_AFTER));
    let node = task.node.and_then(|id| draft.state().node(id));
    node.is_some_and(|node| node.status.state == NodeState::Down && at.since(node.updated_at) >= ORPHANED_AFTER)
}

/// Ended ones of `tasks` (by slot) beyond the limit, which counts all tasks of a slot that are not to be forgotten. The
/// newest stays in any case, and as many as the restart policy has to count.
fn beyond_history(view: &View, id: ServiceId, tasks: &[&Task]) -> Vec<TaskId> {
    let Some(service) = view.service(id) else {
        return Vec::new();
    };
    let limit = view.cluster().map_or(5, |cluster| cluster.settings.task_history_limit);
    let counted = match service.spec.restart_policy().max_attempts {
        0 => 1,
        attempts => attempts.saturating_add(1),
    };
    let keep = limit.max(counted) as usize;
    let mut gone = Vec::new();
    for slot in tasks.chunk_by(|a, b| a.slot == b.slot).filter(|slot| slot.len() > keep) {
        let mut slot: Vec<&Task> = slot
            .iter()
            .copied()
            .filter(|t| t.desired < DesiredState::Remove)
            .collect();
        slot.sort_by_key(|task| (task.created_at, task.id));
        let excess = slot.len().saturating_sub(keep);
        let witness = witness(service, &slot);
        let ended = |task: &&&Task| {
            let over = task.status.state.is_terminal() && task.desired >= DesiredState::Shutdown;
            over && Some(task.id) != witness
        };
        gone.extend(slot.iter().filter(ended).take(excess).map(|task| task.id));
    }
    gone
}

#[cfg(test)]
mod tests;
