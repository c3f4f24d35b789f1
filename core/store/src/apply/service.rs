//! Services: names, virtual IPs and published ports are held by the service itself, from its creation to its removal.

use std::{collections::BTreeSet, mem::discriminant};

use model::{
    DesiredState, EarlierPorts, JobStatus, PayloadKind, PayloadRef, PreviousSpec, PublishMode, PublishedPort,
    Rebalance, RunOutcome, Service, ServiceId, ServiceSpec, Timestamp, UpdateState, UpdateStatus, VirtualIp,
};

use super::{canary::Status, job::has_run};
use crate::{AddressOwner, Event, Kind, NewService, Refused, Rollback, RollbackCause, ServiceChange, State};

/// Refuses what cannot be changed.
fn check_change(old: &ServiceSpec, new: &ServiceSpec) -> Result<(), Refused> {
    if old.name != new.name {
        return Err(Refused::Renamed {
            from: old.name.to_string(),
            to: new.name.to_string(),
        });
    }
    if discriminant(&old.mode) != discriminant(&new.mode) {
        return Err(Refused::ModeChanged {
            service: old.name.to_string(),
            mode: old.mode.word().to_owned(),
        });
    }
    Ok(())
}

/// The runs of a job with a new spec, which is another run unless a schedule says when that is. The run that a job is in
/// when it is given its first schedule ends there: with a schedule its number stands for none.
fn changed_job(old: &Service, new: &ServiceSpec, at: Timestamp) -> Option<JobStatus> {
    let mut job = old.job_status.clone()?;
    let waits = new.schedule.is_some() && old.spec.force_update == new.force_update;
    if old.spec != *new && !waits {
        job.begin(at, has_run(old));
    } else if waits && old.spec.schedule.is_none() && job.iteration == 0 && !job.is_over() {
        job.end(at, RunOutcome::Replaced);
    }
    Some(job)
}

impl State {
    pub(super) fn create_service(
        &mut self,
        index: u64,
        new: NewService,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        if self.service(new.id).is_some() {
            return Err(Refused::IdTaken {
                kind: Kind::Service,
                id: new.id.to_string(),
            });
        }
        if self.service_named(&new.spec.name).is_some() {
            return Err(Refused::NameTaken {
                kind: Kind::Service,
                name: new.spec.name.to_string(),
            });
        }
        self.check_service(new.id, &new.spec, &new.vips, &new.ports)?;
        events.push(Event::Service(new.id));
        let job_status = new.spec.mode.is_job().then(|| JobStatus::starting(new.at));
        self.put_service(Service {
            id: new.id,
            version: index,
            created_at: new.at,
            updated_at: new.at,
            spec: new.spec,
            spec_version: 1,
            vips: new.vips,
            ports: new.ports,
            earlier_ports: Vec::new(),
            previous: None,
            update_status: None,
            job_status,
            rebalance: None,
            canary: None,
        });
        Ok(())
    }

    pub(super) fn update_service(
        &mut self,
        index: u64,
        change: ServiceChange,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let old = self.service_at(change.id, change.version)?;
        check_change(&old.spec, &change.spec)?;
        self.check_service(change.id, &change.spec, &change.vips, &change.ports)?;
        let job_status = changed_job(&old, &change.spec, change.at);
        let course = self.course(&old, &change)?;
        let mut service = Service {
            version: index,
            updated_at: change.at,
            spec_version: course.spec_version,
            spec: change.spec,
            vips: change.vips,
            ports: change.ports,
            earlier_ports: self.earlier_ports(&old, course.spec_version),
            job_status,
            rebalance: None,
            previous: Some(Box::new(course.previous)),
            canary: course.canary,
            ..old.clone()
        };
        if service.canary.is_none() {
            self.let_canaries_go(index, change.at, &old, events);
        }
        let begins = !service.spec.mode.is_job() && self.has_outdated_tasks(&service);
        match course.status {
            Status::Stays => {}
            Status::Canary(share) => service.update_status = Some(UpdateStatus::canary(change.at, share)),
            Status::Begins => service.update_status = begins.then(|| UpdateStatus::begun(change.at)),
        }
        self.replace_service(old.vips, service, events);
        Ok(())
    }

