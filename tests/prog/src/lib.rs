//! Packets through the loaded programs by `BPF_PROG_TEST_RUN`: what comes out, with which verdict, counted how.
//!
//! `packet` builds and checks frames, `node` loads the real object into a network namespace of its own
//! and fills its tables, `bench` measures. The tests in `tests/` are the scenarios.
//! Needs root; without it every test fails and says so.

pub mod bench;
mod load;
pub mod node;
pub mod packet;
pub mod wire;
mod world;

pub use load::ip;
pub use world::*;
