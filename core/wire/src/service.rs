//! Services, their specs and the parts of these.

use std::time::Duration;

use model::{
    Mode, NameKind, NetworkAttachment, Placement, Platform, PortSpec, PublishedPort, RestartPolicy, Service,
    ServiceSpec, VirtualIp,
};

use crate::{
    WireError, pb,
    scalar::{choice, labels, list, message, name, nanos, optional, parse, port, times, to_labels, to_list},
};

impl From<PortSpec> for pb::Port {
    fn from(spec: PortSpec) -> Self {
        Self {
            published: spec.published.map(u32::from),
            target: spec.target.into(),
            protocol: pb::Protocol::from(spec.protocol).into(),
            mode: pb::PublishMode::from(spec.mode).into(),
        }
    }
}

impl TryFrom<pb::Port> for PortSpec {
    type Error = WireError;
    fn try_from(wire: pb::Port) -> Result<Self, WireError> {
        Ok(Self {
            published: wire.published.map(|number| port("published", number)).transpose()?,
            target: port("target", wire.target)?,
            protocol: choice::<pb::Protocol, _>("protocol", wire.protocol)?,
            mode: choice::<pb::PublishMode, _>("mode", wire.mode)?,
        })
    }
}

impl From<PublishedPort> for pb::Port {
    fn from(port: PublishedPort) -> Self {
        Self {
            published: Some(port.published.into()),
            target: port.target.into(),
            protocol: pb::Protocol::from(port.protocol).into(),
            mode: pb::PublishMode::from(port.mode).into(),
        }
    }
}

impl TryFrom<pb::Port> for PublishedPort {
    type Error = WireError;
    fn try_from(wire: pb::Port) -> Result<Self, WireError> {
        let spec = PortSpec::try_from(wire)?;
        Ok(Self {
            published: spec.published.ok_or_else(|| WireError::new("published", "missing"))?,
            target: spec.target,
            protocol: spec.protocol,
            mode: spec.mode,
        })
    }
}

impl From<RestartPolicy> for pb::RestartPolicy {
    fn from(policy: RestartPolicy) -> Self {
        Self {
            condition: pb::RestartCondition::from(policy.condition).into(),
            delay: nanos(policy.delay),
            max_attempts: policy.max_attempts,
            window: nanos(policy.window),
        }
    }
}

impl TryFrom<pb::RestartPolicy> for RestartPolicy {
    type Error = WireError;
    fn try_from(policy: pb::RestartPolicy) -> Result<Self, WireError> {
        Ok(Self {
            condition: choice::<pb::RestartCondition, _>("condition", policy.condition)?,
            delay: Duration::from_nanos(policy.delay),
            max_attempts: policy.max_attempts,
            window: Duration::from_nanos(policy.window),
        })
    }
}

impl From<NetworkAttachment> for pb::NetworkAttachment {
    fn from(attachment: NetworkAttachment) -> Self {
        Self {
            network: attachment.network.to_string(),
            aliases: attachment.aliases.into_iter().map(String::from).collect(),
        }
    }
}

impl TryFrom<pb::NetworkAttachment> for NetworkAttachment {
    type Error = WireError;
    fn try_from(attachment: pb::NetworkAttachment) -> Result<Self, WireError> {
        let aliases = attachment.aliases.iter().map(|alias| parse("aliases", alias));
        Ok(Self {
            network: parse("network", &attachment.network)?,
            aliases: aliases.collect::<Result<_, _>>()?,
        })
    }
}

impl From<Mode> for pb::service_spec::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Replicated { replicas } => Self::Replicated(pb::ReplicatedMode { replicas }),
            Mode::Global => Self::Global(pb::GlobalMode {}),
            Mode::ReplicatedJob {
                max_concurrent,
                total_completions,
            } => Self::ReplicatedJob(pb::ReplicatedJobMode {
                max_concurrent,
                total_completions,
            }),
            Mode::GlobalJob => Self::GlobalJob(pb::GlobalJobMode {}),
        }
    }
}

impl From<pb::service_spec::Mode> for Mode {
    fn from(mode: pb::service_spec::Mode) -> Self {
        use pb::service_spec::Mode as Wire;
        match mode {
            Wire::Replicated(mode) => Self::Replicated {
                replicas: mode.replicas,
            },
            Wire::Global(pb::GlobalMode {}) => Self::Global,
            Wire::ReplicatedJob(mode) => Self::ReplicatedJob {
                max_concurrent: mode.max_concurrent,
                total_completions: mode.total_completions,
            },
            Wire::GlobalJob(pb::GlobalJobMode {}) => Self::GlobalJob,
        }
    }
}

impl From<Platform> for pb::Platform {
    fn from(Platform { os, arch }: Platform) -> Self {
        Self { os, arch }
    }
}

