//! How many tasks a service has, and whether they end.

use serde::{Deserialize, Serialize};

/// What a service's tasks are for. Jobs run to their end; the others are kept running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// This many, anywhere.
    Replicated {
        /// Wished number of tasks.
        replicas: u32,
    },
    /// One on every node that fits.
    Global,
    /// Tasks that end, until so many have ended well.
    ReplicatedJob {
        /// How many run at the same time; 0: as many as are still to be done.
        max_concurrent: u32,
        /// How many have to end well.
        total_completions: u32,
    },
    /// One task that ends, on every node that fits.
    GlobalJob,
}

impl Mode {
    /// The word that `service ls` shows, as docker's.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Replicated { .. } => "replicated",
            Self::Global => "global",
            Self::ReplicatedJob { .. } => "replicated job",
            Self::GlobalJob => "global job",
        }
    }

    /// Whether the tasks are meant to end.
    pub const fn is_job(self) -> bool {
        matches!(self, Self::ReplicatedJob { .. } | Self::GlobalJob)
    }

    /// Whether every node that fits has a task of its own.
    pub const fn is_global(self) -> bool {
        matches!(self, Self::Global | Self::GlobalJob)
    }
}
