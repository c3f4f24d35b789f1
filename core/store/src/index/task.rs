//! The indexes of tasks. A task is written many times in its life and few of those change what it is found by: only the
//! keys that differ are touched.

use model::{Attachment, DesiredState, NodeId, ServiceId, Task};

use super::{AddressOwner, Indexes};

/// The addresses that a task has: one that has ended gives them back, but stays in its slot's history.
fn held(task: Option<&Task>) -> &[Attachment] {
    let holder = task.filter(|task| !task.status.state.is_terminal());
    holder.map_or(&[], |task| &task.attachments)
}

/// The node that a task burdens, and for which service.
fn burdened(task: Option<&Task>) -> Option<(NodeId, ServiceId)> {
    let task = task.filter(|task| task.is_live())?;
    Some((task.node?, task.service))
}

fn waits(task: Option<&Task>) -> bool {
    task.is_some_and(|task| task.desired == DesiredState::Ready)
}

fn live_spec(task: Option<&Task>) -> Option<u64> {
    task.filter(|task| task.is_live()).map(|task| task.spec_version)
}

impl Indexes {
    /// A task goes from `old` to `new`; `None`: it is not there.
    pub fn relink_task(&mut self, old: Option<&Task>, new: Option<&Task>) {
        let Some(task) = new.or(old) else { return };
        let (service, slot, id) = (task.service, task.slot, task.id);
        if old.is_none() {
            self.tasks_of_service.insert((service, slot, id));
        } else if new.is_none() {
            self.tasks_of_service.remove(&(service, slot, id));
        }
        self.relink_place(old, new);
        self.reservations.relink(old, new);
        if waits(old) != waits(new) {
            let waiting = &mut self.tasks_waiting;
            if waits(new) {
                waiting.insert(id)
            } else {
                waiting.remove(&id)
            };
        }
        if live_spec(old) != live_spec(new) {
            if let Some(version) = live_spec(old) {
                self.discount_spec((service, version));
            }
            if let Some(version) = live_spec(new) {
                *self.live_specs.entry((service, version)).or_default() += 1;
            }
        }
        self.payloads.relink_task(old, new);
        if held(old) != held(new) {
            self.release_addresses(old);
            self.hold_addresses(new);
        }
    }

    fn relink_place(&mut self, old: Option<&Task>, new: Option<&Task>) {
        let node = |task: Option<&Task>| task.map(|task| task.node);
        if node(old) != node(new) {
            if let Some(task) = old {
                match task.node {
                    Some(node) => self.tasks_on_node.remove(&(node, task.id)).is_some(),
                    None => self.tasks_without_node.remove(&task.id).is_some(),
                };
            }
            if let Some(task) = new {
                match task.node {
                    Some(node) => self.tasks_on_node.insert((node, task.id)).is_some(),
                    None => self.tasks_without_node.insert(task.id).is_some(),
                };
            }
        }
        if burdened(old) != burdened(new) {
            if let Some((node, service)) = burdened(old) {
                self.loads.remove(node, service);
            }
            if let Some((node, service)) = burdened(new) {
                self.loads.add(node, service);
            }
        }
    }

    fn discount_spec(&mut self, spec: (ServiceId, u64)) {
        match self.live_specs.get(&spec) {
            Some(1) | None => self.live_specs.remove(&spec),
            Some(count) => self.live_specs.insert(spec, count - 1),
        };
    }

    fn release_addresses(&mut self, task: Option<&Task>) {
        for attachment in held(task) {
            self.disown(attachment.network, attachment.addr);
        }
    }

    fn hold_addresses(&mut self, task: Option<&Task>) {
        for (task, attachment) in task.into_iter().flat_map(|t| held(Some(t)).iter().map(move |a| (t, a))) {
            self.own(attachment.network, attachment.addr, AddressOwner::Task(task.id));
        }
    }
}
