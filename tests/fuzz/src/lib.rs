//! What fuzzing asserts about bytes that come from outside: one function per kind of input, which panics when something
//! that must hold does not. `fuzz/` puts libFuzzer in front of them; the tests here run them over the seeds and over
//! simple mutations of those, on any toolchain.
//!
//! The rules: no input makes anything panic, hang or take memory without bound; what is accepted survives a round trip;
//! what is refused changes nothing.

mod base;
mod record;
mod request;
mod sealed;
mod seed;
mod session;
mod snapshot;
mod token;

pub use record::record;
pub use request::request;
pub use sealed::sealed;
pub use seed::seeds;
pub use session::session;
pub use snapshot::snapshot;
pub use token::token;

/// A kind of input: its name, and what is asserted about it.
pub type Target = (&'static str, fn(&[u8]));

/// All kinds; the names are those of the programs in `fuzz/` and of the seed folders.
pub const TARGETS: [Target; 6] = [
    ("record", record),
    ("request", request),
    ("sealed", sealed),
    ("session", session),
    ("snapshot", snapshot),
    ("token", token),
];
