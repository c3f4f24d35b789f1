//! The board that all sessions read, its one writer, and the bells that it rings: a session sleeps until something changed
//! for its node. Kept on followers too, so that a new leader knows what changed under the old one.
//!
//! What must stay true: the board takes in entry by entry, state and events together; the lock is held for a step of
//! computing, never across an await; a bell that rings while its session is busy rings once when it is back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use control::{Board, Feed, Touched, Update, let_go};
use model::{NodeId, TaskId};
use store::Event;
use tokio::{
    sync::{Notify, broadcast, watch},
    time::timeout,
};
use wire::pb;

use super::{level::Level, report};
use crate::{
    proposer::Proposer,
    raft::{Changed, News, Published},
};

/// Updates of one node are at least this far apart; what changes meanwhile goes into one. The more nodes there are the
/// longer, so that telling them all takes a bounded share of the leader's time; more than the last nobody waits.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_PER_SESSION: Duration = Duration::from_micros(300);
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
/// How long a session waits for a board that is behind what its node has already seen.
const CATCH_UP: Duration = Duration::from_millis(500);

/// What all nodes with a session are told of the managers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Bearings {
    /// This manager leads.
    pub leads: bool,
    /// All managers.
    pub managers: pb::Managers,
    /// Period of heartbeats.
    pub heartbeat_ms: u32,
}

impl Bearings {
    pub fn of(published: &Published) -> Self {
        let settings = published.view.cluster().map(|cluster| cluster.settings.clone());
        Self {
            leads: published.standing.leads,
            managers: report::managers(published),
            heartbeat_ms: settings.unwrap_or_default().heartbeat_ms,
        }
    }
}

/// What a session has read.
pub(super) struct Reading {
    /// What its node has to be told.
    pub update: Option<Update>,
    /// Up to where it was read.
    pub seq: u64,
    /// The node's tasks that are let go, see [`control::let_go`], if they may be others than before.
    pub let_go: Option<BTreeMap<TaskId, u64>>,
}

type Bells = BTreeMap<(NodeId, u128), Arc<Notify>>;

/// A handle; cheap to clone.
#[derive(Clone)]
pub(super) struct SharedBoard {
    board: Arc<RwLock<Board>>,
    bells: Arc<Mutex<Bells>>,
    /// Who has what it was told.
    pub(super) level: Level,
    seq: watch::Receiver<u64>,
    bearings: watch::Receiver<Bearings>,
}

impl SharedBoard {
    /// Starts the task that writes; it ends with the driver.
    pub fn start(proposer: &Proposer) -> Self {
        // Before the state is read: what is applied in between is then known twice, not missed.
        let news = proposer.events();
        let published = proposer.published();
        let first = published.borrow().clone();
        let board = Board::of(&first.view);
        let (seq, seen) = watch::channel(board.seq());
        let (bearings, told) = watch::channel(Bearings::of(&first));
        let shared = Self {
            board: Arc::new(RwLock::new(board)),
            bells: Arc::default(),
            level: Level::new(),
            seq: seen,
            bearings: told,
        };
        tokio::spawn(write(shared.clone(), news, published, seq, bearings));
        shared
    }

    /// What is told of the managers, as it changes.
    pub fn bearings(&self) -> watch::Receiver<Bearings> {
        self.bearings.clone()
    }

    /// Waits until the board shows what a node has already seen, but not for long: it may be of another history.
    pub async fn reached(&self, seq: u64) {
        let mut seen = self.seq.clone();
        let _ = timeout(CATCH_UP, seen.wait_for(|now| *now >= seq)).await;
    }

    /// What the feed of `node` has to tell. `whole`: never a part of it.
    pub fn next(&self, node: NodeId, feed: &mut Feed, whole: bool) -> Reading {
        let board = self.board.read().unwrap_or_else(PoisonError::into_inner);
        let begins = feed.begins();
        let update = match feed.next(&board) {
            Some(Update::Delta(_)) if whole => {
                feed.restart();
                feed.next(&board)
            }
            update => update,
        };
        let own = begins
            || update.as_ref().is_some_and(|update| match update {
                Update::Whole(_) => true,
                Update::Delta(delta) => !delta.tasks.is_empty(),
            });
        Reading {
            update,
            seq: board.seq(),
            let_go: own.then(|| let_go(board.view(), node)),
        }
    }

