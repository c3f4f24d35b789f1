//! One session: the node's description into the state, then two tasks. One reads heartbeats and reports, the other sends
//! what changed of what the node should have, from its feed of the shared board.
//!
//! What must stay true: the node is the one of the certificate; a node that reads slowly costs a full queue and no more,
//! for what it has not been told is computed when it can be sent; sequence numbers are log indexes, which grow through
//! every change of leader, so that a node goes on where another manager has left off.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use control::{Feed, Known, Update};
use model::{NodeDescription, NodeId, RequestId};
use store::Command;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tonic::{Status, Streaming};
use wire::{
    EncodedEndpoint,
    pb::{self, session_down, session_up},
};

use super::{
    board::{Bearings, SharedBoard},
    heard::{Heard, Listener},
    intake::Intake,
    kept::{Clearance, Kept},
    level::Place,
    pace::Turn,
    presence::Presence,
    probe::Probes,
    release::Release,
    report, trust,
};
use crate::{
    logs::{Desk, Told},
    mint,
    proposer::Proposer,
};

/// Version of the messages.
const FORMAT: u32 = 2;
/// The one before: whole views only, and heartbeats are not answered.
const WHOLE_VIEWS: u32 = 1;
/// Time for a node's first message.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node that reads nothing may take to hear why its session ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// Reports that wait to be proposed; a node that sends more waits.
const REPORT_QUEUE: usize = 4096;

type Down = Result<pb::SessionDown, Status>;

