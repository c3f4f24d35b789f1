//! Which address a node tells the others: what the user typed, or the only candidate. Pure; the addresses of the host
//! are an argument.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use thiserror::Error;

/// Control port when none is typed.
pub const CONTROL_PORT: u16 = 2377;

/// An address on a device of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddr {
    /// The device's name.
    pub device: String,
    /// An address that it has.
    pub addr: IpAddr,
}

/// Why no address could be chosen. The words are Docker's where it has them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ChoiceError {
    /// Nothing to choose from.
    #[error(
        "could not find an address to advertise: no device of this host has a global IPv4 address - specify one with --advertise-addr"
    )]
    NoCandidate,
    /// More than one.
    #[error(
        "could not choose an IP address to advertise since this system has multiple addresses ({0}) - specify one with --advertise-addr"
    )]
    Ambiguous(String),
    /// Neither an address nor a device.
    #[error(
        "{option} \"{text}\": must be an IP address or network interface of this host (with optional port): {known}"
    )]
    Unknown {
        /// Which option.
        option: &'static str,
        /// What was typed.
        text: String,
        /// What there is.
        known: String,
    },
    /// A device with no, or several, addresses.
    #[error("interface {device} has {count} IPv4 addresses: specify the address with {option}")]
    Device {
        /// Which option.
        option: &'static str,
        /// The device.
        device: String,
        /// How many.
        count: usize,
    },
}

/// The address for `--advertise-addr TEXT` (empty: the only candidate), with the port typed or [`CONTROL_PORT`].
pub fn choose(option: &'static str, text: &str, host: &[HostAddr]) -> Result<SocketAddr, ChoiceError> {
    let candidates: Vec<&HostAddr> = host.iter().filter(|h| is_candidate(h)).collect();
    if text.is_empty() {
        return match candidates.as_slice() {
            [] => Err(ChoiceError::NoCandidate),
            [only] => Ok(SocketAddr::new(only.addr, CONTROL_PORT)),
            several => Err(ChoiceError::Ambiguous(list(several))),
        };
    }
    let (name, port) = split_port(text);
    if let Ok(addr) = name.parse::<IpAddr>() {
        // 127.0.0.1 is an address of the host, but no other node could reach it; a test cluster of one may want it.
        return match host.iter().any(|h| h.addr == addr) {
            true => Ok(SocketAddr::new(addr, port)),
            false => Err(unknown(option, text, &candidates)),
        };
    }
    let on_device: Vec<IpAddr> = host
        .iter()
        .filter(|h| h.device == name && h.addr.is_ipv4())
        .map(|h| h.addr)
        .collect();
    match (on_device.as_slice(), host.iter().any(|h| h.device == name)) {
        ([addr], _) => Ok(SocketAddr::new(*addr, port)),
        (_, false) => Err(unknown(option, text, &candidates)),
        (several, true) => Err(ChoiceError::Device {
            option,
            device: name.to_owned(),
            count: several.len(),
        }),
    }
}

/// The address for `--listen-addr TEXT`: every address of the host if it is empty.
pub fn listen(option: &'static str, text: &str, host: &[HostAddr]) -> Result<SocketAddr, ChoiceError> {
    let all = IpAddr::from([0, 0, 0, 0]);
    match split_port(text) {
        _ if text.is_empty() => Ok(SocketAddr::new(all, CONTROL_PORT)),
        ("0.0.0.0", port) => Ok(SocketAddr::new(all, port)),
        _ => choose(option, text, host),
    }
}

/// As [`choose`]; of several candidates the one that packets to the managers come from, if `routed` says which.
pub fn choose_towards(
    option: &'static str,
    text: &str,
    host: &[HostAddr],
    routed: impl FnOnce() -> Option<IpAddr>,
) -> Result<SocketAddr, ChoiceError> {
    let ambiguous = match choose(option, text, host) {
        Err(several @ ChoiceError::Ambiguous(_)) => several,
        chosen => return chosen,
    };
    let routed = routed().filter(|addr| host.iter().any(|h| h.addr == *addr && is_candidate(h)));
    routed.map(|addr| SocketAddr::new(addr, CONTROL_PORT)).ok_or(ambiguous)
}

/// The address from which this host's packets to `remote` go. Nothing is sent.
pub fn source(remote: SocketAddr) -> Option<IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(remote).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The addresses of all devices of this host.
pub fn of_this_host() -> nix::Result<Vec<HostAddr>> {
    let addrs = nix::ifaddrs::getifaddrs()?.filter_map(|entry| {
        let address = entry.address?;
        let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
        let v6 = || address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip()));
        let addr = v4.or_else(v6)?;
        let device = entry.interface_name;
        Some(HostAddr { device, addr })
    });
    Ok(addrs.collect())
}