    /// How long a session waits after an update before it looks for the next one.
    pub fn pause(&self) -> Duration {
        let sessions = u32::try_from(self.bells().len()).unwrap_or(u32::MAX);
        PAUSE_PER_SESSION.saturating_mul(sessions).clamp(PAUSE, LONGEST_PAUSE)
    }

    /// A bell for a session; it rings once at first.
    pub fn bell(&self, node: NodeId, session: u128) -> Bell {
        let notify = Arc::new(Notify::new());
        notify.notify_one();
        self.bells().insert((node, session), notify.clone());
        Bell {
            key: (node, session),
            notify,
            bells: self.bells.clone(),
        }
    }

    fn bells(&self) -> MutexGuard<'_, Bells> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, touched: &Touched) {
        let bells = self.bells();
        if touched.everyone {
            return bells.values().for_each(|bell| bell.notify_one());
        }
        for node in &touched.nodes {
            let own = bells.range((*node, 0)..=(*node, u128::MAX));
            own.for_each(|(_, bell)| bell.notify_one());
        }
    }

    fn update(&self, batch: &Batch, published: &Published) -> Touched {
        let mut board = self.board.write().unwrap_or_else(PoisonError::into_inner);
        match &batch.last {
            Some(last) if batch.everything => board.refresh(&last.view),
            None => board.refresh(&published.view),
            Some(_) => batch.entries.iter().fold(Touched::default(), |mut touched, entry| {
                touched.extend(board.update(&entry.view, &entry.events));
                touched
            }),
        }
    }
}

/// A session's bell; taken down when dropped.
pub(super) struct Bell {
    key: (NodeId, u128),
    notify: Arc<Notify>,
    bells: Arc<Mutex<Bells>>,
}

impl Bell {
    /// Waits until it rings, or has rung since the last time.
    pub async fn rung(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.remove(&self.key);
    }
}

/// News that piled up.
#[derive(Default)]
struct Batch {
    last: Option<News>,
    entries: Vec<Changed>,
    /// Some were lost, or say that anything may have changed.
    everything: bool,
}

impl Batch {
    fn take(&mut self, news: News) {
        self.everything |= news.everything;
        self.entries.extend_from_slice(&news.entries);
        self.last = Some(news);
    }

    /// What nodes are told besides their views: settings and roots concern all of them, what one has of the roots itself.
    fn touch(&self, touched: &mut Touched) {
        touched.everyone |= self.everything;
        for event in self.entries.iter().flat_map(|entry| &entry.events) {
            match event {
                Event::Cluster => touched.everyone = true,
                Event::Node(id) => drop(touched.nodes.insert(*id)),
                _ => {}
            }
        }
    }

    /// Takes what else is there. False: nothing will come any more.
    fn drain(
        &mut self,
        first: Result<News, broadcast::error::RecvError>,
        news: &mut broadcast::Receiver<News>,
    ) -> bool {
        match first {
            Ok(first) => self.take(first),
            Err(broadcast::error::RecvError::Lagged(_)) => self.everything = true,
            Err(broadcast::error::RecvError::Closed) => return false,
        }
        loop {
            match news.try_recv() {
                Ok(more) => self.take(more),
                Err(broadcast::error::TryRecvError::Lagged(_)) => self.everything = true,
                Err(_) => return true,
            }
        }
    }
}

async fn write(
    shared: SharedBoard,
    mut news: broadcast::Receiver<News>,
    mut published: watch::Receiver<Published>,
    seq: watch::Sender<u64>,
    bearings: watch::Sender<Bearings>,
) {
    let mut standing = published.borrow().standing;
    loop {
        let mut batch = Batch::default();
        tokio::select! {
            first = news.recv() => if !batch.drain(first, &mut news) { return },
            changed = published.wait_for(|now| now.standing != standing) => if changed.is_err() { return },
        }
        let now = published.borrow().clone();
        standing = now.standing;
        if batch.last.is_some() || batch.everything {
            let mut touched = shared.update(&batch, &now);
            batch.touch(&mut touched);
            let view = batch.last.as_ref().map_or(&now.view, |last| &last.view);
            shared.level.advance(view, &touched);
            seq.send_replace(view.applied());
            shared.ring(&touched);
        }
        let told = Bearings::of(&now);
        bearings.send_if_modified(|old| {
            let differs = *old != told;
            *old = told;
            differs
        });
    }
}
