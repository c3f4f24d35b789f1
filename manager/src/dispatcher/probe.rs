//! Asks every node that has a session to probe the others, and gathers what they found.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::NodeId;
use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};
use wire::pb;

/// Longest wait for the reports of one round: a node gives up on another sooner.
const ROUND: Duration = Duration::from_secs(4);
/// Reports that may wait for whoever gathers them.
const BACKLOG: usize = 4096;

/// The rounds of probes of this manager; cheap to clone.
#[derive(Clone)]
pub(super) struct Probes {
    /// Number of the last round.
    round: watch::Sender<u64>,
    reports: broadcast::Sender<(NodeId, pb::ProbeReport)>,
}

impl Probes {
    pub(super) fn new() -> Self {
        Self {
            round: watch::Sender::new(0),
            reports: broadcast::Sender::new(BACKLOG),
        }
    }

    /// The rounds that begin from now on, for a session.
    pub(super) fn rounds(&self) -> watch::Receiver<u64> {
        self.round.subscribe()
    }

    /// A node's report.
    pub(super) fn report(&self, node: NodeId, report: pb::ProbeReport) {
        // Nobody gathers any more: it came late.
        let _ = self.reports.send((node, report));
    }

    /// One round: what each of `nodes` found, less those that did not answer in time.
    pub(super) async fn gather(&self, nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, pb::ProbeReport> {
        let mut inbox = self.reports.subscribe();
        let mut round = 0;
        self.round.send_modify(|last| {
            *last += 1;
            round = *last;
        });
        let mut found = BTreeMap::new();
        let gathering = async {
            while found.len() < nodes.len() {
                match inbox.recv().await {
                    // Sessions ask for the last round alone: who gathers at the same time as others may get a later
                    // one's.
                    Ok((node, report)) if report.round >= round && nodes.contains(&node) => {
                        found.insert(node, report);
                    }
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        };
        // What is missing after that is missing in the answer.
        let _ = timeout(ROUND, gathering).await;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_round_takes_its_own_reports_and_does_without_silent_nodes() {
        let probes = Probes::new();
        let nodes: BTreeSet<NodeId> = [1, 2].map(NodeId::from_bits).into();
        let mut rounds = probes.rounds();
        let answering = async {
            rounds.changed().await.unwrap();
            let round = *rounds.borrow();
            let report = |round| pb::ProbeReport {
                round,
                ..Default::default()
            };
            probes.report(NodeId::from_bits(2), report(round - 1));
            probes.report(NodeId::from_bits(1), report(round));
        };
        let (found, ()) = tokio::join!(probes.gather(&nodes), answering);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [NodeId::from_bits(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn two_who_gather_at_the_same_time_both_get_what_the_last_round_found() {
        let probes = Probes::new();
        let nodes: BTreeSet<NodeId> = [NodeId::from_bits(1)].into();
        let mut rounds = probes.rounds();
        let answering = async {
            rounds.changed().await.unwrap();
            let round = *rounds.borrow_and_update();
            let report = pb::ProbeReport {
                round,
                ..Default::default()
            };
            probes.report(NodeId::from_bits(1), report);
        };
        let (first, second, ()) = tokio::join!(probes.gather(&nodes), probes.gather(&nodes), answering);
        assert_eq!((first.len(), second.len()), (1, 1));
    }
}
