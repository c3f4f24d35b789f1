//! Placement constraints: `KEY==VALUE` and `KEY!=VALUE`.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// What a placement constraint looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConstraintKey {
    /// `node.id`
    NodeId,
    /// `node.hostname`
    Hostname,
    /// `node.role`
    Role,
    /// `node.ip`: an address or a prefix.
    Ip,
    /// `node.platform.os`
    Os,
    /// `node.platform.arch`
    Arch,
    /// `node.labels.NAME`
    NodeLabel(String),
    /// `engine.labels.NAME`
    EngineLabel(String),
}

/// `KEY==VALUE` or `KEY!=VALUE`; values compare without regard to case, as in Swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Constraint {
    /// What is looked at.
    pub key: ConstraintKey,
    /// `==` (true) or `!=` (false).
    pub equal: bool,
    /// What it is compared with.
    pub value: String,
}

impl FromStr for Constraint {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Constraint(text.to_owned());
        let (key, equal, value) = match (text.split_once("=="), text.split_once("!=")) {
            (Some((key, value)), _) => (key, true, value),
            (None, Some((key, value))) => (key, false, value),
            (None, None) => return Err(invalid()),
        };
        let key = constraint_key(key.trim()).ok_or_else(invalid)?;
        let value = value.trim();
        let ip = value.parse::<IpAddr>().is_ok() || value.parse::<ipnet::IpNet>().is_ok();
        if value.is_empty() || (key == ConstraintKey::Ip && !ip) {
            return Err(invalid());
        }
        Ok(Self {
            key,
            equal,
            value: value.to_owned(),
        })
    }
}

fn constraint_key(text: &str) -> Option<ConstraintKey> {
    let label = |name: &str| (!name.is_empty()).then(|| name.to_owned());
    Some(match text {
        "node.id" => ConstraintKey::NodeId,
        "node.hostname" => ConstraintKey::Hostname,
        "node.role" => ConstraintKey::Role,
        "node.ip" => ConstraintKey::Ip,
        "node.platform.os" => ConstraintKey::Os,
        "node.platform.arch" => ConstraintKey::Arch,
        _ => match (text.strip_prefix("node.labels."), text.strip_prefix("engine.labels.")) {
            (Some(name), _) => ConstraintKey::NodeLabel(label(name)?),
            (None, Some(name)) => ConstraintKey::EngineLabel(label(name)?),
            (None, None) => return None,
        },
    })
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, label) = match &self.key {
            ConstraintKey::NodeId => ("node.id", ""),
            ConstraintKey::Hostname => ("node.hostname", ""),
            ConstraintKey::Role => ("node.role", ""),
            ConstraintKey::Ip => ("node.ip", ""),
            ConstraintKey::Os => ("node.platform.os", ""),
            ConstraintKey::Arch => ("node.platform.arch", ""),
            ConstraintKey::NodeLabel(name) => ("node.labels.", name.as_str()),
            ConstraintKey::EngineLabel(name) => ("engine.labels.", name.as_str()),
        };
        write!(f, "{key}{label}{}{}", if self.equal { "==" } else { "!=" }, self.value)
    }
}

impl TryFrom<String> for Constraint {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Constraint> for String {
    fn from(constraint: Constraint) -> String {
        constraint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_round_trip() {
        for text in [
            "node.role==manager",
            "node.labels.disk!=ssd",
            "node.ip==10.0.0.0/8",
            "engine.labels.a==b",
        ] {
            assert_eq!(text.parse::<Constraint>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "node.role",
            "node.colour==red",
            "node.labels.==x",
            "node.role==",
            "node.ip==here",
        ] {
            assert!(bad.parse::<Constraint>().is_err(), "{bad}");
        }
    }
}
