//! How answers look: docker's tables, JSON in the Engine API's field names, and templates over that JSON.

mod event;
mod fields;
mod info;
mod inspect;
mod job;
mod list;
mod logs;
mod natural;
mod payload;
mod port;
mod pretty;
mod pretty_service;
mod spec;
mod status;
mod table;
mod template;
mod time;

pub use event::Event;
pub use fields::{named, shown};
pub use info::{GOES_ON, cut_off, info_json, info_text, version_json, version_text};
pub use inspect::{Prefixes, network_json, node_json, service_json, task_json};
pub use list::{NodeRows, network_rows, node_rows, service_rows, stack_rows};
pub use logs::LogLines;
pub use natural::natural;
pub use payload::{payload_json, payload_rows, payload_text};
pub use pretty::node_text;
pub use pretty_service::service_text;
pub use status::{Cluster, Health, even_managers};
pub use template::Format;

#[cfg(test)]
pub mod sample;
pub mod tasks;
