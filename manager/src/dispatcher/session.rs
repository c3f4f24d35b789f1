//! One session: three tasks beside each other. One reads heartbeats and reports from the hello on, one brings the node's
//! description into the state, and one sends what changed of what the node should have, from its feed of the shared board.
//!
//! What must stay true: the node is the one of the certificate; a node that reads slowly costs a full queue and no more,
//! for what it has not been told is computed when it can be sent; sequence numbers are log indexes, which grow through
//! every change of leader, so that a node goes on where another manager has left off.

mod hello;
#[cfg(test)]
mod tests;

use std::{net::IpAddr, time::Duration};

use control::{Feed, Known, Update};
use futures::{Stream, TryStreamExt as _};
use model::{NodeDescription, NodeId, RequestId};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, timeout},
};
use tonic::Status;
use wire::{
    EncodedEndpoint,
    pb::{self, session_down, session_up},
};

use super::{
    board::{Bearings, SharedBoard},
    describe::Describer,
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

/// How long a node that reads nothing may take to hear why its session ends.
const GOODBYE: Duration = Duration::from_secs(1);
/// Reports that wait to be proposed; a node that sends more waits.
const REPORT_QUEUE: usize = 4096;

type Down = Result<pb::SessionDown, Status>;

/// What comes from a node.
pub(super) trait Up: Stream<Item = Result<pb::SessionUp, Status>> + Send + Unpin {}

impl<S: Stream<Item = Result<pb::SessionUp, Status>> + Send + Unpin> Up for S {}

/// A session before it runs.
pub(super) struct Session {
    pub(super) node: NodeId,
    /// That of a later session is larger.
    pub(super) number: u128,
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
    pub(super) async fn run(self, up: impl Up) {
        let (node, session, presence) = (self.node, self.number, self.presence.clone());
        let to_node = self.down.clone();
        if let Err(why) = self.serve(up).await {
            tracing::info!(%node, why = why.message(), "session ends");
            let _ = timeout(GOODBYE, to_node.send(Err(why))).await;
        }
        presence.ended(node, session);
    }

    async fn serve(self, mut up: impl Up) -> Result<(), Status> {
        let term = self.term().await?;
        let hello = hello::first(&mut up).await?;
        let ended = self.presence.opened(self.node, self.number);
        let place = self.board.level.open(self.node, self.number);
        let describer = self.describer(&hello, term);
        let (ears, ends) = Ears::open(hello.description);
        let teller = Teller {
            whole: hello.whole,
            feed: Feed::starting(self.node, hello.known),
            identity: None,
            listener: Listener::new(self.node, ends.says),
            logs: self.desk.told(self.node),
            release: Release::new(self.board.level.reached()),
            clearance: Clearance::new(self.node, ears.kept.clone()),
        };
        let reading = self.read(up, ears, &place);
        let describing = describer.carry(ends.describes);
        let proposing = self.intake.carry(ends.reports);
        let mut stopping = self.stopping.clone();
        let telling = self.tell(hello.known, teller, &place);
        tokio::select! {
            result = reading => result,
            result = describing => result,
            result = proposing => result.map_err(|why| Status::unavailable(why.to_string())),
            result = telling => result,
            result = self.ask_for_probes() => result,
            _ = ended => Err(Status::aborted("another session of this node began, or the node left")),
            _ = stopping.wait_for(|stop| *stop) => Err(Status::unavailable("this manager is stopping")),
        }
    }

    /// The term in which this manager leads. If it does not, the node hears who may.
    async fn term(&self) -> Result<u64, Status> {
        let bearings = self.board.bearings().borrow().clone();
        let standing = self.proposer.published().borrow().standing;
        if bearings.leads && standing.leads {
            return Ok(standing.term);
        }
        let managers = session_down::Message::Managers(bearings.managers);
        let _ = self.down.send(down(managers)).await;
        Err(Status::unavailable("this manager does not lead: try another"))
    }

    fn describer(&self, hello: &hello::Hello, term: u64) -> Describer {
        Describer {
            node: self.node,
            from: self.from,
            control: hello.control,
            proposer: self.proposer.clone(),
            term,
        }
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
    async fn read(&self, mut up: impl Up, ears: Ears, place: &Place) -> Result<(), Status> {
        while let Some(message) = up.try_next().await? {
            self.presence.heard(self.node);
            match message.message {
                Some(session_up::Message::Statuses(batch)) => {
                    for given in batch.reports {
                        let parsed = report::parse(self.node, given)?;
                        if ears.reports.send(parsed).await.is_err() {
                            return Ok(());
                        }
                    }
                }
                Some(session_up::Message::Description(given)) => {
                    drop(ears.describes.send_replace(hello::parse(given)?))
                }
                Some(session_up::Message::Probe(found)) => self.probes.report(self.node, found),
                Some(session_up::Message::Hello(_)) => return Err(Status::invalid_argument("a second hello")),
                Some(session_up::Message::Heartbeat(beat)) => {
                    place.applied(beat.applied_seq);
                    ears.says.send_modify(|heard| heard.beat(&beat));
                }
                Some(session_up::Message::Resync(request)) => ears.says.send_modify(|heard| heard.resync(request)),
                Some(session_up::Message::Kept(tasks)) => ears.kept.said(&tasks),
                None => {}
            }
        }
        Ok(())
    }

    /// Sends the heartbeat period, managers and what changes for the node, until this manager leads no more or the node is
    /// removed.
    async fn tell(&self, known: Option<Known>, mut teller: Teller, place: &Place) -> Result<(), Status> {
        if let Some(known) = known {
            self.board.reached(known.seq).await;
        }
        let bell = self.board.bells.hang(self.node, self.number);
        let mut bearings = self.board.bearings();
        let (mut told, mut trust) = (None, trust::Told::default());
        let (mut turn, mut due) = (Turn::now(), true);
        loop {
            let now = bearings.borrow_and_update().clone();
            self.orient(&now, told.as_ref()).await?;
            told = Some(now);
            self.call(&mut teller.identity).await?;
            if teller.listener.take(&mut teller.feed) && !teller.whole {
                let beat = pb::Beat {
                    now: mint::now().0,
                    ..Default::default()
                };
                self.send(session_down::Message::Beat(beat)).await?;
            }
            let described = self.is_described()?;
            if described && (due || Instant::now() >= turn.any) && self.update(&mut teller, place).await? {
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

    /// Whether it is known what the node is. Before that it is told nothing of others: it is not among them itself, and how
    /// large their packets are may depend on it.
    fn is_described(&self) -> Result<bool, Status> {
        let view = self.proposer.view();
        let described = view.node(self.node).map(|node| node.description.is_some());
        described.ok_or_else(|| {
            let words = format!("node {} is not part of this swarm (any more)", self.node);
            Status::permission_denied(words)
        })
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
    async fn orient(&self, now: &Bearings, told: Option<&Bearings>) -> Result<(), Status> {
        if told.is_none_or(|told| told.heartbeat_ms != now.heartbeat_ms) {
            let welcome = pb::Welcome {
                session: RequestId::from_bits(self.number).to_string(),
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

/// Where what a node says goes.
struct Ears {
    reports: mpsc::Sender<store::StatusReport>,
    describes: watch::Sender<NodeDescription>,
    says: watch::Sender<Heard>,
    kept: Kept,
}

/// Where it comes out.
struct Ends {
    reports: mpsc::Receiver<store::StatusReport>,
    describes: watch::Receiver<NodeDescription>,
    says: watch::Receiver<Heard>,
}

impl Ears {
    fn open(description: NodeDescription) -> (Self, Ends) {
        let (reports, reported) = mpsc::channel(REPORT_QUEUE);
        let (describes, described) = watch::channel(description);
        let (says, said) = watch::channel(Heard::default());
        let ears = Self {
            reports,
            describes,
            says,
            kept: Kept::default(),
        };
        let ends = Ends {
            reports: reported,
            describes: described,
            says: said,
        };
        (ears, ends)
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
