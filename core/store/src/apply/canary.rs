//! What another spec means for a service's tasks: nothing, an update of all of them, or a canary.

use model::{
    Canary, DesiredState, PortSpec, PreviousSpec, PublishMode, Ratio, Service, ServiceId, ServiceSpec, Timestamp,
    UpdateStatus,
};

use crate::{Event, Refused, ServiceChange, State};

/// Whether tasks made from `old` do not fit `new` any more. Replicas, constraints, restart policy and ports of the mesh
/// act on running tasks; what is inside the container, its networks, and ports of the task's host (which another task
/// there may have) do not. Another `force_update` asks for new ones.
fn needs_new_tasks(old: &ServiceSpec, new: &ServiceSpec) -> bool {
    let forced = old.force_update != new.force_update;
    forced || old.container != new.container || old.networks != new.networks || !host_ports(old).eq(host_ports(new))
}

fn host_ports(spec: &ServiceSpec) -> impl Iterator<Item = &PortSpec> {
    spec.ports.iter().filter(|port| port.mode == PublishMode::Host)
}

/// Whether clients reach tasks of one spec as they reach those of the other.
fn reached_alike(old: &ServiceSpec, new: &ServiceSpec) -> bool {
    let by = |spec: &ServiceSpec| (spec.networks.clone(), spec.ports.clone(), spec.endpoint_mode);
    by(old) == by(new)
}

/// The way to another spec.
pub(super) struct Course {
    pub spec_version: u64,
    pub previous: PreviousSpec,
    pub canary: Option<Canary>,
    pub status: Status,
}

/// What becomes of the service's update status.
pub(super) enum Status {
    /// It goes on as it is.
    Stays,
    /// All tasks of other specs are replaced, if there are any.
    Begins,
    /// A canary begins.
    Canary(Ratio),
}

/// The spec that all tasks but canaries are made from. How many there are, a canary's spec says as well.
fn before(service: &Service) -> PreviousSpec {
    let present = || PreviousSpec {
        spec: service.spec.clone(),
        spec_version: service.spec_version,
    };
    let previous = service.previous.as_deref().filter(|_| service.canary.is_some());
    previous.cloned().unwrap_or_else(present)
}

impl State {
    pub(super) fn course(&self, old: &Service, change: &ServiceChange) -> Result<Course, Refused> {
        match change.canary {
            Some(share) => self.canary(old, &change.spec, share),
            None => Ok(self.update(old, &change.spec)),
        }
    }

    /// Of all tasks. A canary goes on if its tasks fit the new spec too; else the update takes its place.
    fn update(&self, old: &Service, new: &ServiceSpec) -> Course {
        let mut before = before(old);
        if old.canary.is_some() && !needs_new_tasks(&old.spec, new) {
            before.spec.mode = new.mode;
            return Course {
                spec_version: old.spec_version,
                previous: before,
                canary: old.canary,
                status: Status::Stays,
            };
        }
        let spec_version = if needs_new_tasks(&before.spec, new) {
            self.next_spec_version(old)
        } else {
            before.spec_version
        };
        Course {
            spec_version,
            previous: before,
            canary: None,
            status: Status::Begins,
        }
    }

    /// Of a share of the tasks: the first canary, another one in the place of the present one, or another share.
    fn canary(&self, old: &Service, new: &ServiceSpec, share: Ratio) -> Result<Course, Refused> {
        let (name, mut before) = (old.spec.name.to_string(), before(old));
        if new.mode.is_job() {
            let mode = new.mode.word().to_owned();
            return Err(Refused::CanaryOfJob { name, mode });
        }
        if !reached_alike(&before.spec, new) {
            return Err(Refused::CanaryReach(name));
        }
        if !needs_new_tasks(&before.spec, new) {
            return Err(Refused::CanaryUnchanged(name));
        }
        let under_way = old.update_status.as_ref().is_some_and(|s| s.state.is_under_way());
        if old.canary.is_none() && (under_way || self.has_outdated_tasks(old)) {
            return Err(Refused::CanaryWhileUpdating(name));
        }
        let same = old.canary.is_some() && !needs_new_tasks(&old.spec, new);
        let spec_version = if same {
            old.spec_version
        } else {
            self.next_spec_version(old)
        };
        let first = old.canary.map_or(spec_version, |canary| canary.first);
        let canary = Canary::new(share, first).map_err(|why| Refused::Invalid(why.to_string()))?;
        before.spec.mode = new.mode;
        Ok(Course {
            spec_version,
            previous: before,
            canary: Some(canary),
            status: Status::Canary(share),
        })
    }

    /// All tasks become what the canaries are, in the steps of an ordinary update.
    pub(super) fn promote_canary(
        &mut self,
        index: u64,
        id: ServiceId,
        read: u64,
        at: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let old = self.service_at(id, read)?;
        if old.canary.is_none() {
            return Err(Refused::NoCanary(old.spec.name.to_string()));
        }
        let mut service = Service {
            version: index,
            updated_at: at,
            canary: None,
            ..old
        };
        let begins = self.has_outdated_tasks(&service);
        service.update_status = begins.then(|| UpdateStatus::begun(at));
        events.push(Event::Service(id));
        self.put_service(service);
        Ok(())
    }

    /// The service has no canary any more: its canaries are let go in the same step, so that nobody gives them, equals among
    /// equals for a moment, more new flows than they had.
    pub(super) fn let_canaries_go(&mut self, index: u64, at: Timestamp, had: &Service, events: &mut Vec<Event>) {
        let canaries = self
            .tasks_of_service(had.id)
            .filter(|task| had.is_canary(task.spec_version));
        let canaries: Vec<_> = canaries.cloned().collect();
        for mut task in canaries {
            task.desired = task.desired.max(DesiredState::Shutdown);
            self.write_task(index, at, task, events);
        }
    }
}
