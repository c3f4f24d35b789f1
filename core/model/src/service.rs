//! Services: the spec that a user writes, its parts, and what the allocator adds.

use std::{collections::BTreeMap, fmt, net::IpAddr, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Invalid, Name, NetworkId, ServiceId, Timestamp};

/// First port given to a publish that names none.
pub const DYNAMIC_PORT_FIRST: u16 = 30000;
/// Last port given to a publish that names none.
pub const DYNAMIC_PORT_LAST: u16 = 32767;

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// IANA protocol number, as in the IP header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }

    /// `tcp` or `udp`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Where a published port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PublishMode {
    /// On every node: the ingress mesh.
    Ingress,
    /// On the nodes that run a task.
    Host,
}

/// A port that a spec wants published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortSpec {
    /// Port on the nodes; `None`: the allocator takes one of [`DYNAMIC_PORT_FIRST`]..=[`DYNAMIC_PORT_LAST`].
    pub published: Option<u16>,
    /// Port in the container.
    pub target: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Mesh or host.
    pub mode: PublishMode,
}

impl FromStr for PortSpec {
    type Err = Invalid;

    /// Docker's short form `[PUBLISHED:]TARGET[/PROTOCOL]` and long form `published=,target=,protocol=,mode=`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let parsed = if text.contains('=') {
            parse_long(text)
        } else {
            parse_short(text)
        };
        parsed.ok_or_else(|| Invalid::Port(text.to_owned()))
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

fn parse_protocol(text: &str) -> Option<Protocol> {
    [Protocol::Tcp, Protocol::Udp].into_iter().find(|p| p.word() == text)
}

fn parse_short(text: &str) -> Option<PortSpec> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (published, target) = match ports.split_once(':') {
        Some((published, target)) => (Some(parse_port(published)?), target),
        None => (None, ports),
    };
    let (target, protocol) = (parse_port(target)?, parse_protocol(protocol)?);
    Some(PortSpec {
        published,
        target,
        protocol,
        mode: PublishMode::Ingress,
    })
}

fn parse_long(text: &str) -> Option<PortSpec> {
    let mut spec = PortSpec {
        published: None,
        target: 0,
        protocol: Protocol::Tcp,
        mode: PublishMode::Ingress,
    };
    for part in text.split(',') {
        match part.split_once('=')? {
            ("published", port) => spec.published = Some(parse_port(port)?),
            ("target", port) => spec.target = parse_port(port)?,
            ("protocol", word) => spec.protocol = parse_protocol(word)?,
            ("mode", "ingress") => spec.mode = PublishMode::Ingress,
            ("mode", "host") => spec.mode = PublishMode::Host,
            _ => return None,
        }
    }
    (spec.target > 0).then_some(spec)
}

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

/// What runs in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    /// Image reference as typed.
    pub image: String,
    /// Replaces the image's entrypoint; empty: the image's.
    pub command: Vec<String>,
    /// Arguments; empty: the image's.
    pub args: Vec<String>,
    /// `NAME=VALUE`.
    pub env: Vec<String>,
    /// Container labels.
    pub labels: BTreeMap<String, String>,
    /// Host name; `None`: the engine's choice.
    pub hostname: Option<String>,
    /// Working directory; `None`: the image's.
    pub dir: Option<String>,
    /// User; `None`: the image's.
    pub user: Option<String>,
    /// From SIGTERM to SIGKILL.
    pub stop_grace: Duration,
    /// Base64 JSON of registry credentials, as the engine takes it (`X-Registry-Auth`); `None`: anonymous.
    pub registry_auth: Option<String>,
}

impl ContainerSpec {
    /// Nothing but an image.
    pub fn of(image: &str) -> Self {
        Self {
            image: image.to_owned(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            labels: BTreeMap::new(),
            hostname: None,
            dir: None,
            user: None,
            stop_grace: Duration::from_secs(10),
            registry_auth: None,
        }
    }

    fn validate(&self) -> Result<(), Invalid> {
        let image_char = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        let uppercase_name = self.image.rsplit('/').next().is_some_and(|last| {
            last.split([':', '@'])
                .next()
                .is_some_and(|name| name.chars().any(|c| c.is_ascii_uppercase()))
        });
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let shaped = edge(self.image.chars().next()) && edge(self.image.chars().last()) && !self.image.contains("//");
        if !shaped || uppercase_name || !self.image.chars().all(image_char) {
            return Err(Invalid::Image(self.image.clone()));
        }
        match self
            .env
            .iter()
            .find(|e| e.is_empty() || e.starts_with('=') || e.contains('\0'))
        {
            Some(bad) => Err(Invalid::Env(bad.clone())),
            None => Ok(()),
        }
    }
}

/// What a placement constraint looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstraintKey {
    /// `node.id`
    NodeId,
    /// `node.hostname`
    Hostname,
    /// `node.role`
    Role,
    /// `node.ip`: an address or a prefix.
    Ip,
    /// `node.platform.os`
    Os,
    /// `node.platform.arch`
    Arch,
    /// `node.labels.NAME`
    NodeLabel(String),
    /// `engine.labels.NAME`
    EngineLabel(String),
}

