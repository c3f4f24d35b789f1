//! The netctl daemon.

mod advertise;
mod config;
mod socket;
mod state;

fn main() {}
