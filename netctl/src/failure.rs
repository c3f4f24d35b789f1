//! Why a command failed, in the words that its user reads on standard error.

use thiserror::Error;

/// A failed command. All of them end with exit code 1.
#[derive(Debug, Error)]
pub enum Failure {
    /// Nobody answers at the daemon's socket.
    #[error("Cannot connect to the netctl daemon at {host}. Is netd running?{detail}")]
    Unreachable {
        /// As given by `--host`.
        host: String,
        /// Empty, or what else stands in the way.
        detail: String,
    },
    /// The daemon refused, or failed.
    #[error("Error response from daemon: {0}")]
    Daemon(String),
    /// No such object.
    #[error("Error: no such {kind}: {name}")]
    Missing {
        /// `service`, `network`, `node`, `object`.
        kind: &'static str,
        /// As typed.
        name: String,
    },
    /// The request was found wrong before it was sent.
    #[error("{0}")]
    Wrong(String),
    /// A word or flag that later versions will know.
    #[error("{0}: not built yet")]
    Unbuilt(String),
    /// `status` found something, and has said what.
    #[error("not healthy: {problems} problem{}", if *.problems == 1 { "" } else { "s" })]
    Unhealthy {
        /// How much.
        problems: usize,
    },
    /// One line for each object that a command could not treat.
    #[error("{}", .0.join("\n"))]
    Several(Vec<String>),
}

impl From<model::Invalid> for Failure {
    fn from(invalid: model::Invalid) -> Self {
        Self::Wrong(invalid.to_string())
    }
}

impl From<wire::WireError> for Failure {
    fn from(error: wire::WireError) -> Self {
        Self::Daemon(format!(
            "cannot read its answer: {error}; are netctl and netd of one version?"
        ))
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let words = match status.message() {
            "" => format!("{:?}", status.code()),
            message => message.to_owned(),
        };
        Self::Daemon(words)
    }
}

/// Goes on with the other objects of a command when one fails, and fails in the end with a line for each.
#[derive(Default)]
pub struct Failures(Vec<String>);

impl Failures {
    /// Keeps the failure, if it is one.
    pub fn note<T>(&mut self, outcome: Result<T, Failure>) -> Option<T> {
        outcome.map_err(|failure| self.0.push(failure.to_string())).ok()
    }

    /// The outcome of the whole command.
    pub fn end(self) -> Result<(), Failure> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(Failure::Several(self.0)),
        }
    }
}
