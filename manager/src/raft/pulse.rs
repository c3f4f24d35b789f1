//! Whether the worker goes on. A disk may hang instead of failing, and the thread that writes then hangs with it: it
//! cannot say itself that it leads no more, while the others elect somebody else within a second. Who looks after it
//! withdraws what it has published, so that nodes, calls and operators turn to the one that the others elect.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{driver::Published, effect::Standing, worker::SILENT_AFTER};

/// How often somebody looks.
const LOOK: Duration = Duration::from_millis(200);

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// When the worker was last seen; clones share it.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    began: Instant,
    /// Milliseconds after that.
    last: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            last: Arc::default(),
        }
    }

    /// The worker is here.
    pub(super) fn beat(&self) {
        self.last.store(millis(self.began.elapsed()), Ordering::Relaxed);
    }

    fn stands_still(&self) -> bool {
        let silent = millis(self.began.elapsed()).saturating_sub(self.last.load(Ordering::Relaxed));
        silent > millis(SILENT_AFTER)
    }

    /// Looks after the worker until it lets go of `publish`. One that begins to turn again says itself where it stands.
    pub(super) fn look_after(self, publish: Weak<watch::Sender<Published>>) {
        let body = move || {
            while let Some(publish) = publish.upgrade() {
                publish.send_if_modified(|published| self.withdraw(published));
                drop(publish);
                thread::sleep(LOOK);
            }
        };
        if let Err(why) = thread::Builder::new().name("raft-pulse".to_owned()).spawn(body) {
            tracing::error!(%why, "nobody looks whether raft's disk hangs");
        }
    }

    /// Whether something had to be withdrawn. A lone manager stays what it is: there is nobody else to turn to.
    fn withdraw(&self, published: &mut Published) -> bool {
        let alone = published.members.voters.len() < 2;
        if alone || !published.standing.leads || !self.stands_still() {
            return false;
        }
        tracing::error!("the disk of this manager hangs: it leads no more until it can write");
        published.standing = Standing {
            term: published.standing.term,
            ..Standing::default()
        };
        true
    }
}
