//! The whole cluster in memory, with virtual time: the real `store`, `control` and `plan` crates between a fake engine
//! and a fake network, moved by one seeded agenda. `run` of a seed is one history; the same seed is the same history.

mod agenda;
mod check;
mod dice;
mod journal;
mod manager;
mod node;
mod user;
mod world;

pub use world::{Report, run};
