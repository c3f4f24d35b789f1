//! Changes as they are applied on this manager. Each follower reads the history at its own pace: nothing is queued for it,
//! so a slow one costs nothing, and learns that it is too slow when what it wants next is compacted.

use std::time::Duration;

use model::{PayloadKind, Timestamp};
use prost::Message as _;
use store::{Action, Change, Object};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use wire::pb;

use super::Api;
use crate::raft::{Changes, Compacted, History, Published};

/// Log entries read at a time.
const PER_READ: usize = 64;
/// Responses that wait in a stream.
const QUEUE: usize = 16;
/// A follower is told at least this often how far it has come, so that it can go on there later.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub(super) type WatchStream = ReceiverStream<Result<pb::WatchResponse, Status>>;

/// One follower.
struct Follower {
    history: History,
    published: watch::Receiver<Published>,
    kinds: Vec<i32>,
    /// First index that it has not been told.
    next: u64,
    to: mpsc::Sender<Result<pb::WatchResponse, Status>>,
}

impl Api {
    pub(super) async fn watch(&self, request: pb::WatchRequest) -> Result<WatchStream, Status> {
        let history = self.proposer.history();
        let next = match (request.from_index, request.since) {
            (0, None) => self.read().await?.applied() + 1,
            (0, Some(since)) => {
                self.read().await?;
                history.first_since(Timestamp(since)).map_err(status)?
            }
            (index, _) => index,
        };
        let (to, stream) = mpsc::channel(QUEUE);
        let follower = Follower {
            history: history.clone(),
            published: self.proposer.published(),
            kinds: request.kinds,
            next,
            to,
        };
        tokio::spawn(follower.run());
        Ok(ReceiverStream::new(stream))
    }
}

impl Follower {
    async fn run(mut self) {
        // Says at once where it begins: whoever lists the objects after that misses nothing.
        let mut told = pb::WatchResponse {
            index: self.next - 1,
            changes: Vec::new(),
        };
        loop {
            if self.to.send(Ok(told)).await.is_err() {
                return;
            }
            told = match self.follow().await {
                Ok(Some(progress)) => progress,
                Ok(None) => return,
                Err(compacted) => {
                    let _ = self.to.send(Err(status(compacted))).await;
                    return;
                }
            };
        }
    }

    /// Tells what there is; answers with how far that goes when nothing was told for a while. `None`: the follower or
    /// this manager has gone.
    async fn follow(&mut self) -> Result<Option<pb::WatchResponse>, Compacted> {
        let mut progress = Instant::now() + PROGRESS_EVERY;
        loop {
            self.published.borrow_and_update();
            let (found, complete) = self.history.since(self.next, PER_READ)?;
            let all = found.len() < PER_READ;
            for changes in found {
                let response = self.response(&changes);
                if response.changes.is_empty() {
                    continue;
                }
                if self.to.send(Ok(response)).await.is_err() {
                    return Ok(None);
                }
                progress = Instant::now() + PROGRESS_EVERY;
            }
            self.next = self.next.max(complete + 1);
            if !all {
                continue;
            }
            tokio::select! {
                changed = self.published.changed() => if changed.is_err() { return Ok(None) },
                () = self.to.closed() => return Ok(None),
                () = sleep_until(progress) => return Ok(Some(pb::WatchResponse {
                    index: self.next - 1,
                    changes: Vec::new(),
                })),
            }
        }
    }

    fn response(&self, (index, changes): &Changes) -> pb::WatchResponse {
        let changes = changes.iter().map(change);
        let wanted = |change: &pb::Change| self.kinds.is_empty() || self.kinds.contains(&change.kind);
        pb::WatchResponse {
            index: *index,
            changes: changes.filter(wanted).collect(),
        }
    }
}

fn status(compacted: Compacted) -> Status {
    let oldest = compacted.oldest;
    let details = pb::Compacted { oldest }.encode_to_vec();
    Status::with_details(Code::OutOfRange, compacted.to_string(), details.into())
}

fn label((name, value): &(&'static str, String)) -> pb::Label {
    pb::Label {
        name: (*name).to_owned(),
        value: value.clone(),
    }
}

fn change(change: &Change) -> pb::Change {
    let (kind, id) = match change.object {
        Object::Cluster => (pb::ObjectKind::Cluster, String::new()),
        Object::Node(id) => (pb::ObjectKind::Node, id.to_string()),
        Object::Network(id) => (pb::ObjectKind::Network, id.to_string()),
        Object::Service(id) => (pb::ObjectKind::Service, id.to_string()),
        Object::Payload(PayloadKind::Secret, id) => (pb::ObjectKind::Secret, id.to_string()),
        Object::Payload(PayloadKind::Config, id) => (pb::ObjectKind::Config, id.to_string()),
        Object::Task(id) => (pb::ObjectKind::Task, id.to_string()),
    };
    let action = match change.action {
        Action::Created => pb::ChangeAction::Created,
        Action::Updated => pb::ChangeAction::Updated,
        Action::Removed => pb::ChangeAction::Removed,
    };
    let task = change.task.as_ref();
    pb::Change {
        kind: kind.into(),
        action: action.into(),
        id,
        name: change.name.clone(),
        service: task.map(|task| task.service.to_string()),
        node: task.and_then(|task| task.node).map(|node| node.to_string()),
        state: task.map(|task| pb::TaskState::from(task.state).into()),
        at: change.at.0,
        error: task.map(|task| task.err.clone()).unwrap_or_default(),
        attributes: change.attributes.iter().map(label).collect(),
    }
}
