//! Sessions of nodes. `session` tells one node what it should have and takes its reports, which `intake` proposes, and what
//! it says of its machine, which `describe` does; `board` is what they read it from; `presence` knows which nodes have a
//! session and which are heard from, and proposes what follows from it. Only the leader holds sessions.

mod asked;
mod bells;
mod board;
mod describe;
mod heard;
mod intake;
mod kept;
mod level;
mod pace;
mod presence;
mod probe;
mod release;
mod report;
mod session;
mod trust;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use model::NodeId;
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};
use wire::pb;

use crate::{logs::Desk, mint, proposer::Proposer};
use board::SharedBoard;
use intake::Intake;
use presence::Presence;
use probe::Probes;

/// Messages to a node that may wait in its stream.
const DOWN_QUEUE: usize = 4;

/// Opens and ends sessions; cheap to clone.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    proposer: Proposer,
    intake: Intake,
    presence: Presence,
    board: SharedBoard,
    probes: Probes,
    desk: Desk,
    stopping: watch::Receiver<bool>,
}

impl Dispatcher {
    /// Starts the task that watches over presence. Everything ends when `stopping` becomes true.
    pub(crate) fn start(proposer: Proposer, desk: Desk, stopping: watch::Receiver<bool>) -> Self {
        Self {
            intake: Intake::start(proposer.clone()),
            presence: Presence::start(proposer.clone(), stopping.clone()),
            board: SharedBoard::start(&proposer),
            probes: Probes::new(),
            desk,
            proposer,
            stopping,
        }
    }

    /// Lets these nodes probe all others, and answers with what each of them found; silent ones are missing.
    pub(crate) async fn probe(&self, nodes: &BTreeSet<NodeId>) -> BTreeMap<NodeId, pb::ProbeReport> {
        self.probes.gather(nodes).await
    }

    /// A session of `node`, whose connection comes from `from`. What the node is told comes out of the receiver.
    pub(crate) fn open(
        &self,
        node: NodeId,
        from: IpAddr,
        up: Streaming<pb::SessionUp>,
    ) -> mpsc::Receiver<Result<pb::SessionDown, Status>> {
        let (down, receiver) = mpsc::channel(DOWN_QUEUE);
        let session = session::Session {
            node,
            number: mint::session(),
            from,
            proposer: self.proposer.clone(),
            intake: self.intake.clone(),
            presence: self.presence.clone(),
            board: self.board.clone(),
            probes: self.probes.clone(),
            desk: self.desk.clone(),
            stopping: self.stopping.clone(),
            down,
        };
        tokio::spawn(session.run(up));
        receiver
    }

    /// Ends the session of a node that leaves.
    pub(crate) fn close(&self, node: NodeId) {
        self.presence.close(node);
    }
}
