//! Two nodes' network halves in namespaces, without managers and containers: real links, real programs, real sockets.
//!
//! A test builds a [`Lab`], gives each node a view, lets it make endpoints, and talks through them. Needs root; without
//! it every test fails and says so. Everything is gone with the value, after a panic too.
// A wrong constant of a test fails the test.
#![allow(clippy::unwrap_used)]

mod bpffs;
mod cgroup;
mod lab;
mod ns;
mod traffic;
mod view;

pub use bpffs::Bpffs;
pub use cgroup::Cgroup;
pub use lab::{CLIENT, Container, Lab, Node};
pub use ns::Ns;
pub use traffic::{ask, ask_from, open, ping, serve, try_ask};
pub use view::{BLUE, Cluster, INGRESS, INNER, RED, Task, node_id, vtep};
