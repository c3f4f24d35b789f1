//! Published ports: what a user writes, and what the cluster gives.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Invalid;

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

/// Published ports as tasks of a spec version know them that is not their service's present one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierPorts {
    /// The version.
    pub spec_version: u64,
    /// The ports.
    pub ports: Vec<PublishedPort>,
}

impl EarlierPorts {
    /// The port in containers of this version behind what `port` is on the nodes, if it was published then.
    pub fn target(&self, port: &PublishedPort) -> Option<u16> {
        let same = |own: &&PublishedPort| (own.published, own.protocol) == (port.published, port.protocol);
        self.ports.iter().find(same).map(|own| own.target)
    }
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
}
