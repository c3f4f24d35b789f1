//! Status reports of all nodes into the log, in one queue with one owner: reports that pile up while some are being proposed
//! make the next entry together, so that a thousand nodes which report at once cost a few entries and not a thousand.

use control::is_news;
use store::{Command, StatusReport, TaskOp};
use tokio::sync::{mpsc, oneshot};

use crate::{
    proposer::Proposer,
    raft::{Applied, ProposeError},
};

/// Reports that a session hands over at once, and that an entry has at least before another is begun.
const PER_ENTRY: usize = 500;
/// Sessions that may wait to hand over.
const WAITING: usize = 1024;

/// Where sessions leave reports; cheap to clone.
#[derive(Clone)]
pub(super) struct Intake(mpsc::Sender<Batch>);

/// Reports of one session.
struct Batch {
    reports: Vec<StatusReport>,
    reply: oneshot::Sender<Result<(), ProposeError>>,
}

impl Batch {
    /// The session may have ended meanwhile.
    fn answer(self, outcome: Result<(), ProposeError>) {
        let _ = self.reply.send(outcome);
    }
}

impl Intake {
    /// Starts the owner; it ends when no intake is left.
    pub fn start(proposer: Proposer) -> Self {
        let (sender, inbox) = mpsc::channel(WAITING);
        tokio::spawn(run(proposer, inbox));
        Self(sender)
    }

    /// Hands over what comes, until its sender is dropped or managers cannot agree (the error says why).
    pub async fn carry(&self, mut inbox: mpsc::Receiver<StatusReport>) -> Result<(), ProposeError> {
        let mut reports = Vec::new();
        while inbox.recv_many(&mut reports, PER_ENTRY).await > 0 {
            let (reply, answer) = oneshot::channel();
            let reports = std::mem::take(&mut reports);
            let sent = self.0.send(Batch { reports, reply }).await;
            sent.map_err(|_| ProposeError::Stopped)?;
            answer.await.map_err(|_| ProposeError::Stopped)??;
        }
        Ok(())
    }
}

async fn run(proposer: Proposer, mut inbox: mpsc::Receiver<Batch>) {
    while let Some(first) = inbox.recv().await {
        let view = proposer.view();
        let (mut batches, mut count) = (Vec::new(), 0);
        let mut next = Some(first);
        while let Some(mut batch) = next {
            batch.reports.retain(|report| is_news(&view, report));
            count += batch.reports.len();
            batches.push(batch);
            next = (count < PER_ENTRY).then(|| inbox.try_recv().ok()).flatten();
        }
        settle(&proposer, batches).await;
    }
}

/// Proposes all in one entry, and each alone if that is refused: one that is takes no others with it.
async fn settle(proposer: &Proposer, batches: Vec<Batch>) {
    let reports: Vec<StatusReport> = batches.iter().flat_map(|batch| batch.reports.iter().cloned()).collect();
    let outcome = if reports.is_empty() {
        Ok(())
    } else {
        propose(proposer, reports).await.map(drop)
    };
    for mut batch in batches {
        let outcome = match &outcome {
            Err(ProposeError::Refused(_) | ProposeError::TooLarge { .. }) => {
                one_by_one(proposer, std::mem::take(&mut batch.reports)).await
            }
            outcome => outcome.clone(),
        };
        batch.answer(outcome);
    }
}

async fn propose(proposer: &Proposer, reports: Vec<StatusReport>) -> Result<Applied, ProposeError> {
    let ops = reports.into_iter().map(|report| TaskOp::Report(Box::new(report)));
    proposer.propose(Command::Tasks(ops.collect())).await
}

async fn one_by_one(proposer: &Proposer, reports: Vec<StatusReport>) -> Result<(), ProposeError> {
    for report in reports {
        match propose(proposer, vec![report]).await {
            Ok(_) => {}
            Err(ProposeError::Refused(why)) => tracing::warn!(%why, "report refused"),
            Err(why) => return Err(why),
        }
    }
    Ok(())
}
