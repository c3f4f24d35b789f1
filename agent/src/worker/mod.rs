//! The worker: makes this node's containers what its view says, and reports how its tasks are.
//!
//! One actor owns all it knows of tasks. News (a view, an engine event, a finished operation, the clock) changes that
//! knowledge; [`plan::container::next`] then says what to do. Operations run beside it, one per task, and come back as
//! news. What left the engine locally is taken out of the view before network and resolver see it, so that a container
//! that died takes no more traffic even before the managers know.
//!
//! A container that has ended stays, stopped, as long as the managers remember its task: what it has printed can be read.
//! It holds no endpoint, address or file any more.

mod asking;
mod engine;
#[cfg(test)]
pub(crate) mod fixture;
mod known;
mod let_go;
mod overlay;
mod remains;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::{DesiredState, HeldPort, NodeView, Task, TaskId, TaskState, TaskStatus, Timestamp};
use plan::container::{
    ContainerRequest, NodeFacts, Step, Unprepared, container_request, has_ended, next, next_again, next_unassigned,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use self::{
    asking::Asking,
    engine::{Engine, Files, News},
    known::Known,
    let_go::Leaving,
};
use crate::{
    gate::Papers,
    runtime::{Runtime, RuntimeEvent},
    session::SessionState,
    vault::Vault,
};

/// Statuses of the tasks in the view, as last decided here.
pub type Statuses = BTreeMap<TaskId, TaskStatus>;

/// Between two listings of everything at the engine; events tell of changes much sooner.
const RELIST: Duration = Duration::from_secs(15);
/// Ended containers that are kept for their logs at most. The managers' history is the usual limit, and far below.
const MOST_KEPT: usize = 500;
/// How long after the start a saved view is not acted on: the managers' answer is usually sooner, and newer.
const HOLD: Duration = Duration::from_secs(2);

/// As the engine names them: it is on the same machine.
pub(crate) const FACTS: NodeFacts = NodeFacts {
    os: std::env::consts::OS,
    arch: std::env::consts::ARCH,
};

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
    /// The view as network and resolver are to see it.
    pub effective: watch::Sender<Option<Arc<NodeView>>>,
    /// For the session to report.
    pub statuses: watch::Sender<Statuses>,
    /// Whether a manager is in reach.
    pub session: watch::Receiver<SessionState>,
    /// Where secrets and configs of tasks are.
    pub vault: Vault,
    /// Where the rest is that their containers get.
    pub papers: Papers,
    /// Tasks that the managers allow to be stopped: nobody sends them new connections any more.
    pub released: watch::Receiver<BTreeSet<TaskId>>,
    /// Tasks that are not assigned any more and whose containers are kept for their logs.
    pub kept: watch::Sender<BTreeSet<TaskId>>,
    /// Those of them that the managers have forgotten.
    pub forgotten: watch::Receiver<BTreeSet<TaskId>>,
}

/// What the disk knows from before the worker started.
#[derive(Clone, Debug, Default)]
pub struct Past {
    /// The machine has booted since the view was saved.
    pub rebooted: bool,
    /// Tasks that have ended; the managers may have heard of it, although the saved view does not say so.
    pub ends: Statuses,
}

/// Starts the worker. It ends when the handle is aborted.
pub fn spawn(runtime: Arc<dyn Runtime>, ports: Ports, past: Past) -> JoinHandle<()> {
    let events = runtime.events();
    let (sender, news) = mpsc::channel(64);
    let files = Files {
        vault: ports.vault,
        papers: ports.papers,
    };
    let worker = Worker {
        asking: Asking::new(runtime.clone(), sender.clone()),
        engine: Engine::new(runtime, files.clone(), sender),
        files,
        views: ports.views,
        effective: ports.effective,
        statuses: ports.statuses,
        session: ports.session,
        released: ports.released,
        kept: ports.kept,
        forgotten: ports.forgotten,
        surplus: BTreeSet::new(),
        leaving: Leaving::new(),
        known: Known::new(past),
        held: Vec::new(),
        current: None,
        hold: Instant::now() + HOLD,
        again: None,
        tidy: false,
    };
    tokio::spawn(worker.run(events, news))
}

