//! The node's place in a cluster, with one owner: a task that takes orders one after the other. Who gave an order may
//! go away; the order is carried out to its end all the same.

mod anew;
mod cover;
mod enter;
#[cfg(test)]
mod fake;
mod leave;
mod moved;
mod recover;
mod resume;
mod role;
#[cfg(test)]
mod tests;
mod unlock;
mod words;

use std::{future::pending, path::PathBuf, sync::Arc, time::Duration};

use agent::{identity::Identity, session::Calling};
use anyhow::{Result, bail};
use futures::future::BoxFuture;
use seal::{KeyId, UnlockKey};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, sleep_until},
};
use wire::pb;

use crate::{
    gate::{Door, INACTIVE, LOCKED, WORKER},
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
    /// Make one of a backup.
    Restore(pb::RestoreRequest, oneshot::Sender<Outcome<pb::InitResponse>>),
    /// Join one.
    Join(pb::JoinRequest, oneshot::Sender<Outcome<pb::JoinResponse>>),
    /// Open a manager that waits for the unlock key.
    Unlock(pb::UnlockRequest, oneshot::Sender<Outcome<()>>),
    /// Keep in mind where a manager may be.
    JoinAddr(pb::JoinAddrRequest, oneshot::Sender<Outcome<()>>),
    /// Leave it.
    Leave(pb::LeaveRequest, oneshot::Sender<Outcome<()>>),
    /// End, with containers and datapath going on.
    Stop,
}

/// What the owner has to do something about.
enum News {
    /// Somebody orders.
    Order(Order),
    /// Time to try to take the node's place again.
    Retry,
    /// Time to see whether the node still has its addresses.
    Look,
    /// The node has a new certificate.
    Renewed(Identity),
    /// The managers want something else of the node than it is.
    Called(Calling),
    /// The node's key does not lie on the disk as autolock wants it.
    Uncovered,
    /// Raft has let the manager go.
    Dismissed,
    /// The manager cannot go on, and why.
    ManagerFailed(String),
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
    /// Under which data key its key lies on the disk, in clear if under none; `None`: that is not known.
    pub covered: Option<Option<KeyId>>,
    /// It has a manager that waits for the unlock key; the agent goes on.
    pub locked: bool,
    /// The unlock key of a manager that ran and was stopped to go on in another way, as long as none runs.
    pub unlock: Option<UnlockKey>,
    /// Its agent.
    pub agent: Arc<dyn AgentPart>,
    /// Why it is not what the managers want it to be; empty if it is.
    pub role_error: String,
    /// Why it is not where its `place` says; empty if it is.
    pub place_error: String,
}

