//! The order of log lines that come from many containers and nodes.
//!
//! [`Merge`] is for logs that end: nothing is told before every source has said what it has next. [`Window`] is for logs
//! that are followed: nobody waits for a silent source, so each line is held back for a moment in case an earlier one is
//! on its way. Pure: whoever reads the sources drives them.

mod merge;
mod window;

pub use merge::Merge;
pub use window::{HOLD, Window};
