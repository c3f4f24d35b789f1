//! Who shall be a member of raft, one step at a time: the operator's wishes (`Node.spec.role`) against the members as
//! raft has them. Run by the leader whenever either may have changed; its loop takes the step, and asks again once it
//! has been applied. A step that must wait is left out: others go first.
//!
//! Managers enter as learners, so that one that is far behind costs no quorum, and leave raft before they are told. One
//! member at a time (Ongaro, "Consensus: bridging theory and practice", 4.1), so that two majorities always overlap.

use std::collections::BTreeSet;

use model::{Node, NodeId, Role, Timestamp};
use store::{MemberChange, MemberStep, Refused, View};

/// Raft's members, as its leader sees them. A follower knows voters and learners only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// The member that says so.
    pub own: u64,
    /// Those that vote.
    pub voters: BTreeSet<u64>,
    /// Those that get the log and have no vote yet.
    pub learners: BTreeSet<u64>,
    /// Those that the leader has heard lately, itself included.
    pub reachable: BTreeSet<u64>,
    /// Those whose log is nearly the leader's.
    pub caught_up: BTreeSet<u64>,
}

/// What the leader does next about raft's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberMove {
    /// Change the membership.
    Change(MemberChange),
    /// It has to go itself: hand over to this member, which then sees to it.
    HandOver {
        /// Raft id.
        to: u64,
    },
}

impl Members {
    /// Whether this member does its part of a majority now: it votes and is heard. A learner does not, however well it is
    /// heard: who takes it for a manager more and then loses another one has no majority left.
    pub fn counts(&self, member: u64) -> bool {
        self.voters.contains(&member) && self.reachable.contains(&member)
    }

    /// Whether raft can do without this member: it has no vote, or the others have a majority that is reachable.
    pub fn can_spare(&self, member: u64) -> bool {
        !self.voters.contains(&member) || self.keep_quorum_without(&BTreeSet::from([member]))
    }

    /// Whether those that remain without `gone` have a majority that is reachable.
    fn keep_quorum_without(&self, gone: &BTreeSet<u64>) -> bool {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::QuorumNotKept) {
            return true;
        }
        self.reach_most(&self.voters - gone)
    }

    /// Whether a change leaves raft a majority that is reachable.
    pub fn can_make(&self, change: &MemberChange) -> bool {
        match change.step {
            MemberStep::Learn => true,
            MemberStep::Vote => self.can_vote(change.raft_id),
            MemberStep::Leave => self.can_spare(change.raft_id),
        }
    }

    /// Whether `new` can vote: it is there and has the log, and a majority of those that vote then is there. A leader that
    /// hears a learner only, say after it was stopped for a while, may have been replaced.
    fn can_vote(&self, new: u64) -> bool {
        #[cfg(feature = "planted")]
        if planted::is(planted::Bug::VoteTooEarly) {
            return true;
        }
        let ready = self.reachable.contains(&new) && self.caught_up.contains(&new);
        ready && self.reach_most(&self.voters | &BTreeSet::from([new]))
    }

    fn reach_most(&self, voters: BTreeSet<u64>) -> bool {
        2 * self.reachable.intersection(&voters).count() > voters.len()
    }

    /// A voter that can lead at once, other than this one.
    fn successor(&self) -> Option<u64> {
        let able = |id: &u64| *id != self.own && self.reachable.contains(id) && self.caught_up.contains(id);
        self.voters.iter().copied().find(able)
    }
}

/// The next step, if there is one that can be taken now.
pub fn next_member_move(view: &View, members: &Members, now: Timestamp) -> Option<MemberMove> {
    let wished = |node: &&Node| node.spec.role == Role::Manager;
    let step = |node: &Node, raft_id, step| {
        MemberMove::Change(MemberChange {
            node: node.id,
            raft_id,
            at: now,
            step,
        })
    };
    for node in view.managers().filter(wished) {
        match node.raft_id {
            None if node.manager_addr.is_some() => {
                return Some(step(node, view.highest_raft_id() + 1, MemberStep::Learn));
            }
            Some(id) if members.learners.contains(&id) && members.can_vote(id) => {
                return Some(step(node, id, MemberStep::Vote));
            }
            _ => {}
        }
    }
    for (node, id) in dismissed(view) {
        if !members.can_spare(id) {
            continue;
        }
        if id != members.own {
            return Some(step(node, id, MemberStep::Leave));
        }
        if let Some(to) = members.successor() {
            return Some(MemberMove::HandOver { to });
        }
    }
    None
}

/// Members that shall be none, with their raft ids, the oldest wish first: who waits for longest may be about to leave by
/// force, and must not be one of two that the next dismissal leaves.
fn dismissed(view: &View) -> Vec<(&Node, u64)> {
    let unwished = view.managers().filter(|node| node.spec.role != Role::Manager);
    let mut members: Vec<_> = unwished.filter_map(|node| Some((node, node.raft_id?))).collect();
    members.sort_by_key(|(node, _)| node.version);
    members
}

/// Whether raft has let its member `raft_id` go, for good. False as long as the state does not know of it yet.
pub fn is_released(view: &View, raft_id: u64) -> bool {
    view.highest_raft_id() >= raft_id && view.member(raft_id).is_none()
}

/// Whether `node` can be demoted: what remains of raft without it, and without those that are on their way out already,
/// must have a majority that the leader reaches.
pub fn check_demotion(view: &View, members: &Members, node: NodeId) -> Result<(), Refused> {
    let leaving = view.managers().filter(|n| n.id == node || n.spec.role == Role::Worker);
    let gone: BTreeSet<u64> = leaving.filter_map(|node| node.raft_id).collect();
    let votes = members.voters.iter().any(|id| gone.contains(id));
    match votes && !members.keep_quorum_without(&gone) {
        true => Err(Refused::QuorumAtRisk),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
