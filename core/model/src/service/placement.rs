//! Where a service's tasks may run, and how they are spread.

use serde::{Deserialize, Serialize};

use super::Constraint;
use crate::Invalid;

/// What tasks are spread over evenly: one level of the tree of preferences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SpreadOver {
    /// `node.labels.NAME`
    NodeLabel(String),
    /// `engine.labels.NAME`
    EngineLabel(String),
}

impl std::str::FromStr for SpreadOver {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let label = |prefix| {
            text.strip_prefix(prefix)
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        };
        (label("node.labels.").map(Self::NodeLabel))
            .or_else(|| label("engine.labels.").map(Self::EngineLabel))
            .ok_or_else(|| Invalid::Spread(text.to_owned()))
    }
}

impl std::fmt::Display for SpreadOver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NodeLabel(name) => write!(f, "node.labels.{name}"),
            Self::EngineLabel(name) => write!(f, "engine.labels.{name}"),
        }
    }
}

impl TryFrom<String> for SpreadOver {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<SpreadOver> for String {
    fn from(over: SpreadOver) -> String {
        over.to_string()
    }
}

/// A kind of machine that an image is for. An empty word fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// `linux`.
    pub os: String,
    /// `amd64`, `x86_64`, `arm64`, ...
    pub arch: String,
}

/// Where tasks may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// All must hold.
    pub constraints: Vec<Constraint>,
    /// What tasks are spread over, the coarsest first; within the last, over nodes.
    pub preferences: Vec<SpreadOver>,
    /// How many tasks of the service a node may have; 0: no limit.
    pub max_replicas: u32,
    /// The kinds of machines that the image is for; empty: all.
    pub platforms: Vec<Platform>,
}
