//! Subnets of networks: the first free one of the pools, or the one that was asked for if nothing else has it. What the
//! nodes' hosts route, have or resolve names at is never taken: it would become unreachable from containers.

use std::{
    fmt::{self, Display, Formatter},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};
use model::{Network, NetworkSpec, Node};
use store::{Refused, View};

/// Prefix of the ingress network, which carries all published services that name no network.
const INGRESS_PREFIX: u8 = 16;

/// Ranges that no network may have, and what they are.
const RESERVED: [(Ipv4Addr, u8, &str); 4] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "the range of \"this host\""),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "the loopback range"),
    (
        Ipv4Addr::new(169, 254, 0, 0),
        16,
        "the link-local range, which the nodes use inside",
    ),
    (Ipv4Addr::new(224, 0, 0, 0), 3, "the multicast and reserved ranges"),
];

/// A range that is taken, and by whom.
struct Taken<'a> {
    range: Ipv4Net,
    by: By<'a>,
}

/// Who has a range; shown in words for a refusal.
enum By<'a> {
    Network(&'a Network),
    Removed(&'a Network),
    Route(IpNet, &'a Node),
    Address(IpAddr, &'a Node),
    Nobody(&'static str),
}

impl Display for By<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) => write!(f, "network {} ({})", network.spec.name, network.subnet),
            Self::Removed(network) => write!(
                f,
                "removed network {} ({}), which tasks on a node that is down may use until that is removed",
                network.spec.name, network.subnet
            ),
            Self::Route(prefix, node) => {
                write!(
                    f,
                    "{prefix}, which node {} routes or has an address in",
                    node.hostname()
                )
            }
            Self::Address(addr, node) => write!(f, "{addr}, the address of node {}", node.hostname()),
            Self::Nobody(words) => f.write_str(words),
        }
    }
}

/// Everything that a new subnet may not overlap, or, if it can be `chosen`, should not. A default route takes nothing.
fn taken(view: &View, chosen: bool) -> Vec<Taken<'_>> {
    let mut all = Vec::new();
    let mut take = |range: IpNet, by| {
        if let IpNet::V4(range) = range
            && range.prefix_len() > 0
        {
            all.push(Taken { range, by });
        }
    };
    for network in view.networks() {
        take(network.subnet, By::Network(network));
    }
    for network in view.resting_networks() {
        if chosen || view.has_unreachable_tasks(network.id) {
            take(network.subnet, By::Removed(network));
        }
    }
    for node in view.nodes() {
        let Some(description) = &node.description else { continue };
        for prefix in &description.taken_prefixes {
            take(*prefix, By::Route(*prefix, node));
        }
        for addr in [description.vtep, node.status.addr] {
            take(IpNet::from(addr), By::Address(addr, node));
        }
    }
    for (addr, prefix, words) in RESERVED {
        take(IpNet::V4(Ipv4Net::new_assert(addr, prefix)), By::Nobody(words));
    }
    all
}

fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// The subnet of a new network.
pub(crate) fn choose(view: &View, spec: &NetworkSpec) -> Result<IpNet, Refused> {
    let cluster = view.cluster().ok_or(Refused::NoCluster)?;
    let taken = taken(view, spec.subnet.is_none());
    let Some(wished) = spec.subnet else {
        let settings = &cluster.settings;
        let prefix = if spec.ingress {
            INGRESS_PREFIX
        } else {
            settings.subnet_prefix
        };
        return from_pools(&settings.address_pools, prefix, &taken);
    };
    let IpNet::V4(subnet) = wished else {
        let why = format!("subnet {wished} is IPv6, which networks do not have yet: use an IPv4 --subnet");
        return Err(Refused::Invalid(why));
    };
    match taken.into_iter().find(|taken| overlap(taken.range, subnet)) {
        Some(taken) => Err(Refused::SubnetTaken {
            subnet: wished,
            with: taken.by.to_string(),
        }),
        None => Ok(wished),
    }
}

