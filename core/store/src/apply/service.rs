//! Services: names, virtual IPs and published ports are held by the service itself, from its creation to its removal.

use std::mem::discriminant;

use model::{
    DesiredState, JobStatus, PortSpec, PublishMode, PublishedPort, Rebalance, Service, ServiceId, ServiceSpec,
    Timestamp, VirtualIp,
};

use super::job::has_run;
use crate::{AddressOwner, Event, Kind, NewService, Refused, ServiceChange, State};

/// Whether tasks made from `old` do not fit `new` any more. Replicas, constraints, restart policy and ports of the mesh
/// act on running tasks; what is inside the container, its networks, and ports of the task's host (which another task
/// there may have) do not.
fn needs_new_tasks(old: &ServiceSpec, new: &ServiceSpec) -> bool {
    old.container != new.container || old.networks != new.networks || !host_ports(old).eq(host_ports(new))
}

/// The runs of a job with a new spec, which is another run unless a schedule says when that is.
fn changed_job(old: &Service, change: &ServiceChange) -> Option<JobStatus> {
    let mut job = old.job_status.clone()?;
    let waits = change.spec.schedule.is_some() && old.spec.force_update == change.spec.force_update;
    if old.spec != change.spec && !waits {
        job.begin(change.at, has_run(old));
    }
    Some(job)
}

fn host_ports(spec: &ServiceSpec) -> impl Iterator<Item = &PortSpec> {
    spec.ports.iter().filter(|port| port.mode == PublishMode::Host)
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
            previous: None,
            update_status: None,
            job_status,
            rebalance: None,
        });
        Ok(())
    }

    pub(super) fn update_service(
        &mut self,
        index: u64,
        change: ServiceChange,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let missing = || Refused::NotFound {
            kind: Kind::Service,
            what: change.id.to_string(),
        };
        let old = self.service(change.id).ok_or_else(missing)?.clone();
        let name = old.spec.name.to_string();
        if old.version != change.version {
            let (read, now) = (change.version, old.version);
            return Err(Refused::OutOfSequence {
                kind: Kind::Service,
                name,
                read,
                now,
            });
        }
        if old.spec.name != change.spec.name {
            return Err(Refused::Renamed {
                from: name,
                to: change.spec.name.to_string(),
            });
        }
        if discriminant(&old.spec.mode) != discriminant(&change.spec.mode) {
            return Err(Refused::ModeChanged {
                service: name,
                mode: old.spec.mode.word().to_owned(),
            });
        }
        self.check_service(change.id, &change.spec, &change.vips, &change.ports)?;
        let job_status = changed_job(&old, &change);
        let changed = needs_new_tasks(&old.spec, &change.spec);
        let dropped = old.vips.iter().filter(|vip| !change.vips.contains(vip));
        let dropped: Vec<VirtualIp> = dropped.cloned().collect();
        self.wake_vips(change.id, &change.vips);
        events.push(Event::Service(change.id));
        self.put_service(Service {
            version: index,
            updated_at: change.at,
            spec_version: old.spec_version + u64::from(changed),
            spec: change.spec,
            vips: change.vips,
            ports: change.ports,
            job_status,
            rebalance: None,
            ..old
        });
        self.rest_vips(change.id, dropped);
        Ok(())
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
        let missing = || Refused::NotFound {
            kind: Kind::Service,
            what: id.to_string(),
        };
        let old = self.service(id).ok_or_else(missing)?;
        if old.version != read {
            return Err(Refused::OutOfSequence {
                kind: Kind::Service,
                name: old.spec.name.to_string(),
                read,
                now: old.version,
            });
        }
        if old.rebalance != rebalance {
            events.push(Event::Service(id));
            self.put_service(Service {
                version: index,
                rebalance,
                ..old.clone()
            });
        }
        Ok(())
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
            if self.payload(file.id).is_none_or(|payload| payload.kind != kind) {
                let (kind, what) = (kind.into(), file.name.to_string());
                return Err(Refused::NotFound { kind, what });
            }
        }
        ports.iter().try_for_each(|port| self.check_port(id, port))?;
        vips.iter()
            .try_for_each(|vip| self.claim(vip.network, vip.addr, AddressOwner::Vip(id)))
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
