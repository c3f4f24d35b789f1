//! The agent: what runs on every node. Keeps a session with the managers, its containers and the kernel in step.

mod agent;
pub mod datapath;
pub mod dns;
pub mod gate;
pub mod identity;
pub mod link;
mod logs;
pub mod network;
pub mod probe;
pub mod reconcile;
pub mod runtime;
pub mod session;
pub mod vault;
pub mod worker;

pub use agent::{Agent, AgentConfig, AgentError, AgentHandle, AgentStatus};
