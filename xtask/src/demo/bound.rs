//! Times that netctl is to keep, in the demo: told beside what it took, and claimed with room for a slow machine.
//!
//! `bench control` judges by the goals themselves, with percentiles of many rounds. Here it is one round on any machine,
//! so that only what is of another kind fails: what takes Docker Swarm's 10 to 20 s.

use anyhow::{Result, bail};
use std::time::Duration;

/// A new leader.
pub const LEADER: Duration = Duration::from_secs(2);
/// A refusal when there is no majority.
pub const REFUSAL: Duration = Duration::from_secs(3);
/// Until no connection goes to a dead node any more.
pub const CONNECTIONS: Duration = Duration::from_secs(3);
/// Until the tasks of a dead node run elsewhere.
pub const TASKS: Duration = Duration::from_secs(5);

/// How much slower than the goals' a machine may be.
const ROOM: u32 = 3;

/// Tells what something took and what is wanted.
///
/// # Errors
/// It took much longer.
pub fn within(goal: Duration, took: Duration) -> Result<String> {
    let told = format!("after {:.1} s; {} s are wanted", took.as_secs_f64(), goal.as_secs_f64());
    let most = goal * ROOM;
    if took > most {
        bail!("{told}, and {} s accepted", most.as_secs_f64());
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_machine_passes_and_what_takes_as_long_as_swarm_does_not() {
        let told = within(LEADER, Duration::from_millis(5_900)).unwrap();
        assert_eq!(told, "after 5.9 s; 2 s are wanted");
        let why = within(LEADER, Duration::from_secs(10)).unwrap_err().to_string();
        assert_eq!(why, "after 10.0 s; 2 s are wanted, and 6 s accepted");
        assert!(within(TASKS, Duration::from_secs(20)).is_err());
    }
}
