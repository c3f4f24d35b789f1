//! What a command line means: messages for the daemon, checked with the model's constructors before anything is sent.

mod auth;
mod duration;
mod name;
mod network;
mod service;
mod settings;
mod update;
mod words;

pub use auth::registry_auth;
pub use duration::duration;
pub use network::network_spec;
pub use service::{scale, service_spec};
pub use settings::changed_settings;
pub use update::update_spec;
pub use words::{Filter, has_label, labels};
