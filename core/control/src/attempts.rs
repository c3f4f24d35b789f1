//! How many failed attempts to join a manager looks into. Not part of the state: each manager counts its own.
//!
//! Nobody guesses 128 random bits, at whatever rate; what is limited is the work that wrong tokens make, the questions
//! to the other managers above all. The limit is a generic cell rate algorithm (ITU-T I.371, annex A, virtual
//! scheduling), one for each source and one for all of them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use model::Timestamp;

/// Sources that are told apart. The one nearest to its full allowance makes room for a new one.
const MAX_SOURCES: usize = 4096;

/// An allowance: so many at once, then one every so often.
#[derive(Clone, Copy, Debug)]
struct Limit {
    burst: u32,
    every: Duration,
}

const PER_SOURCE: Limit = Limit {
    burst: 10,
    every: Duration::from_secs(6),
};
const OF_ALL: Limit = Limit {
    burst: 200,
    every: Duration::from_millis(50),
};

impl Limit {
    /// `full_at` is when the allowance is whole again. Gives its next value, or how long to wait for another attempt.
    fn take(self, full_at: Timestamp, now: Timestamp) -> Result<Timestamp, Duration> {
        let window = self.every * self.burst;
        // A clock that was set back must not keep anybody waiting for longer than the whole allowance takes.
        let next = full_at.max(now).min(now + window) + self.every;
        match next.since(now).checked_sub(window) {
            None | Some(Duration::ZERO) => Ok(next),
            Some(wait) => Err(wait),
        }
    }

    fn give_back(self, full_at: &mut Timestamp) {
        full_at.0 = full_at
            .0
            .saturating_sub(i64::try_from(self.every.as_nanos()).unwrap_or(i64::MAX));
    }
}

/// The attempts of late, by the network address that they came from: of IPv6 the first 64 bits, which one host may have
/// for itself.
#[derive(Clone, Debug, Default)]
pub struct JoinAttempts {
    sources: BTreeMap<IpAddr, Timestamp>,
    all: Timestamp,
}

/// A source that has to wait before another attempt is looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAttempts {
    /// For how long.
    pub wait: Duration,
}

impl JoinAttempts {
    /// Takes one attempt from the allowances, or says how long to wait.
    pub fn take(&mut self, source: IpAddr, now: Timestamp) -> Result<(), TooManyAttempts> {
        let source = source_network(source);
        let waiting = |wait| TooManyAttempts { wait };
        let full_at = self.sources.get(&source).copied().unwrap_or(now);
        let next = PER_SOURCE.take(full_at, now).map_err(waiting)?;
        self.all = OF_ALL.take(self.all, now).map_err(waiting)?;
        self.make_room(source, now);
        self.sources.insert(source, next);
        Ok(())
    }

    /// An attempt that was taken turned out to be a good one.
    pub fn give_back(&mut self, source: IpAddr) {
        OF_ALL.give_back(&mut self.all);
        if let Some(full_at) = self.sources.get_mut(&source_network(source)) {
            PER_SOURCE.give_back(full_at);
        }
    }

    fn make_room(&mut self, source: IpAddr, now: Timestamp) {
        if self.sources.len() < MAX_SOURCES || self.sources.contains_key(&source) {
            return;
        }
        self.sources.retain(|_, full_at| *full_at > now);
        if self.sources.len() < MAX_SOURCES {
            return;
        }
        let nearest = self.sources.iter().min_by_key(|(_, full_at)| **full_at);
        if let Some(nearest) = nearest.map(|(source, _)| *source) {
            self.sources.remove(&nearest);
        }
    }
}

/// Whom an address may be of: of IPv6 the first 64 bits, which one host may have for itself.
pub fn source_network(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(addr) => IpAddr::V6(Ipv6Addr::from_bits(addr.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_700_000_000_000_000_000);

    fn source(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    #[test]
    fn a_source_waits_after_its_burst_and_no_other_does() {
        let mut attempts = JoinAttempts::default();
        for _ in 0..PER_SOURCE.burst {
            assert_eq!(attempts.take(source(1), NOW), Ok(()));
        }
        let wait = PER_SOURCE.every;
        assert_eq!(attempts.take(source(1), NOW), Err(TooManyAttempts { wait }));
        assert_eq!(attempts.take(source(2), NOW), Ok(()));
        assert_eq!(attempts.take(source(1), NOW + wait), Ok(()));
        assert_eq!(attempts.take(source(1), NOW + wait), Err(TooManyAttempts { wait }));
    }

    #[test]
    fn all_sources_together_have_a_limit_and_the_table_has_one() {
        let mut attempts = JoinAttempts::default();
        let taken = (0..OF_ALL.burst * 2).filter(|n| attempts.take(source(*n), NOW).is_ok());
        assert_eq!(taken.count(), OF_ALL.burst as usize);
        let mut now = NOW;
        for n in 0..3 * MAX_SOURCES as u32 {
            now = now + OF_ALL.every;
            assert_eq!(attempts.take(source(n), now), Ok(()));
            assert!(attempts.sources.len() <= MAX_SOURCES);
        }
    }

    #[test]
    fn the_hosts_of_one_ipv6_network_are_one_source() {
        let mut attempts = JoinAttempts::default();
        let host = |n: u16, host: u16| IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, n, 0, 0, 0, host));
        for n in 0..PER_SOURCE.burst as u16 {
            assert_eq!(attempts.take(host(1, n), NOW), Ok(()));
        }
        assert!(attempts.take(host(1, 99), NOW).is_err());
        assert!(attempts.take(host(2, 1), NOW).is_ok());
    }

    #[test]
    fn good_attempts_cost_nothing_and_clocks_may_be_set_back() {
        let mut attempts = JoinAttempts::default();
        for _ in 0..OF_ALL.burst * 2 {
            assert_eq!(attempts.take(source(1), NOW), Ok(()));
            attempts.give_back(source(1));
        }
        for _ in 0..PER_SOURCE.burst {
            assert_eq!(attempts.take(source(1), NOW), Ok(()));
        }
        let refused = attempts.take(source(1), Timestamp(0)).unwrap_err();
        assert!(refused.wait <= PER_SOURCE.every, "{refused:?}");
    }
}
