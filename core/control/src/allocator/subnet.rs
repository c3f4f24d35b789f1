//! Subnets of networks: the first free one of the pools, or the one that was asked for if nothing else has it. What the
//! nodes' hosts route, have or resolve names at is never taken: it would become unreachable from containers.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use model::NetworkSpec;
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

/// A range that is taken, and by whom, in words for a refusal.
struct Taken {
    range: Ipv4Net,
    by: String,
}

/// Everything that a new subnet may not overlap, or, if it can be `chosen`, should not. A default route takes nothing.
fn taken(view: &View, chosen: bool) -> Vec<Taken> {
    let mut all = Vec::new();
    let mut take = |range: IpNet, by: String| {
        if let IpNet::V4(range) = range
            && range.prefix_len() > 0
        {
            all.push(Taken { range, by });
        }
    };
    for network in view.networks() {
        take(
            network.subnet,
            format!("network {} ({})", network.spec.name, network.subnet),
        );
    }
    for network in view.resting_networks() {
        if chosen || view.has_unreachable_tasks(network.id) {
            let (name, subnet) = (&network.spec.name, network.subnet);
            take(
                subnet,
                format!(
                    "removed network {name} ({subnet}), which tasks on a node that is down may use until that is removed"
                ),
            );
        }
    }
    for node in view.nodes() {
        let Some(description) = &node.description else { continue };
        for prefix in &description.taken_prefixes {
            take(
                *prefix,
                format!("{prefix}, which node {} routes or has an address in", node.hostname()),
            );
        }
        for addr in [description.vtep, node.status.addr] {
            take(
                IpNet::from(addr),
                format!("{addr}, the address of node {}", node.hostname()),
            );
        }
    }
    for (addr, prefix, by) in RESERVED {
        take(IpNet::V4(Ipv4Net::new_assert(addr, prefix)), by.to_owned());
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
            with: taken.by,
        }),
        None => Ok(wished),
    }
}

fn from_pools(pools: &[IpNet], prefix: u8, taken: &[Taken]) -> Result<IpNet, Refused> {
    let v4 = |pool: &IpNet| match pool {
        IpNet::V4(pool) => Some(*pool),
        IpNet::V6(_) => None,
    };
    let found = pools
        .iter()
        .filter_map(v4)
        .find_map(|pool| first_free(pool, prefix, taken));
    found.map(IpNet::V4).ok_or_else(|| Refused::NoSubnet {
        prefix,
        pools: pools.iter().map(IpNet::to_string).collect::<Vec<_>>().join(", "),
    })
}

/// The first free subnet of a pool: a candidate that something overlaps is left behind together with all that overlap
/// the same thing.
fn first_free(pool: Ipv4Net, prefix: u8, taken: &[Taken]) -> Option<Ipv4Net> {
    if prefix < pool.prefix_len() || prefix > 30 {
        return None;
    }
    let (size, end) = (1u64 << (32 - prefix), u64::from(u32::from(pool.broadcast())));
    let mut start = u64::from(u32::from(pool.network()));
    while start < end {
        let addr = Ipv4Addr::from(u32::try_from(start).ok()?);
        let candidate = Ipv4Net::new(addr, prefix).ok()?;
        match taken
            .iter()
            .filter(|t| overlap(t.range, candidate))
            .map(|t| t.range.broadcast())
            .max()
        {
            None => return Some(candidate),
            Some(last) => {
                start = (u64::from(u32::from(last)) + 1)
                    .next_multiple_of(size)
                    .max(start + size)
            }
        }
    }
    None
}

/// Whether the network's own gateway is fit; the first host address if none is asked for.
pub(crate) fn gateway(spec: &NetworkSpec, subnet: IpNet) -> IpAddr {
    spec.gateway.unwrap_or_else(|| super::ipam::first_host(subnet))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken_by(ranges: &[&str]) -> Vec<Taken> {
        let one = |text: &&str| Taken {
            range: text.parse().unwrap(),
            by: (*text).to_owned(),
        };
        ranges.iter().map(one).collect()
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
            let got = first_free("10.0.0.0/8".parse().unwrap(), prefix, &taken_by(&ranges));
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
            first_free(pool, 25, &taken_by(&["255.255.255.0/25", "255.255.255.128/25"])),
            None
        );
        assert_eq!(first_free(pool, 16, &[]), None, "larger than the pool");
    }

    proptest! {
        #[test]
        fn what_is_found_overlaps_nothing_and_lies_in_the_pool(seeds in prop::collection::vec((any::<u16>(), 12u8..=30), 0..40), prefix in 16u8..=29) {
            let pool: Ipv4Net = "10.0.0.0/12".parse().unwrap();
            let range = |(bits, prefix): (u16, u8)| {
                let addr = Ipv4Addr::from(u32::from(pool.network()) + (u32::from(bits) << 4));
                Taken { range: Ipv4Net::new(addr, prefix).unwrap().trunc(), by: String::new() }
            };
            let taken: Vec<Taken> = seeds.into_iter().map(range).collect();
            if let Some(found) = first_free(pool, prefix, &taken) {
                prop_assert!(pool.contains(&found));
                prop_assert!(taken.iter().all(|t| !overlap(t.range, found)));
            }
        }
    }
}
