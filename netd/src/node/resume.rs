//! How a node takes the place again that an earlier run of the daemon left on the disk.

use std::sync::Arc;

use agent::identity::Identity;
use anyhow::{Context, Result};
use seal::UnlockKey;

use super::{Member, Node, Standing, role, unlock::is_locked};
use crate::{
    gate,
    parts::ManagerPart,
    state::{self, NodeState},
};

/// What became of the manager that the disk says this node is.
#[derive(Default)]
struct Seat {
    manager: Option<Arc<dyn ManagerPart>>,
    /// It waits for the unlock key.
    locked: bool,
    /// Why it cannot start otherwise; empty if it did.
    error: String,
}

impl Node {
    /// Starts what the disk says this node is; `unlock` opens its manager if autolock is on. A node that cannot start
    /// says so and stays where it is.
    pub(super) async fn resume(&mut self, unlock: Option<UnlockKey>) {
        match self.restart(unlock).await {
            Ok(member) => {
                self.member = member;
                self.publish();
            }
            Err(error) => self.fail(&error),
        }
    }

    /// The node is in no cluster as far as anybody can see, but will try again.
    fn fail(&mut self, error: &anyhow::Error) {
        let why = format!("{error:#}");
        tracing::error!(error = why, "this node cannot take its place in the cluster");
        self.member = None;
        self.door.send_replace(gate::failed(&why));
        self.standing.send_replace(Standing::Failed(why));
    }

    /// The manager that was here before, or why it cannot start. Agent, containers and datapath go on without it.
    async fn old_manager(&self, place: &NodeState, identity: &Identity, unlock: Option<UnlockKey>) -> Seat {
        match self.parts.manager(place, identity, unlock).await {
            Ok(manager) => Seat {
                manager: Some(manager),
                ..Seat::default()
            },
            Err(error) if is_locked(&error) => {
                tracing::warn!("the manager waits for \"netctl swarm unlock\"; the agent goes on");
                Seat {
                    locked: true,
                    ..Seat::default()
                }
            }
            Err(error) => {
                let why = format!("this node's manager cannot start, and is tried again: {error:#}");
                tracing::error!("{why}");
                Seat {
                    error: why,
                    ..Seat::default()
                }
            }
        }
    }

    /// Tries once more to start the manager that is missing.
    pub(super) async fn restart_manager(&mut self) {
        let Some(member) = self.member.clone() else { return };
        let unlock = member.unlock.clone();
        let identity = self.open_identity(unlock.as_ref());
        let identity = identity.unwrap_or_else(|| member.identity.clone());
        let seat = self.old_manager(&member.place, &identity, unlock).await;
        self.member = Some(Member {
            locked: seat.locked,
            role_error: seat.error,
            ..member
        });
        if let Some(manager) = seat.manager
            && self.seat(manager, identity).await.is_err()
        {
            // The node has failed, and has said so.
            return;
        }
        self.publish();
    }

    /// The node's identity if its key, which was sealed, can be read by now.
    pub(super) fn open_identity(&self, unlock: Option<&UnlockKey>) -> Option<Identity> {
        let found = self.parts.identity(unlock).ok().flatten();
        found.filter(|identity| !identity.is_sealed())
    }

    /// Gives the node its manager.
    pub(super) async fn seat(&mut self, manager: Arc<dyn ManagerPart>, identity: Identity) -> Result<()> {
        self.introduce(&manager, identity).await?;
        let Some(member) = &mut self.member else { return Ok(()) };
        role::keep_told(member, &manager);
        member.manager = Some(manager);
        member.covered = None;
        member.locked = false;
        member.unlock = None;
        member.role_error.clear();
        Ok(())
    }

    /// An agent that could not show who its node is, for its key was sealed or its certificate had ended, begins anew with
    /// `identity`, or what the manager has signed; forwarding goes on meanwhile.
    pub(super) async fn introduce(&mut self, manager: &Arc<dyn ManagerPart>, identity: Identity) -> Result<()> {
        let Some(member) = &mut self.member else { return Ok(()) };
        let signed = manager.signed();
        if !member.identity.is_sealed() && signed.is_none() {
            return Ok(());
        }
        let identity = signed.unwrap_or(identity);
        member.agent.stop().await;
        match self.parts.agent(&member.place, &identity).await {
            Ok(agent) => member.agent = agent,
            Err(error) => {
                manager.stop().await;
                self.fail(&error);
                return Err(error);
            }
        }
        member.identity = identity;
        Ok(())
    }

    async fn restart(&self, unlock: Option<UnlockKey>) -> Result<Option<Member>> {
        let Some(mut place) = NodeState::load(&self.data_root)? else {
            return Ok(None);
        };
        place.settle(&self.data_root)?;
        state::finish(&self.data_root)?;
        self.parts.hint(&place.peers);
        let identity = self.parts.identity(unlock.as_ref())?;
        let identity = identity.with_context(|| {
            let root = self.data_root.display();
            format!(
                "{root}/node.json says that this node is in a cluster, but {root}/identity has no certificate: put it \
                 back, or let this node forget the cluster with \"netctl swarm leave --force\""
            )
        })?;
        let seat = match place.manager {
            true => self.old_manager(&place, &identity, unlock.clone()).await,
            false => Seat::default(),
        };
        let signed = seat.manager.as_ref().and_then(|manager| manager.signed());
        let identity = signed.unwrap_or(identity);
        let agent = match self.parts.agent(&place, &identity).await {
            Ok(agent) => agent,
            Err(error) => {
                if let Some(manager) = seat.manager {
                    manager.stop().await;
                }
                return Err(error);
            }
        };
        let member = Member {
            place,
            identity,
            unlock: unlock.filter(|_| seat.manager.is_none()),
            manager: seat.manager,
            covered: None,
            locked: seat.locked,
            agent,
            role_error: seat.error,
            place_error: String::new(),
        };
        if let Some(manager) = &member.manager {
            role::keep_told(&member, manager);
        }
        Ok(Some(member))
    }
}