/// `KEY==VALUE` or `KEY!=VALUE`; values compare without regard to case, as in Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    /// What is looked at.
    pub key: ConstraintKey,
    /// `==` (true) or `!=` (false).
    pub equal: bool,
    /// What it is compared with.
    pub value: String,
}

impl FromStr for Constraint {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Constraint(text.to_owned());
        let (key, equal, value) = match (text.split_once("=="), text.split_once("!=")) {
            (Some((key, value)), _) => (key, true, value),
            (None, Some((key, value))) => (key, false, value),
            (None, None) => return Err(invalid()),
        };
        let key = constraint_key(key.trim()).ok_or_else(invalid)?;
        let value = value.trim();
        let ip = value.parse::<IpAddr>().is_ok() || value.parse::<ipnet::IpNet>().is_ok();
        if value.is_empty() || (key == ConstraintKey::Ip && !ip) {
            return Err(invalid());
        }
        Ok(Self {
            key,
            equal,
            value: value.to_owned(),
        })
    }
}

fn constraint_key(text: &str) -> Option<ConstraintKey> {
    let label = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Some(match text {
        "node.id" => ConstraintKey::NodeId,
        "node.hostname" => ConstraintKey::Hostname,
        "node.role" => ConstraintKey::Role,
        "node.ip" => ConstraintKey::Ip,
        "node.platform.os" => ConstraintKey::Os,
        "node.platform.arch" => ConstraintKey::Arch,
        _ => match (text.strip_prefix("node.labels."), text.strip_prefix("engine.labels.")) {
            (Some(name), _) => ConstraintKey::NodeLabel(label(name)?),
            (None, Some(name)) => ConstraintKey::EngineLabel(label(name)?),
            (None, None) => return None,
        },
    })
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, label) = match &self.key {
            ConstraintKey::NodeId => ("node.id", ""),
            ConstraintKey::Hostname => ("node.hostname", ""),
            ConstraintKey::Role => ("node.role", ""),
            ConstraintKey::Ip => ("node.ip", ""),
            ConstraintKey::Os => ("node.platform.os", ""),
            ConstraintKey::Arch => ("node.platform.arch", ""),
            ConstraintKey::NodeLabel(name) => ("node.labels.", name.as_str()),
            ConstraintKey::EngineLabel(name) => ("engine.labels.", name.as_str()),
        };
        write!(f, "{key}{label}{}{}", if self.equal { "==" } else { "!=" }, self.value)
    }
}

impl TryFrom<String> for Constraint {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> String {
        constraint.to_string()
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

/// A published port with the number that it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Port on the nodes.
    pub published: u16,
    /// Port in the container.
    pub target: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Mesh or host.
    pub mode: PublishMode,
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
    fn publish_takes_dockers_short_and_long_form() {
        let port = |text: &str| text.parse::<PortSpec>();
        let short = port("8080:80").unwrap();
        assert_eq!(
            (short.published, short.target, short.protocol),
            (Some(8080), 80, Protocol::Tcp)
        );
        assert_eq!(port("53/udp").unwrap().protocol, Protocol::Udp);
        assert_eq!(
            port("published=8080,target=80,mode=host").unwrap().mode,
            PublishMode::Host
        );
        for bad in [
            "",
            "0:80",
            "80:0",
            "70000",
            "8080:80/icmp",
            "a:b",
            "published=8080",
            "target=80,colour=red",
        ] {
            assert_eq!(port(bad), Err(Invalid::Port(bad.to_owned())));
        }
    }

    #[test]
    fn constraints_round_trip() {
        for text in [
            "node.role==manager",
            "node.labels.disk!=ssd",
            "node.ip==10.0.0.0/8",
            "engine.labels.a==b",
        ] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "node.role",
            "node.colour==red",
            "node.labels.==x",
            "node.role==",
            "node.ip==here",
        ] {
            assert!(bad.parse::<Constraint>().is_err(), "{bad}");
        }
    }

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
