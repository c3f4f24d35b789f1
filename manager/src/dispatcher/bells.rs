//! A session sleeps until something changed for its node: its bell rings then.
//!
//! What must stay true: a bell that rings while its session is busy rings once when it is back.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use control::Touched;
use futures::FutureExt as _;
use model::NodeId;
use tokio::{sync::Notify, time::sleep_until};

use super::pace::Turn;

type Key = (NodeId, u128);

/// The bells of all sessions; a handle, cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Bells(Arc<Mutex<BTreeMap<Key, Arc<Rings>>>>);

/// Of one bell.
#[derive(Default)]
struct Rings {
    any: Notify,
    /// Besides: traffic is taken from an endpoint.
    urgent: Notify,
}

impl Rings {
    fn ring(&self, urgent: bool) {
        self.any.notify_one();
        if urgent {
            self.urgent.notify_one();
        }
    }
}

impl Bells {
    /// A bell for a session; it rings once at first.
    pub fn hang(&self, node: NodeId, session: u128) -> Bell {
        let (key, rings) = ((node, session), Arc::new(Rings::default()));
        rings.any.notify_one();
        self.locked().insert(key, rings.clone());
        Bell {
            key,
            rings,
            bells: self.clone(),
        }
    }

    /// How many hang.
    pub fn count(&self) -> usize {
        self.locked().len()
    }

    /// Rings those of the nodes that are touched.
    pub fn ring(&self, touched: &Touched) {
        let bells = self.locked();
        if touched.everyone {
            return bells.values().for_each(|rings| rings.ring(touched.urgent));
        }
        for node in &touched.nodes {
            let own = bells.range((*node, 0)..=(*node, u128::MAX));
            own.for_each(|(_, rings)| rings.ring(touched.urgent));
        }
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Rings>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's bell; taken down when dropped.
pub(super) struct Bell {
    key: Key,
    rings: Arc<Rings>,
    bells: Bells,
}

impl Bell {
    /// Waits until it rings, or has rung since the last time, and it is the session's turn.
    pub async fn rung(&self, turn: Turn) {
        let Rings { any, urgent } = &*self.rings;
        let in_turn = async {
            sleep_until(turn.any).await;
            any.notified().await;
        };
        let soon = async {
            sleep_until(turn.urgent).await;
            urgent.notified().await;
        };
        tokio::select! {
            () = in_turn => {}
            () = soon => {}
        }
        // Whatever rang until now is on the board.
        let _ = (any.notified().now_or_never(), urgent.notified().now_or_never());
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.bells.locked().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn touching(node: NodeId, urgent: bool) -> Touched {
        let mut touched = Touched::default();
        touched.nodes.insert(node);
        touched.urgent = urgent;
        touched
    }

    #[tokio::test(start_paused = true)]
    async fn a_bell_rings_in_turn_and_for_what_is_urgent_before() {
        let (bells, node) = (Bells::default(), NodeId::from_bits(1));
        let bell = bells.hang(node, 7);
        bell.rung(Turn::now()).await;
        let began = Instant::now();
        let turn = Turn {
            any: began + 10 * SECOND,
            urgent: began + SECOND,
        };
        bells.ring(&touching(NodeId::from_bits(2), true));
        bells.ring(&touching(node, false));
        assert!(timeout(9 * SECOND, bell.rung(turn)).await.is_err(), "not its turn");
        bells.ring(&touching(node, true));
        assert!(timeout(SECOND / 2, bell.rung(turn)).await.is_ok());
        let later = began + 20 * SECOND;
        let turn = Turn {
            any: later,
            urgent: later,
        };
        assert!(timeout(60 * SECOND, bell.rung(turn)).await.is_err(), "once for all");
        drop(bell);
        assert_eq!(bells.count(), 0);
    }
}
