//! The node's place in a cluster, with one owner: a task that takes orders one after the other. Who gave an order may
//! go away; the order is carried out to its end all the same.

mod enter;
mod leave;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc, time::Duration};

use agent::identity::Identity;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use wire::pb;

use crate::{
    gate::{Door, INACTIVE, WORKER},
    parts::{AgentPart, ManagerPart, Parts},
    refusal::Outcome,
    state::NodeState,
};

/// Between two attempts of a node to take its place again.
const RESUME: Duration = Duration::from_secs(5);

/// What the owner is asked to do.
pub enum Order {
    /// Make a cluster.
    Init(pb::InitRequest, oneshot::Sender<Outcome<pb::InitResponse>>),
    /// Join one.
    Join(pb::JoinRequest, oneshot::Sender<Outcome<pb::JoinResponse>>),
    /// Leave it.
    Leave(pb::LeaveRequest, oneshot::Sender<Outcome<()>>),
    /// End, with containers and datapath going on.
    Stop(oneshot::Sender<()>),
}

/// A node that is part of a cluster.
#[derive(Clone)]
pub struct Member {
    /// Where it is.
    pub place: NodeState,
    /// Who it is.
    pub identity: Identity,
    /// Its manager, if it has one.
    pub manager: Option<Arc<dyn ManagerPart>>,
    /// Its agent.
    pub agent: Arc<dyn AgentPart>,
}

/// How the node is, for everybody to see.
#[derive(Clone, Default)]
pub enum Standing {
    /// In no cluster.
    #[default]
    Inactive,
    /// On the way into or out of one.
    Pending,
    /// In one.
    Active(Box<Member>),
    /// In one, but it could not be started; the words say why.
    Failed(String),
}

/// The owner.
pub struct Node {
    parts: Arc<dyn Parts>,
    data_root: PathBuf,
    door: watch::Sender<Door>,
    standing: watch::Sender<Standing>,
    member: Option<Member>,
}

impl Node {
    /// A node in no cluster, until [`Node::resume`] finds otherwise.
    pub fn new(
        parts: Arc<dyn Parts>,
        data_root: PathBuf,
        door: watch::Sender<Door>,
        standing: watch::Sender<Standing>,
    ) -> Self {
        Self {
            parts,
            data_root,
            door,
            standing,
            member: None,
        }
    }

    /// Takes the node's place again that an earlier run of the daemon left on the disk, then takes orders.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        self.resume().await;
        loop {
            let order = match self.has_failed() {
                false => orders.recv().await,
                true => match timeout(RESUME, orders.recv()).await {
                    Ok(order) => order,
                    Err(_) => {
                        self.resume().await;
                        continue;
                    }
                },
            };
            let Some(order) = order else { return };
            match order {
                Order::Init(request, reply) => drop(reply.send(self.init(&request).await)),
                Order::Join(request, reply) => drop(reply.send(self.join(&request).await)),
                Order::Leave(request, reply) => drop(reply.send(self.leave(&request).await)),
                Order::Stop(reply) => {
                    self.stop().await;
                    let _ = reply.send(());
                    return;
                }
            }
        }
    }

    /// In a cluster, but not up: what is missing (an address, a file system) may come.
    fn has_failed(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Failed(_))
    }

    async fn stop(&mut self) {
        let Some(member) = self.member.take() else { return };
        self.door.send_replace(Door::Closed(INACTIVE.into()));
        member.agent.stop().await;
        if let Some(manager) = member.manager {
            manager.stop().await;
        }
    }

    /// Tells everybody how the node is now, and opens or closes the cluster's API.
    fn publish(&self) {
        let (door, standing) = match &self.member {
            None => (Door::Closed(INACTIVE.into()), Standing::Inactive),
            Some(member) => {
                let open = member.manager.as_ref().map(|manager| Door::Open(manager.routes()));
                let standing = Standing::Active(Box::new(member.clone()));
                (open.unwrap_or(Door::Closed(WORKER.into())), standing)
            }
        };
        self.standing.send_replace(standing);
        self.door.send_replace(door);
    }
}
