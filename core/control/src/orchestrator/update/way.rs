//! One slot's way to the present spec, read from its tasks.

use std::time::Duration;

use model::{DesiredState, Task, TaskState, Timestamp, UpdateOrder};

use super::{Replacement, SlotTasks, kept};
use crate::{
    moment::Moment,
    orchestrator::restart::{Next, ended_by_itself},
};

/// See the module.
pub(super) struct Way<'a> {
    pub slot: &'a SlotTasks<'a>,
    /// The wanted task of another spec.
    pub old: Option<&'a Task>,
    /// Its tasks of the present spec, oldest first; see [`tail`].
    tail: Vec<&'a Task>,
    /// Those of them that this update has made.
    made: Vec<&'a Task>,
    /// When the update began.
    began: Timestamp,
    /// Whether its node, if it is for one, is given new tasks now.
    site: Site,
}

/// How the node stands that a slot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// It is given new tasks, or any node is.
    Open,
    /// Its engine does not answer: the slot has its turn when it does.
    Waits,
    /// It is given none, by an operator's wish or since it is away: the slot keeps what it has, and has its turn when the
    /// node is given tasks again, during the update or after it.
    Closed,
}

/// Those of a slot's tasks, oldest first, that are of `version`. On the way `back` only since the last one of another: it
/// is a number that tasks had before.
pub(super) fn tail<'a>(tasks: &[&'a Task], version: u64, back: bool) -> Vec<&'a Task> {
    let other = tasks.iter().rposition(|task| back && task.spec_version != version);
    let since = tasks.iter().skip(other.map_or(0, |at| at + 1));
    since.copied().filter(|task| task.spec_version == version).collect()
}

/// When the one who waits for a new task goes on: it runs, or has ended and never will.
fn settled(task: &Task) -> Option<Timestamp> {
    task.running_since
        .or_else(|| ended_by_itself(task).then_some(task.updated_at))
}

impl<'a> Way<'a> {
    /// `back`: to a spec that tasks were made from before, which are not the update's.
    pub fn of(slot: &'a SlotTasks<'a>, site: Site, version: u64, (began, back): (Timestamp, bool)) -> Self {
        let tail = tail(&slot.tasks, version, back);
        let made = tail.iter().copied().filter(|task| !back || task.created_at >= began);
        Self {
            slot,
            old: slot.live().filter(|task| task.spec_version != version).last(),
            made: made.collect(),
            tail,
            began,
            site,
        }
    }

    /// Whether the update has nothing to do with it for now. Not so where it has placed a task: what becomes of that one
    /// is the update's, and an engine that a new image brought down stops it.
    pub fn is_passed_over(&self) -> bool {
        self.site == Site::Closed && !self.has_placed()
    }

    /// Whether it can have its turn now.
    pub fn is_open(&self) -> bool {
        self.site == Site::Open || self.has_placed()
    }

    fn has_placed(&self) -> bool {
        self.made.iter().any(|task| task.node.is_some())
    }

    /// Whether the update has something to do with it; a `canary` has only with the slots that have one.
    pub fn takes_part(&self, canary: bool) -> bool {
        (self.old.is_some() && !canary) || !self.made.is_empty()
    }

    /// The task of the present spec made last.
    pub fn newest(&self) -> Option<&'a Task> {
        self.tail.last().copied()
    }

    /// Whether the old task runs.
    pub fn old_runs(&self) -> bool {
        self.old.is_some_and(|task| task.status.state == TaskState::Running)
    }

    /// Whether a task of the present spec is there beside the old one.
    pub fn has_successor(&self) -> bool {
        self.tail.iter().any(|task| task.is_live())
    }

    /// Whether nobody has room for its new task, which may start, beside the old one: that one may be what is in the way,
    /// with a port of its host for one.
    pub fn is_stuck(&self) -> bool {
        let new = self.tail.iter().rfind(|task| task.is_live());
        let homeless = |task: &Task| task.node.is_none() && !task.status.err.is_empty();
        self.old.is_some() && new.is_some_and(|task| task.desired > DesiredState::Ready && homeless(task))
    }

    /// When the update was done with it.
    pub fn settled(&self) -> Option<Timestamp> {
        self.made.iter().filter_map(|task| settled(task)).min()
    }

    /// Whether its new task is on its way to its first run.
    pub fn is_under_way(&self) -> bool {
        let fresh = !self.tail.iter().any(|task| settled(task).is_some());
        fresh && self.has_successor()
    }

    /// Whether its last task, of another spec, has just ended: what comes next is of this one.
    pub fn is_vacant(&self) -> bool {
        let unattended = |task: &Task| task.desired < DesiredState::Shutdown;
        let empty = self.slot.live().next().is_none() && self.tail.is_empty();
        empty && self.slot.newest().is_some_and(unattended)
    }

    /// The last of its new tasks that failed before it could run, or within `monitor` after its start, or so that nobody
    /// knows when.
    pub fn failure(&self, monitor: Duration, moment: Moment) -> Option<&'a Task> {
        let early = |task: &&&Task| {
            let since = task.running_since;
            ended_by_itself(task)
                && task.updated_at >= self.began
                && (since.is_none_or(|since| task.updated_at.since(since) <= monitor)
                    || moment.is_late(task.updated_at))
        };
        self.made.iter().rev().find(early).copied()
    }

    /// It gets a new task, in this order.
    pub fn replaced(&self, order: UpdateOrder, next: Next) -> Replacement {
        let goes = |task: &&Task| order == UpdateOrder::StopFirst || task.status.state.is_terminal();
        Replacement {
            slot: self.slot.slot,
            pinned: self.old.and_then(|task| task.pinned),
            gone: kept(self.slot).filter(goes).map(|task| task.id).collect(),
            next,
        }
    }
}
