//! User-space half: how the values print, and that they may cross the map border as bytes.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd as _};

use crate::*;

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        IpAddr::from(*self).fmt(f)
    }
}
impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

macro_rules! pod {
    ($($t:ty),+ $(,)?) => {$(
        // SAFETY: repr(C) or repr(transparent) over plain integers, no padding (sizes are asserted
        // beside each type), every bit pattern is a value.
        unsafe impl aya::Pod for $t {}
    )+};
}
pod!(
    Addr,
    Be16,
    Be32,
    Config,
    Port,
    EndpointKey,
    Endpoint,
    DnsClient,
    FrontendKey,
    Frontend,
    Slot,
    Backend,
    FlowKey,
    Flow,
    FragKey,
    FragPorts,
    SockKey,
    Tally,
);

/// Cookie of the network namespace that a socket lives in: [`Config::netns_cookie`].
///
/// # Errors
/// The kernel's; before 5.14 it has no such option.
pub fn netns_cookie(socket: &impl AsFd) -> io::Result<u64> {
    let mut cookie = 0u64;
    let mut len = size_of::<u64>() as libc::socklen_t;
    // SAFETY: an open descriptor, and room for the eight bytes that `len` announces.
    let r = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut len,
        )
    };
    if r == 0 {
        Ok(cookie)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// From the kernel's `asm-generic/socket.h`.
const SO_NETNS_COOKIE: libc::c_int = 71;
