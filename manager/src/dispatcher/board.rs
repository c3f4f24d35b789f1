//! The board that all sessions read, and its one writer, which rings the bells of those that have something to read. Kept
//! on followers too, so that a new leader knows what changed under the old one.
//!
//! What must stay true: the board takes in entry by entry, state and events together; the lock is held for a step of
//! computing, never across an await.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use control::{Board, Feed, Touched, Update, let_go};
use model::{DesiredState, NodeId, TaskId};
use tokio::{
    sync::{broadcast, watch},
    time::timeout,
};
use wire::{EncodedEndpoint, pb};

use super::{
    bells::Bells,
    level::Level,
    pace::{Pace, Turn},
    report,
};
use crate::{
    proposer::Proposer,
    raft::{Changed, News, Published},
};

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
    pub update: Option<Update<EncodedEndpoint>>,
    /// Up to where it was read.
    pub seq: u64,
    /// The node's tasks that are let go, see [`control::let_go`], if they may be others than before.
    pub let_go: Option<BTreeMap<TaskId, u64>>,
}

/// A handle; cheap to clone.
#[derive(Clone)]
pub(super) struct SharedBoard {
    board: Arc<RwLock<Board<EncodedEndpoint>>>,
    /// Sessions that wait for it.
    pub(super) bells: Bells,
    /// Who has what it was told.
    pub(super) level: Level,
    pace: Pace,
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
            bells: Bells::default(),
            level: Level::new(),
            pace: Pace::default(),
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
        let (began, begins) = (Instant::now(), feed.begins());
        let update = match feed.next(&board) {
            Some(Update::Delta(_)) if whole => {
                feed.restart();
                feed.next(&board)
            }
            update => update,
        };
        let own = begins || update.as_ref().is_some_and(concerns_let_go);
        let reading = Reading {
            update,
            seq: board.seq(),
            let_go: own.then(|| let_go(board.view(), node)),
        };
        if reading.update.is_some() {
            self.pace.took(began.elapsed());
        }
        reading
    }

    /// When a session that has just told its node something may look for more.
    pub fn turn(&self) -> Turn {
        self.pace.turn(self.bells.count())
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

/// Whether tasks of the node may be let go now that were not before, or are no more. A task's wish never goes back.
fn concerns_let_go(update: &Update<EncodedEndpoint>) -> bool {
    match update {
        Update::Whole(_) => true,
        Update::Delta(delta) => {
            let mut put = delta.tasks.put.iter();
            !delta.tasks.gone.is_empty() || put.any(|task| task.desired >= DesiredState::Shutdown)
        }
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

    fn touch(&self, touched: &mut Touched) {
        touched.everyone |= self.everything;
        let events = self.entries.iter().flat_map(|entry| &entry.events);
        events.for_each(|event| touched.note(event));
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
            shared.bells.ring(&touched);
        }
        let told = Bearings::of(&now);
        bearings.send_if_modified(|old| {
            let differs = *old != told;
            *old = told;
            differs
        });
    }
}