    /// The spec and the number of its tasks come back, so that tasks that were made from it fit again.
    pub(super) fn rollback_service(
        &mut self,
        index: u64,
        back: Rollback,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let old = self.service_at(back.id, back.version)?;
        let previous = old.previous.as_deref().cloned();
        let previous = previous.ok_or_else(|| Refused::NoPrevious(old.spec.name.to_string()))?;
        self.check_service(back.id, &previous.spec, &back.vips, &back.ports)?;
        let job_status = changed_job(&old, &previous.spec, back.at);
        let left = PreviousSpec {
            spec: old.spec.clone(),
            spec_version: old.spec_version,
        };
        self.let_canaries_go(index, back.at, &old, events);
        let (message, previous_of_it) = match back.cause {
            RollbackCause::Asked if old.canary.is_some() => ("canary aborted".to_owned(), None),
            RollbackCause::Asked => ("manually requested rollback".to_owned(), Some(Box::new(left))),
            RollbackCause::Failed(task) => {
                let message = format!("update rolled back due to failure or early termination of task {task}");
                (message, None)
            }
        };
        let status = UpdateStatus {
            state: UpdateState::RollbackStarted,
            message,
            ..UpdateStatus::begun(back.at)
        };
        let service = Service {
            version: index,
            updated_at: back.at,
            update_status: (!previous.spec.mode.is_job()).then_some(status),
            spec_version: previous.spec_version,
            spec: previous.spec,
            vips: back.vips,
            ports: back.ports,
            earlier_ports: self.earlier_ports(&old, previous.spec_version),
            previous: previous_of_it,
            job_status,
            rebalance: None,
            canary: None,
            ..old
        };
        self.replace_service(old.vips, service, events);
        Ok(())
    }

    /// Ports as live tasks know them that are not of the version `next`: they listen where they were told when they began.
    fn earlier_ports(&self, old: &Service, next: u64) -> Vec<EarlierPorts> {
        let tasks = self.tasks_of_service(old.id);
        let live: BTreeSet<u64> = tasks
            .filter(|task| !task.status.state.is_terminal())
            .map(|task| task.spec_version)
            .collect();
        let present = EarlierPorts {
            spec_version: old.spec_version,
            ports: old.ports.clone(),
        };
        let all = old.earlier_ports.iter().chain([&present]);
        all.filter(|earlier| earlier.spec_version != next && live.contains(&earlier.spec_version))
            .filter(|earlier| !earlier.ports.is_empty())
            .cloned()
            .collect()
    }

    /// Puts a service with another spec. Virtual IPs that it `had` rest, and those that rested for it are its own again.
    fn replace_service(&mut self, had: Vec<VirtualIp>, service: Service, events: &mut Vec<Event>) {
        let id = service.id;
        let dropped = had.into_iter().filter(|vip| !service.vips.contains(vip)).collect();
        self.wake_vips(id, &service.vips);
        events.push(Event::Service(id));
        self.put_service(service);
        self.rest_vips(id, dropped);
    }

    /// Not a change of what the service is: `updated_at` stays. A changed spec ends it.
    pub(super) fn rebalance(
        &mut self,
        index: u64,
        id: ServiceId,
        read: u64,
        rebalance: Option<Rebalance>,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let old = self.service_at(id, read)?;
        if old.rebalance != rebalance {
            events.push(Event::Service(id));
            self.put_service(Service {
                version: index,
                rebalance,
                ..old
            });
        }
        Ok(())
    }

    /// Leaves the service's version as it is: an operator who has read it may change it.
    pub(super) fn set_update_status(
        &mut self,
        id: ServiceId,
        version: u64,
        status: UpdateStatus,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let mut service = self.service_at(id, version)?;
        if !service
            .update_status
            .as_ref()
            .is_some_and(|old| old.state.is_under_way())
        {
            return Err(Refused::NoUpdate(service.spec.name.to_string()));
        }
        service.update_status = Some(status);
        events.push(Event::Service(id));
        self.put_service(service);
        Ok(())
    }