impl Member {
    /// It is a manager whose manager could not be started: its log, or what is left of it, stays on the disk.
    pub fn lacks_manager(&self) -> bool {
        self.place.manager && self.manager.is_none()
    }
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
    /// Not before then another attempt of a node to take its place again, or to start the manager that it lacks.
    next_start: Instant,
    /// Not before then another attempt to become what the managers want.
    next_role: Instant,
    /// Not before then another attempt to have the node's key on the disk as it should be.
    next_cover: Instant,
    /// Not before then another beginning for the sake of the node's certificate.
    next_anew: Instant,
    /// Since when the node's place is not on this host; `None` while it is.
    lost: Option<Instant>,
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
            next_start: Instant::now(),
            next_role: Instant::now(),
            next_cover: Instant::now(),
            next_anew: Instant::now(),
            lost: None,
        }
    }

    /// Takes the node's place again that an earlier run of the daemon left on the disk, then takes orders, until one
    /// ends it. Fails if the manager cannot go on: a new process may, and the datapath does meanwhile.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) -> Result<()> {
        self.resume(None).await;
        loop {
            match self.news(&mut orders).await {
                News::Order(Order::Init(request, reply)) => drop(reply.send(self.init(&request).await)),
                News::Order(Order::Restore(request, reply)) => drop(reply.send(self.restore(&request).await)),
                News::Order(Order::Join(request, reply)) => drop(reply.send(self.join(&request).await)),
                News::Order(Order::Unlock(request, reply)) => drop(reply.send(self.unlock(&request).await)),
                News::Order(Order::JoinAddr(request, reply)) => drop(reply.send(self.join_addr(&request).await)),
                News::Order(Order::Leave(request, reply)) => drop(reply.send(self.leave(&request).await)),
                News::Order(Order::Stop) => {
                    self.stop().await;
                    return Ok(());
                }
                News::Retry => self.try_again().await,
                News::Look => self.look().await,
                News::Renewed(identity) => self.identify(identity),
                News::Called(calling) => self.follow(calling).await,
                News::Uncovered => self.cover().await,
                News::Dismissed => self.step_down().await,
                News::ManagerFailed(why) => bail!("this node's manager cannot go on: {why}"),
            }
        }
    }

    /// Waits for something to do.
    async fn news(&self, orders: &mut mpsc::Receiver<Order>) -> News {
        let manager = self.member.as_ref().and_then(|member| member.manager.as_ref());
        let failed = manager.map_or_else(|| Box::pin(pending()) as BoxFuture<'static, String>, |m| m.failed());
        let removed = manager.map_or_else(|| Box::pin(pending()) as BoxFuture<'static, ()>, |m| m.removed());
        // What could not be given up is not tried again at once.
        let dismissed = async {
            sleep_until(self.next_role).await;
            removed.await;
        };
        tokio::select! {
            order = orders.recv() => News::Order(order.unwrap_or(Order::Stop)),
            () = sleep_until(self.next_start), if self.has_failed() || self.may_start_manager() => News::Retry,
            () = sleep(moved::LOOK), if self.member.is_some() => News::Look,
            identity = self.renewed() => News::Renewed(identity),
            calling = self.called() => News::Called(calling),
            () = self.uncovered() => News::Uncovered,
            () = dismissed => News::Dismissed,
            why = failed => News::ManagerFailed(why),
        }
    }

    /// Waits for another certificate of this node.
    async fn renewed(&self) -> Identity {
        let Some(member) = &self.member else {
            return pending().await;
        };
        let mut identity = member.agent.identity();
        let has = |of: &Identity| (of.certificate_pem.clone(), of.ca_pem.clone());
        let other = |new: &Identity| has(new) != has(&member.identity);
        let new = identity.wait_for(other).await.map(|new| new.clone());
        match new {
            Ok(new) => new,
            Err(_) => pending().await,
        }
    }

    /// The manager shows a renewed certificate, too.
    fn identify(&mut self, identity: Identity) {
        let Some(member) = &mut self.member else { return };
        let shown = member.manager.as_ref().map(|manager| manager.identify(&identity));
        if let Some(Err(error)) = shown {
            tracing::error!(
                error = format!("{error:#}"),
                "the manager cannot show the renewed certificate"
            );
        }
        member.identity = identity;
        self.publish();
    }

    /// Takes the node's place again, or starts the manager that it lacks.
    async fn try_again(&mut self) {
        match self.may_start_manager() {
            true => self.restart_manager().await,
            false => self.resume(None).await,
        }
        self.next_start = Instant::now() + RESUME;
    }

    /// It lacks its manager for another reason than the unlock key: that may have gone.
    fn may_start_manager(&self) -> bool {
        let missing = |member: &Member| member.lacks_manager() && !member.locked;
        self.member.as_ref().is_some_and(missing)
    }

    /// In a cluster, but not up: what is missing (an address, a file system) may come.
    fn has_failed(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Failed(_))
    }

    async fn stop(&mut self) {
        self.end_parts(Door::Closed(INACTIVE.into())).await;
    }

    /// Callers find `door` from now on.
    async fn end_parts(&mut self, door: Door) {
        let Some(member) = self.member.take() else { return };
        self.door.send_replace(door);
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
                let why = match member.lacks_manager() {
                    true if member.locked => LOCKED,
                    true if !member.role_error.is_empty() => &member.role_error,
                    // Nothing has failed: its manager stops, as it is to be none.
                    _ => WORKER,
                };
                let standing = Standing::Active(Box::new(member.clone()));
                (open.unwrap_or(Door::Closed(why.to_owned().into())), standing)
            }
        };
        self.standing.send_replace(standing);
        self.door.send_replace(door);
    }
}
