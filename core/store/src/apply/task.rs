//! Tasks: states and wishes only grow; managers set the states up to `Assigned`, the task's own agent those after.

use model::{Attachment, GenericResource, NodeId, NodeState, PublishedPort, Task, TaskId, TaskState, Timestamp};

use crate::{AddressOwner, Event, Kind, Refused, State, StatusReport, TaskOp};

/// What a task gets of its node: resources with operators' names, and ports of mode `host`.
pub type Given = (Vec<GenericResource>, Vec<PublishedPort>);

/// Refuses a task that is not at `from` exactly, the only state that leads to `next`.
fn expect(task: &Task, from: TaskState, next: TaskState) -> Result<(), Refused> {
    let (task, state) = (task.id, task.status.state);
    if state == from {
        Ok(())
    } else {
        Err(Refused::TaskBeyond { task, state, next })
    }
}

fn advance(task: &mut Task, at: Timestamp, state: TaskState, message: &str) {
    task.status.state = state;
    task.status.at = at;
    message.clone_into(&mut task.status.message);
}

impl State {
    /// Carries out all changes or none. The tasks as they were are kept one by one and not as a clone of their table: an
    /// entry has hundreds all over it, and of each node of the table that is shared all tasks would have to be visited.
    pub(super) fn apply_tasks(&mut self, index: u64, ops: Vec<TaskOp>, events: &mut Vec<Event>) -> Result<(), Refused> {
        let old = |op: &TaskOp| (op.task(), self.tables.tasks.get(&op.task()).cloned());
        let old: Vec<_> = ops.iter().map(old).collect();
        let tasks = std::mem::take(&mut self.tables.tasks);
        let others = self.clone();
        self.tables.tasks = tasks;
        let outcome = ops.into_iter().try_for_each(|op| self.task_op(index, op, events));
        if outcome.is_err() {
            let mut tasks = std::mem::take(&mut self.tables.tasks);
            for (id, task) in old {
                match task {
                    Some(task) => tasks.insert(id, task),
                    None => tasks.remove(&id),
                };
            }
            *self = others;
            self.tables.tasks = tasks;
        }
        outcome
    }

    pub(super) fn task_op(&mut self, index: u64, op: TaskOp, events: &mut Vec<Event>) -> Result<(), Refused> {
        match op {
            TaskOp::Create(task) => self.create_task(index, *task, events),
            TaskOp::Allocate { task, at, attachments } => {
                let task = self.allocated(self.known_task(task)?, at, attachments)?;
                self.write_changed(index, at, task, events);
                Ok(())
            }
            TaskOp::Assign {
                task,
                at,
                node,
                generic_resources,
                host_ports,
            } => {
                let found = self.known_task(task)?;
                let task = self.assigned(found, at, node, (generic_resources, host_ports))?;
                self.write_changed(index, at, task, events);
                Ok(())
            }
            TaskOp::Explain { task, at, err } => {
                let mut task = self.known_task(task)?;
                task.status.err = err;
                self.write_task(index, at, task, events);
                Ok(())
            }
            TaskOp::SetDesired { task, at, desired } => {
                let mut task = self.known_task(task)?;
                task.desired = task.desired.max(desired);
                self.write_task(index, at, task, events);
                Ok(())
            }
            TaskOp::Report(report) => self.report(index, *report, events),
            TaskOp::Orphan { task, at } => {
                let mut task = self.known_task(task)?;
                if !task.status.state.is_terminal() {
                    self.check_lost(&task)?;
                    let message = "node has been down for too long";
                    advance(&mut task, at, TaskState::Orphaned, message);
                    self.write_changed(index, at, task, events);
                }
                Ok(())
            }
            TaskOp::Remove { task } => {
                let Some(old) = self.task(task).cloned() else {
                    return Ok(());
                };
                self.check_forgotten(&old)?;
                let (service, slot, node, ended) = (old.service, old.slot, old.node, true);
                events.push(Event::Task {
                    task,
                    service,
                    slot,
                    node,
                    ended,
                });
                self.drop_task(task);
                self.release(&old);
                Ok(())
            }
        }
    }

    /// As [`TaskOp::Allocate`] and then [`TaskOp::Assign`] on a scratch clone, where nothing has to be told in between.
    pub fn apply_placed(
        &mut self,
        task: TaskId,
        at: Timestamp,
        attachments: Vec<Attachment>,
        node: NodeId,
        given: Given,
    ) -> Result<(), Refused> {
        let task = self.allocated(self.known_task(task)?, at, attachments)?;
        let task = self.assigned(task, at, node, given)?;
        self.write_changed(self.tables.applied + 1, at, task, &mut Vec::new());
        Ok(())
    }

    /// A new task with addresses, which become its own.
    fn allocated(&mut self, mut task: Task, at: Timestamp, attachments: Vec<Attachment>) -> Result<Task, Refused> {
        expect(&task, TaskState::New, TaskState::Pending)?;
        task.attachments = attachments;
        self.claim_addresses(&task)?;
        task.status.err = String::new();
        advance(&mut task, at, TaskState::Pending, "pending task scheduling");
        Ok(task)
    }

    /// A task that has its addresses with a node.
    fn assigned(&self, mut task: Task, at: Timestamp, node: NodeId, given: Given) -> Result<Task, Refused> {
        expect(&task, TaskState::Pending, TaskState::Assigned)?;
        if self.node(node).is_none() {
            return Err(Refused::NotFound {
                kind: Kind::Node,
                what: node.to_string(),
            });
        }
        task.node = Some(node);
        (task.generic_resources, task.host_ports) = given;
        task.status.err = String::new();
        advance(&mut task, at, TaskState::Assigned, "scheduler assigned task to node");
        Ok(task)
    }

