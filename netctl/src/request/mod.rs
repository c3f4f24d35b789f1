//! What a command line means: messages for the daemon, checked with the model's constructors before anything is sent.

mod auth;
mod duration;
mod moment;
mod name;
mod network;
mod service;
mod settings;
mod words;

pub use auth::registry_auth;
pub use duration::duration;
pub use moment::moment;
pub use network::network_spec;
pub use service::{
    bytes, canary_share, change_capabilities, environment_file, mount, nano_cpus, ratio, refer, scale, service_spec,
    set_replicas, update_spec,
};
pub use settings::changed_settings;
pub use words::{Filter, has_label, labels, split_command};
