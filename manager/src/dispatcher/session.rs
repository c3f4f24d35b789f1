//! One session: the node's description into the state, then two tasks. One reads heartbeats and reports, the other sends
//! a view of what the node should have whenever that has changed.
//!
//! What must stay true: the node is the one of the certificate; a view is compared with the last one sent, so that
//! nothing is sent that says nothing; sequence numbers are log indexes, which grow through every change of leader.

use std::{net::IpAddr, time::Duration};

use control::node_view;
use model::{NodeDescription, NodeId, NodeView, RequestId};
use store::Command;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};
use tonic::{Status, Streaming};
use wire::pb::{self, session_down, session_up};

use super::{presence::Presence, report};
use crate::{mint, proposer::Proposer, raft::Published};

/// Version of the messages.
const FORMAT: u32 = 1;
/// Views of one node are at least this far apart; what changes meanwhile goes into one.
const COALESCE: Duration = Duration::from_millis(20);
/// Time for a node's first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// Reports that wait to be proposed; a node that sends more waits.
const REPORT_QUEUE: usize = 4096;

type Down = Result<pb::SessionDown, Status>;

/// A session before it runs.
pub(super) struct Session {
    pub(super) node: NodeId,
    pub(super) from: IpAddr,
    pub(super) proposer: Proposer,
    pub(super) presence: Presence,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) down: mpsc::Sender<Down>,
}

fn down(message: session_down::Message) -> Down {
    Ok(pb::SessionDown { message: Some(message) })
}

impl Session {
    /// Runs until either side ends it. The last message says why, if this side did.
    pub(super) async fn run(self, up: Streaming<pb::SessionUp>) {
        let session = mint::bits();
        let (node, presence) = (self.node, self.presence.clone());
        let to_node = self.down.clone();
        if let Err(why) = self.serve(session, up).await {
            tracing::info!(%node, why = why.message(), "session ends");
            let _ = to_node.send(Err(why)).await;
        }
        presence.ended(node, session);
    }

    async fn serve(self, session: u128, mut up: Streaming<pb::SessionUp>) -> Result<(), Status> {
        let mut published = self.proposer.published();
        let now = published.borrow().clone();
        if !now.standing.leads {
            let managers = report::managers(&now);
            let _ = self.down.send(down(session_down::Message::Managers(managers))).await;
            return Err(Status::unavailable("this manager does not lead: try another"));
        }
        let description = hello(&mut up).await?;
        self.describe(description).await?;
        let ended = self.presence.opened(self.node, session);

        let (reports, inbox) = mpsc::channel(REPORT_QUEUE);
        let reading = self.read(up, reports);
        let proposing = report::carry(self.proposer.clone(), inbox);
        let mut stopping = self.stopping.clone();
        let telling = self.tell(session, &mut published);
        tokio::select! {
            result = reading => result,
            result = proposing => result.map_err(|why| Status::unavailable(why.to_string())),
            result = telling => result,
            _ = ended => Err(Status::aborted("another session of this node began, or the node left")),
            _ = stopping.wait_for(|stop| *stop) => Err(Status::unavailable("this manager is stopping")),
        }
    }

    /// Writes what the node says of its machine into the state, which makes it Ready.
    async fn describe(&self, description: NodeDescription) -> Result<(), Status> {
        let known = self.proposer.view().node(self.node).map(|node| node.status.addr);
        let addr = known.filter(|addr| !addr.is_unspecified()).unwrap_or(self.from);
        let described = self.proposer.propose(Command::DescribeNode {
            id: self.node,
            at: mint::now(),
            addr,
            description: Box::new(description),
        });
        described
            .await
            .map(|_| ())
            .map_err(|why| Status::unavailable(why.to_string()))
    }

    async fn send(&self, message: session_down::Message) -> Result<(), Status> {
        let sent = self.down.send(down(message)).await;
        sent.map_err(|_| Status::cancelled("the node has gone"))
    }

    /// Takes what the node sends until it sends no more.
    async fn read(
        &self,
        mut up: Streaming<pb::SessionUp>,
        reports: mpsc::Sender<store::StatusReport>,
    ) -> Result<(), Status> {
        while let Some(message) = up.message().await? {
            self.presence.heard(self.node);
            match message.message {
                Some(session_up::Message::Statuses(batch)) => {
                    for given in batch.reports {
                        let parsed = report::parse(self.node, given)?;
                        if reports.send(parsed).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                Some(session_up::Message::Description(given)) => self.describe(parse(given)?).await?,
                Some(session_up::Message::Hello(_)) => return Err(Status::invalid_argument("a second hello")),
                Some(session_up::Message::Heartbeat(_) | session_up::Message::Resync(_)) | None => {}
            }
        }
        Ok(())
    }

    /// Sends the heartbeat period, views and managers as they change, until this manager leads no more or the node is removed.
    async fn tell(&self, session: u128, published: &mut watch::Receiver<Published>) -> Result<(), Status> {
        let mut last_view: Option<NodeView> = None;
        let mut last_managers = None;
        let mut last_welcome = None;
        loop {
            let now = published.borrow_and_update().clone();
            let welcome = welcome(session, &now);
            if last_welcome.as_ref() != Some(&welcome) {
                last_welcome = Some(welcome.clone());
                self.send(session_down::Message::Welcome(welcome)).await?;
            }
            let managers = report::managers(&now);
            if last_managers.as_ref() != Some(&managers) {
                last_managers = Some(managers.clone());
                self.send(session_down::Message::Managers(managers)).await?;
            }
            if !now.standing.leads {
                return Err(Status::unavailable("this manager does not lead any more: try another"));
            }
            let view = node_view(&now.view, self.node, 0).ok_or_else(|| {
                Status::permission_denied(format!("node {} is not part of this swarm (any more)", self.node))
            })?;
            let next = Instant::now() + COALESCE;
            if last_view.as_ref() != Some(&view) {
                last_view = Some(view.clone());
                let seq = now.view.applied();
                let view = NodeView { seq, ..view };
                self.send(session_down::Message::View(view.into())).await?;
                sleep_until(next).await;
            }
            let changed = published.changed().await;
            changed.map_err(|_| Status::unavailable("this manager is stopping"))?;
        }
    }
}

/// The first message of a session, repeated when the heartbeat period changes.
fn welcome(session: u128, published: &Published) -> pb::Welcome {
    let settings = published.view.cluster().map(|cluster| cluster.settings.clone());
    pb::Welcome {
        session: RequestId::from_bits(session).to_string(),
        heartbeat_ms: settings.unwrap_or_default().heartbeat_ms,
    }
}

fn parse(description: pb::NodeDescription) -> Result<NodeDescription, Status> {
    NodeDescription::try_from(description).map_err(|why| Status::invalid_argument(why.to_string()))
}

/// The first message.
async fn hello(up: &mut Streaming<pb::SessionUp>) -> Result<NodeDescription, Status> {
    let first = timeout(HELLO_TIMEOUT, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 5 s"))??;
    let Some(session_up::Message::Hello(hello)) = first.and_then(|up| up.message) else {
        return Err(Status::invalid_argument(
            "the first message of a session must be a hello",
        ));
    };
    if hello.format != FORMAT {
        return Err(Status::failed_precondition(format!(
            "session format {} is not known, this manager speaks format {FORMAT}: upgrade the older of both",
            hello.format
        )));
    }
    parse(hello.description.unwrap_or_default())
}
