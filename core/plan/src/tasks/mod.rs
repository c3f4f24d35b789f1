//! What a node knows of its tasks and their containers, and what it does next. Pure: the agent's worker brings the news and
//! carries out the orders, and the simulation runs the same with an engine and clocks of its own.
//!
//! News (a view, an event or a list of the engine, a finished operation, the clock) changes what is known; then
//! [`Tasks::decide`] takes all steps that can be taken. Statuses take effect at once, operations become orders, one per
//! task at a time. What left the engine is taken out of the view before network and resolver see it ([`Tasks::effective`]),
//! so that a container that died takes no more traffic even before the managers know.

mod decide;
mod known;
mod leaving;
mod overlay;
mod remains;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use model::{DesiredState, HeldPort, NodeView, Protocol, Task, TaskId, TaskState, TaskStatus, Timestamp};

use self::leaving::Leaving;
pub use self::{decide::Edges, known::Known, remains::MOST_KEPT};
use crate::container::{Container, ContainerRequest, ContainerState, Step};

/// Statuses of tasks, as last decided here.
pub type Statuses = BTreeMap<TaskId, TaskStatus>;

/// How long after the start a saved view is not acted on: the managers' answer is usually sooner, and newer.
pub const HOLD: Duration = Duration::from_secs(2);
/// Without news and without anything that waits for the clock, nothing is looked at for so long.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// A view, and whether it came from the managers in this run of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentView {
    /// The view.
    pub view: Arc<NodeView>,
    /// False for the one saved by an earlier run.
    pub confirmed: bool,
    /// Published ports that other containers of this node's engine hold, whether or not a socket shows it.
    pub held: BTreeSet<(u16, Protocol)>,
}

impl CurrentView {
    /// What the managers have said.
    pub fn from_managers(view: Arc<NodeView>) -> Self {
        Self {
            view,
            confirmed: true,
            held: BTreeSet::new(),
        }
    }

    /// What an earlier run has left.
    pub fn from_disk(view: Arc<NodeView>) -> Self {
        Self {
            confirmed: false,
            ..Self::from_managers(view)
        }
    }
}

/// What the disk knows from before the agent started.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The machine has booted since the view was saved.
    pub rebooted: bool,
    /// Tasks that have ended; the managers may have heard of it, although the saved view does not say so.
    pub ends: Statuses,
}

/// What a node's clocks show.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The wall clock, for times in reports.
    pub wall: Timestamp,
    /// Since the agent began, by a clock that no one sets.
    pub run: Duration,
}

/// A container of ours as the engine lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its task, from the label.
    pub task: TaskId,
    /// Id and state.
    pub container: Container,
}

/// What an operation at the engine came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The container is made.
    Created(String),
    /// It is started, and is so.
    Started(ContainerState),
    /// It has ended, with this code.
    Stopped(i64),
    /// It is gone.
    Removed,
    /// Nothing was reached; the same is to be tried again.
    Retry,
    /// The task cannot go on.
    Failed(TaskState, String),
}

/// What is to be done, in the order given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make the container.
    Prepare {
        /// Its task.
        task: TaskId,
        /// What it is made from.
        request: Box<ContainerRequest>,
    },
    /// Write the files of a container that is there, which a boot has taken, and start it.
    Restore {
        /// Its task.
        task: TaskId,
        /// Engine id.
        container: String,
        /// What it was made from.
        request: Box<ContainerRequest>,
    },
    /// Start, stop or remove the container.
    Perform {
        /// Its task.
        task: TaskId,
        /// Which of them.
        step: Step,
    },
    /// Nothing needs the files of this task any more.
    Wipe(TaskId),
    /// The task's status is another one now: for the log, it has taken effect.
    Note {
        /// Its task.
        task: TaskId,
        /// The status.
        status: Box<TaskStatus>,
    },
    /// A task that has ended is run again without the managers' word: for the log.
    NoteAgain(TaskId),
}

/// See the module.
#[derive(Debug)]
pub struct Tasks {
    /// Tasks and containers; news of the engine goes there.
    pub known: Known,
    leaving: Leaving,
    current: Option<CurrentView>,
    /// Tasks that the managers have forgotten.
    forgotten: BTreeSet<TaskId>,
    /// More ended containers than are kept.
    surplus: BTreeSet<TaskId>,
    /// No manager has been in reach since; as the next one by the agent's own clock, which no one sets.
    cut_off: Option<Duration>,
    /// When the next ended task is to be run again without the managers' word.
    again: Option<Duration>,
}

impl Tasks {
    /// What a node knows that begins.
    pub fn new(past: Past) -> Self {
        Self {
            known: Known::new(past),
            leaving: Leaving::default(),
            current: None,
            forgotten: BTreeSet::new(),
            surplus: BTreeSet::new(),
            cut_off: None,
            again: None,
        }
    }

    /// The view is this one now. `released`: tasks that the managers allow to be stopped, as nobody sends them new
    /// connections any more.
    pub fn take_view(&mut self, current: Option<CurrentView>, released: &BTreeSet<TaskId>, now: Now) {
        if let Some(current) = &current {
            self.known.take_view(&current.view.tasks);
        }
        self.current = current;
        self.take_released(released, now);
    }

    /// The managers have said so of tasks that are let go.
    pub fn take_released(&mut self, released: &BTreeSet<TaskId>, now: Now) {
        if let Some(current) = &self.current {
            self.leaving.take(&current.view, released, now);
        }
    }

    /// The managers have forgotten these tasks: what they left may go.
    pub fn take_forgotten(&mut self, forgotten: BTreeSet<TaskId>) {
        self.forgotten = forgotten;
    }

    /// The view, as last taken in.
    pub fn current(&self) -> Option<&CurrentView> {
        self.current.as_ref()
    }

    /// Whether a container of this task is wanted: it is assigned, and not on its way out.
    pub fn wants(&self, task: TaskId) -> bool {
        let wanted = |other: &Task| other.id == task && other.desired < DesiredState::Shutdown;
        self.assigned().iter().any(wanted)
    }

    /// How the assigned tasks are.
    pub fn statuses(&self) -> Statuses {
        self.known.statuses(self.assigned())
    }

    /// The view as network and resolver are to see it: what the managers said, less what this node knows better. `None`:
    /// as long as containers are not known, a kernel that forwards already is better left alone. `held`: ports that
    /// containers not ours publish.
    pub fn effective(&self, held: &[HeldPort], now: Now) -> Option<CurrentView> {
        let CurrentView { view, confirmed, .. } = self.current.as_ref()?;
        let down = match self.known.listed() {
            true => self.known.down(),
            false if now.run >= HOLD => BTreeSet::new(),
            false => return None,
        };
        Some(CurrentView {
            view: overlay::effective(view, &down),
            confirmed: *confirmed,
            held: held.iter().map(|port| (port.port, port.protocol)).collect(),
        })
    }

    /// When the clock alone may ask for something: a task that waits to be run again or to be stopped, or the end of the
    /// hold.
    pub fn sleep(&self, now: Now) -> Duration {
        let again = self
            .again
            .map(|at| at.saturating_sub(now.run))
            .filter(|left| !left.is_zero());
        let hold = Some(HOLD.saturating_sub(now.run)).filter(|left| !left.is_zero());
        let views = self.current.iter().map(|current| &current.view);
        let leaving = views.flat_map(|view| view.tasks.iter().filter_map(|task| self.leaving.left(view, task, now)));
        leaving.chain(again).chain(hold).fold(LONGEST_SLEEP, Duration::min)
    }

    fn assigned(&self) -> &[Task] {
        self.current.as_ref().map_or(&[], |current| &current.view.tasks)
    }
}
