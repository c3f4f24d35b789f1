//! User-space half: how the values print, and that they may cross the map border as bytes.
#![allow(unsafe_code)]

use std::fmt;
use std::net::IpAddr;

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
