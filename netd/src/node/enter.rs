//! How a node gets into a cluster: by making one, or by joining one.
//!
//! Either all of it happens or nothing stays: what was started is stopped and what was written is swept away.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use agent::identity::{Identity, JoinRequest};
use anyhow::Result;
use futures::future::BoxFuture;
use manager::InitParams;
use model::JoinToken;
use tokio::time::{sleep, timeout};
use wire::pb;

use super::{
    Member, Node, Standing, role,
    words::{availability, remote, root, settings},
};
use crate::{
    advertise::{CONTROL_PORT, choose, choose_towards, listen},
    parts::ManagerPart,
    preflight,
    refusal::{Outcome, Refusal},
    state::{self, NodeState},
};

const ALREADY: &str =
    "This node is already part of a swarm. Use \"netctl swarm leave\" to leave this swarm and join another one.";
const SESSION_LATE: &str = "Timeout was reached before node joined. The attempt to join the swarm will continue in the \
    background. Use the \"netctl info\" command to see the current swarm status of your node.";
/// How long a node that has entered waits for its first session, and how often it looks.
const SESSION: Duration = Duration::from_secs(20);
const SESSION_POLL: Duration = Duration::from_millis(20);

/// A manager whose cluster has just begun, and who its node is.
pub(super) type Founded<'a> = BoxFuture<'a, Result<(Arc<dyn ManagerPart>, Identity)>>;

/// What the first manager of a cluster is told; `None` if nobody could join it.
pub(super) fn welcome(
    identity: &Identity,
    place: &NodeState,
    manager: &Arc<dyn ManagerPart>,
) -> Option<pb::InitResponse> {
    Some(pb::InitResponse {
        node: identity.node.to_string(),
        worker_token: manager.worker_token()?,
        manager_addr: place.advertise_addr.to_string(),
        unlock_key: manager.unlock_key(),
        former_managers: Vec::new(),
    })
}

impl Node {
    /// Makes a cluster with this node as its manager.
    pub(super) async fn init(&mut self, request: &pb::InitRequest) -> Outcome<pb::InitResponse> {
        if request.force_new_cluster {
            return self.force_new_cluster(request).await;
        }
        let init = InitParams {
            settings: settings(request)?,
            availability: availability(request.availability())?,
            root: root(request)?,
            ..InitParams::new()
        };
        let place = self
            .place(
                &request.advertise_addr,
                &request.listen_addr,
                &request.data_path_addr,
                None,
            )
            .await?;
        let hint = "choose another with --data-path-port PORT";
        self.parts.fit(&place, init.settings.data_port, hint)?;
        let parts = self.parts.clone();
        let at = place.clone();
        let made = parts.bootstrap(&at, init);
        self.found(place, made).await
    }

    /// Makes this node the manager of a cluster that `made` begins: a new one, or one of a backup.
    pub(super) async fn found(&mut self, place: NodeState, made: Founded<'_>) -> Outcome<pb::InitResponse> {
        self.standing.send_replace(Standing::Pending);
        let entered = self.founded(place, made).await;
        self.publish();
        let answer = entered?;
        // A user's next command is to find this node ready; a manager that came up needs no words if it is not.
        let _ = self.session().await;
        Ok(answer)
    }

    async fn founded(&mut self, mut place: NodeState, made: Founded<'_>) -> Outcome<pb::InitResponse> {
        state::begin(&self.data_root)?;
        let (manager, identity) = match made.await {
            Ok(made) => made,
            Err(error) => return Err(self.undo(None, error).await),
        };
        place.managers = vec![place.advertise_addr];
        let Some(answer) = welcome(&identity, &place, &manager) else {
            let error = anyhow::anyhow!("the cluster has no join token");
            return Err(self.undo(Some(manager), error).await);
        };
        self.settle(place, identity, Some(manager)).await?;
        Ok(answer)
    }

    /// Joins the cluster of a manager.
    pub(super) async fn join(&mut self, request: &pb::JoinRequest) -> Outcome<pb::JoinResponse> {
        let token: JoinToken = request.token.parse().map_err(Refusal::of_request)?;
        let remote = remote(&request.remote_addr).await?;
        let availability = availability(request.availability())?;
        let (advertise, data_path) = (&request.advertise_addr, &request.data_path_addr);
        let mut place = self
            .place(advertise, &request.listen_addr, data_path, Some(remote))
            .await?;
        let hint = "free it, or give the whole cluster another with \"netctl swarm init --data-path-port\"";
        let data_port = self.parts.data_port(&remote.to_string()).await?;
        self.parts.fit(&place, data_port, hint)?;
        self.standing.send_replace(Standing::Pending);
        let join = JoinRequest {
            remote: remote.to_string(),
            token,
            availability,
            addr: place.advertise_addr.to_string(),
        };
        place.managers = vec![remote];
        let joined = self.admit(place, &join).await;
        self.publish();
        let answer = joined?;
        self.session().await?;
        if answer.role() == pb::Role::Manager {
            self.promotion().await?;
        }
        Ok(answer)
    }

