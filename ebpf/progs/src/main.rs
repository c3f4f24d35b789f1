//! The kernel programs of netctl: parse, ask `decide`, act. No policy here.
//!
//! ```text
//!   container            host's namespace                          wire
//!  +---------+   veth  +------------------------------------------+
//!  |  eth0 --+---------+-> from_container --> redirect_peer ------+--> another container here
//!  +---------+         |        |  \                              |
//!                      |        |   +-> redirect_neigh -> uplink -+--> world, clients
//!                      |        v                                 |
//!                      |     ntl-vx0 (VXLAN, tunnel key) ---------+--> another node
//!                      |        |                                 |
//!                      |   from_overlay --> redirect_peer --> container
//!                      |                                          |
//!                      |   uplink -> from_uplink -> container | ntl-vx0 | host's stack
//!                      |   host process -> ntl-host|ntl-hostp -> from_host -> the same
//!                      +------------------------------------------+
//! ```
//!
//! The agent loads the object, pins maps and links, and fills the tables; packets then flow without it.
#![no_std]
#![no_main]

mod act;
mod arp;
mod checksum;
mod from_container;
mod from_host;
mod from_overlay;
mod from_uplink;
mod kernel;
mod maps;
mod parse;
mod probe;
mod reset;
mod route;
mod socket;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: nothing in these programs can panic; were it otherwise, the verifier would refuse the jump.
    unsafe { core::hint::unreachable_unchecked() }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 4] = *b"GPL\0";
