//! The manager: holds the cluster's state by raft, decides as its leader, serves users and nodes.

mod ca;
mod config;
mod mint;
pub mod raft;
mod tls;
mod token;
