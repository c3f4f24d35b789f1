//! The manager: holds the cluster's state by raft, decides as its leader, serves users and nodes.
//!
//! The edge around the pure crates `store` and `control`. The daemon starts it with [`Manager::bootstrap`] (a new
//! cluster) or [`Manager::start`] (from disk), mounts [`ManagerHandle::local_routes`] on its local socket, and stops it
//! with [`ManagerHandle::shutdown`]. The manager binds the control port itself; the agent of the same node connects to
//! it over mTLS like any other.
//!
//! A request's way: `api` plans with `control` -> `proposer` -> `raft` (persist, send, apply) -> view and events ->
//! `leader` (runs `control::pass`, proposes) and `dispatcher` (sends nodes what they should have).

mod access;
mod api;
mod autolock;
mod backup;
mod ca;
mod certify;
mod config;
mod dispatcher;
mod founding;
mod handle;
mod leader;
mod listener;
mod logs;
mod mint;
mod peers;
mod proposer;
pub mod raft;
mod roles;
mod start;
mod takeover;
mod tls;
mod token;

pub use api::answer_to_join;
pub use backup::{Backup, BackupError, BackupHeader};
pub use ca::CaError;
pub use config::{GivenRoot, InitParams, ManagerConfig, NodeCredentials};
pub use handle::ManagerHandle;
pub use peer::Hints;
pub use peers::{KnownManager, known_managers, verdict};
pub use proposer::Proposer;
pub use start::{Manager, StartError};
pub use store::View;
pub use wire::pb::raft_ack::Verdict;
