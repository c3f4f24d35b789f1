//! The whole cluster in memory, with virtual time: the real raft driver, `store`, `control` and `plan` between a fake
//! engine and a fake network, moved by one seeded agenda. `run` of a seed is one history; the same seed is the same
//! history.

mod agenda;
mod check;
mod dice;
mod kernel;
mod manager;
mod node;
mod user;
mod world;

pub use world::{Report, run};
