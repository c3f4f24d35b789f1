//! Services: the spec that a user writes, its parts, and what the allocator adds.

mod canary;
mod constraint;
mod container;
mod health;
mod job;
mod mode;
mod mount;
mod placement;
mod port;
mod rebalance;
mod resources;
mod restart;
mod schedule;
mod update;

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

pub use self::{
    canary::Canary,
    constraint::{Constraint, ConstraintKey},
    container::{ContainerSpec, Device, DnsConfig, PullPolicy},
    health::{HealthCheck, HealthTest, Probe, ProbeTarget},
    job::{JobRun, JobStatus, RunOutcome},
    mode::Mode,
    mount::{Driver, Mount, MountKind, Propagation},
    placement::{Placement, Platform, SpreadOver},
    port::{DYNAMIC_PORT_FIRST, DYNAMIC_PORT_LAST, EarlierPorts, PortSpec, Protocol, PublishMode, PublishedPort},
    rebalance::Rebalance,
    resources::{GenericResource, Limits, Reservations, Resources, Ulimit, Ulimits},
    restart::{RestartCondition, RestartPolicy},
    schedule::{Overlap, Schedule},
    update::{FailureAction, Ratio, UpdateOrder, UpdatePolicy, UpdateState, UpdateStatus},
};
use crate::{Invalid, Name, NetworkId, ServiceId, Timestamp};

/// How a service's name is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointMode {
    /// By one virtual IP per network.
    Vip,
    /// By the tasks' addresses.
    Dnsrr,
}

/// A network that a service's tasks join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAttachment {
    /// The network.
    pub network: NetworkId,
    /// Further names of the service in it.
    pub aliases: Vec<Name>,
}

/// What a user asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// Unique among services.
    pub name: Name,
    /// Service labels.
    pub labels: BTreeMap<String, String>,
    /// What runs.
    pub container: ContainerSpec,
    /// How many.
    pub mode: Mode,
    /// Where it may run.
    pub placement: Placement,
    /// How ended tasks are replaced; `None`: by [`RestartPolicy::default`], of jobs those that failed.
    pub restart: Option<RestartPolicy>,
    /// How tasks are replaced when this spec changes; `None`: by [`UpdatePolicy::default`].
    pub update: Option<UpdatePolicy>,
    /// How they are replaced on the way back; `None`: by [`UpdatePolicy::default`].
    pub rollback: Option<UpdatePolicy>,
    /// Another number replaces all tasks although nothing else changed.
    pub force_update: u64,
    /// Networks to join; empty: an endpoint on the ingress network, with egress and nothing else.
    pub networks: Vec<NetworkAttachment>,
    /// How its name is answered.
    pub endpoint_mode: EndpointMode,
    /// Ports to publish.
    pub ports: Vec<PortSpec>,
    /// When a job runs; `None`: as soon as it is made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
}

