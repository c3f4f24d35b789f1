//! The whole cluster in memory, with virtual time: the real raft driver, `store`, `control` and `plan` between a fake
//! engine, a network and disks that fail, moved by one seeded agenda. A seed is one history: the same seed, the same
//! trace. `campaign` runs many of them and shortens the schedule of one that fails.

mod agenda;
pub mod campaign;
mod check;
mod clients;
mod dice;
mod disk;
mod follower;
mod kernel;
mod manager;
mod net;
mod node;
mod record;
mod schedule;
pub mod script;
mod shrink;
mod user;
mod world;

pub use campaign::{Failure, run};
pub use world::{Report, member_of_three};
