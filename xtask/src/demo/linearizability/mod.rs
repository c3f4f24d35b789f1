//! Eight clients write and read through all managers while these are killed,
//! paused and cut off; what the clients saw must be what one register per key
//! could have shown. The judge is `tests/linearizability`.

mod fault;

use super::bound::{self, within};
use super::cluster::{Cluster, SETTLE};
use super::report::Report;
use super::roster;
use crate::clients::{Clients, Counts, describe};
use crate::lab::faults::wires::Wires;
use crate::lab::layout::Node;
use crate::lab::wait;
use anyhow::{Result, bail};
use fault::Fault;
use std::time::Duration;

/// How long a fault stays: longer than any election.
const HOLD: Duration = Duration::from_secs(4);
/// Quiet between two faults.
const PAUSE: Duration = Duration::from_secs(2);

/// What a run came to.
pub struct Outcome {
    /// What the clients did.
    pub counts: Counts,
    /// Number of faults meanwhile.
    pub faults: usize,
}

/// As [`run`], as a claim.
///
/// # Errors
/// None: the claim fails.
pub fn claim(cluster: &Cluster, managers: &[Node], report: &mut Report) -> Result<()> {
    let outcome = run(cluster, managers, 1);
    let told = outcome.map(|outcome| format!("{}, {} faults", describe(&outcome.counts), outcome.faults));
    report.check("what the clients saw is linearizable", told);
    Ok(())
}

/// Runs the clients under every fault, `rounds` times.
///
/// # Errors
/// What they saw is not linearizable, they do not get going, they are without writes for much longer than a new leader
/// takes, or a fault cannot be brought about or healed.
pub fn run(cluster: &Cluster, managers: &[Node], rounds: usize) -> Result<Outcome> {
    let mut wires = Wires::attach(&cluster.record)?;
    let mut clients = Clients::start(&cluster.record, managers)?;
    let faults = match managers {
        [_] => fault::ALONE.repeat(rounds),
        _ => fault::ALL.repeat(rounds),
    };
    let mut slow = Vec::new();
    for fault in &faults {
        let (name, passed) = (
            fault.name(),
            under(cluster, &mut wires, managers, &mut clients, *fault)?,
        );
        println!("   {name}: {}", passed.told);
        slow.extend(passed.slow.map(|why| format!("{name}: {why}")));
    }
    // What the clients saw counts first.
    let counts = clients.end()?;
    if !slow.is_empty() {
        bail!("writes were missing for too long: {}", slow.join("; "));
    }
    Ok(Outcome {
        counts,
        faults: faults.len(),
    })
}

/// How the cluster got over a fault.
struct Passed {
    told: String,
    /// Why that took too long.
    slow: Option<String>,
}

/// One fault, and writing again after it; tells how long that took.
fn under(
    cluster: &Cluster,
    wires: &mut Wires,
    managers: &[Node],
    clients: &mut Clients,
    fault: Fault,
) -> Result<Passed> {
    let leader = wait::until_ok(SETTLE, || roster::leader(cluster, managers))?;
    fault.strike(wires, managers, leader)?;
    // After it: a write that was called before may have been the old leader's last.
    clients.mark("fault")?;
    std::thread::sleep(HOLD);
    let lost = fault.heal(cluster, wires, managers, leader)?;
    let gap = clients.gap("fault", SETTLE)?;
    clients.mark("healed")?;
    let healed = clients.gap("healed", SETTLE)?;
    std::thread::sleep(PAUSE);
    let told = format!(
        "{}, writes again {gap} ms after it, {healed} ms after its end{lost}",
        leader.name()
    );
    let judged = match fault.leaves_majority(managers) {
        true => vec![gap, healed],
        false => vec![healed],
    };
    let slow = judged
        .into_iter()
        .find_map(|gap| within(bound::LEADER, Duration::from_millis(gap)).err());
    Ok(Passed {
        told,
        slow: slow.map(|why| why.to_string()),
    })
}
