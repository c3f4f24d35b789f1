//! Status reports of one node's tasks into the log. Reports that pile up while one batch is being proposed make the next.

use model::{NodeId, TaskId, TaskState, TaskStatus};
use store::{Command, StatusReport, TaskOp, View};
use tokio::sync::mpsc;
use tonic::Status;
use wire::pb;

use crate::{
    mint,
    proposer::Proposer,
    raft::{ProposeError, Published},
};

/// Reports per log entry.
const PER_ENTRY: usize = 500;

/// A report as it comes from a node. One that makes no sense ends the session.
pub(super) fn parse(node: NodeId, report: pb::TaskReport) -> Result<StatusReport, Status> {
    let task: TaskId = report
        .task
        .parse()
        .map_err(|why: model::Invalid| Status::invalid_argument(why.to_string()))?;
    let status = TaskStatus::try_from(report.status.unwrap_or_default())
        .map_err(|why| Status::invalid_argument(format!("report of task {task}: {why}")))?;
    Ok(StatusReport {
        node,
        task,
        status,
        heard: Some(mint::now()),
    })
}

/// Whether the state would change by it. Left out are reports of tasks that are no more, or another node's, and those
/// that say what is known.
fn is_news(view: &View, report: &StatusReport) -> bool {
    let decided_by_agents = (TaskState::Accepted..TaskState::Remove).contains(&report.status.state);
    decided_by_agents
        && view.task(report.task).is_some_and(|task| {
            task.node == Some(report.node) && task.status.state <= report.status.state && task.status != report.status
        })
}

/// Proposes what comes, until the sender is dropped or managers cannot agree (the error says why).
pub(super) async fn carry(proposer: Proposer, mut inbox: mpsc::Receiver<StatusReport>) -> Result<(), ProposeError> {
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, PER_ENTRY).await > 0 {
        let view = proposer.published().borrow().view.clone();
        let news: Vec<StatusReport> = batch.drain(..).filter(|report| is_news(&view, report)).collect();
        if news.is_empty() {
            continue;
        }
        match proposer.propose(command(news.clone())).await {
            Ok(_) => {}
            Err(ProposeError::Refused(_)) => one_by_one(&proposer, news).await?,
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

fn command(reports: Vec<StatusReport>) -> Command {
    let ops = reports.into_iter().map(|report| TaskOp::Report(Box::new(report)));
    Command::Tasks(ops.collect())
}

/// One that is refused takes no others with it.
async fn one_by_one(proposer: &Proposer, reports: Vec<StatusReport>) -> Result<(), ProposeError> {
    for report in reports {
        match proposer.propose(command(vec![report])).await {
            Ok(_) => {}
            Err(ProposeError::Refused(why)) => tracing::warn!(%why, "report refused"),
            Err(why) => return Err(why),
        }
    }
    Ok(())
}

/// The managers of the cluster, as nodes are told.
pub(super) fn managers(published: &Published) -> pb::Managers {
    let managers = published.view.managers().filter_map(|node| {
        let member = node.raft_id?;
        Some(pb::ManagerAddr {
            node: node.id.to_string(),
            addr: node.manager_addr?.to_string(),
            leader: Some(member) == published.standing.leader,
            raft_id: member,
        })
    });
    pb::Managers {
        managers: managers.collect(),
    }
}

/// What a node shall be. It is a manager exactly as long as raft has it as a member: a demoted one is told when it is out.
pub(super) fn identity(view: &View, node: NodeId) -> Option<pb::NodeIdentity> {
    let member = view.node(node)?.raft_id;
    let role = if member.is_some() {
        pb::Role::Manager
    } else {
        pb::Role::Worker
    };
    Some(pb::NodeIdentity {
        role: role.into(),
        raft_id: member.unwrap_or_default(),
        highest_raft_id: view.highest_raft_id(),
    })
}
