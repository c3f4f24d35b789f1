//! Tasks made from an older spec: replaced stop-first, one running task at a time. Those that do not run are replaced
//! at once, for nothing is lost by it.

use std::collections::BTreeSet;

use model::{Service, Slot, Task, TaskState};

use super::SlotTasks;

/// The tasks to replace now. `busy` are the slots that got a new task in this pass; while one of them or any other task
/// of the new spec is on its way, no running task is touched.
pub(super) fn to_replace<'a>(service: &Service, slots: &[SlotTasks<'a>], busy: &BTreeSet<Slot>) -> Vec<&'a Task> {
    let idle = |slot: &&SlotTasks<'a>| !busy.contains(&slot.slot);
    let current: Vec<&Task> = slots.iter().filter(idle).filter_map(|slot| slot.current()).collect();
    let is_old = |task: &&&'a Task| task.spec_version != service.spec_version;
    let runs = |task: &&&'a Task| task.status.state == TaskState::Running;
    let on_its_way = !busy.is_empty() || current.iter().any(|task| !is_old(&task) && !runs(&task));
    let mut chosen: Vec<&Task> = current.iter().filter(is_old).filter(|t| !runs(t)).copied().collect();
    if !on_its_way && chosen.is_empty() {
        chosen.extend(current.iter().filter(is_old).find(runs).copied());
    }
    chosen
}
