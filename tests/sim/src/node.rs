//! A machine of the simulation: an engine that runs containers, and an agent that takes each task's next step from the
//! real `plan::container`. The agent may die and come back (containers go on), the machine may reboot (containers end).

use std::collections::{BTreeMap, BTreeSet};

use control::{Known, Update};
use model::{NetworkView, NodeId, NodeView, Task, TaskId, TaskState, TaskStatus, Timestamp, Unfit, VirtualIp};
use plan::container::{Container, ContainerState, Local, Standing, Step, next, next_unassigned};
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
    pub view: Option<NodeView>,
    /// The engine's containers; they outlive the agent.
    pub engine: BTreeMap<TaskId, ContainerState>,
    /// What each of them was made from: the task, with the network segments and virtual IPs as of then.
    pub made: BTreeMap<TaskId, Made>,
    locals: BTreeMap<TaskId, Local>,
    /// The ends of tasks on the node's disk: there before they are told.
    ends: BTreeMap<TaskId, TaskStatus>,
    /// Links and map rows; they outlive the agent.
    pub kernel: Kernel,
    /// The kernel is going to be brought in line.
    pub programming: bool,
    /// The managers have been heard in this run of the agent.
    confirmed: bool,
    /// Tasks that they have forgotten.
    pub forgotten: BTreeSet<TaskId>,
}

impl Machine {
    /// A fresh machine.
    pub fn new(id: NodeId) -> Self {
        Self {
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
            locals: BTreeMap::new(),
            ends: BTreeMap::new(),
            kernel: Kernel::default(),
            programming: false,
            confirmed: false,
            forgotten: BTreeSet::new(),
        }
    }

    fn task(&self, id: TaskId) -> Option<&Task> {
        self.view.as_ref()?.tasks.iter().find(|task| task.id == id)
    }

    /// The managers have not been heard in this run of the agent.
    pub fn begins(&self) -> bool {
        !self.confirmed
    }

    /// What it says to its manager now.
    pub fn says(&self) -> Said {
        let known = |view: &NodeView| Known {
            seq: view.seq,
            checksum: view.checksum(),
        };
        Said {
            begins: self.begins(),
            known: self.view.as_ref().map(known),
            reports: self.reports(),
            kept: self.kept(),
        }
    }

    /// Takes in what a manager says, unless it is older than what is there.
    pub fn take(&mut self, update: Update) -> Taken {
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
        self.confirmed = true;
        self.view = Some(view);
        self.adopt(false);
        Taken::New
    }

    /// Begins to look after the tasks of the view and the containers of the engine.
    fn adopt(&mut self, revive: bool) {
        let mut known: BTreeMap<TaskId, TaskStatus> = BTreeMap::new();
        for task in self.view.iter().flat_map(|view| &view.tasks) {
            let status = self.ends.get(&task.id).unwrap_or(&task.status);
            known.insert(task.id, status.clone());
        }
        for id in self.engine.keys() {
            known.entry(*id).or_insert_with(|| unknown(TaskState::Shutdown));
        }
        for (id, status) in known {
            let container = self.engine.get(&id).map(|state| container(id, state));
            let fresh = Local {
                status,
                container,
                busy: false,
                revive,
                answers: Default::default(),
            };
            self.locals.entry(id).or_insert(fresh);
        }
        let (engine, view) = (&self.engine, &self.view);
        let assigned = |id: &TaskId| view.iter().flat_map(|v| &v.tasks).any(|task| task.id == *id);
        self.locals
            .retain(|id, local| local.busy || engine.contains_key(id) || assigned(id));
        self.ends.retain(|id, _| assigned(id));
    }

    /// The agent dies and is started again; what it knew it reads from disk and engine.
    pub fn restart_agent(&mut self, revive: bool) {
        self.run += 1;
        self.up = true;
        self.confirmed = false;
        self.forgotten.clear();
        self.locals.clear();
        self.adopt(revive);
    }

    /// All processes end.
    pub fn power_off(&mut self) {
        self.up = false;
        self.kernel = Kernel::default();
        for state in self.engine.values_mut() {
            if *state == ContainerState::Running {
                *state = ContainerState::Exited {
                    code: 137,
                    error: String::new(),
                };
            }
        }
    }

    /// `swarm leave`: nothing of the cluster stays on it.
    pub fn leave(&mut self) {
        self.power_off();
        self.engine.clear();
        self.made.clear();
        self.locals.clear();
        self.ends.clear();
        self.view = None;
        self.left = true;
    }

    /// Brings the kernel in line with the view, or dies after `survives` steps.
    pub fn program(&mut self, survives: usize) -> Checked {
        match &self.view {
            Some(view) => self.kernel.reconcile(view, &self.engine, survives),
            None => Ok(()),
        }
    }

