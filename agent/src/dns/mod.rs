//! The node's resolver for containers.

use std::net::Ipv4Addr;

/// Where containers ask; the address is on `ntl-host`.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 63, 53);