    /// The service, if it is as it was read.
    pub(super) fn service_at(&self, id: ServiceId, read: u64) -> Result<Service, Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Service,
            what: id.to_string(),
        };
        let service = self.service(id).cloned().ok_or_else(missing)?;
        if service.version == read {
            return Ok(service);
        }
        Err(Refused::OutOfSequence {
            kind: Kind::Service,
            name: service.spec.name.to_string(),
            read,
            now: service.version,
        })
    }

    /// A number that none of the service's tasks has, nor those that a rollback would bring back.
    pub(super) fn next_spec_version(&self, service: &Service) -> u64 {
        let tasks = self.tasks_of_service(service.id).map(|task| task.spec_version);
        let previous = service.previous.iter().map(|previous| previous.spec_version);
        tasks.chain(previous).fold(service.spec_version, u64::max) + 1
    }

    /// Its tasks are wanted `Remove` in the same step, so that its networks can be removed right afterwards.
    pub(super) fn remove_service(
        &mut self,
        index: u64,
        id: ServiceId,
        at: Timestamp,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Service,
            what: id.to_string(),
        };
        let service = self.service(id).cloned().ok_or_else(missing)?;
        let tasks: Vec<_> = self.tasks_of_service(id).cloned().collect();
        for mut task in tasks {
            task.desired = DesiredState::Remove;
            self.write_task(index, at, task, events);
        }
        events.push(Event::Service(id));
        self.drop_service(id);
        self.rest_vips(id, service.vips);
        Ok(())
    }

    fn check_service(
        &mut self,
        id: ServiceId,
        spec: &ServiceSpec,
        vips: &[VirtualIp],
        ports: &[PublishedPort],
    ) -> Result<(), Refused> {
        for attachment in &spec.networks {
            if self.network(attachment.network).is_none() {
                let what = attachment.network.to_string();
                return Err(Refused::NotFound {
                    kind: Kind::Network,
                    what,
                });
            }
        }
        for (kind, file) in spec.container.payloads() {
            self.check_payload(id, kind, file)?;
        }
        ports.iter().try_for_each(|port| self.check_port(id, port))?;
        vips.iter()
            .try_for_each(|vip| self.claim(vip.network, vip.addr, AddressOwner::Vip(id)))
    }

    /// A rotation updates those who use the old one as it comes: whoever named it before, and comes after, would keep
    /// it for good. A service that has an old one already, as one that was rolled back does, may keep it.
    fn check_payload(&self, id: ServiceId, kind: PayloadKind, file: &PayloadRef) -> Result<(), Refused> {
        let found = self.payload(file.id).filter(|payload| payload.kind == kind);
        let payload = found.ok_or_else(|| Refused::NotFound {
            kind: kind.into(),
            what: file.name.to_string(),
        })?;
        let had = || self.services_with_payload(file.id).any(|service| service.id == id);
        if payload.superseded && !had() {
            let name = payload.spec.name.to_string();
            return Err(Refused::Superseded { kind, name });
        }
        Ok(())
    }

    /// Two services may share a port only if both publish it on their tasks' hosts.
    fn check_port(&self, id: ServiceId, port: &PublishedPort) -> Result<(), Refused> {
        let clash = self
            .port_holders(port.published, port.protocol)
            .filter(|(holder, _)| *holder != id)
            .find(|(_, mode)| PublishMode::Ingress == *mode || PublishMode::Ingress == port.mode);
        let Some((holder, mode)) = clash else { return Ok(()) };
        let name = self.service(holder).map(|s| s.spec.name.to_string());
        Err(Refused::PortTaken {
            port: port.published,
            name: name.unwrap_or_default(),
            id: holder,
            mode,
        })
    }
}

#[cfg(test)]
mod tests;
