//! The worker: makes this node's containers what its view says, and reports how its tasks are.
//!
//! One actor owns all it knows of tasks. News (a view, an engine event, a finished operation, the clock) changes that
//! knowledge; [`plan::container::next`] then says what to do. Operations run beside it, one per task, and come back as
//! news. What left the engine locally is taken out of the view before network and resolver see it, so that a container
//! that died takes no more traffic even before the managers know.

mod engine;
#[cfg(test)]
pub(crate) mod fixture;
mod known;
mod overlay;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::{HeldPort, NodeView, Task, TaskId, TaskState, TaskStatus, Timestamp};
use plan::container::{Local, Step, container_request, next, next_unassigned};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use self::{
    engine::{Engine, News},
    known::Known,
};
use crate::runtime::{Runtime, RuntimeEvent};

/// Statuses of the tasks in the view, as last decided here.
pub type Statuses = BTreeMap<TaskId, TaskStatus>;

/// Between two listings of everything at the engine; events tell of changes much sooner.
const RELIST: Duration = Duration::from_secs(15);
/// How long after the start a saved view is not acted on: the managers' answer is usually sooner, and newer.
const HOLD: Duration = Duration::from_secs(2);

/// A view, and whether it came from the managers in this run of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentView {
    /// The view.
    pub view: Arc<NodeView>,
    /// False for the one saved by an earlier run.
    pub confirmed: bool,
}

/// Where the worker gets its news and leaves its results.
pub struct Ports {
    /// Views, from the session or the disk.
    pub views: watch::Receiver<Option<CurrentView>>,
    /// Sequence number of the last view that the kernel has.
    pub applied: watch::Receiver<u64>,
    /// The view as network and resolver are to see it.
    pub effective: watch::Sender<Option<Arc<NodeView>>>,
    /// For the session to report.
    pub statuses: watch::Sender<Statuses>,
}

/// Starts the worker. `rebooted`: the machine has booted since the view was saved. It ends when the handle is aborted.
pub fn spawn(runtime: Arc<dyn Runtime>, ports: Ports, rebooted: bool) -> JoinHandle<()> {
    let events = runtime.events();
    let (sender, news) = mpsc::channel(64);
    let worker = Worker {
        engine: Engine::new(runtime, ports.applied, sender),
        views: ports.views,
        effective: ports.effective,
        statuses: ports.statuses,
        known: Known::new(rebooted),
        held: Vec::new(),
        current: None,
        hold: Instant::now() + HOLD,
        prune: false,
    };
    tokio::spawn(worker.run(events, news))
}

struct Worker {
    engine: Engine,
    views: watch::Receiver<Option<CurrentView>>,
    effective: watch::Sender<Option<Arc<NodeView>>>,
    statuses: watch::Sender<Statuses>,
    known: Known,
    /// Ports that other containers of the engine publish.
    held: Vec<HeldPort>,
    current: Option<CurrentView>,
    hold: Instant,
    /// Engine networks may have become superfluous.
    prune: bool,
}

impl Worker {
    async fn run(mut self, mut events: mpsc::Receiver<RuntimeEvent>, mut news: mpsc::Receiver<News>) {
        let mut relist = tokio::time::interval(RELIST);
        self.take_view();
        loop {
            let wake = self.wake();
            tokio::select! {
                changed = self.views.changed() => match changed {
                    Ok(()) => self.take_view(),
                    Err(_) => return,
                },
                Some(event) = events.recv() => self.take_event(event),
                Some(news) = news.recv() => self.take_news(news),
                _ = relist.tick() => self.engine.list(self.known.epoch()),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.settle();
        }
    }

    fn take_view(&mut self) {
        let current = self.views.borrow_and_update().clone();
        if let Some(current) = &current {
            self.known.take_view(&current.view.tasks);
            self.prune = true;
        }
        self.current = current;
    }

    fn take_event(&mut self, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Changed { task, container, state } => {
                self.prune |= state.is_none();
                self.known.take_event(task, &container, state);
            }
            RuntimeEvent::Relist => self.engine.list(self.known.epoch()),
        }
    }

    fn take_news(&mut self, news: News) {
        match news {
            News::Listed { epoch, found, held } => {
                self.known.take_list(epoch, found);
                self.held = held;
            }
            News::Done { task, outcome } => {
                self.prune = true;
                self.known.take_outcome(task, outcome, now());
            }
            News::Pruned => self.engine.pruned(),
        }
    }

    /// Does everything that the present knowledge asks for, then tells the others.
    fn settle(&mut self) {
        let Some(current) = self.current.clone() else { return };
        if self.known.listed() && (current.confirmed || Instant::now() >= self.hold) {
            self.decide(&current);
        }
        if current.confirmed {
            self.known.forget(&current.view.tasks);
        }
        self.publish(&current.view);
    }

    fn decide(&mut self, current: &CurrentView) {
        let tasks: BTreeMap<TaskId, &Task> = current.view.tasks.iter().map(|t| (t.id, t)).collect();
        for id in self.known.tasks() {
            while let Some(step) = self
                .known
                .get(id)
                .and_then(|local| step(tasks.get(&id), local, current.confirmed))
            {
                if !self.take_step(&current.view, id, tasks.get(&id).copied(), step) {
                    break;
                }
            }
        }
        if self.prune && current.confirmed && !self.known.any_busy() {
            self.prune = false;
            self.engine.prune(self.known.networks(&current.view.tasks));
        }
    }

    /// Takes one step. True: more may follow at once.
    fn take_step(&mut self, view: &NodeView, id: TaskId, task: Option<&Task>, step: Step) -> bool {
        match (step, task) {
            (Step::Report(status), _) => {
                tracing::info!(task = %id, state = %status.state, err = %status.err, "task");
                self.known.report(id, status);
                true
            }
            (Step::Prepare, Some(task)) => match container_request(view, task) {
                Ok(_) if self.engine.is_pruning() => false,
                Ok(request) => {
                    self.known.begin(id);
                    self.engine.create(id, request);
                    false
                }
                Err(error) => {
                    self.known.end(id, TaskState::Rejected, error.to_string(), now());
                    true
                }
            },
            (Step::Prepare, None) => false,
            (step, _) => {
                self.known.begin(id);
                self.engine.perform(id, step, view.seq);
                false
            }
        }
    }

    fn publish(&self, view: &Arc<NodeView>) {
        // A kernel that forwards already is better left alone than told of containers that may be gone.
        if self.known.listed() || Instant::now() >= self.hold {
            let down = if self.known.listed() {
                self.known.down()
            } else {
                BTreeSet::new()
            };
            let effective = overlay::effective(view, &down, &self.held);
            self.effective.send_if_modified(|old| replace(old, Some(effective)));
        }
        let statuses = self.known.statuses(&view.tasks);
        self.statuses.send_if_modified(|old| replace(old, statuses));
    }

    /// When the clock alone may ask for something: a task that waits for its delay, or the end of the hold.
    fn wake(&self) -> Instant {
        let tasks = self.current.iter().flat_map(|c| &c.view.tasks);
        let waiting = tasks.filter_map(|task| task.not_before).filter(|at| *at > now()).min();
        let wait = waiting.map_or(Duration::from_secs(3600), |at| at.since(now()));
        let clock = Instant::now() + wait;
        if self.hold > Instant::now() {
            clock.min(self.hold)
        } else {
            clock
        }
    }
}

fn step(task: Option<&&Task>, local: &Local, confirmed: bool) -> Option<Step> {
    match task {
        Some(task) => next(task, local, now()),
        None => next_unassigned(local, confirmed),
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}

/// The wall clock, for times in reports.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
