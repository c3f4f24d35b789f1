//! A machine of the simulation: an engine that runs containers, and an agent whose decisions are the real
//! [`plan::tasks::Tasks`]. The agent may die and come back (containers go on), the machine may reboot (containers end).

mod engine;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use control::{Known, Update};
use model::{NetworkView, NodeId, NodeView, Task, TaskId, Timestamp, Unfit, VirtualIp};
use plan::{
    container::{ContainerState, NodeFacts, Step},
    tasks::{CurrentView, Edges, Listed, Now, Order, Past, Statuses, Tasks},
};
use store::StatusReport;

use crate::{check::Checked, kernel::Kernel};

/// An operation of the engine, done after a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Image, networks, container.
    Prepare,
    /// Start the container.
    Start,
    /// Stop the container.
    Stop,
    /// Remove the container.
    Remove,
}

/// What became of what a manager said.
#[derive(Debug)]
pub enum Taken {
    /// It is the node's view now.
    New,
    /// Something newer was there.
    Old,
    /// It changes another view than the one that is there.
    Missing,
    /// What came out is not what the managers have.
    Drifted,
}

/// What an agent says to its manager, as heartbeat or report.
#[derive(Clone, Debug)]
pub struct Said {
    /// It has not heard the managers in this run: with each run a session begins.
    pub begins: bool,
    /// Its view.
    pub known: Option<Known>,
    /// The number of the view that its kernel shows; 0: none.
    pub applied: u64,
    /// How its tasks are, as far as the managers do not know.
    pub reports: Vec<StatusReport>,
    /// Ended containers of tasks that are not assigned.
    pub kept: Vec<TaskId>,
}

/// What a container was made from.
#[derive(Clone, Debug)]
pub struct Made {
    /// Its task.
    pub task: Task,
    /// The networks that it has addresses in.
    pub networks: Vec<NetworkView>,
    /// Virtual IPs of its service.
    pub vips: Vec<VirtualIp>,
}

/// See the module.
#[derive(Debug)]
pub struct Machine {
    /// Which node it is.
    pub id: NodeId,
    /// The agent runs.
    pub up: bool,
    /// It has left the cluster, and is nothing of it any more.
    pub left: bool,
    /// It is about to.
    pub leaving: bool,
    /// Nanoseconds that its clock is ahead.
    pub skew: i64,
    /// The manager that it talks to.
    pub home: usize,
    /// That manager has answered the last heartbeat.
    pub answered: bool,
    /// Grows when the agent starts anew: results of operations from before are nobody's.
    pub run: u32,
    /// The last view, as kept on the node's disk.
    pub view: Option<Arc<NodeView>>,
    /// The engine's containers; they outlive the agent.
    pub engine: BTreeMap<TaskId, ContainerState>,
    /// What each of them was made from: the task, with the network segments and virtual IPs as of then.
    pub made: BTreeMap<TaskId, Made>,
    /// What those are made from that are being made.
    making: BTreeMap<TaskId, Made>,
    tasks: Tasks,
    /// The ends of tasks on the node's disk: there before they are told.
    ends: Statuses,
    /// Links and map rows; they outlive the agent.
    pub kernel: Kernel,
    /// The kernel is going to be brought in line.
    pub programming: bool,
    /// The number of the view that it shows.
    shows: u64,
    /// When the agent began.
    begun: Timestamp,
    /// No manager answers.
    cut_off: bool,
    /// Tasks that they have forgotten.
    forgotten: BTreeSet<TaskId>,
    /// Tasks that they allow to be stopped.
    released: BTreeSet<TaskId>,
}

impl Machine {
    /// A fresh machine.
    pub fn new(id: NodeId, at: Timestamp) -> Self {
        let mut machine = Self {
            id,
            up: true,
            left: false,
            leaving: false,
            skew: 0,
            home: 0,
            answered: true,
            run: 0,
            view: None,
            engine: BTreeMap::new(),
            made: BTreeMap::new(),
            making: BTreeMap::new(),
            tasks: Tasks::new(Past::default()),
            ends: Statuses::new(),
            kernel: Kernel::default(),
            programming: false,
            shows: 0,
            begun: at,
            cut_off: false,
            forgotten: BTreeSet::new(),
            released: BTreeSet::new(),
        };
        machine.begin(false, at);
        machine
    }

    /// The agent begins; what it knew it reads from disk and engine.
    fn begin(&mut self, rebooted: bool, at: Timestamp) {
        let ends = self.ends.clone();
        self.tasks = Tasks::new(Past { rebooted, ends });
        self.begun = at;
        self.forgotten.clear();
        self.released.clear();
        self.making.clear();
        let now = self.clocks(at);
        self.cut_off = true;
        self.show_view(false, now);
        let list = self.engine.iter().map(|(task, state)| Listed {
            task: *task,
            container: engine::container(*task, state),
        });
        let (list, known) = (list.collect(), &mut self.tasks.known);
        known.take_list(known.epoch(), list);
    }

    fn clocks(&self, at: Timestamp) -> Now {
        Now {
            wall: Timestamp(at.0 + self.skew),
            run: at.since(self.begun),
        }
    }

    /// `confirmed`: the managers have been heard in this run of the agent.
    fn show_view(&mut self, confirmed: bool, now: Now) {
        let known = match confirmed {
            true => CurrentView::from_managers,
            false => CurrentView::from_disk,
        };
        let current = self.view.clone().map(known);
        self.tasks.take_view(current, &self.released, now);
    }

    fn task(&self, id: TaskId) -> Option<&Task> {
        self.view.as_ref()?.tasks.iter().find(|task| task.id == id)
    }

    /// The managers have not been heard in this run of the agent.
    pub fn begins(&self) -> bool {
        self.tasks.current().is_none_or(|current| !current.confirmed)
    }

