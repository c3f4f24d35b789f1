//! What one node sends for one wish, until it has sent all or nobody reads it any more.

use std::collections::BTreeSet;

use model::{NodeId, TaskId};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use wire::pb;

use super::{
    Desk,
    source::{Said, What},
};

/// See the module.
pub(super) struct Intake {
    pub(super) node: NodeId,
    pub(super) subscription: String,
    /// Which of the node's streams for this wish it is.
    pub(super) stream: u64,
    pub(super) to: mpsc::Sender<Said>,
    pub(super) desk: Desk,
}

impl Desk {
    /// Takes a stream of a node's lines. Returns when it has ended, or is not wanted any more.
    pub(crate) async fn take(&self, node: NodeId, mut batches: Streaming<pb::LogBatch>) -> Result<(), Status> {
        let first = batches.message().await?;
        let first = first.ok_or_else(|| Status::invalid_argument("the first message says which wish it is for"))?;
        let intake = self.intake(node, &first.subscription, first.attempt)?;
        // By itself: this call is dropped with its connection, of which the reading is to hear.
        let taking = tokio::spawn(intake.run(first, batches));
        taking
            .await
            .unwrap_or_else(|why| Err(Status::internal(why.to_string())))
    }
}

impl Intake {
    async fn run(self, first: pb::LogBatch, batches: Streaming<pb::LogBatch>) -> Result<(), Status> {
        let outcome = self.pass_on(first, batches).await;
        let end = match outcome {
            Ok(()) => What::Done,
            Err(_) => What::Lost,
        };
        self.say(end).await;
        outcome
    }

    async fn pass_on(&self, first: pb::LogBatch, mut batches: Streaming<pb::LogBatch>) -> Result<(), Status> {
        self.say(What::Began).await;
        let mut next = Some(first);
        while let Some(batch) = next {
            self.check(&batch)?;
            if !self.say(What::Sent(batch)).await {
                return Ok(());
            }
            next = tokio::select! {
                next = batches.message() => next?,
                () = self.to.closed() => return Ok(()),
            };
        }
        Ok(())
    }

    /// False: nobody reads it.
    async fn say(&self, what: What) -> bool {
        let said = Said {
            node: self.node,
            stream: self.stream,
            what,
        };
        self.to.send(said).await.is_ok()
    }

    fn check(&self, batch: &pb::LogBatch) -> Result<(), Status> {
        let named = batch.lines.iter().map(|line| line.task.as_str());
        let named: BTreeSet<&str> = named.chain(batch.notes.iter().map(|note| note.task.as_str())).collect();
        let invalid = |why: model::Invalid| Status::invalid_argument(why.to_string());
        let tasks: BTreeSet<TaskId> = named
            .into_iter()
            .map(|text| text.parse().map_err(invalid))
            .collect::<Result<_, _>>()?;
        match self.desk.stranger(self.node, &self.subscription, &tasks) {
            Some(task) => Err(Status::permission_denied(format!(
                "the log of task {task} is not wished of node {}",
                self.node
            ))),
            None => Ok(()),
        }
    }
}
