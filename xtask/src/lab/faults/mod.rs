//! What can go wrong in the lab: power cuts, broken wires; daemons are killed
//! and paused by `lab::netd`.
//!
//! Called by the demo's scenarios, the soak and the bench. Nothing here outlives
//! the process that asked for it but a node without power, which `lab::down`
//! removes like any other.

pub mod power;
pub mod wires;
