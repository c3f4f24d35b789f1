//! The network half of a node: from its view and the facts of the machine to links, hooks and map rows.
//!
//! `desired` says what should be, `number` gives it the ids, indexes and ring places that the node already uses, `steps`
//! lists what is to be done; `steps_by_saved` does so as long as the managers have not spoken. All pure; the agent's
//! network actor owns the kernel side and applies the steps in order.

mod desired;
mod diff;
mod facts;
mod frontend;
mod name;
mod number;
mod saved;
mod tables;
#[cfg(test)]
mod tests;

pub use desired::{Desired, Unready, desired};
pub use diff::{Op, Phase, Steps, diff, steps};
pub use facts::{Link, LocalFacts};
pub use frontend::{DesiredBackend, DesiredFrontend, PUBLISHED_SLOTS};
pub use name::{
    HOST_LINK, HOST_PEER_LINK, OVERLAY_LINK, OWN_LINKS, RESOLVER_LINK, RESOLVER_PEER_LINK, is_container_link,
    is_our_link, link_name,
};
pub use number::{Numbered, Problem, number};
pub use saved::steps_by_saved;
pub use tables::{Hook, Tables};