/// A session before it runs.
pub(super) struct Session {
    pub(super) node: NodeId,
    pub(super) from: IpAddr,
    pub(super) proposer: Proposer,
    pub(super) intake: Intake,
    pub(super) presence: Presence,
    pub(super) board: SharedBoard,
    pub(super) probes: Probes,
    pub(super) desk: Desk,
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
            let _ = timeout(GOODBYE, to_node.send(Err(why))).await;
        }
        presence.ended(node, session);
    }

    async fn serve(self, session: u128, mut up: Streaming<pb::SessionUp>) -> Result<(), Status> {
        let bearings = self.board.bearings().borrow().clone();
        if !bearings.leads {
            let managers = session_down::Message::Managers(bearings.managers);
            let _ = self.down.send(down(managers)).await;
            return Err(Status::unavailable("this manager does not lead: try another"));
        }
        let hello = hello(&mut up).await?;
        let ended = self.presence.opened(self.node, session);
        self.describe(hello.description, hello.control).await?;
        let place = self.board.level.open(self.node, session);
        let (says, heard) = watch::channel(Heard::default());
        let kept = Kept::default();
        let teller = Teller {
            whole: hello.format == WHOLE_VIEWS,
            feed: Feed::starting(self.node, hello.known),
            identity: None,
            listener: Listener::new(self.node, heard),
            logs: self.desk.told(self.node),
            release: Release::new(self.board.level.reached()),
            clearance: Clearance::new(self.node, kept.clone()),
        };
        if let Some(known) = hello.known {
            self.board.reached(known.seq).await;
        }

        let (reports, inbox) = mpsc::channel(REPORT_QUEUE);
        let reading = self.read(up, reports, (says, kept), &place);
        let proposing = self.intake.carry(inbox);
        let mut stopping = self.stopping.clone();
        let telling = self.tell(session, teller, &place);
        tokio::select! {
            result = reading => result,
            result = proposing => result.map_err(|why| Status::unavailable(why.to_string())),
            result = telling => result,
            result = self.ask_for_probes() => result,
            _ = ended => Err(Status::aborted("another session of this node began, or the node left")),
            _ = stopping.wait_for(|stop| *stop) => Err(Status::unavailable("this manager is stopping")),
        }
    }

    /// Writes what the node says of its machine into the state, which makes it Ready.
    async fn describe(&self, description: NodeDescription, control: Option<SocketAddr>) -> Result<(), Status> {
        let known = self.proposer.view().node(self.node).map(|node| node.status.addr);
        let known = known.filter(|addr| !addr.is_unspecified()).unwrap_or(self.from);
        let addr = control.map_or(known, |control| control.ip());
        let described = self.proposer.propose(Command::DescribeNode {
            id: self.node,
            at: mint::now(),
            addr,
            control,
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

    /// Passes on each round of probes.
    async fn ask_for_probes(&self) -> Result<(), Status> {
        let mut rounds = self.probes.rounds();
        while rounds.changed().await.is_ok() {
            let round = *rounds.borrow_and_update();
            let request = pb::ProbeRequest { round };
            self.send(session_down::Message::Probe(request)).await?;
        }
        Ok(())
    }

    /// Takes what the node sends until it sends no more.
    async fn read(
        &self,
        mut up: Streaming<pb::SessionUp>,
        reports: mpsc::Sender<store::StatusReport>,
        (says, kept): (watch::Sender<Heard>, Kept),
        place: &Place,
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
                Some(session_up::Message::Description(given)) => self.describe(parse(given)?, None).await?,
                Some(session_up::Message::Probe(found)) => self.probes.report(self.node, found),
                Some(session_up::Message::Hello(_)) => return Err(Status::invalid_argument("a second hello")),
                Some(session_up::Message::Heartbeat(beat)) => {
                    place.applied(beat.applied_seq);
                    says.send_modify(|heard| heard.beat(&beat));
                }
                Some(session_up::Message::Resync(request)) => says.send_modify(|heard| heard.resync(request)),
                Some(session_up::Message::Kept(tasks)) => kept.said(&tasks),
                None => {}
            }
        }
        Ok(())
    }

    /// Sends the heartbeat period, managers and what changes for the node, until this manager leads no more or the node is
    /// removed.
    async fn tell(&self, session: u128, mut teller: Teller, place: &Place) -> Result<(), Status> {
        let bell = self.board.bells.hang(self.node, session);
        let mut bearings = self.board.bearings();
        let (mut told, mut trust) = (None, trust::Told::default());
        let (mut turn, mut due) = (Turn::now(), true);
        loop {
            let now = bearings.borrow_and_update().clone();
            self.orient(session, &now, told.as_ref()).await?;
            told = Some(now);
            self.call(&mut teller.identity).await?;
            if teller.listener.take(&mut teller.feed) && !teller.whole {
                let beat = pb::Beat {
                    now: mint::now().0,
                    ..Default::default()
                };
                self.send(session_down::Message::Beat(beat)).await?;
            }
            if self.proposer.view().node(self.node).is_none() {
                let words = format!("node {} is not part of this swarm (any more)", self.node);
                return Err(Status::permission_denied(words));
            }
            if (due || Instant::now() >= turn.any) && self.update(&mut teller, place).await? {
                turn = self.board.turn();
            }
            due = false;
            self.tell_besides(&mut teller, &mut trust).await?;
            tokio::select! {
                () = bell.rung(turn) => due = true,
                () = teller.listener.changed() => {}
                () = teller.logs.changed() => {}
                () = teller.release.changed() => {}
                changed = bearings.changed() => {
                    changed.map_err(|_| Status::unavailable("this manager is stopping"))?;
                }
            }
        }
    }

    /// Tells the node what changed for it. Whether something did.
    async fn update(&self, teller: &mut Teller, place: &Place) -> Result<bool, Status> {
        let reading = self.board.next(self.node, &mut teller.feed, teller.whole);
        if let Some(let_go) = reading.let_go {
            teller.release.take(let_go);
        }
        place.told(reading.seq, reading.update.as_ref().map(seq));
        let Some(update) = reading.update else {
            return Ok(false);
        };
        self.send(message(update)).await?;
        Ok(true)
    }

    /// Tells the node what it has to know besides its view.
    async fn tell_besides(&self, teller: &mut Teller, trust: &mut trust::Told) -> Result<(), Status> {
        if let Some(wishes) = teller.logs.news() {
            self.send(session_down::Message::Logs(wishes)).await?;
        }
        if let Some(trust) = trust.news(&self.proposer.view(), self.node) {
            self.send(session_down::Message::Trust(trust)).await?;
        }
        if let Some(released) = teller.release.next() {
            self.send(session_down::Message::Released(released)).await?;
        }
        if let Some(forgotten) = teller.clearance.next(&self.proposer.view()) {
            self.send(session_down::Message::Forgotten(forgotten)).await?;
        }
        Ok(())
    }

    /// Tells the node what it shall be, if that is not what it was told last. It changes with the list of managers only.
    async fn call(&self, told: &mut Option<pb::NodeIdentity>) -> Result<(), Status> {
        let identity = report::identity(&self.proposer.view(), self.node);
        if let Some(identity) = identity.filter(|identity| told.as_ref() != Some(identity)) {
            *told = Some(identity);
            self.send(session_down::Message::Identity(identity)).await?;
        }
        Ok(())
    }

    /// Tells what changed about the managers; an error if this one leads no more.
    async fn orient(&self, session: u128, now: &Bearings, told: Option<&Bearings>) -> Result<(), Status> {
        if told.is_none_or(|told| told.heartbeat_ms != now.heartbeat_ms) {
            let welcome = pb::Welcome {
                session: RequestId::from_bits(session).to_string(),
                heartbeat_ms: now.heartbeat_ms,
                now: mint::now().0,
            };
            self.send(session_down::Message::Welcome(welcome)).await?;
        }
        if told.is_none_or(|told| told.managers != now.managers) {
            let managers = now.managers.clone();
            self.send(session_down::Message::Managers(managers)).await?;
        }
        if now.leads {
            return Ok(());
        }
        Err(Status::unavailable("this manager does not lead any more: try another"))
    }
}

