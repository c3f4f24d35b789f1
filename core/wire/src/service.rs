//! Services, their specs and the parts of these.

use std::time::Duration;

use model::{
    ContainerSpec, Mode, NameKind, NetworkAttachment, PortSpec, PublishedPort, RestartPolicy, Service, ServiceSpec,
    VirtualIp,
};

use crate::{
    WireError, pb,
    scalar::{choice, labels, list, message, name, nanos, parse, port, times, to_labels, to_list},
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

impl From<ContainerSpec> for pb::ContainerSpec {
    fn from(spec: ContainerSpec) -> Self {
        Self {
            image: spec.image,
            command: spec.command,
            args: spec.args,
            env: spec.env,
            labels: to_labels(spec.labels),
            hostname: spec.hostname,
            dir: spec.dir,
            user: spec.user,
            stop_grace: nanos(spec.stop_grace),
            registry_auth: spec.registry_auth,
        }
    }
}

impl TryFrom<pb::ContainerSpec> for ContainerSpec {
    type Error = WireError;
    fn try_from(spec: pb::ContainerSpec) -> Result<Self, WireError> {
        Ok(Self {
            image: spec.image,
            command: spec.command,
            args: spec.args,
            env: spec.env,
            labels: labels("labels", spec.labels)?,
            hostname: spec.hostname,
            dir: spec.dir,
            user: spec.user,
            stop_grace: Duration::from_nanos(spec.stop_grace),
            registry_auth: spec.registry_auth,
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
        }
    }
}

impl From<pb::service_spec::Mode> for Mode {
    fn from(mode: pb::service_spec::Mode) -> Self {
        match mode {
            pb::service_spec::Mode::Replicated(pb::ReplicatedMode { replicas }) => Self::Replicated { replicas },
        }
    }
}

impl From<ServiceSpec> for pb::ServiceSpec {
    fn from(spec: ServiceSpec) -> Self {
        Self {
            name: spec.name.into(),
            labels: to_labels(spec.labels),
            container: Some(spec.container.into()),
            mode: Some(spec.mode.into()),
            constraints: spec.constraints.into_iter().map(String::from).collect(),
            restart: Some(spec.restart.into()),
            networks: to_list(spec.networks),
            endpoint_mode: pb::EndpointMode::from(spec.endpoint_mode).into(),
            ports: to_list(spec.ports),
        }
    }
}

impl TryFrom<pb::ServiceSpec> for ServiceSpec {
    type Error = WireError;

    /// Networks must be ids here: whoever takes a request with names resolves them first.
    fn try_from(spec: pb::ServiceSpec) -> Result<Self, WireError> {
        let mode = spec.mode.ok_or_else(|| WireError::new("mode", "missing"))?;
        let constraints = spec.constraints.iter().map(|text| parse("constraints", text));
        let spec = Self {
            name: name("name", NameKind::Service, &spec.name)?,
            labels: labels("labels", spec.labels)?,
            container: message("container", spec.container)?,
            mode: mode.into(),
            constraints: constraints.collect::<Result<_, _>>()?,
            restart: message("restart", spec.restart)?,
            networks: list("networks", spec.networks)?,
            endpoint_mode: choice::<pb::EndpointMode, _>("endpoint_mode", spec.endpoint_mode)?,
            ports: list("ports", spec.ports)?,
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
        })
    }
}
