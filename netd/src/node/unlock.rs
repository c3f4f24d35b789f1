//! A manager that autolock keeps from starting until somebody brings the key. Its agent runs meanwhile: containers and
//! datapath go on. It has no session: the key of the node's certificate is as sealed as the log, so that the node can call
//! nobody.

use seal::{KeyFileError, UnlockKey};
use wire::pb;

use super::Node;
use crate::refusal::{Outcome, Refusal};

/// Whether a manager did not start for want of the unlock key only.
pub(super) fn is_locked(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(manager::StartError::Keys(KeyFileError::Locked))
    )
}

impl Node {
    /// Starts the manager with the key. A wrong one changes nothing.
    pub(super) async fn unlock(&mut self, request: &pb::UnlockRequest) -> Outcome<()> {
        let key: UnlockKey = request.unlock_key.parse().map_err(Refusal::of_request)?;
        let Some(member) = self.member.clone() else {
            return Err(Refusal::of_state("This node is not part of a swarm"));
        };
        if !member.locked {
            return Err(Refusal::of_state("swarm is not locked"));
        }
        let identity = self.open_identity(Some(&key)).unwrap_or(member.identity);
        let manager = self.parts.manager(&member.place, &identity, Some(key)).await?;
        self.seat(manager, identity).await?;
        self.publish();
        Ok(())
    }
}