fn unknown(option: &'static str, text: &str, candidates: &[&HostAddr]) -> ChoiceError {
    ChoiceError::Unknown {
        option,
        text: text.to_owned(),
        known: list(candidates),
    }
}

/// Not ours, not the engine's, not loopback, IPv4.
fn is_candidate(host: &HostAddr) -> bool {
    let ours = host.device.starts_with("ntl");
    let engine = host.device.starts_with("docker") || host.device.starts_with("br-") || host.device.starts_with("veth");
    match host.addr {
        IpAddr::V4(v4) => !ours && !engine && !v4.is_loopback() && !v4.is_link_local(),
        IpAddr::V6(_) => false,
    }
}

fn list(addrs: &[&HostAddr]) -> String {
    let texts: Vec<String> = addrs.iter().map(|h| format!("{} on {}", h.addr, h.device)).collect();
    texts.join(", ")
}

fn split_port(text: &str) -> (&str, u16) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, CONTROL_PORT);
    }
    match text.rsplit_once(':') {
        Some((name, port)) => match port.parse() {
            Ok(port) => (name.trim_start_matches('[').trim_end_matches(']'), port),
            Err(_) => (text, CONTROL_PORT),
        },
        None => (text, CONTROL_PORT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(pairs: &[(&str, &str)]) -> Vec<HostAddr> {
        let addr = |(device, addr): &(&str, &str)| HostAddr {
            device: (*device).into(),
            addr: addr.parse().unwrap(),
        };
        pairs.iter().map(addr).collect()
    }

    #[test]
    fn the_only_candidate_is_taken() {
        let host = host(&[
            ("lo", "127.0.0.1"),
            ("eth0", "192.0.2.1"),
            ("docker0", "172.17.0.1"),
            ("eth0", "fe80::1"),
        ]);
        assert_eq!(
            choose("--advertise-addr", "", &host),
            Ok("192.0.2.1:2377".parse().unwrap())
        );
        assert_eq!(
            choose("--advertise-addr", "eth0:2999", &host),
            Ok("192.0.2.1:2999".parse().unwrap())
        );
    }

    #[test]
    fn several_are_listed() {
        let host = host(&[("eth0", "192.0.2.1"), ("eth1", "198.51.100.1")]);
        let error = choose("--advertise-addr", "", &host).unwrap_err().to_string();
        assert!(error.contains("192.0.2.1 on eth0, 198.51.100.1 on eth1"), "{error}");
        assert_eq!(
            choose("--advertise-addr", "198.51.100.1", &host),
            Ok("198.51.100.1:2377".parse().unwrap())
        );
    }

    #[test]
    fn of_several_the_one_towards_the_managers_is_taken() {
        let host = host(&[
            ("eth0", "192.0.2.1"),
            ("eth1", "198.51.100.1"),
            ("docker0", "172.17.0.1"),
        ]);
        let towards = |text, routed: &str| {
            let routed = routed.parse().unwrap();
            choose_towards("--advertise-addr", text, &host, || Some(routed)).map(|addr| addr.ip().to_string())
        };
        assert_eq!(towards("", "198.51.100.1").as_deref(), Ok("198.51.100.1"));
        assert_eq!(towards("eth0", "198.51.100.1").as_deref(), Ok("192.0.2.1"));
        assert!(towards("", "172.17.0.1").is_err(), "the engine's");
        assert_eq!(
            source("127.0.0.1:9".parse().unwrap()),
            Some("127.0.0.1".parse().unwrap())
        );
    }

    #[test]
    fn what_the_host_does_not_have_is_refused() {
        let host = host(&[("eth0", "192.0.2.1"), ("eth0", "192.0.2.2")]);
        assert!(matches!(
            choose("--advertise-addr", "192.0.2.9", &host),
            Err(ChoiceError::Unknown { .. })
        ));
        assert!(matches!(
            choose("--advertise-addr", "eth7", &host),
            Err(ChoiceError::Unknown { .. })
        ));
        assert!(matches!(
            choose("--advertise-addr", "eth0", &host),
            Err(ChoiceError::Device { count: 2, .. })
        ));
        assert!(matches!(
            choose("--advertise-addr", "", &[]),
            Err(ChoiceError::NoCandidate)
        ));
    }
}