struct Worker {
    engine: Engine,
    asking: Asking,
    files: Files,
    views: watch::Receiver<Option<CurrentView>>,
    effective: watch::Sender<Option<Arc<NodeView>>>,
    statuses: watch::Sender<Statuses>,
    session: watch::Receiver<SessionState>,
    released: watch::Receiver<BTreeSet<TaskId>>,
    kept: watch::Sender<BTreeSet<TaskId>>,
    forgotten: watch::Receiver<BTreeSet<TaskId>>,
    /// More ended containers than are kept.
    surplus: BTreeSet<TaskId>,
    leaving: Leaving,
    known: Known,
    /// Ports that other containers of the engine publish.
    held: Vec<HeldPort>,
    current: Option<CurrentView>,
    hold: Instant,
    /// When the next ended task is to be run again without the managers' word.
    again: Option<Timestamp>,
    /// Files may have become superfluous.
    tidy: bool,
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
                Ok(()) = self.session.changed() => {}
                Ok(()) = self.released.changed() => self.take_leaving(),
                Ok(()) = self.forgotten.changed() => {}
                Some(event) = events.recv() => self.take_event(event),
                Some(news) = news.recv() => self.take_news(news),
                _ = relist.tick() => {
                    self.tidy = true;
                    self.engine.list(self.known.epoch());
                }
                () = tokio::time::sleep_until(wake) => {}
            }
            self.settle();
        }
    }

    fn take_view(&mut self) {
        let current = self.views.borrow_and_update().clone();
        if let Some(current) = &current {
            self.known.take_view(&current.view.tasks);
            self.tidy = true;
        }
        self.current = current;
        self.take_leaving();
    }

    fn take_leaving(&mut self) {
        let released = self.released.borrow_and_update();
        if let Some(current) = &self.current {
            self.leaving.take(&current.view, &released);
        }
    }

    fn take_event(&mut self, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Changed { task, container, state } => {
                self.tidy |= state.is_none();
                self.known.take_event(task, &container, state);
            }
            RuntimeEvent::Leaving => self.known.engine_leaves(),
            RuntimeEvent::Relist => self.engine.list(self.known.epoch()),
        }
    }

    fn take_news(&mut self, news: News) {
        match news {
            News::Listed { epoch, found, held } => {
                self.known.take_list(epoch, found);
                self.held = held;
                self.engine.listed(self.known.epoch());
            }
            News::Unlisted => self.engine.listed(self.known.epoch()),
            News::Done { task, outcome } => {
                self.tidy = true;
                self.known.take_outcome(task, outcome, now());
                self.sweep(task);
            }
            News::Progress { task, words } => self.known.say(task, words, now()),
            News::Answered {
                task,
                container,
                asked,
                answer,
                counts,
            } => self.known.take_answer(task, &container, asked, answer, counts),
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
            let kept = self.known.kept(&current.view.tasks);
            self.kept.send_if_modified(|old| replace(old, kept));
        }
        self.publish(&current.view);
        self.asking.keep(&current.view.tasks, &self.known);
    }

    fn decide(&mut self, current: &CurrentView) {
        let tasks: BTreeMap<TaskId, &Task> = current.view.tasks.iter().map(|t| (t.id, t)).collect();
        self.again = None;
        let kept = self.known.kept(&current.view.tasks);
        self.surplus = self.known.surplus(&kept, MOST_KEPT);
        for id in self.known.tasks() {
            while let Some(step) = self.step(current, id, tasks.get(&id).copied()) {
                if !self.take_step(current, id, tasks.get(&id).copied(), step) {
                    break;
                }
            }
        }
        if self.tidy && current.confirmed && !self.known.any_busy() {
            self.tidy = false;
            let needed = |task| self.known.needs_files(task, self.standing(task));
            if let Err(error) = self.files.keep(needed) {
                tracing::error!(%error, "files of ended tasks are still in memory");
            }
        }
    }

    fn step(&mut self, current: &CurrentView, id: TaskId, task: Option<&Task>) -> Option<Step> {
        let Some(task) = task else {
            return next_unassigned(self.known.get(id)?, self.standing_unassigned(id));
        };
        if !self.may_be_told(&current.view, task) {
            return None;
        }
        let local = self.known.get(id)?;
        let step = next_again(local).or_else(|| next(task, local, now()))?;
        let stops = matches!(step, Step::Stop { .. }) && !local.status.state.is_terminal();
        let kept = stops && self.leaving.kept_until(&current.view, task).is_some();
        (!kept).then_some(step)
    }

    /// Whether the managers are to hear how the task is. While none is in reach, one that has ended is run again by the
    /// node itself when its time comes, and until then its end is not decided.
    fn may_be_told(&mut self, view: &NodeView, task: &Task) -> bool {
        let state = self.session.borrow();
        let Some(cut_off) = state.since.filter(|_| state.manager.is_none()) else {
            return true;
        };
        let wanted = task.desired == DesiredState::Running && self.known.get(task.id).is_some_and(has_ended);
        if !wanted {
            return true;
        }
        let service = view.services.iter().find(|s| s.id == task.service);
        let policy = service.and_then(|s| s.restart).unwrap_or_default();
        let Some(at) = self.known.run_again(task.id, &policy, cut_off, now()) else {
            return true;
        };
        if at > now() {
            self.again = Some(self.again.map_or(at, |other| other.min(at)));
            return false;
        }
        tracing::info!(task = %task.id, "running a task again: no manager is in reach");
        self.known.runs_again(task.id, now());
        true
    }

    /// Takes one step. True: more may follow at once.
    fn take_step(&mut self, current: &CurrentView, id: TaskId, task: Option<&Task>, step: Step) -> bool {
        match (step, task) {
            (Step::Report(status), _) => {
                tracing::info!(task = %id, state = %status.state, err = %status.err, "task");
                let over = status.state.is_terminal();
                self.known.report(id, status);
                if over {
                    self.sweep(id);
                }
                true
            }
            (Step::Prepare, Some(task)) => match self.request(current, task, TaskState::Rejected) {
                Ok(request) => {
                    self.known.begin(id);
                    self.engine.create(id, request);
                    false
                }
                Err(ended) => ended,
            },
            (Step::Prepare, None) => false,
            (Step::Start { container }, Some(task)) if self.lacks_files(task) => {
                match self.request(current, task, TaskState::Failed) {
                    Ok(request) => {
                        self.known.begin(id);
                        self.engine.restore(id, container, request);
                        false
                    }
                    Err(ended) => ended,
                }
            }
            (step, _) => {
                self.known.begin(id);
                self.engine.perform(id, step);
                false
            }
        }
    }

    fn lacks_files(&self, task: &Task) -> bool {
        let secrets = task.container.payloads().next().is_some();
        !self.files.papers.has(task.id) || secrets && !self.files.vault.has(task.id)
    }

    /// What a task's container is made from. If there is no knowing the task ends, or waits: `Err` says whether it ended.
    /// The view on the disk has no secrets; those come with the first manager.
    fn request(&mut self, current: &CurrentView, task: &Task, end: TaskState) -> Result<ContainerRequest, bool> {
        container_request(&current.view, task, FACTS).map_err(|why| match why {
            Unprepared::NoPayload { kind, name } if !current.confirmed => {
                let words = format!("waiting for {kind} {name}, which only managers keep: none is in reach");
                self.known.explain(task.id, &words, now());
                false
            }
            why => {
                self.known.end(task.id, end, why.to_string(), now());
                true
            }
        })
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

    /// When the clock alone may ask for something: a task that waits to be run again or to be stopped, or the end of the
    /// hold.
    fn wake(&self) -> Instant {
        let waiting = self.again.filter(|at| *at > now());
        let wait = waiting.map_or(Duration::from_secs(3600), |at| at.since(now()));
        let clock = Instant::now() + wait;
        let hold = Some(self.hold).filter(|hold| *hold > Instant::now());
        let views = self.current.iter().map(|current| &current.view);
        let leaving = views.flat_map(|view| {
            view.tasks
                .iter()
                .filter_map(move |task| self.leaving.kept_until(view, task))
        });
        leaving.chain(hold).fold(clock, Instant::min)
    }
}

fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}

/// The wall clock, for times in reports.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
