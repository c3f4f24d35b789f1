//! Services: the spec that a user writes, its parts, and what the allocator adds.

mod constraint;
mod container;
mod port;

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

pub use self::{
    constraint::{Constraint, ConstraintKey},
    container::ContainerSpec,
    port::{DYNAMIC_PORT_FIRST, DYNAMIC_PORT_LAST, PortSpec, Protocol, PublishMode, PublishedPort},
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

/// How many tasks. (Global services and jobs come as further variants.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// This many, anywhere.
    Replicated {
        /// Wished number of tasks.
        replicas: u32,
    },
}

/// When an ended task is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestartCondition {
    /// Never.
    None,
    /// When it failed.
    OnFailure,
    /// Always.
    Any,
}

/// How ended tasks are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestartPolicy {
    /// When.
    pub condition: RestartCondition,
    /// How long to wait before; 5 s by default, as Swarm.
    pub delay: Duration,
    /// How often within the window; 0: no limit.
    pub max_attempts: u32,
    /// Span in which attempts count; zero: for ever.
    pub window: Duration,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            condition: RestartCondition::Any,
            delay: Duration::from_secs(5),
            max_attempts: 0,
            window: Duration::ZERO,
        }
    }
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
    /// Where it may run; all must hold.
    pub constraints: Vec<Constraint>,
    /// How ended tasks are replaced.
    pub restart: RestartPolicy,
    /// Networks to join; empty: an endpoint on the ingress network, with egress and nothing else.
    pub networks: Vec<NetworkAttachment>,
    /// How its name is answered.
    pub endpoint_mode: EndpointMode,
    /// Ports to publish.
    pub ports: Vec<PortSpec>,
}

impl ServiceSpec {
    /// One replica of an image, no network.
    pub fn new(name: Name, image: &str) -> Self {
        Self {
            name,
            labels: BTreeMap::new(),
            container: ContainerSpec::of(image),
            mode: Mode::Replicated { replicas: 1 },
            constraints: Vec::new(),
            restart: RestartPolicy::default(),
            networks: Vec::new(),
            endpoint_mode: EndpointMode::Vip,
            ports: Vec::new(),
        }
    }

    /// Checks what the fields must fulfil, alone and together.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.container.validate()?;
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

    /// Wished number of tasks.
    pub fn replicas(&self) -> u32 {
        let Mode::Replicated { replicas } = self.mode;
        replicas
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
    /// Counts changes of the spec that need new tasks.
    pub spec_version: u64,
    /// One per attached network, unless `dnsrr`.
    pub vips: Vec<VirtualIp>,
    /// Published ports with their numbers.
    pub ports: Vec<PublishedPort>,
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
