//! How it is found out whether a task is well: by the engine (a command in the container) or by the node's agent (a
//! connection or request from outside of it).

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::Invalid;

/// What the engine runs in the container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthTest {
    /// What the image says.
    Image,
    /// Nothing, whatever the image says.
    None,
    /// A program with its arguments.
    Exec(Vec<String>),
    /// A line for the container's shell.
    Shell(String),
}

/// A health check as docker has it; what is `None` is the image's or the engine's default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is run.
    pub test: HealthTest,
    /// From the end of one run to the next.
    pub interval: Option<Duration>,
    /// How long one run may take.
    pub timeout: Option<Duration>,
    /// How many failures in a row make the container unhealthy.
    pub retries: Option<u32>,
    /// How long failures do not count after the start.
    pub start_period: Option<Duration>,
    /// `interval` during `start_period`.
    pub start_interval: Option<Duration>,
}

/// How the agent asks a task from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeTarget {
    /// A connection to this port is accepted.
    Tcp {
        /// Port in the container.
        port: u16,
    },
    /// A GET is answered with a status between 200 and 399.
    Http {
        /// Port in the container.
        port: u16,
        /// Path and query, with its leading slash.
        path: String,
    },
}

impl FromStr for ProbeTarget {
    type Err = Invalid;

    /// `tcp://:PORT` or `http://:PORT/PATH`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || Invalid::Probe(text.to_owned());
        let (scheme, rest) = text.split_once("://:").ok_or_else(invalid)?;
        let (port, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(invalid)?;
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic());
        match scheme {
            "tcp" if path.is_empty() => Ok(Self::Tcp { port }),
            "http" if plain => Ok(Self::Http {
                port,
                path: if path.is_empty() { "/" } else { path }.to_owned(),
            }),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for ProbeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { port } => write!(f, "tcp://:{port}"),
            Self::Http { port, path } => write!(f, "http://:{port}{path}"),
        }
    }
}

/// A probe: the first failure takes the task out of the rings, `failures` in a row end it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub target: ProbeTarget,
    /// From the begin of one question to the next; 1 s by default.
    pub interval: Duration,
    /// How long an answer may take; 1 s by default.
    pub timeout: Duration,
    /// How many failures in a row end the task; 3 by default.
    pub failures: u32,
    /// How long after its start the task may fail without being ended; 0 by default. It takes no traffic before its first
    /// good answer.
    pub start_period: Duration,
}

impl Probe {
    /// Asks `target` every second.
    pub fn of(target: ProbeTarget) -> Self {
        Self {
            target,
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            failures: 3,
            start_period: Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_written_as_addresses_without_a_host() {
        for text in ["tcp://:80", "http://:8080/healthz?full=1"] {
            assert_eq!(text.parse::<ProbeTarget>().unwrap().to_string(), text);
        }
        assert_eq!("http://:80".parse::<ProbeTarget>().unwrap().to_string(), "http://:80/");
        for bad in [
            "",
            ":80",
            "tcp://80",
            "tcp://:0",
            "tcp://:80/x",
            "udp://:53",
            "http://host:80/",
            "http://:80/a b",
        ] {
            assert!(bad.parse::<ProbeTarget>().is_err(), "{bad}");
        }
    }
}
