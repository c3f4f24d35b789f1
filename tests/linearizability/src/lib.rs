//! Is a recorded history of reads and compare-and-set writes one that a single
//! register per key could have had?
//!
//! `history` is what clients saw, `register` what one key may do, `checker` the
//! search. The binary of this crate is the clients, against the daemons of a
//! lab: `cargo xtask demo --linearizability` runs it.

pub mod checker;
pub mod history;
pub mod register;
