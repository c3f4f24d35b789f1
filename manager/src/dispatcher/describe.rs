//! What a node says of its machine into the state, beside what else its session does: a disk that hangs must not keep a
//! manager from hearing its nodes.

use std::net::{IpAddr, SocketAddr};

use model::{NodeDescription, NodeId};
use store::Command;
use tokio::sync::watch;
use tonic::Status;

use crate::{mint, proposer::Proposer};

/// Of one session.
pub(super) struct Describer {
    pub(super) node: NodeId,
    /// Where its connection comes from.
    pub(super) from: IpAddr,
    /// Where its control port is or would be.
    pub(super) control: Option<SocketAddr>,
    pub(super) proposer: Proposer,
    /// The term in which the session began. What was said to the leader of another one may come late: the node has told
    /// its successor what it is by now.
    pub(super) term: u64,
}

impl Describer {
    /// Proposes what the node says, one after the other, until it says no more. Of what comes meanwhile the latest counts.
    pub(super) async fn carry(&self, mut said: watch::Receiver<NodeDescription>) -> Result<(), Status> {
        loop {
            let description = said.borrow_and_update().clone();
            self.describe(description).await?;
            if said.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    async fn describe(&self, description: NodeDescription) -> Result<(), Status> {
        let known = self.proposer.view().node(self.node).map(|node| node.status.addr);
        let known = known.filter(|addr| !addr.is_unspecified()).unwrap_or(self.from);
        let described = Command::DescribeNode {
            id: self.node,
            at: mint::now(),
            addr: self.control.map_or(known, |control| control.ip()),
            control: self.control,
            description: Box::new(description),
        };
        let decided = self.proposer.decide(self.term, described).await;
        decided.map_err(|why| Status::unavailable(why.to_string()))
    }
}
