//! What is set aside on each node, and which tasks have setbacks behind them: the scheduler asks for both with every
//! task that it places.

use imbl::{OrdMap, OrdSet};
use model::{NodeId, ServiceId, Task, TaskId};

/// CPU time and memory that the tasks on a node have reserved, those that are being stopped too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserved {
    /// CPU time per second, 10^-9 of a core.
    pub nano_cpus: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
}

impl Reserved {
    fn of(task: &Task) -> Self {
        let wish = &task.container.resources.reservations;
        Self {
            nano_cpus: wish.nano_cpus,
            memory_bytes: wish.memory_bytes,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            nano_cpus: self.nano_cpus.saturating_add(other.nano_cpus),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            nano_cpus: self.nano_cpus.saturating_sub(other.nano_cpus),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
        }
    }
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reservations {
    of_node: OrdMap<NodeId, Reserved>,
    /// Wanted tasks with setbacks.
    pub unlucky: OrdSet<(ServiceId, TaskId)>,
}

/// What a task reserves where, until it has ended.
fn share(task: Option<&Task>) -> Option<(NodeId, Reserved)> {
    let task = task.filter(|task| !task.status.state.is_terminal())?;
    let reserved = Reserved::of(task);
    Some((task.node?, reserved)).filter(|_| reserved != Reserved::default())
}

fn is_unlucky(task: Option<&Task>) -> bool {
    task.is_some_and(|task| task.is_live() && !task.setbacks.is_empty())
}

impl Reservations {
    pub fn of(&self, node: NodeId) -> Reserved {
        self.of_node.get(&node).copied().unwrap_or_default()
    }

    /// A task goes from `old` to `new`; `None`: it is not there.
    pub fn relink(&mut self, old: Option<&Task>, new: Option<&Task>) {
        let (before, after) = (share(old), share(new));
        if before != after {
            if let Some((node, share)) = before {
                self.set(node, self.of(node).minus(share));
            }
            if let Some((node, share)) = after {
                self.set(node, self.of(node).plus(share));
            }
        }
        if let (Some(task), true) = (new.or(old), is_unlucky(old) != is_unlucky(new)) {
            let key = (task.service, task.id);
            if is_unlucky(new) {
                self.unlucky.insert(key);
            } else {
                self.unlucky.remove(&key);
            }
        }
    }

    fn set(&mut self, node: NodeId, reserved: Reserved) {
        if reserved == Reserved::default() {
            self.of_node.remove(&node);
        } else {
            self.of_node.insert(node, reserved);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, TaskOp, fixture::*};
    use model::{ContainerSpec, Slot, TaskState};

    #[test]
    fn what_a_task_reserves_is_set_aside_until_it_has_ended() {
        let mut state = state();
        let mut new = task(2);
        new.slot = Slot::new(2).unwrap();
        let mut container = ContainerSpec::of("image");
        container.resources.reservations.memory_bytes = 7;
        new.container = container.into();
        apply(&mut state, Command::Tasks(vec![TaskOp::Create(Box::new(new))])).unwrap();
        let on_1 = |state: &crate::State| state.reserved_on(NodeId::from_bits(1)).memory_bytes;
        apply(&mut state, allocate(2, "10.1.0.4")).unwrap();
        assert_eq!(on_1(&state), 0);
        apply(&mut state, assign(2, 1)).unwrap();
        assert_eq!(on_1(&state), 7);
        apply(&mut state, report(1, 2, TaskState::Failed, 5)).unwrap();
        assert_eq!(on_1(&state), 0);
    }
}
