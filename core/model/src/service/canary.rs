//! Canaries: a few tasks of another spec beside all those of the one before, and the share of new flows that they get.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Ratio, Service};
use crate::Invalid;

/// While a service has one, its spec is that of the canaries, and the previous spec is that of all other tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Share of the new flows, and of the slots, or nodes, that have a task of each spec.
    pub share: Ratio,
    /// Tasks of this spec version and later ones are canaries: a canary that took another one's place has a later one.
    pub first: u64,
}

impl Canary {
    /// The smallest and the largest share, in parts of a million.
    const SHARES: std::ops::RangeInclusive<u32> = 10_000..=990_000;

    /// A canary whose tasks are of spec version `first` or later.
    ///
    /// # Errors
    /// [`Invalid::CanaryShare`] below 1 % and above 99 %.
    pub fn new(share: Ratio, first: u64) -> Result<Self, Invalid> {
        if Self::SHARES.contains(&share.parts_per_million()) {
            Ok(Self { share, first })
        } else {
            Err(Invalid::CanaryShare(share.to_string()))
        }
    }

    /// Whether tasks of this spec version are canaries.
    pub const fn covers(self, version: u64) -> bool {
        version >= self.first
    }

    /// How many of so many slots have a canary: at least one if there is any.
    pub fn tasks(self, slots: usize) -> usize {
        let parts = slots as u64 * u64::from(self.share.parts_per_million());
        parts.div_ceil(u64::from(Ratio::WHOLE)) as usize
    }
}

/// In per cent.
impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, part) = (self.parts_per_million() / 10_000, self.parts_per_million() % 10_000);
        match part {
            0 => write!(f, "{whole}%"),
            _ => write!(f, "{}%", format!("{whole}.{part:04}").trim_end_matches('0')),
        }
    }
}

impl Service {
    /// Whether a task of this spec version is one of its canaries.
    pub fn is_canary(&self, version: u64) -> bool {
        self.canary.is_some_and(|canary| canary.covers(version))
    }

    /// While it has a canary: the service as its other tasks know it, whose spec is the one before.
    pub fn without_canary(&self) -> Option<Self> {
        let before = self.previous.as_deref().filter(|_| self.canary.is_some())?;
        Some(Self {
            spec: before.spec.clone(),
            spec_version: before.spec_version,
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percent(share: u32) -> Result<Canary, Invalid> {
        Canary::new(Ratio::new(share * 10_000).unwrap(), 3)
    }

    #[test]
    fn shares_are_between_one_and_ninety_nine_per_cent() {
        for bad in [0, 100] {
            let refused = percent(bad).unwrap_err();
            assert_eq!(refused, Invalid::CanaryShare(format!("{bad}%")));
            assert!(refused.to_string().contains("between 1% and 99%"), "{refused}");
        }
        assert!(percent(1).is_ok() && percent(99).is_ok());
        assert_eq!(Ratio::new(125_000).unwrap().to_string(), "12.5%");
        assert_eq!(Ratio::new(10_010).unwrap().to_string(), "1.001%");
    }

    #[test]
    fn canaries_are_rounded_up() {
        let tasks = |share, slots| percent(share).unwrap().tasks(slots);
        for (share, slots, count) in [
            (10, 10, 1),
            (11, 10, 2),
            (1, 1, 1),
            (99, 10, 10),
            (50, 3, 2),
            (10, 0, 0),
        ] {
            assert_eq!(tasks(share, slots), count, "{share} % of {slots}");
        }
    }

    #[test]
    fn later_versions_are_canaries_too() {
        let canary = percent(10).unwrap();
        assert!(!canary.covers(2) && canary.covers(3) && canary.covers(4));
    }
}
