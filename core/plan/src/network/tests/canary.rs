//! Rings while a part of the backends are canaries.

use model::{Canary, Ratio};

use super::*;

/// Per cent of the slots of the published port and of the virtual IP that tasks of version 2 own.
fn canary_share(endpoints: &[EndpointView], share: u32, here: u128) -> [f64; 2] {
    let mut view = view(here, endpoints.to_vec());
    view.services[0].canary = Some(Canary::new(Ratio::new(share * 10_000).unwrap(), 2).unwrap());
    let mut facts = facts(&[]);
    facts.links.get_mut("eth0").unwrap().addrs = vec![IpAddr::from([192, 0, 2, here as u8])];
    let tables = reached(&view, &facts);
    let is_canary = |owner: &Option<Addr>| {
        let mut canaries = endpoints.iter().filter(|e| e.spec_version == 2);
        canaries.any(|e| *owner == Some(e.addr.into()))
    };
    [published(), virtual_ip()].map(|key| {
        let owners = owners(&tables, &key);
        let canaries = owners.iter().filter(|owner| is_canary(owner)).count();
        100.0 * canaries as f64 / owners.len() as f64
    })
}

fn of_version(number: u8, version: u64) -> EndpointView {
    EndpointView {
        spec_version: version,
        ..endpoint(number, 1 + u128::from(number % 2))
    }
}

#[test]
fn canaries_get_their_share_of_each_ring_on_every_node() {
    for (old, new) in [(10, 1), (3, 1), (1, 1), (2, 5), (20, 3)] {
        let old = (1..=old).map(|n| of_version(3 + n, 1));
        let endpoints: Vec<_> = old.chain((1..=new).map(|n| of_version(100 + n, 2))).collect();
        for share in [1, 10, 20, 50, 99] {
            let here = canary_share(&endpoints, share, 1);
            assert_eq!(here, canary_share(&endpoints, share, 2));
            for found in here {
                let off = (found - f64::from(share)).abs();
                assert!(off < 0.2, "{found} of 100 slots instead of {share}");
            }
        }
    }
}

#[test]
fn the_share_of_those_who_do_not_serve_goes_to_the_others() {
    let mut endpoints = vec![of_version(4, 1), of_version(5, 1), of_version(6, 2)];
    endpoints[2].serving = false;
    assert_eq!(canary_share(&endpoints, 10, 1), [0.0; 2]);
    endpoints[2].serving = true;
    (endpoints[0].serving, endpoints[1].serving) = (false, false);
    assert_eq!(canary_share(&endpoints, 10, 1), [100.0; 2]);
}
