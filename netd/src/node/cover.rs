//! The node's private key on the disk of a manager: sealed under the data keys of its log while autolock is on, so that a
//! locked manager's disk shows it no more than the log. Written by the agent; in clear again before the manager goes.

use std::future::pending;

use seal::Keys;
use tokio::time::{Duration, Instant, sleep_until};

use super::Node;

/// Until the next attempt, after one that failed.
const RETRY: Duration = Duration::from_secs(5);

impl Node {
    /// Waits until the node's key does not lie on the disk as its manager wants it.
    pub(super) async fn uncovered(&self) {
        let member = self.member.as_ref();
        let Some((member, manager)) = member.and_then(|member| Some((member, member.manager.as_ref()?))) else {
            return pending().await;
        };
        sleep_until(self.next_cover).await;
        let mut lock = manager.lock();
        loop {
            lock.borrow_and_update();
            if member.covered != Some(manager.cover().map(|keys| keys.current())) {
                return;
            }
            if lock.changed().await.is_err() {
                return pending().await;
            }
        }
    }

    /// Brings it there. What fails is tried again later.
    pub(super) async fn cover(&mut self) {
        let Some(member) = &mut self.member else { return };
        let Some(manager) = member.manager.clone() else { return };
        let keys = manager.cover();
        let under = keys.as_deref().map(Keys::current);
        match member.agent.cover(keys).await {
            Ok(()) => {
                manager.covered(under);
                member.covered = Some(under);
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(error, "the node's key does not lie on the disk as autolock wants it");
                self.next_cover = Instant::now() + RETRY;
            }
        }
    }

    /// Before the data keys go with the manager.
    pub(super) async fn uncover(&mut self) -> anyhow::Result<()> {
        let Some(member) = &mut self.member else { return Ok(()) };
        if member.covered != Some(None) {
            member.agent.cover(None).await?;
            member.covered = Some(None);
        }
        Ok(())
    }
}
