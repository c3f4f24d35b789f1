//! The engine of a machine: what becomes of containers.

use model::{TaskId, TaskState, Timestamp};
use plan::{
    container::{Container, ContainerState},
    tasks::{Outcome, Statuses, Tasks},
};

use super::{Machine, Operation};
use crate::kernel::Kernel;

impl Machine {
    /// All processes end.
    pub fn power_off(&mut self) {
        self.up = false;
        (self.kernel, self.shows) = (Kernel::default(), 0);
        self.engine
            .values_mut()
            .filter(|state| state.runs())
            .for_each(|state| *state = exited(137));
    }

    /// `swarm leave`: nothing of the cluster stays on it.
    pub fn leave(&mut self) {
        self.power_off();
        self.engine.clear();
        self.made.clear();
        self.making.clear();
        self.tasks = Tasks::new(Default::default());
        self.ends = Statuses::new();
        self.view = None;
        self.left = true;
    }

    /// A container of a running task ends by itself.
    pub fn crash(&mut self, id: TaskId, code: i64) {
        if let Some(state) = self.engine.get_mut(&id).filter(|state| state.runs()) {
            *state = exited(code);
            let state = Some(state.clone());
            self.tasks.known.take_event(id, &id.to_string(), state);
        }
    }

    /// An operation has ended, well or not.
    pub fn done(&mut self, id: TaskId, operation: Operation, well: bool, at: Timestamp) {
        let outcome = match operation {
            Operation::Prepare => self.prepared(id, well),
            Operation::Start => self.started(id, well),
            Operation::Stop => self.stopped(id),
            Operation::Remove => {
                self.engine.remove(&id);
                self.made.remove(&id);
                self.forgotten.remove(&id);
                Outcome::Removed
            }
        };
        let now = self.clocks(at);
        self.tasks.known.take_outcome(id, outcome, now);
    }

    fn prepared(&mut self, id: TaskId, well: bool) -> Outcome {
        let making = self.making.remove(&id);
        if !well {
            return Outcome::Failed(TaskState::Rejected, "No such image".to_owned());
        }
        self.engine.insert(id, ContainerState::Created);
        self.made.extend(making.map(|made| (id, made)));
        Outcome::Created(id.to_string())
    }

    fn started(&mut self, id: TaskId, well: bool) -> Outcome {
        let Some(state) = self.engine.get_mut(&id) else {
            return Outcome::Failed(TaskState::Failed, "No such container".to_owned());
        };
        if !well {
            *state = exited(127);
            return Outcome::Failed(TaskState::Failed, "cannot start".to_owned());
        }
        *state = ContainerState::Running;
        Outcome::Started(ContainerState::Running)
    }

    fn stopped(&mut self, id: TaskId) -> Outcome {
        match self.engine.get_mut(&id) {
            Some(state) => {
                *state = exited(143);
                Outcome::Stopped(143)
            }
            None => Outcome::Removed,
        }
    }
}

pub(super) fn container(id: TaskId, state: &ContainerState) -> Container {
    Container {
        id: id.to_string(),
        state: state.clone(),
    }
}

fn exited(code: i64) -> ContainerState {
    ContainerState::Exited {
        code,
        error: String::new(),
    }
}
