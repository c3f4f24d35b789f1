//! Secrets and configs by name, and who uses them.

use imbl::{OrdMap, OrdSet};
use model::{Name, Payload, PayloadId, PayloadKind, Service, ServiceId, Task, TaskId};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PayloadIndex {
    /// The latest ones.
    pub names: OrdMap<(PayloadKind, Name), PayloadId>,
    pub superseded: OrdSet<PayloadId>,
    /// By present and previous specs.
    pub services: OrdSet<(PayloadId, ServiceId)>,
    /// By tasks that are not known to have ended.
    pub tasks: OrdSet<(PayloadId, TaskId)>,
}

fn of_service(service: &Service) -> impl Iterator<Item = PayloadId> {
    let previous = service.previous.as_ref().map(|previous| &previous.spec.container);
    let specs = std::iter::once(&service.spec.container).chain(previous);
    specs.flat_map(|container| container.payloads().map(|(_, file)| file.id))
}

fn lives(task: Option<&Task>) -> bool {
    task.is_some_and(|task| !task.status.state.is_terminal())
}

impl PayloadIndex {
    pub fn link(&mut self, payload: &Payload) {
        if payload.superseded {
            self.superseded.insert(payload.id);
        } else {
            let key = (payload.kind, payload.spec.name.clone());
            self.names.insert(key, payload.id);
        }
    }

    pub fn unlink(&mut self, payload: &Payload) {
        self.superseded.remove(&payload.id);
        let key = (payload.kind, payload.spec.name.clone());
        if self.names.get(&key) == Some(&payload.id) {
            self.names.remove(&key);
        }
    }

    pub fn link_service(&mut self, service: &Service) {
        for id in of_service(service) {
            self.services.insert((id, service.id));
        }
    }

    pub fn unlink_service(&mut self, service: &Service) {
        for id in of_service(service) {
            self.services.remove(&(id, service.id));
        }
    }

    pub fn relink_task(&mut self, old: Option<&Task>, new: Option<&Task>) {
        let Some(task) = new.or(old).filter(|_| lives(old) != lives(new)) else {
            return;
        };
        for (_, file) in task.container.payloads() {
            if lives(new) {
                self.tasks.insert((file.id, task.id));
            } else {
                self.tasks.remove(&(file.id, task.id));
            }
        }
    }
}
