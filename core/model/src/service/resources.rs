//! What a task may use, and what is set aside for it.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// Resources that operators give names to: `gpu=4` (so many of them) or `gpu=uuid1`, `gpu=uuid2` (each by its name).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum GenericResource {
    /// So many.
    Discrete {
        /// Of what.
        kind: String,
        /// How many, at least 1.
        amount: u64,
    },
    /// One with a name.
    Named {
        /// Of what.
        kind: String,
        /// Which.
        value: String,
    },
}

impl GenericResource {
    /// What it is one of.
    pub fn kind(&self) -> &str {
        match self {
            Self::Discrete { kind, .. } | Self::Named { kind, .. } => kind,
        }
    }

    /// What a node has, each as `KIND=AMOUNT` or `KIND=NAME`. Refused: a kind with two amounts, or with an amount and names.
    pub fn offers(texts: &[String]) -> Result<Vec<Self>, Invalid> {
        let mut offers: Vec<Self> = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        offers.sort();
        offers.dedup();
        offers.sort_by(|one, other| one.kind().cmp(other.kind()));
        let twice = offers.windows(2).find_map(|pair| match pair {
            [first @ Self::Discrete { kind, .. }, second] if first.kind() == second.kind() => Some(kind.clone()),
            _ => None,
        });
        match twice {
            Some(kind) => Err(Invalid::ResourceTwice(kind)),
            None => Ok(offers),
        }
    }
}

impl FromStr for GenericResource {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::GenericResource(text.to_owned());
        let (kind, value) = text.split_once('=').ok_or_else(invalid)?;
        if kind.is_empty() || value.is_empty() {
            return Err(invalid());
        }
        let kind = kind.to_owned();
        match value.parse() {
            Ok(0) => Err(invalid()),
            Ok(amount) => Ok(Self::Discrete { kind, amount }),
            Err(_) => Ok(Self::Named {
                kind,
                value: value.to_owned(),
            }),
        }
    }
}

impl fmt::Display for GenericResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discrete { kind, amount } => write!(f, "{kind}={amount}"),
            Self::Named { kind, value } => write!(f, "{kind}={value}"),
        }
    }
}

/// What a task may use at most. Zero: no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time per second, 10^-9 of a core.
    pub nano_cpus: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Processes and threads.
    pub pids: i64,
}

/// What a node must have left to take a task. Zero: nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservations {
    /// CPU time per second, 10^-9 of a core.
    pub nano_cpus: i64,
    /// Bytes of memory.
    pub memory_bytes: i64,
    /// Resources with operators' names; only [`GenericResource::Discrete`] can be asked for.
    pub generic: Vec<GenericResource>,
}

/// Limits, reservations and how memory swaps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// At most.
    pub limits: Limits,
    /// At least.
    pub reservations: Reservations,
    /// Bytes of memory and swap together; -1: no limit.
    pub memory_swap: Option<i64>,
    /// 0 to 100; -1: the engine's default.
    pub memory_swappiness: Option<i64>,
}

impl Resources {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let Self {
            limits, reservations, ..
        } = self;
        let numbers = [
            ("cpu limit", limits.nano_cpus),
            ("memory limit", limits.memory_bytes),
            ("pids limit", limits.pids),
            ("cpu reservation", reservations.nano_cpus),
            ("memory reservation", reservations.memory_bytes),
        ];
        if let Some((what, number)) = numbers.into_iter().find(|(_, number)| *number < 0) {
            return Err(Invalid::Negative { what, number });
        }
        // As the engine has it: less would not let a process start.
        if (1..6 << 20).contains(&limits.memory_bytes) {
            return Err(Invalid::MemoryLimit(limits.memory_bytes));
        }
        if self.memory_swappiness.is_some_and(|share| !(-1..=100).contains(&share)) {
            return Err(Invalid::Swappiness);
        }
        match reservations
            .generic
            .iter()
            .find(|g| matches!(g, GenericResource::Named { .. }))
        {
            Some(named) => Err(Invalid::GenericResource(named.to_string())),
            None => Ok(()),
        }
    }
}

/// One limit of a process, as `setrlimit(2)` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// What the process starts with; -1: no limit.
    pub soft: i64,
    /// What it can raise it to; -1: no limit.
    pub hard: i64,
}

/// Limits of processes by name (`nofile`, ...).
pub type Ulimits = BTreeMap<String, Ulimit>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generic_resources_are_numbers_or_names() {
        for text in ["gpu=4", "gpu=uuid1"] {
            assert_eq!(text.parse::<GenericResource>().unwrap().to_string(), text);
        }
        for bad in ["gpu", "=4", "gpu=", "gpu=0"] {
            assert!(bad.parse::<GenericResource>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_has_an_amount_of_a_kind_or_names() {
        let offers = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            let offers = GenericResource::offers(&texts)?;
            let texts: Vec<String> = offers.iter().map(ToString::to_string).collect();
            Ok::<_, Invalid>(texts.join(" "))
        };
        assert_eq!(
            offers(&["ssd=3", "gpu=b", "gpu=a", "gpu=a"]),
            Ok("gpu=a gpu=b ssd=3".to_owned())
        );
        for twice in [["gpu=a", "gpu=2"], ["gpu=2", "gpu=a"], ["gpu=2", "gpu=3"]] {
            assert_eq!(offers(&twice), Err(Invalid::ResourceTwice("gpu".to_owned())));
        }
        assert!(offers(&["gpu"]).is_err());
    }

    #[test]
    fn limits_that_the_engine_refuses_are_refused_early() {
        let mut resources = Resources::default();
        assert_eq!(resources.validate(), Ok(()));
        resources.limits.memory_bytes = 1 << 20;
        assert!(matches!(resources.validate(), Err(Invalid::MemoryLimit(_))));
        resources.limits.memory_bytes = 6 << 20;
        assert_eq!(resources.validate(), Ok(()));
        resources.reservations.nano_cpus = -1;
        assert!(matches!(resources.validate(), Err(Invalid::Negative { .. })));
    }
}