/// What a session knows of what its node has.
struct Teller {
    /// The node takes whole views only.
    whole: bool,
    feed: Feed,
    /// What it was told to be.
    identity: Option<pb::NodeIdentity>,
    listener: Listener,
    logs: Told,
    release: Release,
    clearance: Clearance,
}

fn seq(update: &Update<EncodedEndpoint>) -> u64 {
    match update {
        Update::Whole(view) => view.seq,
        Update::Delta(delta) => delta.seq,
    }
}

fn message(update: Update<EncodedEndpoint>) -> session_down::Message {
    match update {
        Update::Whole(view) => session_down::Message::View(view.into()),
        Update::Delta(delta) => session_down::Message::Delta(delta.into()),
    }
}

fn parse(description: pb::NodeDescription) -> Result<NodeDescription, Status> {
    NodeDescription::try_from(description).map_err(|why| Status::invalid_argument(why.to_string()))
}

/// The first message.
struct Hello {
    format: u32,
    description: NodeDescription,
    /// Where its control port is or would be.
    control: Option<SocketAddr>,
    /// The view that the node has.
    known: Option<Known>,
}

async fn hello(up: &mut Streaming<pb::SessionUp>) -> Result<Hello, Status> {
    let first = timeout(HELLO_TIMEOUT, up.message()).await;
    let first = first.map_err(|_| Status::deadline_exceeded("no hello within 5 s"))??;
    let Some(session_up::Message::Hello(hello)) = first.and_then(|up| up.message) else {
        return Err(Status::invalid_argument(
            "the first message of a session must be a hello",
        ));
    };
    let (format, seq, checksum) = (hello.format, hello.seq, hello.checksum);
    if !(WHOLE_VIEWS..=FORMAT).contains(&format) {
        return Err(Status::failed_precondition(format!(
            "session format {format} is not known, this manager speaks formats {WHOLE_VIEWS} to {FORMAT}: upgrade the older of both",
        )));
    }
    Ok(Hello {
        format,
        description: parse(hello.description.unwrap_or_default())?,
        control: hello.addr.parse().ok(),
        known: (format > WHOLE_VIEWS && seq > 0).then_some(Known { seq, checksum }),
    })
}
