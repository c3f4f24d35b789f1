//! The faults under which clients go on writing and reading.

use crate::demo::cluster::Cluster;
use crate::lab::faults::wires::Wires;
use crate::lab::layout::Node;
use crate::lab::netd;
use anyhow::{Result, bail};

/// What happens to the managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The leader is killed, and started again later.
    LeaderKilled,
    /// The leader is stopped where it is, and goes on later as if nothing had been.
    LeaderPaused,
    /// Nothing passes between the leader and the others.
    LeaderCutOff,
    /// What the leader sends is lost; it hears the others.
    LeaderMute,
    /// The leader hears nobody; what it sends arrives.
    LeaderDeaf,
    /// The leader and one other lose each other; both see the rest.
    PairCut,
    /// All managers are killed at the same moment and started again.
    AllKilled,
}

/// Every fault.
pub const ALL: [Fault; 7] = [
    Fault::LeaderKilled,
    Fault::LeaderPaused,
    Fault::LeaderCutOff,
    Fault::LeaderMute,
    Fault::LeaderDeaf,
    Fault::PairCut,
    Fault::AllKilled,
];

/// What one manager alone can suffer.
pub const ALONE: [Fault; 3] = [Fault::LeaderKilled, Fault::LeaderPaused, Fault::AllKilled];

impl Fault {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::LeaderKilled => "leader killed",
            Self::LeaderPaused => "leader paused",
            Self::LeaderCutOff => "leader cut off",
            Self::LeaderMute => "leader not heard",
            Self::LeaderDeaf => "leader deaf",
            Self::PairCut => "leader and one other cut",
            Self::AllKilled => "all restarted",
        }
    }

    /// The others can go on without a new start.
    pub fn leaves_majority(self, managers: &[Node]) -> bool {
        self != Self::AllKilled && managers.len() > 2
    }

    /// Brings it about; does not wait for the killed to be gone.
    ///
    /// # Errors
    /// A daemon does not run, or a wire does not break.
    pub fn strike(self, wires: &mut Wires, managers: &[Node], leader: Node) -> Result<()> {
        let others: Vec<Node> = managers.iter().copied().filter(|node| *node != leader).collect();
        match self {
            Self::LeaderKilled => netd::strike(leader),
            Self::LeaderPaused => netd::pause(leader),
            Self::LeaderCutOff => wires.cut(leader, &others),
            Self::LeaderMute => others.iter().try_for_each(|other| wires.lose(leader, *other, 1.0)),
            Self::LeaderDeaf => others.iter().try_for_each(|other| wires.lose(*other, leader, 1.0)),
            Self::PairCut => wires.cut(leader, &others[..1.min(others.len())]),
            Self::AllKilled => managers.iter().try_for_each(|node| netd::strike(*node)),
        }
    }

    /// Ends it; says what it did.
    ///
    /// # Errors
    /// A daemon does not come back, or no packet was lost on a wire that was cut.
    pub fn heal(self, cluster: &Cluster, wires: &mut Wires, managers: &[Node], leader: Node) -> Result<String> {
        match self {
            Self::LeaderKilled => start_all(cluster, &[leader])?,
            Self::LeaderPaused => netd::go_on(leader)?,
            Self::AllKilled => start_all(cluster, managers)?,
            Self::LeaderCutOff | Self::LeaderMute | Self::LeaderDeaf | Self::PairCut => return mended(wires),
        }
        Ok(String::new())
    }
}

/// At once: none of them is whole before a majority of them runs.
fn start_all(cluster: &Cluster, managers: &[Node]) -> Result<()> {
    for node in managers {
        netd::await_end(*node)?;
        netd::launch(&cluster.record, *node, &[])?;
    }
    managers
        .iter()
        .try_for_each(|node| netd::await_answer(&cluster.record, *node))
}

fn mended(wires: &mut Wires) -> Result<String> {
    match wires.mend()? {
        0 => bail!("no packet was lost: the wires were whole"),
        lost => Ok(format!(", {lost} packets lost")),
    }
}
