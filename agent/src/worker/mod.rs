//! The worker: makes this node's containers what its view says, and reports how its tasks are.
//!
//! One actor brings the news (a view, an engine event, a finished operation, the clock) to [`plan::tasks::Tasks`], which
//! decides, and carries out its orders. Operations run beside it, one per task, and come back as news.
//!
//! A container that has ended stays, stopped, as long as the managers remember its task: what it has printed can be read.
//! It holds no endpoint, address or file any more.

mod asking;
mod engine;
#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use model::{HeldPort, Task, TaskId, Timestamp};
pub use plan::tasks::{CurrentView, Past, Statuses};
use plan::{
    container::NodeFacts,
    tasks::{Edges, Now, Order, Outcome, Tasks},
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use self::{
    asking::Asking,
    engine::{Engine, Files, News},
};
use crate::{
    gate::Papers,
    runtime::{Runtime, RuntimeEvent},
    session::SessionState,
    vault::Vault,
};

/// Between two listings of everything at the engine; events tell of changes much sooner.
const RELIST: Duration = Duration::from_secs(15);

/// As the engine names them: it is on the same machine.
pub(crate) const FACTS: NodeFacts = NodeFacts {
    os: std::env::consts::OS,
    arch: std::env::consts::ARCH,
};

/// Where the worker gets its news and leaves its results.
pub struct Ports {
    /// Views, from the session or the disk.
    pub views: watch::Receiver<Option<CurrentView>>,
    /// The view as network and resolver are to see it.
    pub effective: watch::Sender<Option<CurrentView>>,
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
        tasks: Tasks::new(past),
        held: Vec::new(),
        begun: Instant::now(),
        tidy: false,
    };
    tokio::spawn(worker.run(events, news))
}

struct Worker {
    engine: Engine,
    asking: Asking,
    files: Files,
    views: watch::Receiver<Option<CurrentView>>,
    effective: watch::Sender<Option<CurrentView>>,
    statuses: watch::Sender<Statuses>,
    session: watch::Receiver<SessionState>,
    released: watch::Receiver<BTreeSet<TaskId>>,
    kept: watch::Sender<BTreeSet<TaskId>>,
    forgotten: watch::Receiver<BTreeSet<TaskId>>,
    tasks: Tasks,
    /// Ports that other containers of the engine publish.
    held: Vec<HeldPort>,
    begun: Instant,
    /// Files may have become superfluous.
    tidy: bool,
}

impl Worker {
    async fn run(mut self, mut events: mpsc::Receiver<RuntimeEvent>, mut news: mpsc::Receiver<News>) {
        let mut relist = tokio::time::interval(RELIST);
        self.take_view();
        loop {
            let wake = Instant::now() + self.tasks.sleep(self.now());
            tokio::select! {
                changed = self.views.changed() => match changed {
                    Ok(()) => self.take_view(),
                    Err(_) => return,
                },
                Ok(()) = self.session.changed() => {}
                Ok(()) = self.released.changed() => {
                    let now = self.now();
                    self.tasks.take_released(&self.released.borrow_and_update(), now);
                }
                Ok(()) = self.forgotten.changed() => {
                    self.tasks.take_forgotten(self.forgotten.borrow_and_update().clone());
                }
                Some(event) = events.recv() => self.take_event(event),
                Some(news) = news.recv() => self.take_news(news),
                _ = relist.tick() => {
                    self.tidy = true;
                    self.engine.list(self.tasks.known.epoch());
                }
                () = tokio::time::sleep_until(wake) => {}
            }
            self.settle();
        }
    }

    fn now(&self) -> Now {
        Now {
            wall: now(),
            run: self.begun.elapsed(),
        }
    }

    fn take_view(&mut self) {
        let now = self.now();
        let current = self.views.borrow_and_update().clone();
        self.tidy |= current.is_some();
        self.tasks.take_view(current, &self.released.borrow_and_update(), now);
        self.engine.want(|task| self.tasks.wants(task));
    }

