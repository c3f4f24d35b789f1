//! Logs of tasks on all nodes. A reading (`reading`) wishes them of nodes (`desk`), whose sessions are told; each node
//! sends its lines in a call of its own (`intake`), and the reading puts them in order and passes them on (`telling`).
//! Only the leader has sessions, so only the leader reads.
//!
//! What must stay true: a reading owns everything that is read for it and ends with its caller; all queues are bounded, so
//! that a caller who is slow holds up the nodes' engines and no memory; a node sends lines of its own tasks only.

mod desk;
mod follow;
mod intake;
mod reading;
mod source;
mod telling;

pub(crate) use desk::{Desk, Told};
pub(crate) use reading::{Reading, Wanted};

use std::time::Duration;

/// How long a node may take to begin sending, or to begin again, before it is said to be missing.
const PATIENCE: Duration = Duration::from_secs(5);
