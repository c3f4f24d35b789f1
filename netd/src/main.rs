//! The netctl daemon.

mod advertise;
mod config;
mod gate;
mod socket;
mod state;

fn main() {}