fn from_pools(pools: &[IpNet], prefix: u8, taken: &[Taken<'_>]) -> Result<IpNet, Refused> {
    let v4 = |pool: &IpNet| match pool {
        IpNet::V4(pool) => Some(*pool),
        IpNet::V6(_) => None,
    };
    let mut ranges: Vec<Ipv4Net> = taken.iter().map(|taken| taken.range).collect();
    ranges.sort_unstable_by_key(Ipv4Net::network);
    let found = pools
        .iter()
        .filter_map(v4)
        .find_map(|pool| first_free(pool, prefix, &ranges));
    found.map(IpNet::V4).ok_or_else(|| Refused::NoSubnet {
        prefix,
        pools: pools.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", "),
    })
}

/// The first free subnet of a pool, beside the `taken` ranges in the order of their addresses: the candidate goes past
/// each range that reaches into it, until one begins only after it.
fn first_free(pool: Ipv4Net, prefix: u8, taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    if prefix < pool.prefix_len() || prefix > 30 {
        return None;
    }
    let number = |addr: Ipv4Addr| u64::from(u32::from(addr));
    let size = 1u64 << (32 - prefix);
    let mut start = number(pool.network());
    for range in taken {
        if number(range.network()) >= start + size {
            break;
        }
        if number(range.broadcast()) >= start {
            start = (number(range.broadcast()) + 1).next_multiple_of(size);
        }
    }
    if start > number(pool.broadcast()) {
        return None;
    }
    Ipv4Net::new(Ipv4Addr::from(u32::try_from(start).ok()?), prefix).ok()
}

/// Whether the network's own gateway is fit; the first host address if none is asked for.
pub(crate) fn gateway(spec: &NetworkSpec, subnet: IpNet) -> IpAddr {
    spec.gateway.unwrap_or_else(|| super::ipam::first_host(subnet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(ranges: &[&str]) -> Vec<Ipv4Net> {
        let mut ranges: Vec<Ipv4Net> = ranges.iter().map(|text| text.parse().unwrap()).collect();
        ranges.sort_unstable_by_key(Ipv4Net::network);
        ranges
    }

    #[test]
    fn the_first_free_subnet_of_the_pool_is_taken() {
        for (prefix, ranges, want) in [
            (16, vec![], Some("10.0.0.0/16")),
            (24, vec!["10.0.0.0/16"], Some("10.1.0.0/24")),
            (
                24,
                vec!["10.0.0.0/16", "10.1.0.0/24", "10.1.2.0/24"],
                Some("10.1.1.0/24"),
            ),
            (24, vec!["10.0.0.0/16", "10.1.0.128/25"], Some("10.1.1.0/24")),
            (16, vec!["10.0.5.0/24"], Some("10.1.0.0/16")),
            (24, vec!["10.0.0.0/9"], Some("10.128.0.0/24")),
            (24, vec!["10.0.0.0/8"], None),
            (24, vec!["0.0.0.0/1"], None),
        ] {
            let got = first_free("10.0.0.0/8".parse().unwrap(), prefix, &sorted(&ranges));
            assert_eq!(
                got.map(|net| net.to_string()).as_deref(),
                want,
                "/{prefix} beside {ranges:?}"
            );
        }
    }

    #[test]
    fn a_pool_ends_at_the_end_of_the_address_space() {
        let pool = "255.255.255.0/24".parse().unwrap();
        assert_eq!(
            first_free(pool, 25, &sorted(&["255.255.255.0/25", "255.255.255.128/25"])),
            None
        );
        assert_eq!(first_free(pool, 16, &[]), None, "larger than the pool");
    }

    proptest! {
        #[test]
        fn what_is_found_is_the_first_that_overlaps_nothing(seeds in prop::collection::vec((any::<u16>(), 12u8..=30), 0..40), prefix in 16u8..=29) {
            let pool: Ipv4Net = "10.0.0.0/12".parse().unwrap();
            let range = |(bits, prefix): (u16, u8)| {
                let addr = Ipv4Addr::from(u32::from(pool.network()) + (u32::from(bits) << 4));
                Ipv4Net::new(addr, prefix).unwrap().trunc()
            };
            let mut taken: Vec<Ipv4Net> = seeds.into_iter().map(range).collect();
            taken.sort_unstable_by_key(Ipv4Net::network);
            let free = |candidate: &Ipv4Net| !taken.iter().any(|range| overlap(*range, *candidate));
            prop_assert_eq!(first_free(pool, prefix, &taken), pool.subnets(prefix).unwrap().find(free));
        }
    }
}
