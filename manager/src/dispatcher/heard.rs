//! What a node said that its teller has to answer. The latest counts: a node that talks faster than it listens fills
//! nothing.

use control::{Feed, Known, Verdict};
use model::NodeId;
use tokio::{
    sync::watch,
    time::{Duration, Instant},
};
use wire::pb;

/// After a repair, this long nothing is repaired again: what does not help once is not done all the time.
const BETWEEN_REPAIRS: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    /// Heartbeats so far.
    pub beats: u64,
    /// What the node had at the last one.
    pub known: Option<Known>,
    /// Requests for a whole view so far, and why.
    pub resyncs: u64,
    pub reason: String,
}

impl Heard {
    pub fn beat(&mut self, beat: &pb::Heartbeat) {
        self.beats += 1;
        let (seq, checksum) = (beat.seq, beat.checksum);
        self.known = (seq > 0).then_some(Known { seq, checksum });
    }

    pub fn resync(&mut self, request: pb::Resync) {
        self.resyncs += 1;
        self.reason = request.reason;
    }
}

/// What was answered, and what follows from what is heard next.
pub(super) struct Listener {
    node: NodeId,
    heard: watch::Receiver<Heard>,
    beats: u64,
    resyncs: u64,
    repaired: Option<Instant>,
}

impl Listener {
    pub fn new(node: NodeId, heard: watch::Receiver<Heard>) -> Self {
        Self {
            node,
            heard,
            beats: 0,
            resyncs: 0,
            repaired: None,
        }
    }

    /// Waits until the node has said something.
    pub async fn changed(&mut self) {
        if self.heard.changed().await.is_err() {
            std::future::pending().await
        }
    }

    /// Takes what was heard: a feed whose node lost its thread starts anew. Whether a heartbeat wants an answer.
    pub fn take(&mut self, feed: &mut Feed) -> bool {
        let heard = self.heard.borrow_and_update().clone();
        let node = self.node;
        if heard.resyncs > self.resyncs {
            self.resyncs = heard.resyncs;
            tracing::warn!(%node, reason = heard.reason, "the node asks for its whole view");
            feed.restart();
        } else if let Some(known) = heard.known.filter(|_| heard.beats > self.beats) {
            self.compare(feed, known);
        }
        let answer = heard.beats > self.beats;
        self.beats = heard.beats;
        answer
    }

    fn compare(&mut self, feed: &mut Feed, known: Known) {
        let Verdict::Drifted { want } = feed.compare(known) else {
            return;
        };
        let node = self.node;
        if self.repaired.is_none_or(|at| at.elapsed() >= BETWEEN_REPAIRS) {
            let (seq, has) = (known.seq, known.checksum);
            tracing::warn!(%node, seq, has, want, "the node has another view than it was told: it gets it anew");
            self.repaired = Some(Instant::now());
            feed.restart();
        }
    }
}
