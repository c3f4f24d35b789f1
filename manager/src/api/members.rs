//! Raft's members as its leader sees them, on whichever manager is asked.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use control::Members;
use model::{Node, Role};
use store::View;
use tokio::time::timeout;
use wire::pb::{self, raft_transport_client::RaftTransportClient};

use super::Api;

/// Time for the leader to say who is reachable.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

impl Api {
    /// If this manager leads.
    pub(super) fn own_members(&self) -> Option<Arc<Members>> {
        let published = self.proposer.published();
        let published = published.borrow();
        published.standing.leads.then(|| published.members.clone())
    }

    /// Of the leader, wherever it is; `None` if it does not answer in time.
    pub(super) async fn members(&self) -> Option<Arc<Members>> {
        if let Some(own) = self.own_members() {
            return Some(own);
        }
        let leader = self.proposer.published().borrow().standing.leader?;
        let asked = async {
            let channel = self.peers.dial(leader).await.ok()?;
            let request = pb::MembersRequest {};
            let answer = RaftTransportClient::new(channel).members(request).await.ok()?;
            Some(Arc::new(members(answer.into_inner())))
        };
        timeout(ASK_TIMEOUT, asked).await.ok().flatten()
    }

    /// The managers on which no majority can rest now: those that the leader does not hear, and those that have no vote yet.
    pub(super) async fn unreachable(&self, view: &View) -> Vec<String> {
        let members = self.members().await.unwrap_or_default();
        let counts = |node: &Node| node.raft_id.is_some_and(|id| members.counts(id));
        let managers = view.managers().filter(|node| node.spec.role == Role::Manager);
        managers
            .filter(|node| !counts(node))
            .map(|node| node.id.to_string())
            .collect()
    }
}

fn members(answer: pb::MembersResponse) -> Members {
    let set = |ids: Vec<u64>| ids.into_iter().collect::<BTreeSet<u64>>();
    Members {
        own: answer.leader,
        voters: set(answer.voters),
        learners: set(answer.learners),
        reachable: set(answer.reachable),
        caught_up: set(answer.caught_up),
    }
}
