//! Per-device kernel settings of our links, in `/proc/sys/net` of the calling thread's namespace.

use std::{fs, io};

use super::LinkError;

/// Writes `net.<family>.conf.<link>.<name>`. A kernel without the family has nothing to set.
pub(super) fn set(family: &str, link: &str, name: &str, value: &str) -> Result<(), LinkError> {
    let path = format!("/proc/sys/net/{family}/conf/{link}/{name}");
    match fs::write(&path, value) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LinkError::Refused {
            action: format!("write {value} to {path}"),
            reason: format!("{error}; is /proc/sys mounted read-only?"),
        }),
    }
}

/// No IPv6 on a link of ours: it would send router solicitations into the overlay, and the datapath carries none yet.
pub(super) fn without_ipv6(link: &str) -> Result<(), LinkError> {
    set("ipv6", link, "disable_ipv6", "1")
}
