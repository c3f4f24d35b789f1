//! All steps that can be taken now.

use std::collections::BTreeMap;

use model::{DesiredState, Task, TaskId, TaskState};

use super::{CurrentView, HOLD, Now, Order, Tasks};
use crate::container::{
    ContainerRequest, NodeFacts, Step, Unprepared, container_request, has_ended, next, next_again, next_unassigned,
};

/// What the node's edges know at this moment.
#[derive(Clone, Copy)]
pub struct Edges<'a> {
    /// No manager is in reach.
    pub cut_off: bool,
    /// Whether the files that a task's container gets are there.
    pub has_files: &'a dyn Fn(&Task) -> bool,
    /// The machine, as the engine names it.
    pub facts: NodeFacts,
}

impl Tasks {
    /// Does everything that the present knowledge asks for. What has to be done at the engine comes out; its outcome is to
    /// be told to [`super::Known::take_outcome`].
    pub fn decide(&mut self, edges: Edges<'_>, now: Now) -> Vec<Order> {
        self.cut_off = edges.cut_off.then(|| self.cut_off.unwrap_or(now.run));
        let Some(current) = self.current.clone() else {
            return Vec::new();
        };
        let mut orders = Vec::new();
        if self.known.listed() && (current.confirmed || now.run >= HOLD) {
            self.again = None;
            self.limit_kept();
            let mut pass = Pass {
                tasks: self,
                current: &current,
                edges,
                now,
                orders,
            };
            pass.all();
            orders = pass.orders;
        }
        if current.confirmed {
            self.known.forget(&current.view.tasks);
        }
        orders
    }
}

/// One time through all tasks.
struct Pass<'a> {
    tasks: &'a mut Tasks,
    current: &'a CurrentView,
    edges: Edges<'a>,
    now: Now,
    orders: Vec<Order>,
}

impl Pass<'_> {
    fn all(&mut self) {
        let current = self.current;
        let assigned: BTreeMap<TaskId, &Task> = current.view.tasks.iter().map(|t| (t.id, t)).collect();
        for id in self.tasks.known.tasks() {
            let task = assigned.get(&id).copied();
            while let Some(step) = self.step(id, task) {
                if !self.take(id, task, step) {
                    break;
                }
            }
        }
    }

    fn step(&mut self, id: TaskId, task: Option<&Task>) -> Option<Step> {
        let Some(task) = task else {
            return next_unassigned(self.tasks.known.get(id)?, self.tasks.standing(id));
        };
        if !self.may_be_told(task) {
            return None;
        }
        let local = self.tasks.known.get(id)?;
        // One that was replaced while the node was off is not made again first.
        let again = (task.desired < DesiredState::Shutdown)
            .then(|| next_again(local))
            .flatten();
        let step = again.or_else(|| next(task, local, self.now.wall))?;
        let stops = matches!(step, Step::Stop { .. }) && !local.status.state.is_terminal();
        let kept = stops && self.tasks.leaving.left(&self.current.view, task, self.now).is_some();
        (!kept).then_some(step)
    }

    /// Whether the managers are to hear how the task is. While none is in reach, one that has ended is run again by the
    /// node itself when its time comes, and until then its end is not decided.
    fn may_be_told(&mut self, task: &Task) -> bool {
        let (tasks, now) = (&mut *self.tasks, self.now.run);
        let Some(cut_off) = tasks.cut_off else {
            return true;
        };
        let wanted = task.desired == DesiredState::Running && tasks.known.get(task.id).is_some_and(has_ended);
        if !wanted {
            return true;
        }
        let service = self.current.view.services.iter().find(|s| s.id == task.service);
        let policy = service.and_then(|s| s.restart).unwrap_or_default();
        let Some(at) = tasks.known.run_again(task.id, &policy, cut_off, now) else {
            return true;
        };
        if at > now {
            tasks.again = Some(tasks.again.map_or(at, |other| other.min(at)));
            return false;
        }
        tasks.known.runs_again(task.id, now);
        self.orders.push(Order::NoteAgain(task.id));
        true
    }

    /// Takes one step. True: more may follow at once.
    fn take(&mut self, id: TaskId, task: Option<&Task>, step: Step) -> bool {
        match (step, task) {
            (Step::Report(status), _) => {
                let over = status.state.is_terminal();
                self.tasks.known.report(id, status);
                self.note(id);
                if over && !self.tasks.needs_files(id) {
                    self.orders.push(Order::Wipe(id));
                }
                true
            }
            (Step::Prepare, None) => false,
            (Step::Prepare, Some(task)) => {
                let request = self.request(task, TaskState::Rejected);
                self.begin(id, request, |task, request| Order::Prepare { task, request })
            }
            (Step::Start { container }, Some(task)) if !(self.edges.has_files)(task) => {
                let request = self.request(task, TaskState::Failed);
                self.begin(id, request, |task, request| Order::Restore {
                    task,
                    container,
                    request,
                })
            }
            (step, _) => self.begin(id, Ok(()), |task, ()| Order::Perform { task, step }),
        }
    }

    fn note(&mut self, task: TaskId) {
        if let Some(local) = self.tasks.known.get(task) {
            let status = Box::new(local.status.clone());
            self.orders.push(Order::Note { task, status });
        }
    }

    /// An operation begins, unless there is no knowing with what: `Err` says whether its task has ended for that.
    fn begin<T>(&mut self, id: TaskId, with: Result<T, bool>, order: impl FnOnce(TaskId, T) -> Order) -> bool {
        match with {
            Ok(with) => {
                self.tasks.known.begin(id);
                self.orders.push(order(id, with));
                false
            }
            Err(ended) => ended,
        }
    }

    /// What a task's container is made from. If there is no knowing the task ends, or waits: `Err` says whether it ended.
    /// The view on the disk has no secrets; those come with the first manager.
    fn request(&mut self, task: &Task, end: TaskState) -> Result<Box<ContainerRequest>, bool> {
        let request = container_request(&self.current.view, task, self.edges.facts);
        request.map(Box::new).map_err(|why| match why {
            Unprepared::NoPayload { kind, name } if !self.current.confirmed => {
                let words = format!("waiting for {kind} {name}, which only managers keep: none is in reach");
                self.tasks.known.explain(task.id, &words, self.now.wall);
                false
            }
            why => {
                self.tasks.known.end(task.id, end, why.to_string(), self.now.wall);
                self.note(task.id);
                true
            }
        })
    }
}