impl ServiceSpec {
    /// One replica of an image, no network.
    pub fn new(name: Name, image: &str) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            container: ContainerSpec::of(image),
            mode: Mode::Replicated { replicas: 1 },
            placement: Placement::default(),
            restart: None,
            update: None,
            rollback: None,
            force_update: 0,
            networks: Vec::new(),
            endpoint_mode: EndpointMode::Vip,
            ports: Vec::new(),
            schedule: None,
        }
    }

    /// Checks what the fields must fulfil, alone and together.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.container.validate()?;
        self.validate_mode()?;
        for (i, port) in self.ports.iter().enumerate() {
            let same = |p: &PortSpec| (p.published, p.protocol) == (port.published, port.protocol);
            if let (Some(number), true) = (port.published, self.ports[..i].iter().any(same)) {
                return Err(Invalid::PortTwice {
                    port: number,
                    protocol: port.protocol.to_string(),
                });
            }
            if self.endpoint_mode == EndpointMode::Dnsrr && port.mode == PublishMode::Ingress {
                return Err(Invalid::DnsrrPublish);
            }
        }
        for (i, attachment) in self.networks.iter().enumerate() {
            if self.networks[..i].iter().any(|a| a.network == attachment.network) {
                return Err(Invalid::NetworkTwice(attachment.network.to_string()));
            }
        }
        Ok(())
    }

    fn validate_mode(&self) -> Result<(), Invalid> {
        if self
            .rollback
            .is_some_and(|policy| policy.failure_action == FailureAction::Rollback)
        {
            return Err(Invalid::RollbackOfRollback);
        }
        let word = self.mode.word();
        if !self.mode.is_job() {
            return match self.schedule {
                Some(_) => Err(Invalid::ScheduleWithoutJob(word)),
                None => Ok(()),
            };
        }
        self.schedule.as_ref().map_or(Ok(()), Schedule::validate)?;
        if self
            .restart
            .is_some_and(|policy| policy.condition == RestartCondition::Any)
        {
            return Err(Invalid::JobRestartAny);
        }
        if self.update.is_some() || self.rollback.is_some() {
            return Err(Invalid::JobUpdate(word));
        }
        if self.ports.iter().any(|port| port.mode == PublishMode::Ingress) {
            return Err(Invalid::JobPublish(word));
        }
        Ok(())
    }

    /// Wished number of tasks at the same time; `None` if that follows from the nodes, or from how far a job is.
    pub fn replicas(&self) -> Option<u32> {
        match self.mode {
            Mode::Replicated { replicas } => Some(replicas),
            Mode::Global | Mode::ReplicatedJob { .. } | Mode::GlobalJob => None,
        }
    }

    /// How ended tasks are replaced.
    pub fn restart_policy(&self) -> RestartPolicy {
        let by_mode = if self.mode.is_job() {
            RestartCondition::OnFailure
        } else {
            RestartCondition::Any
        };
        self.restart.unwrap_or(RestartPolicy {
            condition: by_mode,
            ..RestartPolicy::default()
        })
    }
}

/// A virtual IP of a service in one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualIp {
    /// The network.
    pub network: NetworkId,
    /// The address.
    pub addr: IpAddr,
}

/// A service as the cluster holds it. `vips` and `ports` are given when it is made or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its id.
    pub id: ServiceId,
    /// Raft index of the last change.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// What was asked for.
    pub spec: ServiceSpec,
    /// Number of what tasks are made from: another one for each change that needs new tasks, the old one again after a
    /// rollback.
    pub spec_version: u64,
    /// One per attached network, unless `dnsrr`.
    pub vips: Vec<VirtualIp>,
    /// Published ports with their numbers.
    pub ports: Vec<PublishedPort>,
    /// What they were for tasks of other spec versions that lived when the spec was changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_ports: Vec<EarlierPorts>,
    /// What a rollback brings back; `None` before the first update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Box<PreviousSpec>>,
    /// How far the latest update is; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_status: Option<UpdateStatus>,
    /// The runs of a job; `None` for what is no job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_status: Option<JobStatus>,
    /// While its tasks are being evened out over the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rebalance: Option<Rebalance>,
    /// While a part of its tasks are of its spec and the others of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
}

/// The spec before the latest update.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSpec {
    /// What was asked for.
    pub spec: ServiceSpec,
    /// Number of what tasks were made from.
    pub spec_version: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_refuses_what_cannot_work() {
        let spec = |change: fn(&mut ServiceSpec)| {
            let mut spec = ServiceSpec::new("web".parse().unwrap(), "nginx:1");
            change(&mut spec);
            spec.validate()
        };
        assert_eq!(spec(|_| ()), Ok(()));
        assert!(matches!(
            spec(|s| s.container.image = "Web:1".into()),
            Err(Invalid::Image(_))
        ));
        assert!(matches!(
            spec(|s| s.container.image = "a b".into()),
            Err(Invalid::Image(_))
        ));
        assert!(matches!(
            spec(|s| s.container.env = vec!["=x".into()]),
            Err(Invalid::Env(_))
        ));
        let twice = |s: &mut ServiceSpec| s.ports = vec!["80:80".parse().unwrap(), "80:81".parse().unwrap()];
        assert!(matches!(spec(twice), Err(Invalid::PortTwice { port: 80, .. })));
        let dnsrr = |s: &mut ServiceSpec| {
            s.ports = vec!["80:80".parse().unwrap()];
            s.endpoint_mode = EndpointMode::Dnsrr;
        };
        assert_eq!(spec(dnsrr), Err(Invalid::DnsrrPublish));
    }
}
