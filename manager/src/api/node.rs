//! Nodes, as users ask for them.

use std::collections::BTreeSet;

use model::{Node, NodeId, NodeSpec, NodeState, NodeTrust, Role, Timestamp};
use store::{Command, Kind, Refused, View};
use tonic::Status;
use wire::pb::{self, control_client::ControlClient};

use super::{Api, admission::uncertified, refusal, removed_before, request_id};
use crate::{
    ca::{self, Authority, CaError},
    mint,
    raft::{Outbound, ReadError},
};

/// A node, with what it has of the cluster's authority, and whether that is what it is to have.
fn with_tls(view: &View, wanted: Option<&NodeTrust>, node: Node) -> Result<pb::Node, CaError> {
    let trust = view.node_trust(node.id);
    let tls = trust.map(|trust| ca::tls_info(view, trust)).transpose()?.flatten();
    let tls_current = trust.map(|trust| Some(trust) == wanted);
    Ok(pb::Node {
        tls,
        tls_current,
        ..node.into()
    })
}

/// A worker's role for a node as it is.
fn demotion(view: &View, id: NodeId, at: Timestamp) -> Result<Command, Refused> {
    let missing = || Refused::NotFound {
        kind: Kind::Node,
        what: id.to_string(),
    };
    let node = view.node(id).ok_or_else(missing)?;
    let spec = NodeSpec {
        role: Role::Worker,
        ..node.spec.clone()
    };
    Ok(Command::UpdateNodeSpec {
        id,
        version: node.version,
        at,
        spec,
    })
}