    /// Waits until the managers know that this node is there.
    pub(super) async fn session(&self) -> Outcome<()> {
        let Some(member) = &self.member else { return Ok(()) };
        let connected = async {
            while !member.agent.status().connected {
                sleep(SESSION_POLL).await;
            }
        };
        timeout(SESSION, connected)
            .await
            .map_err(|_| Refusal::of_state(SESSION_LATE))
    }

    async fn admit(&mut self, place: NodeState, join: &JoinRequest) -> Outcome<pb::JoinResponse> {
        state::begin(&self.data_root)?;
        let identity = match self.parts.join(join).await {
            Ok(identity) => identity,
            Err(error) => return Err(self.undo(None, error).await),
        };
        let (node, role) = (identity.node.to_string(), identity.role);
        self.settle(place, identity, None).await?;
        Ok(pb::JoinResponse {
            node,
            role: pb::Role::from(role).into(),
        })
    }

    /// Keeps the identity, starts the agent, and only then writes that this node is in a cluster.
    async fn settle(
        &mut self,
        mut place: NodeState,
        identity: Identity,
        manager: Option<Arc<dyn ManagerPart>>,
    ) -> Outcome<()> {
        place.manager = manager.is_some();
        place.last_member = manager.as_ref().map_or(0, |manager| manager.member());
        let started = async {
            self.parts.keep(&identity)?;
            let agent = self.parts.agent(&place, &identity).await?;
            if let Err(error) = place.save(&self.data_root) {
                // What it has put into the kernel must not outlive it; the error that counts is the first.
                if let Err(second) = agent.leave().await {
                    tracing::warn!(error = %second, "taking the agent back");
                }
                return Err(error);
            }
            Ok(agent)
        };
        match started.await {
            Ok(agent) => {
                if let Err(error) = state::finish(&self.data_root) {
                    // node.json counts for more, and the next start looks again.
                    tracing::warn!(error = format!("{error:#}"), "this node is in the cluster");
                }
                let member = Member {
                    place,
                    identity,
                    manager,
                    covered: None,
                    locked: false,
                    unlock: None,
                    agent,
                    role_error: String::new(),
                    place_error: String::new(),
                };
                if let Some(manager) = &member.manager {
                    role::keep_told(&member, manager);
                }
                self.member = Some(member);
                Ok(())
            }
            Err(error) => Err(self.undo(manager, error).await),
        }
    }

    /// Stops what was started and sweeps away what was written; gives the refusal for `error`.
    async fn undo(&self, manager: Option<Arc<dyn ManagerPart>>, error: anyhow::Error) -> Refusal {
        if let Some(manager) = manager {
            manager.stop().await;
        }
        if let Err(second) = state::sweep(&self.data_root) {
            tracing::warn!(error = %second, "sweeping");
        }
        error.into()
    }

    /// Where this node would be, if it is fit for a cluster at all. `remote`: a manager of that cluster, if there is one.
    pub(super) async fn place(
        &self,
        advertise: &str,
        listen_at: &str,
        data_path: &str,
        remote: Option<SocketAddr>,
    ) -> Outcome<NodeState> {
        if self.member.is_some() || self.has_failed() {
            return Err(Refusal::of_state(ALREADY));
        }
        preflight::engine(&self.parts.engine().await?)?;
        let host = self.parts.addresses()?;
        let listen_addr = listen("--listen-addr", listen_at, &host)?;
        let routed = || self.parts.source(remote?);
        let mut advertise_addr = choose_towards("--advertise-addr", advertise, &host, routed)?;
        if advertise_addr.port() == CONTROL_PORT {
            advertise_addr.set_port(listen_addr.port());
        }
        let data_path_addr = match data_path {
            "" => advertise_addr.ip(),
            text => choose("--data-path-addr", text, &host)?.ip(),
        };
        let mut place = NodeState::new(advertise_addr, listen_addr, data_path_addr);
        (place.advertise_given, place.data_path_given) = (advertise.to_owned(), data_path.to_owned());
        Ok(place)
    }
}
