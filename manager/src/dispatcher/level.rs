//! The dispatcher's count of who has what it was told ([`control::Acks`]), and how far that is for all: sessions that have
//! let a task go wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use control::{Acks, Touched};
use model::NodeId;
use store::View;
use tokio::sync::watch;

/// A handle; cheap to clone. The lock is held for a step of computing.
#[derive(Clone)]
pub(super) struct Level {
    acks: Arc<Mutex<Acks>>,
    reached: watch::Sender<u64>,
}

impl Level {
    pub fn new() -> Self {
        Self {
            acks: Arc::default(),
            reached: watch::Sender::new(0),
        }
    }

    /// The kernels of all nodes that are up have all changes up to here.
    pub fn reached(&self) -> watch::Receiver<u64> {
        self.reached.subscribe()
    }

    /// The board shows `view`, and nobody has been told of it yet.
    pub fn advance(&self, view: &View, touched: &Touched) {
        self.step(|acks| acks.advance(view, touched));
    }

    /// A session's place; given back when it is dropped.
    pub fn open(&self, node: NodeId, session: u128) -> Place {
        self.step(|acks| acks.open(node, session));
        let level = self.clone();
        Place { level, node, session }
    }

    fn step(&self, step: impl FnOnce(&mut Acks)) {
        let reached = {
            let mut acks = self.acks.lock().unwrap_or_else(PoisonError::into_inner);
            step(&mut acks);
            acks.level()
        };
        self.reached
            .send_if_modified(|old| std::mem::replace(old, reached) != reached);
    }
}

/// One session.
pub(super) struct Place {
    level: Level,
    node: NodeId,
    session: u128,
}

impl Place {
    /// It has read the board up to `read`, and is about to send the update with index `sent`.
    pub fn told(&self, read: u64, sent: Option<u64>) {
        self.level.step(|acks| acks.told(self.node, self.session, read, sent));
    }

    /// Its node's kernel has the view with this index.
    pub fn applied(&self, index: u64) {
        self.level.step(|acks| acks.applied(self.node, self.session, index));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.level.step(|acks| acks.close(self.node, self.session));
    }
}
