//! A worker whose disk is full. What could not be written was neither sent nor applied, so the replica may forget it and
//! start anew from its disk, as after a crash; what was applied before is told first, and after the new start everybody
//! looks at everything. Until that can be written again the member is silent: it takes no
//! proposals, answers no messages and does not tick, so that the others elect a leader without it.

use std::time::{Duration, Instant};

use super::{
    disk::{Disk, DiskError},
    effect::{ReplicaError, Standing},
    held::Asked,
    request::{ProposeError, ReadError},
    transport::Transport,
    worker::{Request, Worker},
};

/// Between two attempts to write again.
const RETRY: Duration = Duration::from_millis(500);

/// Until when a worker rests, and what it tells those who ask.
pub(super) struct Resting {
    until: Instant,
    manager: String,
    file: String,
}

impl<D: Disk, T: Transport> Worker<D, T> {
    /// Lets the replica advance; after its disk was full only once that can be written again.
    pub(super) fn advance_unless_full(&mut self) -> Result<(), ReplicaError> {
        let outcome = match &self.resting {
            None => self.advance(),
            Some(resting) if Instant::now() < resting.until => return Ok(()),
            Some(_) => self.replica.restart().and_then(|()| {
                tracing::info!("the disk takes writes again");
                self.resting = None;
                self.anew = true;
                self.advance()
            }),
        };
        match outcome {
            Err(ReplicaError::Disk(DiskError::Full { file })) => {
                self.rest(file);
                Ok(())
            }
            outcome => outcome,
        }
    }

    fn rest(&mut self, file: String) {
        let name = nix::unistd::gethostname().unwrap_or_default();
        let resting = Resting {
            until: Instant::now() + RETRY,
            manager: name.to_string_lossy().into_owned(),
            file,
        };
        if self.resting.is_none() {
            let Resting { manager, file, .. } = &resting;
            tracing::error!(
                manager,
                file,
                "the disk is full: this manager rests until there is space"
            );
        }
        self.resting = Some(resting);
        self.publish.send_modify(|published| {
            published.standing = Standing {
                leader: None,
                leads: false,
                ..published.standing
            };
        });
        let waiting = std::mem::take(&mut self.waiting);
        waiting.end(|| Err(self.full_proposal()), || self.read_while_full());
    }

    fn full_proposal(&self) -> ProposeError {
        match &self.resting {
            Some(Resting { manager, file, .. }) => ProposeError::DiskFull {
                manager: manager.clone(),
                file: file.clone(),
            },
            None => ProposeError::NoLeader,
        }
    }

    /// A lone manager acknowledged nothing that it has not applied; with others only they can tell.
    fn read_while_full(&self) -> Result<store::View, ReadError> {
        match &self.resting {
            _ if self.replica.is_lone_voter() => Ok(self.publish.borrow().view.clone()),
            Some(Resting { manager, file, .. }) => Err(ReadError::DiskFull {
                manager: manager.clone(),
                file: file.clone(),
            }),
            None => Err(ReadError::NoLeader),
        }
    }

    /// Refuses what came in. A message that is dropped counts as lost.
    pub(super) fn refuse(&self, request: Request) {
        match request {
            Request::Propose { reply, .. } | Request::Change(Asked { reply, .. }) => {
                drop(reply.send(Err(self.full_proposal())))
            }
            Request::Read { reply, .. } => drop(reply.send(self.read_while_full())),
            _ => {}
        }
    }
}
