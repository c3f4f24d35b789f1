//! The protobuf messages of netctl and their conversions to and from the model: the only place that knows both.
//!
//! `pb` holds the generated messages and, with feature `rpc`, the client and server stubs. Every object of the model
//! has `From<model::X> for pb::X`, which cannot fail, and `TryFrom<pb::X> for model::X`, which checks everything that a
//! peer or a user may have got wrong and says which field was.

mod access;
mod cluster;
mod container;
mod delta;
mod endpoint;
mod error;
mod files;
mod health;
mod job;
mod network;
mod node;
mod payload;
mod resources;
mod scalar;
mod service;
mod shown;
mod task;
mod update;
mod view;

pub use access::{METHODS, access};
pub use endpoint::EncodedEndpoint;
pub use error::WireError;

/// Generated messages and stubs of package `netctl.v1`.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated; documented in the .proto files"
)]
pub mod pb {
    include!(concat!(env!("OUT_DIR"), "/netctl.v1.rs"));
}
