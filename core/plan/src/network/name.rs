//! Names of the node's links: five fixed ones, and one per container and network.

use model::{NetworkId, TaskId};

/// The VXLAN device of all networks.
pub const OVERLAY_LINK: &str = "ntl-vx0";
/// The host's own pair: the end with addresses.
pub const HOST_LINK: &str = "ntl-host";
/// The host's own pair: the end with `from_host`.
pub const HOST_PEER_LINK: &str = "ntl-hostp";
/// The resolver's pair: the end that stays with the host, with `from_host`.
pub const RESOLVER_LINK: &str = "ntl-dns";
/// The resolver's pair: the other end, until it is in the resolver's namespace.
pub const RESOLVER_PEER_LINK: &str = "ntl-dnsp";
/// The links that every node has, whatever runs on it.
pub const OWN_LINKS: [&str; 4] = [OVERLAY_LINK, HOST_LINK, HOST_PEER_LINK, RESOLVER_LINK];

/// Host ends of container veths: this and 11 hex digits, 14 of the 15 characters that a name may have.
const PREFIX: &str = "ntl";
const DIGITS: usize = 11;

/// FNV-1a, 64 bits (Fowler, Noll, Vo): stable over versions and nodes, which the standard hasher is not.
fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Name of the host end of a task's veth in a network: `ntl` and 11 hex digits.
pub fn link_name(task: TaskId, network: NetworkId) -> String {
    let ids = [task.bits().to_be_bytes(), network.bits().to_be_bytes()];
    let hash = fnv1a(ids.into_iter().flatten());
    format!("{PREFIX}{:011x}", hash & ((1 << (4 * DIGITS)) - 1))
}

/// Whether a name has the form of [`link_name`].
pub fn is_container_link(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| {
        rest.len() == DIGITS && rest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    })
}

/// Whether a link is one that the agent makes.
pub fn is_our_link(name: &str) -> bool {
    OWN_LINKS.contains(&name) || name == RESOLVER_PEER_LINK || is_container_link(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_are_known_again() {
        let name = link_name(TaskId::from_bits(1), NetworkId::from_bits(2));
        assert_eq!(name.len(), 14);
        assert!(is_container_link(&name) && is_our_link(&name));
        assert_ne!(name, link_name(TaskId::from_bits(2), NetworkId::from_bits(1)));
        for other in ["ntl-host", "ntl0123456789", "ntl0123456789ab", "ntl0123456789G", "eth0"] {
            assert!(!is_container_link(other), "{other}");
        }
    }
}