    fn take_event(&mut self, event: RuntimeEvent) {
        match event {
            RuntimeEvent::Changed { task, container, state } => {
                self.tidy |= state.is_none();
                self.tasks.known.take_event(task, &container, state);
            }
            RuntimeEvent::Leaving => self.tasks.known.engine_leaves(),
            RuntimeEvent::Relist => self.engine.list(self.tasks.known.epoch()),
        }
    }

    fn take_news(&mut self, news: News) {
        let known = &mut self.tasks.known;
        match news {
            News::Listed { epoch, found, held } => {
                known.take_list(epoch, found);
                self.held = held;
                self.engine.listed(known.epoch());
            }
            News::Unlisted => self.engine.listed(known.epoch()),
            News::Done { task, outcome } => self.take_outcome(task, outcome),
            News::Progress { task, words } => known.say(task, words, now()),
            News::Answered {
                task,
                container,
                asked,
                answer,
                counts,
            } => known.take_answer(task, &container, asked, answer, counts),
        }
    }

    fn take_outcome(&mut self, task: TaskId, outcome: Outcome) {
        if let Outcome::Failed(state, err) = &outcome {
            tracing::warn!(%task, %state, %err, "task");
        }
        self.tidy = true;
        self.engine.done(task);
        let now = self.now();
        self.tasks.known.take_outcome(task, outcome, now);
        if !self.tasks.needs_files(task) {
            self.wipe(task);
        }
    }

    fn wipe(&self, task: TaskId) {
        if let Err(error) = self.files.wipe(task) {
            tracing::error!(%task, %error, "files of an ended task are still in memory");
        }
    }

    /// Does everything that the present knowledge asks for, then tells the others.
    fn settle(&mut self) {
        let (now, files) = (self.now(), self.files.clone());
        let edges = Edges {
            cut_off: cut_off(&self.session.borrow()),
            has_files: &|task| has_files(&files, task),
            facts: FACTS,
        };
        for order in self.tasks.decide(edges, now) {
            self.carry_out(order);
        }
        self.sweep();
        self.publish(now);
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Prepare { task, request } => self.engine.create(task, *request),
            Order::Restore {
                task,
                container,
                request,
            } => self.engine.restore(task, container, *request),
            Order::Perform { task, step } => self.engine.perform(task, step),
            Order::Wipe(task) => self.wipe(task),
            Order::NoteAgain(task) => tracing::info!(%task, "running a task again: no manager is in reach"),
            Order::Note { task, status } => {
                tracing::info!(%task, state = %status.state, err = %status.err, "task");
            }
        }
    }

    /// Removes the files of all tasks that need none, now and then: their ends may have been missed.
    fn sweep(&mut self) {
        if self.tidy && self.tasks.is_settled() {
            self.tidy = false;
            if let Err(error) = self.files.keep(|task| self.tasks.needs_files(task)) {
                tracing::error!(%error, "files of ended tasks are still in memory");
            }
        }
    }

    fn publish(&mut self, now: Now) {
        let Some(current) = self.tasks.current() else { return };
        let kept = self.tasks.kept();
        self.kept.send_if_modified(|old| replace(old, kept));
        if let Some(effective) = self.tasks.effective(&self.held, now) {
            self.effective.send_if_modified(|old| replace(old, Some(effective)));
        }
        let statuses = self.tasks.statuses();
        self.statuses.send_if_modified(|old| replace(old, statuses));
        self.asking.keep(&current.view.tasks, &self.tasks.known);
    }
}

fn cut_off(session: &SessionState) -> bool {
    session.since.is_some() && session.manager.is_none()
}

fn has_files(files: &Files, task: &Task) -> bool {
    let secrets = task.container.payloads().next().is_some();
    files.papers.has(task.id) && (!secrets || files.vault.has(task.id))
}

/// Puts a value in the place of another one; whether they differ.
pub(crate) fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}

/// The wall clock, for times in reports.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
