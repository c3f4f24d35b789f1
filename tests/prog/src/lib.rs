//! T
pub mod node;
