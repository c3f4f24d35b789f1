//! How a node gets out of a cluster: tells it, takes everything of ours off this host, forgets.

use wire::pb;

use super::{Node, Standing};
use crate::{
    refusal::{Outcome, Refusal},
    state,
};

const NOT_IN: &str = "This node is not part of a swarm";
const LAST_MANAGER: &str = "You are attempting to leave the swarm on a node that is participating as a manager. \
    Removing the last manager erases all current state of the swarm. Use the --force option to ignore this message.";
const MANAGER: &str = "You are attempting to leave the swarm on a node that is participating as a manager. \
    The only way to restore a swarm that has lost consensus is to reinitialize it with \"--force-new-cluster\". \
    Use the --force option to ignore this message.";

impl Node {
    /// Leaves the cluster. Without force a manager is refused, and so is a node that cannot clean up.
    pub(super) async fn leave(&mut self, request: &pb::LeaveRequest) -> Outcome<()> {
        let Some(member) = self.member.clone() else {
            return self.forget(request.force);
        };
        if let Some(manager) = member.manager.as_ref().filter(|_| !request.force) {
            let last = manager.summary().managers <= 1;
            return Err(Refusal::of_state(if last { LAST_MANAGER } else { MANAGER }));
        }
        if member.lacks_manager() && !request.force {
            return Err(Refusal::of_state(MANAGER));
        }
        self.standing.send_replace(Standing::Pending);
        if let Some(manager) = &member.manager {
            // The others go on without this one, if they can; by force it leaves in any case.
            match manager.retire().await {
                Ok(()) => drop(self.session().await),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "leaving as a manager"),
            }
        }
        if let Err(error) = member.agent.leave().await {
            if !request.force {
                self.resume(None).await;
                let words = format!("{error:#}. Use the --force option to leave all the same.");
                return Err(Refusal::of_state(words));
            }
            tracing::warn!(error = format!("{error:#}"), "leaving all the same");
        }
        if let Some(manager) = &member.manager {
            manager.stop().await;
        }
        self.member = None;
        let swept = state::sweep(&self.data_root);
        self.publish();
        Ok(swept?)
    }

    /// A node that could not be started may still be told to forget its cluster.
    fn forget(&mut self, force: bool) -> Outcome<()> {
        let failed = match &*self.standing.borrow() {
            Standing::Failed(why) => why.clone(),
            _ => return Err(Refusal::of_state(NOT_IN)),
        };
        if !force {
            let words =
                format!("this node could not be started ({failed}). Use the --force option to forget its cluster.");
            return Err(Refusal::of_state(words));
        }
        state::sweep(&self.data_root)?;
        self.publish();
        Ok(())
    }
}