    /// Its node may have come back after the leader had decided: then it is the node that says what became of the task.
    fn check_lost(&self, task: &Task) -> Result<(), Refused> {
        let node = task.node.and_then(|id| self.node(id));
        match node.filter(|node| node.status.state != NodeState::Down) {
            Some(node) => Err(Refused::NodeBack {
                node: node.hostname(),
                task: task.id,
            }),
            None => Ok(()),
        }
    }

    /// It may have its addresses and its node already: one pass makes, addresses and places it.
    fn create_task(&mut self, index: u64, mut task: Task, events: &mut Vec<Event>) -> Result<(), Refused> {
        if self.task(task.id).is_some() {
            return Err(Refused::IdTaken {
                kind: Kind::Task,
                id: task.id.to_string(),
            });
        }
        if self.service(task.service).is_none() {
            let what = task.service.to_string();
            return Err(Refused::NotFound {
                kind: Kind::Service,
                what,
            });
        }
        // A leader that was replaced may have decided on the same slot: what it proposed late must not count twice.
        if let (Some(rival), true) = (self.rival(&task), task.is_live()) {
            return Err(Refused::SlotTaken {
                slot: task.name(),
                task: rival,
            });
        }
        if let Some(node) = task.node.filter(|id| self.node(*id).is_none()) {
            return Err(Refused::NotFound {
                kind: Kind::Node,
                what: node.to_string(),
            });
        }
        self.claim_addresses(&task)?;
        self.share_container(&mut task);
        let at = task.created_at;
        self.write_changed(index, at, task, events);
        Ok(())
    }

    /// The task that stands in the way of a new one in its slot. One of the present spec may come beside one of another,
    /// which goes when the new one runs. While there is a canary each slot has room for one and for one other.
    fn rival(&self, task: &Task) -> Option<TaskId> {
        let service = self.service(task.service)?;
        let mut live = self.tasks_in_slot(task.service, task.slot).filter(|t| t.is_live());
        if service.canary.is_some() {
            let is_canary = |task: &Task| service.is_canary(task.spec_version);
            return live.find(|t| is_canary(t) == is_canary(task)).map(|t| t.id);
        }
        let fits = |version| version == service.spec_version;
        let first = live.next()?;
        let replaced = fits(task.spec_version) && !fits(first.spec_version) && live.next().is_none();
        (!replaced).then_some(first.id)
    }

    /// Tasks of one spec run the same: they keep one copy of what.
    fn share_container(&self, task: &mut Task) {
        if let Some(other) = self.tasks_of_service(task.service).next_back()
            && other.container == task.container
        {
            task.container = other.container.clone();
            if other.service_labels == task.service_labels {
                task.service_labels = other.service_labels.clone();
            }
        }
    }

    fn claim_addresses(&mut self, task: &Task) -> Result<(), Refused> {
        task.attachments
            .iter()
            .try_for_each(|a| self.claim(a.network, a.addr, AddressOwner::Task(task.id)))
    }

    fn known_task(&self, id: TaskId) -> Result<Task, Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Task,
            what: id.to_string(),
        };
        self.task(id).cloned().ok_or_else(missing)
    }

    /// Puts a task if it differs from what is stored.
    pub(super) fn write_task(&mut self, index: u64, at: Timestamp, task: Task, events: &mut Vec<Event>) {
        if self.task(task.id) != Some(&task) {
            self.write_changed(index, at, task, events);
        }
    }

    /// Puts a task that differs from what is stored.
    fn write_changed(&mut self, index: u64, at: Timestamp, mut task: Task, events: &mut Vec<Event>) {
        task.version = index;
        task.updated_at = at;
        events.push(Event::Task {
            task: task.id,
            service: task.service,
            slot: task.slot,
            node: task.node,
            ended: task.status.state.is_terminal(),
        });
        let ended = task.status.state.is_terminal().then(|| task.clone());
        self.put_task(task);
        if let Some(ended) = ended {
            self.release(&ended);
        }
    }

    /// A task that may run somewhere is not forgotten: its addresses would be given to others.
    fn check_forgotten(&self, task: &Task) -> Result<(), Refused> {
        let node = task.node.and_then(|id| self.node(id));
        match node.filter(|_| !task.status.state.is_terminal()) {
            Some(node) => Err(Refused::TaskNotEnded {
                task: task.id,
                node: node.hostname(),
            }),
            None => Ok(()),
        }
    }

    fn report(&mut self, index: u64, report: StatusReport, events: &mut Vec<Event>) -> Result<(), Refused> {
        let StatusReport {
            node,
            task: id,
            status,
            heard,
        } = report;
        let Some(task) = self.task(id) else { return Ok(()) };
        if task.node != Some(node) {
            return Err(Refused::ForeignTask { node, task: id });
        }
        let state = status.state;
        if !(TaskState::Accepted..=TaskState::Rejected).contains(&state) {
            return Err(Refused::ForeignState { node, task: id, state });
        }
        let now = &task.status;
        let older = state == now.state && status.at < now.at;
        let stale = now.state.is_terminal() || now.state.advance(state).is_err() || older;
        #[cfg(feature = "planted")]
        let stale = stale && !planted::is(planted::Bug::TaskGoesBack);
        if stale {
            return Ok(());
        }
        let (mut task, at) = (task.clone(), heard.unwrap_or(status.at));
        if state == TaskState::Running {
            task.running_since.get_or_insert(at);
        }
        task.status = status;
        self.write_task(index, at, task, events);
        Ok(())
    }
}
