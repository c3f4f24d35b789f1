//! Wakes those who hold a call open when somebody's rights may have changed: a node was removed, or has another role.

use std::{collections::BTreeMap, future::pending};

use model::{NodeId, Role};
use store::{Event, View};
use tokio::sync::{broadcast::error::RecvError, watch};

use crate::proposer::Proposer;

/// A follower of the nodes' roles; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Roster(watch::Receiver<()>);

impl Roster {
    /// Follows the state until the driver ends, and holds nothing that keeps it from ending. Heartbeats and descriptions of
    /// nodes wake nobody.
    pub(crate) fn follow(proposer: &Proposer) -> Self {
        let (changed, roster) = watch::channel(());
        // Taken before the first look: what happens in between is looked at twice.
        let mut events = proposer.events();
        let published = proposer.published();
        let view = move || published.borrow().view.clone();
        let mut known = roles(&view());
        tokio::spawn(async move {
            loop {
                let differs = match events.recv().await {
                    Ok(news) if !news.everything => take(news.events(), &mut known, &view()),
                    Ok(_) | Err(RecvError::Lagged(_)) => {
                        known = roles(&view());
                        true
                    }
                    Err(RecvError::Closed) => return,
                };
                if differs {
                    changed.send_replace(());
                }
            }
        });
        Self(roster)
    }

    /// Waits for the next change; for ever once the driver has ended.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            pending().await
        }
    }
}

fn roles(view: &View) -> BTreeMap<NodeId, Role> {
    view.nodes().map(|node| (node.id, node.spec.role)).collect()
}

/// Brings `known` up to date with the nodes that a batch of events names; whether that made a difference.
fn take<'a>(batch: impl Iterator<Item = &'a Event>, known: &mut BTreeMap<NodeId, Role>, view: &View) -> bool {
    let mut differs = false;
    for event in batch {
        let Event::Node(id) = event else { continue };
        let role = view.node(*id).map(|node| node.spec.role);
        let before = match role {
            Some(role) => known.insert(*id, role),
            None => known.remove(id),
        };
        differs |= before != role;
    }
    differs
}
