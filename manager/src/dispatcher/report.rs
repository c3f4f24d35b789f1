//! What nodes say and are told, between the wire's words and the model's.

use model::{NodeId, TaskId, TaskStatus};
use store::{StatusReport, View};
use tonic::Status;
use wire::pb;

use crate::{mint, peers::known_managers, raft::Published};

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

/// The managers of the cluster, as nodes are told.
pub(super) fn managers(published: &Published) -> pb::Managers {
    let managers = known_managers(&published.view).map(|known| pb::ManagerAddr {
        leader: Some(known.member) == published.standing.leader,
        ..known.into()
    });
    pb::Managers {
        managers: managers.collect(),
    }
}

/// What a node shall be. It has a raft id exactly as long as raft has it as a member: a demoted one is told when it is out.
pub(super) fn identity(view: &View, node: NodeId) -> Option<pb::NodeIdentity> {
    let node = view.node(node)?;
    Some(pb::NodeIdentity {
        role: pb::Role::from(node.role()).into(),
        raft_id: node.raft_id.unwrap_or_default(),
        highest_raft_id: view.highest_raft_id(),
    })
}
