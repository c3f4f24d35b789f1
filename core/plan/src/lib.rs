//! What a node should have, from what it is told: a pure function of its view, and the steps from what it has.

pub mod container;
pub mod maglev;
pub mod network;
pub mod tasks;
