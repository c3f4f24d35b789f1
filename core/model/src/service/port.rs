//! Published ports: what a user writes, and what the cluster gives.

use std::{fmt, ops::RangeInclusive, str::FromStr};

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

    /// As [`PortSpec::several`], where there is one.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let mut several = Self::several(text)?;
        match (several.pop(), several.is_empty()) {
            (Some(one), true) => Ok(one),
            _ => Err(Invalid::Port(text.to_owned())),
        }
    }
}

impl PortSpec {
    /// Docker's short form `[PUBLISHED:]TARGET[/PROTOCOL]`, where both may be ranges `FIRST-LAST`, and long form
    /// `published=,target=,protocol=,mode=`.
    pub fn several(text: &str) -> Result<Vec<Self>, Invalid> {
        if text.contains('=') {
            return parse_long(text).map(|one| vec![one]);
        }
        parse_short(text)
    }
}

fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port > 0)
}

/// `PORT` or `FIRST-LAST`, as all of them.
fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(parse_port(first)?..=parse_port(last)?)
}

fn parse_protocol(word: &str, text: &str) -> Result<Protocol, Invalid> {
    let known = [Protocol::Tcp, Protocol::Udp].into_iter().find(|p| p.word() == word);
    known.ok_or_else(|| match word {
        "sctp" => Invalid::Sctp(text.to_owned()),
        _ => Invalid::Port(text.to_owned()),
    })
}

fn parse_short(text: &str) -> Result<Vec<PortSpec>, Invalid> {
    let invalid = || Invalid::Port(text.to_owned());
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = parse_protocol(protocol, text)?;
    let (published, targets) = match ports.split_once(':') {
        Some((published, targets)) => (Some(parse_range(published).ok_or_else(invalid)?), targets),
        None => (None, ports),
    };
    let targets = parse_range(targets).ok_or_else(invalid)?;
    let lengths = (published.as_ref().map(ExactSizeIterator::len), targets.len());
    let one = |published, target| PortSpec {
        published,
        target,
        protocol,
        mode: PublishMode::Ingress,
    };
    match (published, lengths) {
        (_, (Some(0), _) | (_, 0)) => Err(Invalid::PortRange(text.to_owned())),
        (None, _) => Ok(targets.map(|target| one(None, target)).collect()),
        (Some(published), (Some(many), length)) if many == length => Ok(published
            .zip(targets)
            .map(|(number, target)| one(Some(number), target))
            .collect()),
        (Some(published), (_, 1)) => {
            let target = *targets.start();
            Ok(published.map(|number| one(Some(number), target)).collect())
        }
        _ => Err(Invalid::PortRange(text.to_owned())),
    }
}

fn parse_long(text: &str) -> Result<PortSpec, Invalid> {
    let invalid = || Invalid::Port(text.to_owned());
    let port = |text: &str| parse_port(text).ok_or_else(invalid);
    let mut spec = PortSpec {
        published: None,
        target: 0,
        protocol: Protocol::Tcp,
        mode: PublishMode::Ingress,
    };
    for part in text.split(',') {
        match part.split_once('=').ok_or_else(invalid)? {
            ("published", number) => spec.published = Some(port(number)?),
            ("target", number) => spec.target = port(number)?,
            ("protocol", word) => spec.protocol = parse_protocol(word, text)?,
            ("mode", "ingress") => spec.mode = PublishMode::Ingress,
            ("mode", "host") => spec.mode = PublishMode::Host,
            _ => return Err(invalid()),
        }
    }
    if spec.target == 0 { Err(invalid()) } else { Ok(spec) }
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
        for text in ["80/sctp", "target=80,protocol=sctp"] {
            assert_eq!(port(text), Err(Invalid::Sctp(text.to_owned())));
        }
    }

    #[test]
    fn a_range_of_ports_is_as_many_ports() {
        let pairs = |text: &str| {
            let ports = PortSpec::several(text)?;
            Ok(ports
                .iter()
                .map(|port| (port.published, port.target))
                .collect::<Vec<_>>())
        };
        assert_eq!(
            pairs("8000-8001:80-81/udp"),
            Ok(vec![(Some(8000), 80), (Some(8001), 81)])
        );
        assert_eq!(pairs("8000-8001:80"), Ok(vec![(Some(8000), 80), (Some(8001), 80)]));
        assert_eq!(pairs("80-81"), Ok(vec![(None, 80), (None, 81)]));
        assert_eq!(pairs("80-80"), Ok(vec![(None, 80)]));
        for bad in ["81-80", "8000:80-81", "8000-8002:80-81", "8001-8000:80"] {
            assert_eq!(pairs(bad), Err(Invalid::PortRange(bad.to_owned())));
        }
        for bad in ["80-", "-80", "8000-8001:", "0-1", "1-70000"] {
            assert_eq!(pairs(bad), Err(Invalid::Port(bad.to_owned())));
        }
        assert!("80-81".parse::<PortSpec>().is_err(), "one was asked for");
    }
}