impl Api {
    /// A node by what users call it; "self" is the one that answers.
    pub(super) fn find_node<'a>(&self, view: &'a View, what: &str) -> Result<&'a Node, Refused> {
        let own = if what == "self" { view.node(self.node) } else { None };
        own.map_or_else(|| control::find_node(view, what), Ok)
    }

    pub(super) async fn list_nodes(&self, request: pb::ListNodesRequest) -> Result<pb::ListNodesResponse, Status> {
        let view = self.read().await?;
        let nodes: Vec<Node> = if request.refs.is_empty() {
            view.nodes().cloned().collect()
        } else {
            let found = request.refs.iter().map(|what| self.find_node(&view, what).cloned());
            found.collect::<Result<_, _>>().map_err(|why| refusal::refused(&why))?
        };
        let unreachable = self.unreachable(&view).await;
        let wanted = Authority::of(&view).map(|authority| authority.wanted()).transpose();
        let wanted = wanted.map_err(|why| uncertified(&why))?;
        let nodes = nodes.into_iter().map(|node| with_tls(&view, wanted.as_ref(), node));
        Ok(pb::ListNodesResponse {
            unreachable,
            nodes: nodes.collect::<Result<_, _>>().map_err(|why| uncertified(&why))?,
            self_: self.node.to_string(),
            leader: self.proposer.leader().map(|node| node.to_string()).unwrap_or_default(),
        })
    }

    /// Only the leader has sessions to ask by.
    pub(super) async fn probe_nodes(&self, request: pb::ProbeNodesRequest) -> Result<pb::ProbeNodesResponse, Status> {
        let view = self.read().await?;
        match self.proposer.leader() {
            Some(leader) if leader == self.node => {}
            Some(leader) if !request.passed_on => return self.probe_by(leader, &view).await,
            _ => return Err(Status::unavailable("no manager leads just now: try again")),
        }
        let up = view.nodes().filter(|node| node.status.state == NodeState::Ready);
        let nodes: BTreeSet<NodeId> = up.map(|node| node.id).collect();
        let mut found = self.dispatcher.probe(&nodes).await;
        let probes = nodes.iter().map(|id| {
            let report = found.remove(id);
            let answered = report.is_some();
            let report = report.unwrap_or_default();
            pb::NodeProbe {
                node: id.to_string(),
                answered,
                failures: report.failures,
                clock: report.clock,
            }
        });
        Ok(pb::ProbeNodesResponse {
            nodes: probes.collect(),
        })
    }

    async fn probe_by(&self, leader: NodeId, view: &View) -> Result<pb::ProbeNodesResponse, Status> {
        let member = view.node(leader).and_then(|node| node.raft_id);
        let member = member.ok_or_else(|| Status::unavailable("the leader is not known"))?;
        let channel = self.peers.connect(member).await.map_err(Status::unavailable)?;
        let request = pb::ProbeNodesRequest { passed_on: true };
        let answer = ControlClient::new(channel).probe_nodes(request).await?;
        Ok(answer.into_inner())
    }

    pub(super) async fn update_node(&self, request: pb::UpdateNodeRequest) -> Result<pb::Node, Status> {
        let request_id = request_id(&request.request)?;
        let view = self.read().await?;
        let node = self
            .find_node(&view, &request.r#ref)
            .map_err(|why| refusal::refused(&why))?;
        let spec = NodeSpec::try_from(request.spec.unwrap_or_default()).map_err(|why| refusal::invalid(&why))?;
        let (id, version, at) = (node.id, request.version, mint::now());
        if spec.role == Role::Worker && node.spec.role == Role::Manager {
            self.check_demotion(&view, id).await?;
        }
        let plan = move |_: &View| {
            let spec = spec.clone();
            Ok(Command::UpdateNodeSpec { id, version, at, spec })
        };
        let view = self.queue.change(request_id, plan).await?;
        let found = view.node(id).cloned();
        found
            .map(Into::into)
            .ok_or_else(|| Status::aborted("the node was removed at the same time"))
    }

    /// As `node demote self`, whatever else becomes of the node meanwhile.
    pub(crate) async fn demote_itself(&self) -> Result<(), Status> {
        let view = self.read().await?;
        let (id, at) = (self.node, mint::now());
        if view.node(id).is_some_and(|node| node.spec.role == Role::Manager) {
            self.check_demotion(&view, id).await?;
        }
        let plan = move |view: &View| demotion(view, id, at);
        self.queue.change_newest(mint::request(), plan).await.map(drop)
    }

    /// Refuses what raft could not survive. The last manager is refused by the state itself.
    async fn check_demotion(&self, view: &View, node: NodeId) -> Result<(), Status> {
        let managers = view.managers().filter(|node| node.spec.role == Role::Manager);
        if managers.count() == 1 {
            return Err(refusal::refused(&Refused::LastManager));
        }
        let members = self.members().await;
        let members = members.ok_or_else(|| Status::unavailable(ReadError::NoLeader.to_string()))?;
        control::check_demotion(view, &members, node).map_err(|why| refusal::refused(&why))
    }

    pub(super) async fn remove_node(&self, request: pb::RemoveRequest) -> Result<pb::RemoveResponse, Status> {
        let request_id = request_id(&request.request)?;
        let view = self.read().await?;
        if let Some(before) = removed_before(&view, request_id, &request.r#ref) {
            return before;
        }
        let id = self
            .find_node(&view, &request.r#ref)
            .map_err(|why| refusal::refused(&why))?
            .id;
        let (at, force) = (mint::now(), request.force);
        self.queue
            .change(request_id, move |_| Ok(Command::RemoveNode { id, at, force }))
            .await?;
        Ok(pb::RemoveResponse { id: id.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use store::State;

    use super::*;

    #[test]
    fn a_node_is_demoted_as_it_is_by_then() {
        let (id, at) = (NodeId::from_bits(1), Timestamp(1));
        let mut state = State::default();
        for (node, raft) in [(id, 1), (NodeId::from_bits(2), 2)] {
            let mut join = Command::join(node, at, Role::Manager, [192, 0, 2, 1].into());
            if let Command::UpsertNode(node) = &mut join {
                node.raft_id = Some(raft);
            }
            state.apply_draft(join).unwrap();
        }
        let before = demotion(&state, id, at).unwrap();
        state.apply_nothing(5);
        let mut label = state.node(id).unwrap().spec.clone();
        label.labels.insert("disk".to_owned(), "ssd".to_owned());
        let change = Command::UpdateNodeSpec {
            id,
            version: state.node(id).unwrap().version,
            at,
            spec: label.clone(),
        };
        state.apply_draft(change).unwrap();
        let outdated = state.apply_draft(before).unwrap_err();
        assert!(matches!(outdated, Refused::OutOfSequence { .. }), "{outdated}");
        state.apply_draft(demotion(&state, id, at).unwrap()).unwrap();
        let after = &state.node(id).unwrap().spec;
        assert_eq!((after.role, &after.labels), (Role::Worker, &label.labels));
    }
}
