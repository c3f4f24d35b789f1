//! How a node takes the place again that an earlier run of the daemon left on the disk.

use std::sync::Arc;

use agent::identity::Identity;
use anyhow::{Context, Result};

use super::{Member, Node, Standing, role};
use crate::{
    gate,
    parts::ManagerPart,
    state::{self, NodeState},
};

impl Node {
    /// Starts what the disk says this node is. A node that cannot start says so and stays where it is.
    pub(super) async fn resume(&mut self) {
        match self.restart().await {
            Ok(member) => {
                self.member = member;
                self.publish();
            }
            Err(error) => {
                let why = format!("{error:#}");
                tracing::error!(error = why, "this node cannot take its place in the cluster");
                self.door.send_replace(gate::failed(&why));
                self.standing.send_replace(Standing::Failed(why));
            }
        }
    }

    /// The manager that was here before, or why it cannot start. Agent, containers and datapath go on without it.
    async fn old_manager(&self, place: &NodeState, identity: &Identity) -> (Option<Arc<dyn ManagerPart>>, String) {
        match self.parts.manager(place, identity).await {
            Ok(manager) => (Some(manager), String::new()),
            Err(error) => {
                let why = format!("this node's manager cannot start, and is tried again: {error:#}");
                tracing::error!("{why}");
                (None, why)
            }
        }
    }

    /// Tries once more to start the manager that is missing.
    pub(super) async fn restart_manager(&mut self) {
        let Some(member) = self.member.clone() else { return };
        let (manager, role_error) = self.old_manager(&member.place, &member.identity).await;
        if let Some(manager) = &manager {
            role::keep_told(&member, manager);
        }
        self.member = Some(Member {
            manager,
            role_error,
            ..member
        });
        self.publish();
    }

    async fn restart(&self) -> Result<Option<Member>> {
        let Some(place) = NodeState::load(&self.data_root)? else {
            return Ok(None);
        };
        state::finish(&self.data_root)?;
        let identity = self.parts.identity()?;
        let identity = identity.with_context(|| {
            let root = self.data_root.display();
            format!(
                "{root}/node.json says that this node is in a cluster, but {root}/identity has no certificate: put it \
                 back, or let this node forget the cluster with \"netctl swarm leave --force\""
            )
        })?;
        let (manager, role_error) = match place.manager {
            true => self.old_manager(&place, &identity).await,
            false => (None, String::new()),
        };
        let agent = match self.parts.agent(&place, &identity).await {
            Ok(agent) => agent,
            Err(error) => {
                if let Some(manager) = manager {
                    manager.stop().await;
                }
                return Err(error);
            }
        };
        let member = Member {
            place,
            identity,
            manager,
            agent,
            role_error,
        };
        if let Some(manager) = &member.manager {
            role::keep_told(&member, manager);
        }
        Ok(Some(member))
    }
}