    /// What it says to its manager now.
    pub fn says(&self) -> Said {
        let known = |view: &Arc<NodeView>| Known {
            seq: view.seq,
            checksum: view.checksum(),
        };
        Said {
            begins: self.begins(),
            known: self.view.as_ref().map(known),
            applied: self.shows,
            reports: self.reports(),
            kept: self.kept().into_iter().collect(),
        }
    }

    /// A manager that leads has answered, and says which tasks it has forgotten and which may be stopped.
    pub fn reached(&mut self, forgotten: &[TaskId], released: &[TaskId], at: Timestamp) {
        self.cut_off = false;
        self.forgotten.extend(forgotten);
        self.released.extend(released);
        let now = self.clocks(at);
        self.tasks.take_forgotten(self.forgotten.clone());
        self.tasks.take_released(&self.released, now);
    }

    /// No manager answers.
    pub fn cut_off(&mut self) {
        self.cut_off = true;
    }

    /// Takes in what a manager says, unless it is older than what is there.
    pub fn take(&mut self, update: Update, at: Timestamp) -> Taken {
        let have = self.view.as_ref().map(|view| view.seq);
        let view = match (update, &self.view) {
            (Update::Whole(view), _) if have.is_none_or(|have| have <= view.seq) => view,
            (Update::Delta(delta), Some(view)) if view.seq <= delta.seq => match view.apply(&delta) {
                Ok(view) => view,
                Err(Unfit::Gap { .. }) => return Taken::Missing,
                Err(Unfit::Drift { .. }) => return Taken::Drifted,
            },
            (Update::Delta(_), None) => return Taken::Missing,
            _ => return Taken::Old,
        };
        self.view = Some(Arc::new(view));
        self.released.retain(|id| self.tasks.known.get(*id).is_some());
        self.show_view(true, self.clocks(at));
        Taken::New
    }

    /// The agent dies and is started again.
    pub fn restart_agent(&mut self, rebooted: bool, at: Timestamp) {
        self.run += 1;
        self.up = true;
        self.begin(rebooted, at);
    }

    /// Brings the kernel in line with the view, or dies after `survives` steps.
    pub fn program(&mut self, survives: usize, at: Timestamp) -> Checked {
        let Some(current) = self.tasks.effective(&[], self.clocks(at)) else {
            return Ok(());
        };
        self.kernel.reconcile(&current, &self.engine, survives)?;
        if current.confirmed {
            self.shows = current.view.seq;
        }
        Ok(())
    }

    /// Without kernels: it shows what the agent knows.
    pub fn shows_all(&mut self) {
        self.shows = self.view.as_ref().map_or(0, |view| view.seq);
    }

    /// Takes all steps that can be taken now; reports take effect, operations are begun and returned.
    pub fn steps(&mut self, at: Timestamp) -> Vec<(TaskId, Operation)> {
        let edges = Edges {
            cut_off: self.cut_off,
            has_files: &|_| true,
            facts: NodeFacts {
                os: "linux",
                arch: "x86_64",
            },
        };
        let orders = self.tasks.decide(edges, self.clocks(at));
        let begun = orders.into_iter().filter_map(|order| self.begins_with(order)).collect();
        let statuses = self.tasks.statuses().into_iter();
        self.ends = statuses.filter(|(_, status)| status.state.is_terminal()).collect();
        begun
    }

    fn begins_with(&mut self, order: Order) -> Option<(TaskId, Operation)> {
        match order {
            Order::Prepare { task, .. } => {
                self.note_making(task);
                Some((task, Operation::Prepare))
            }
            Order::Restore { task, .. } => Some((task, Operation::Start)),
            Order::Perform { task, step } => match step {
                Step::Start { .. } => Some((task, Operation::Start)),
                Step::Stop { .. } => Some((task, Operation::Stop)),
                Step::Remove { .. } => Some((task, Operation::Remove)),
                Step::Report(_) | Step::Prepare => None,
            },
            Order::Wipe(_) | Order::Note { .. } | Order::NoteAgain(_) => None,
        }
    }

    fn note_making(&mut self, id: TaskId) {
        let (Some(view), Some(task)) = (&self.view, self.task(id)) else {
            return;
        };
        let is_in = |network: &&NetworkView| task.attachments.iter().any(|a| a.network == network.id);
        let service = view.services.iter().find(|service| service.id == task.service);
        let made = Made {
            networks: view.networks.iter().filter(is_in).cloned().collect(),
            vips: service.map(|service| service.vips.clone()).unwrap_or_default(),
            task: task.clone(),
        };
        self.making.insert(id, made);
    }

    /// When the clock alone asks for something.
    pub fn wakes(&self, at: Timestamp) -> Timestamp {
        at + self.tasks.sleep(self.clocks(at))
    }

    /// Tasks that are not assigned, and whose containers have ended.
    pub fn kept(&self) -> BTreeSet<TaskId> {
        self.tasks.kept()
    }

    /// What the agent and the engine know of a task, for whoever reads of a failure.
    pub fn describe(&self, id: TaskId) -> String {
        let seq = self.view.as_ref().map(|view| view.seq);
        format!(
            "({:?} {:?}, view {seq:?})",
            self.tasks.known.get(id),
            self.engine.get(&id)
        )
    }

    /// What the managers do not know yet, as far as the view tells.
    pub fn reports(&self) -> Vec<StatusReport> {
        let statuses = self.tasks.statuses().into_iter();
        let news = statuses.filter(|(id, status)| self.task(*id).is_some_and(|task| task.status != *status));
        let report = |(task, status)| StatusReport {
            node: self.id,
            task,
            status,
            heard: None,
        };
        news.map(report).collect()
    }
}