    /// A container of a running task ends by itself.
    pub fn crash(&mut self, id: TaskId, code: i64) {
        if let Some(state) = self.engine.get_mut(&id)
            && *state == ContainerState::Running
        {
            *state = ContainerState::Exited {
                code,
                error: String::new(),
            };
            self.sync(id);
        }
    }

    fn note_made(&mut self, id: TaskId) {
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
        self.made.insert(id, made);
    }

    fn sync(&mut self, id: TaskId) {
        if let Some(local) = self.locals.get_mut(&id) {
            local.container = self.engine.get(&id).map(|state| container(id, state));
        }
    }

    /// Takes all steps that can be taken now; reports take effect, operations are begun and returned.
    pub fn steps(&mut self, now: Timestamp) -> Vec<(TaskId, Operation)> {
        let mut begun = Vec::new();
        let ids: Vec<TaskId> = self.locals.keys().copied().collect();
        for id in ids {
            while let Some(step) = self.step(id, now) {
                let Some(local) = self.locals.get_mut(&id) else { break };
                let operation = match step {
                    Step::Report(status) => {
                        if status.state.is_terminal() {
                            self.ends.insert(id, status.clone());
                        }
                        local.status = status;
                        continue;
                    }
                    Step::Prepare => Operation::Prepare,
                    Step::Start { .. } => Operation::Start,
                    Step::Stop { .. } => Operation::Stop,
                    Step::Remove { .. } => Operation::Remove,
                };
                local.busy = true;
                begun.push((id, operation));
            }
        }
        begun
    }

    fn step(&self, id: TaskId, now: Timestamp) -> Option<Step> {
        let local = self.locals.get(&id)?;
        match self.task(id) {
            Some(task) => next(task, local, now),
            None if !self.confirmed => next_unassigned(local, Standing::Unknown),
            None if self.forgotten.contains(&id) => next_unassigned(local, Standing::Forgotten),
            None => next_unassigned(local, Standing::Over),
        }
    }

    /// Tasks that are not assigned, and whose containers have ended.
    pub fn kept(&self) -> Vec<TaskId> {
        let has_ended = |state: &ContainerState| matches!(state, ContainerState::Exited { .. });
        let ended = self.engine.iter().filter(|(_, state)| has_ended(state));
        ended.map(|(id, _)| *id).filter(|id| self.task(*id).is_none()).collect()
    }

    /// An operation has ended, well or not.
    pub fn done(&mut self, id: TaskId, operation: Operation, well: bool, now: Timestamp) {
        let exited = |code| ContainerState::Exited {
            code,
            error: String::new(),
        };
        match (operation, well) {
            (Operation::Prepare, true) => self.engine.insert(id, ContainerState::Created),
            (Operation::Start, true) => self.engine.insert(id, ContainerState::Running),
            (Operation::Start, false) => self.engine.insert(id, exited(127)),
            (Operation::Stop, _) => self.engine.insert(id, exited(143)),
            (Operation::Remove, _) => self.engine.remove(&id),
            (Operation::Prepare, false) => None,
        };
        match operation {
            Operation::Prepare if well => self.note_made(id),
            Operation::Remove => {
                self.made.remove(&id);
                self.forgotten.remove(&id);
            }
            _ => {}
        }
        self.sync(id);
        if let Some(local) = self.locals.get_mut(&id) {
            local.busy = false;
            local.revive = false;
            if operation == Operation::Prepare {
                local.status.state = if well { TaskState::Ready } else { TaskState::Rejected };
                local.status.at = now;
                local.status.err = if well {
                    String::new()
                } else {
                    "No such image".to_owned()
                };
                if !well {
                    self.ends.insert(id, local.status.clone());
                }
            }
        }
        self.adopt(false);
    }

    /// What the agent and the engine know of a task, for whoever reads of a failure.
    pub fn describe(&self, id: TaskId) -> String {
        let seq = self.view.as_ref().map(|view| view.seq);
        format!("({:?} {:?}, view {seq:?})", self.locals.get(&id), self.engine.get(&id))
    }

    /// What the managers do not know yet, as far as the view tells.
    pub fn reports(&self) -> Vec<StatusReport> {
        let mut reports = Vec::new();
        for task in self.view.iter().flat_map(|view| &view.tasks) {
            if let Some(local) = self.locals.get(&task.id)
                && local.status.state > task.status.state
            {
                let status = local.status.clone();
                reports.push(StatusReport {
                    node: self.id,
                    task: task.id,
                    status,
                    heard: None,
                });
            }
        }
        reports
    }
}

fn container(id: TaskId, state: &ContainerState) -> Container {
    Container {
        id: id.to_string(),
        state: state.clone(),
    }
}

fn unknown(state: TaskState) -> TaskStatus {
    TaskStatus::of(state, Timestamp(0))
}
