//! Where the tasks of a service are: in slots or on nodes, and the line of each.

use std::collections::BTreeMap;

use model::{DesiredState, NodeId, Task, TaskId, TaskState, Timestamp};

/// Characters of the longest state of a task that is on its way, `preparing`.
const LONGEST_STATE: usize = 9;
/// Characters of a full bar.
const BAR: usize = 50;

/// Where a task is one of: a slot, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seat {
    /// Of a replicated service.
    Slot(u32),
    /// Of a global one.
    Node(NodeId),
}

/// The newest task of a seat, and why the last one of it failed.
pub type Filled = (Task, Option<String>);

impl Seat {
    /// Its place among so many rows, if it is a slot with a number among them.
    fn row(self, rows: usize) -> Option<usize> {
        match self {
            Self::Slot(number) => (number as usize).checked_sub(1).filter(|row| *row < rows),
            Self::Node(_) => None,
        }
    }
}

/// The slots in so many rows. A service that was scaled down may have slots with higher numbers: as docker does it, they
/// are shown where there is room. What is wanted goes before what is history.
pub fn in_rows(seats: &BTreeMap<Seat, Filled>, rows: usize) -> Vec<Option<&Filled>> {
    let mut shown = vec![None; rows];
    let mut others = Vec::new();
    let is_wanted = |filled: &Filled| filled.0.desired < DesiredState::Shutdown;
    for (seat, filled) in seats.iter().filter(|(_, filled)| is_wanted(filled)) {
        match seat.row(rows) {
            Some(row) => shown[row] = Some(filled),
            None => others.push(filled),
        }
    }
    for (row, filled) in shown.iter_mut().filter(|row| row.is_none()).zip(others) {
        *row = Some(filled);
    }
    for (seat, filled) in seats {
        if let Some(row) = seat.row(rows) {
            shown[row].get_or_insert(filled);
        }
    }
    shown
}

/// What is neither wanted nor of the present spec comes last: it may have been a canary, younger than its twin.
fn rank(task: &Task, version: u64) -> (bool, Timestamp, TaskId) {
    let counts = task.desired < DesiredState::Shutdown || task.spec_version == version;
    (counts, task.created_at, task.id)
}

/// The newest task of each seat; `version` is the number of the present spec.
pub fn newest_by_seat<'a>(tasks: impl Iterator<Item = &'a Task>, version: u64) -> BTreeMap<Seat, &'a Task> {
    let mut newest: BTreeMap<Seat, &Task> = BTreeMap::new();
    for task in tasks {
        let seat = task.pinned.map_or(Seat::Slot(task.slot.get()), Seat::Node);
        let known = newest.entry(seat).or_insert(task);
        if rank(task, version) > rank(known, version) {
            *known = task;
        }
    }
    newest
}

/// What is wrong with a seat: as long as its task does not run, why the last one did not. A task that ended is replaced
/// at once, so that its reason would hardly ever be seen as that of the newest.
pub fn fault(task: &Task, last: Option<&Task>) -> Option<String> {
    let last = last?;
    let words = last.status.err.replace('\n', " ");
    match (last.id == task.id, task.status.state) {
        (true, _) => Some(words),
        (false, TaskState::Running | TaskState::Complete) => None,
        (false, state) => Some(format!("{} (before: {words})", state.word().to_lowercase())),
    }
}

/// What is shown of a seat; with a bar where lines are drawn over.
pub fn line(label: &str, seat: Option<&Filled>, bars: bool) -> String {
    let Some((task, fault)) = seat else {
        return format!("{label}: ");
    };
    let state = task.status.state.word().to_lowercase();
    match (fault, bars) {
        (Some(words), _) => format!("{label}: {words}"),
        (None, false) => format!("{label}: {state}"),
        (None, true) => format!("{label}: {state:LONGEST_STATE$} {}", bar(task.status.state)),
    }
}

/// As long as the way that the task has come.
fn bar(state: TaskState) -> String {
    let steps = [
        TaskState::New,
        TaskState::Pending,
        TaskState::Assigned,
        TaskState::Accepted,
        TaskState::Preparing,
        TaskState::Ready,
        TaskState::Starting,
        TaskState::Running,
    ];
    let come = steps.iter().filter(|step| **step <= state).count();
    let full = come * BAR / steps.len();
    format!("[{}>{}] ", "=".repeat(full), " ".repeat(BAR - full))
}
