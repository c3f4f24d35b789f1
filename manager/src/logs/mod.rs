//! Logs of tasks on all nodes. A reading (`reading`) of what is wanted (`wanted`) wishes them of nodes (`desk`), whose
//! sessions are told; each node sends its lines in a call of its own (`intake`), and the reading puts them in order and
//! passes them on (`telling`). One that goes on (`follow`) has tasks that come and go (`crew`). Only the leader has
//! sessions, so only the leader reads.
//!
//! What must stay true: a reading owns everything that is read for it and ends with its caller; all queues are bounded,
//! so that a caller who is slow holds up the nodes' engines and no memory; nothing is kept for good of a task that is
//! gone; a node sends lines of its own tasks only.

mod crew;
mod desk;
mod follow;
mod intake;
mod reading;
mod source;
mod telling;
mod wanted;

pub(crate) use desk::{Desk, Told};
pub(crate) use reading::Reading;
pub(crate) use wanted::Wanted;

use std::time::Duration;

/// How long a node may take to begin sending, or to begin again, before it is said to be missing.
const PATIENCE: Duration = Duration::from_secs(5);
