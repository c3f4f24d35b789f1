//! Addresses within a network: the next free one after the one given last (next-fit), so that a released address rests
//! as long as possible and no node still has it in a table or a cache when it is given again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use model::Network;
use store::{Refused, View};

/// An address as a number, and back in the family of `like`.
fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn address(number: u128, like: IpAddr) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((number & u128::from(u32::MAX)) as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// First and last host address of a subnet of at most /30.
fn hosts(subnet: IpNet) -> (u128, u128) {
    (number(subnet.network()) + 1, number(subnet.broadcast()) - 1)
}

/// The gateway of a subnet for which none was asked: its first host address.
pub(crate) fn first_host(subnet: IpNet) -> IpAddr {
    address(hosts(subnet).0, subnet.network())
}

/// The next free address of `network`.
pub(crate) fn free_address(view: &View, network: &Network) -> Result<IpAddr, Refused> {
    let first_free = |addr| view.first_free_address(network.id, addr);
    #[cfg(feature = "planted")]
    let first_free = |addr| planted::instead(planted::Bug::DoubledAddress, first_free(addr), || Some(Some(addr)));
    next_free(network.subnet, view.address_cursor(network.id), first_free).ok_or_else(|| Refused::NoAddress {
        network: network.spec.name.to_string(),
        subnet: network.subnet,
    })
}

/// `first_free` finds the lowest free address from a given one on, if need be beyond the subnet.
fn next_free(subnet: IpNet, cursor: Option<IpAddr>, first_free: impl Fn(IpAddr) -> Option<IpAddr>) -> Option<IpAddr> {
    let (first, last) = hosts(subnet);
    let start = cursor.map_or(first, |addr| number(addr) + 1).clamp(first, last + 1);
    let free = |from, to| {
        let found = first_free(address(from, subnet.network()))?;
        (number(found) < to).then_some(found)
    };
    let behind = if start <= last { free(start, last + 1) } else { None };
    behind.or_else(|| free(first, start))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// The lowest address from `addr` on that is not taken.
    fn search(addr: IpAddr, taken: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
        (number(addr)..).map(|n| address(n, addr)).find(|addr| !taken(*addr))
    }

    #[test]
    fn the_search_starts_behind_the_last_address_and_wraps() {
        let subnet: IpNet = "10.1.0.0/29".parse().unwrap();
        for (cursor, taken, want) in [
            (None, vec![], Some("10.1.0.1")),
            (Some("10.1.0.1"), vec!["10.1.0.1"], Some("10.1.0.2")),
            (Some("10.1.0.6"), vec!["10.1.0.1"], Some("10.1.0.2")),
            (Some("10.1.0.3"), vec!["10.1.0.4"], Some("10.1.0.5")),
            (
                Some("10.1.0.3"),
                vec!["10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"],
                None,
            ),
        ] {
            let taken: Vec<IpAddr> = taken.into_iter().map(ip).collect();
            let got = next_free(subnet, cursor.map(ip), |addr| {
                search(addr, |addr| taken.contains(&addr))
            });
            assert_eq!(got, want.map(ip), "after {cursor:?}");
        }
    }

    proptest! {
        /// Any sequence of taking and releasing: no address twice, none outside, all of them before it is full, and a
        /// released address only after all that were free before it.
        #[test]
        fn addresses_are_unique_and_released_ones_rest(prefix in 26u8..=29, steps in prop::collection::vec(any::<(bool, u8)>(), 1..200)) {
            let subnet = IpNet::new(ip("10.1.0.0"), prefix).unwrap();
            let size = (1usize << (32 - prefix)) - 2;
            let (mut cursor, mut held, mut resting) = (None, BTreeSet::new(), Vec::new());
            for (take, pick) in steps {
                if take {
                    match next_free(subnet, cursor, |addr| search(addr, |addr| held.contains(&addr))) {
                        None => prop_assert_eq!(held.len(), size),
                        Some(addr) => {
                            prop_assert!(subnet.contains(&addr) && addr != subnet.network() && addr != subnet.broadcast());
                            let never_used = size - held.len() - resting.len();
                            prop_assert!(never_used == 0 || !resting.contains(&addr), "{} was given again too early", addr);
                            resting.retain(|r| *r != addr);
                            prop_assert!(held.insert(addr));
                            cursor = Some(addr);
                        }
                    }
                } else if let Some(addr) = held.iter().nth(usize::from(pick) % held.len().max(1)).copied() {
                    held.remove(&addr);
                    resting.push(addr);
                }
            }
        }
    }
}