impl TryFrom<pb::Platform> for Platform {
    type Error = WireError;
    fn try_from(pb::Platform { os, arch }: pb::Platform) -> Result<Self, WireError> {
        Ok(Self { os, arch })
    }
}

impl From<ServiceSpec> for pb::ServiceSpec {
    fn from(spec: ServiceSpec) -> Self {
        let placement = spec.placement;
        Self {
            name: spec.name.into(),
            labels: to_labels(spec.labels),
            container: Some(spec.container.into()),
            mode: Some(spec.mode.into()),
            constraints: placement.constraints.into_iter().map(String::from).collect(),
            restart: spec.restart.map(Into::into),
            networks: to_list(spec.networks),
            endpoint_mode: pb::EndpointMode::from(spec.endpoint_mode).into(),
            ports: to_list(spec.ports),
            preferences: placement.preferences.into_iter().map(String::from).collect(),
            max_replicas: placement.max_replicas,
            platforms: to_list(placement.platforms),
            update: spec.update.map(Into::into),
            rollback: spec.rollback.map(Into::into),
            force_update: spec.force_update,
            schedule: spec.schedule.map(Into::into),
        }
    }
}

fn placement(spec: &mut pb::ServiceSpec) -> Result<Placement, WireError> {
    let constraints = spec.constraints.iter().map(|text| parse("constraints", text));
    let preferences = spec.preferences.iter().map(|text| parse("preferences", text));
    Ok(Placement {
        constraints: constraints.collect::<Result<_, _>>()?,
        preferences: preferences.collect::<Result<_, _>>()?,
        max_replicas: spec.max_replicas,
        platforms: list("platforms", std::mem::take(&mut spec.platforms))?,
    })
}

impl TryFrom<pb::ServiceSpec> for ServiceSpec {
    type Error = WireError;

    /// Networks must be ids here: whoever takes a request with names resolves them first.
    fn try_from(mut spec: pb::ServiceSpec) -> Result<Self, WireError> {
        let mode = spec.mode.ok_or_else(|| WireError::new("mode", "missing"))?;
        let spec = Self {
            placement: placement(&mut spec)?,
            name: name("name", NameKind::Service, &spec.name)?,
            labels: labels("labels", spec.labels)?,
            container: message("container", spec.container)?,
            mode: mode.into(),
            restart: optional("restart", spec.restart)?,
            update: optional("update", spec.update)?,
            rollback: optional("rollback", spec.rollback)?,
            force_update: spec.force_update,
            networks: list("networks", spec.networks)?,
            endpoint_mode: choice::<pb::EndpointMode, _>("endpoint_mode", spec.endpoint_mode)?,
            ports: list("ports", spec.ports)?,
            schedule: optional("schedule", spec.schedule)?,
        };
        spec.validate().map_err(|reason| WireError::new("", reason))?;
        Ok(spec)
    }
}

impl From<VirtualIp> for pb::VirtualIp {
    fn from(vip: VirtualIp) -> Self {
        Self {
            network: vip.network.to_string(),
            addr: vip.addr.to_string(),
        }
    }
}

impl TryFrom<pb::VirtualIp> for VirtualIp {
    type Error = WireError;
    fn try_from(vip: pb::VirtualIp) -> Result<Self, WireError> {
        Ok(Self {
            network: parse("network", &vip.network)?,
            addr: parse("addr", &vip.addr)?,
        })
    }
}

impl From<Service> for pb::Service {
    fn from(service: Service) -> Self {
        Self {
            id: service.id.to_string(),
            version: service.version,
            created_at: service.created_at.0,
            updated_at: service.updated_at.0,
            spec: Some(service.spec.into()),
            spec_version: service.spec_version,
            vips: to_list(service.vips),
            ports: to_list(service.ports),
            previous: service.previous.map(|previous| (*previous).into()),
            update_status: service.update_status.map(Into::into),
            job_status: service.job_status.map(Into::into),
            rebalance: service.rebalance.map(Into::into),
            canary: service.canary.map(Into::into),
            earlier_ports: to_list(service.earlier_ports),
        }
    }
}

impl TryFrom<pb::Service> for Service {
    type Error = WireError;
    fn try_from(service: pb::Service) -> Result<Self, WireError> {
        let (created_at, updated_at) = times(service.created_at, service.updated_at);
        Ok(Self {
            id: parse("id", &service.id)?,
            version: service.version,
            created_at,
            updated_at,
            spec: message("spec", service.spec)?,
            spec_version: service.spec_version,
            vips: list("vips", service.vips)?,
            ports: list("ports", service.ports)?,
            previous: optional("previous", service.previous)?.map(Box::new),
            update_status: optional("update_status", service.update_status)?,
            job_status: optional("job_status", service.job_status)?,
            rebalance: optional("rebalance", service.rebalance)?,
            canary: optional("canary", service.canary)?,
            earlier_ports: list("earlier_ports", service.earlier_ports)?,
        })
    }
}
