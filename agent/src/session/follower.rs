//! What this node has of what the managers told it. Pure: whole views and deltas go in, views to act on come out.

use std::sync::Arc;

use model::{NodeView, Unfit, ViewDelta};

/// See the module. One per session; it begins with the view that the last session, or the disk, left.
#[derive(Clone, Debug)]
pub struct Follower {
    view: Option<Arc<NodeView>>,
    checksum: u64,
    /// A delta did not fit: nothing is taken but a whole view.
    lost: bool,
    /// Something was taken in this session.
    begun: bool,
    repairs: u64,
}

impl Follower {
    /// A view from the disk that lacks secrets is none that could be followed.
    pub fn starting(view: Option<Arc<NodeView>>) -> Self {
        let view = view.filter(|view| view.has_payloads());
        Self {
            checksum: view.as_ref().map_or(0, |view| view.checksum()),
            view,
            lost: false,
            begun: false,
            repairs: 0,
        }
    }

    /// Sequence number and checksum of the view; 0 if there is none.
    pub fn known(&self) -> (u64, u64) {
        (self.view.as_ref().map_or(0, |view| view.seq), self.checksum)
    }

    /// A whole view. Not as the first of a session, it repairs what had drifted.
    pub fn take_whole(&mut self, view: NodeView) -> Arc<NodeView> {
        self.repairs += u64::from(self.begun);
        self.checksum = view.checksum();
        self.keep(view)
    }

    /// What changed; `None`: a whole view was asked for and has not come yet. An error has to be told to the manager.
    pub fn take_delta(&mut self, delta: &ViewDelta) -> Result<Option<Arc<NodeView>>, Unfit> {
        if self.lost {
            return Ok(None);
        }
        let changed = match &self.view {
            Some(view) => view.apply(delta),
            None => Err(Unfit::Gap {
                base: delta.base,
                have: 0,
            }),
        };
        match changed {
            Ok(view) => {
                self.checksum = delta.checksum;
                Ok(Some(self.keep(view)))
            }
            Err(why) => {
                self.lost = true;
                self.begun = true;
                Err(why)
            }
        }
    }

    /// How often a whole view had to repair what had drifted; since the last call.
    pub fn repairs(&mut self) -> u64 {
        std::mem::take(&mut self.repairs)
    }

    fn keep(&mut self, view: NodeView) -> Arc<NodeView> {
        let view = Arc::new(view);
        self.view = Some(view.clone());
        (self.lost, self.begun) = (false, true);
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::fixture;

    fn view(seq: u64, tasks: &[u32]) -> NodeView {
        NodeView {
            seq,
            ..fixture::view(tasks)
        }
    }

    #[test]
    fn deltas_are_followed_and_a_gap_waits_for_a_whole_view() {
        let (one, two, three) = (view(1, &[1]), view(2, &[1, 2]), view(3, &[2]));
        let mut follower = Follower::starting(Some(Arc::new(one.clone())));
        assert_eq!(follower.known(), (1, one.checksum()));
        let taken = follower.take_delta(&ViewDelta::between(&one, &two)).unwrap();
        assert_eq!(taken.as_deref(), Some(&two));
        assert_eq!(follower.known(), (2, two.checksum()));
        let gap = ViewDelta::between(&one, &three);
        assert_eq!(follower.take_delta(&gap), Err(Unfit::Gap { base: 1, have: 2 }));
        let next = ViewDelta::between(&two, &three);
        assert_eq!(follower.take_delta(&next), Ok(None), "said once");
        assert_eq!(*follower.take_whole(three.clone()), three);
        assert_eq!((follower.repairs(), follower.repairs()), (1, 0));
        assert_eq!(follower.known(), (3, three.checksum()));
    }

    #[test]
    fn the_first_whole_view_of_a_session_repairs_nothing() {
        let mut follower = Follower::starting(None);
        assert_eq!(follower.known(), (0, 0));
        follower.take_whole(view(1, &[]));
        assert_eq!(follower.repairs(), 0);
    }

    #[test]
    fn what_comes_out_otherwise_than_at_the_managers_is_not_taken() {
        let (one, two) = (view(1, &[1]), view(2, &[2]));
        let mut follower = Follower::starting(Some(Arc::new(view(1, &[3]))));
        let drifted = follower.take_delta(&ViewDelta::between(&one, &two));
        assert!(matches!(drifted, Err(Unfit::Drift { seq: 2, .. })), "{drifted:?}");
        assert_eq!(follower.known().0, 1);
    }
}
