//! What the example programs share: a minimal HTTP/1.0 server and client, and a
//! DNS lookup that works in a static binary (glibc's own resolver does not).
//!
//! Called by the web page, the API, the access log and the probe. Std only.

pub mod dns;
pub mod http;

/// Name of this task as other tasks see it: the container's host name.
pub fn task_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map(|name| name.trim().to_owned())
        .unwrap_or_else(|_| "unknown".to_owned())
}
