//! Addresses that somebody has, as runs without a gap: the next free address behind any other is found in one step,
//! however full a network is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use imbl::OrdMap;
use model::NetworkId;

/// First address of each run, and its last. Runs of a network neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    runs: OrdMap<(NetworkId, u128), u128>,
}

/// An address as a number.
fn number(addr: IpAddr) -> u128 {
    match addr {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of a number in the family of `like`; `None` beyond its end.
fn address(number: u128, like: IpAddr) -> Option<IpAddr> {
    match like {
        IpAddr::V4(_) => Some(Ipv4Addr::from_bits(u32::try_from(number).ok()?).into()),
        IpAddr::V6(_) => Some(Ipv6Addr::from_bits(number).into()),
    }
}

impl Taken {
    /// The run that `n` lies in.
    fn run_of(&self, network: NetworkId, n: u128) -> Option<(u128, u128)> {
        let ((owner, first), last) = self.runs.get_prev(&(network, n))?;
        (*owner == network && n <= *last).then_some((*first, *last))
    }

    /// `addr` or the first behind it that nobody has; `None` beyond the end of its family.
    pub fn first_free(&self, network: NetworkId, addr: IpAddr) -> Option<IpAddr> {
        match self.run_of(network, number(addr)) {
            Some((_, last)) => address(last.checked_add(1)?, addr),
            None => Some(addr),
        }
    }

    pub fn insert(&mut self, network: NetworkId, addr: IpAddr) {
        let n = number(addr);
        if self.run_of(network, n).is_some() {
            return;
        }
        let before = n.checked_sub(1).and_then(|n| self.run_of(network, n));
        let behind = n.checked_add(1).and_then(|n| self.runs.remove(&(network, n)));
        let first = before.map_or(n, |(first, _)| first);
        self.runs.insert((network, first), behind.unwrap_or(n));
    }

    pub fn remove(&mut self, network: NetworkId, addr: IpAddr) {
        let n = number(addr);
        let Some((first, last)) = self.run_of(network, n) else {
            return;
        };
        self.runs.remove(&(network, first));
        if first < n {
            self.runs.insert((network, first), n - 1);
        }
        if n < last {
            self.runs.insert((network, n + 1), last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn runs_say_the_same_as_a_set_of_addresses() {
        let network = NetworkId::from_bits(1);
        let addr = |n: u8| IpAddr::from([10, 0, 0, n]);
        let (mut taken, mut set) = (Taken::default(), BTreeSet::new());
        taken.insert(NetworkId::from_bits(0), addr(255));
        taken.insert(NetworkId::from_bits(2), addr(0));
        // A full period of a generator modulo 251: every address comes up, in a scattered order.
        let mut n = 1u32;
        for step in 0..2_000u32 {
            n = (n * 33 + 7) % 251;
            let chosen = addr((n % 64) as u8);
            if step % 3 == 0 {
                taken.remove(network, chosen);
                set.remove(&chosen);
            } else {
                taken.insert(network, chosen);
                set.insert(chosen);
            }
            for from in 0..64 {
                let want = (from..=255).map(addr).find(|addr| !set.contains(addr));
                assert_eq!(taken.first_free(network, addr(from)), want, "step {step}, from {from}");
            }
        }
    }

    #[test]
    fn behind_the_last_address_of_a_family_there_is_none() {
        let (network, last) = (NetworkId::from_bits(1), IpAddr::from([255; 4]));
        let mut taken = Taken::default();
        assert_eq!(taken.first_free(network, last), Some(last));
        taken.insert(network, last);
        assert_eq!(taken.first_free(network, last), None);
    }
}
