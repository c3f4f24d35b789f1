//! How a node takes the place again that an earlier run of the daemon left on the disk.

use anyhow::{Context, Result};

use super::{Member, Node, Standing, role};
use crate::{
    gate,
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
        let manager = match place.manager {
            true => Some(self.parts.manager(&place, &identity).await?),
            false => None,
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
            role_error: String::new(),
        };
        if let Some(manager) = &member.manager {
            role::keep_told(&member, manager);
        }
        Ok(Some(member))
    }
}
