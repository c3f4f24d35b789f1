//! What must hold of raft's members: a model of its own, moved on by each change that is carried out for the first time,
//! against what the managers do and say.

use std::collections::{BTreeMap, BTreeSet};

use control::Members;
use model::RequestId;
use store::{MemberChange, MemberStep, State};

use super::Checked;

/// See the module.
#[derive(Debug, Default)]
pub struct Membership {
    voters: BTreeSet<u64>,
    learners: BTreeSet<u64>,
    /// All that there ever were.
    used: BTreeSet<u64>,
    /// Terms of leaders that knew a member to be gone when they began; the first for each.
    gone_in: BTreeMap<u64, u64>,
    /// What leaders have asked for.
    asked: BTreeMap<RequestId, MemberChange>,
    /// What of that was carried out.
    done: BTreeSet<RequestId>,
    /// The change that each leader (term) waits for.
    waits: BTreeMap<u64, RequestId>,
}

impl Membership {
    /// A cluster that begins with these voters.
    pub fn of(voters: impl Iterator<Item = u64>) -> Self {
        let voters: BTreeSet<u64> = voters.collect();
        Self {
            used: voters.clone(),
            voters,
            ..Self::default()
        }
    }

    /// The leader of `term` was allowed to ask for a change, seeing these members: what it needs for a majority afterwards
    /// it must have heard lately, and it asks for one change at a time.
    pub fn asked(&mut self, term: u64, request: RequestId, change: MemberChange, seen: &Members) -> Checked {
        let voters = voters_after(&seen.voters, &change);
        let reached = voters.intersection(&seen.reachable).count();
        ensure!(
            2 * reached > voters.len() || voters == seen.voters,
            "{change:?} costs the quorum: of {voters:?} only {:?} are heard",
            seen.reachable
        );
        if let Some(other) = self.waits.insert(term, request) {
            return Err(format!(
                "two changes of the membership at once: {:?} and {change:?}",
                self.asked[&other]
            ));
        }
        self.asked.insert(request, change);
        Ok(())
    }

    /// The leader of `term` knows what came of a change.
    pub fn answered(&mut self, term: u64, request: RequestId) {
        if self.waits.get(&term) == Some(&request) {
            self.waits.remove(&term);
        }
    }

    /// An entry was carried out for the first time. True if it was a change of the membership.
    pub fn applied(&mut self, request: RequestId) -> Result<bool, String> {
        let Some(MemberChange { raft_id, step, .. }) = self.asked.get(&request).copied() else {
            return Ok(false);
        };
        if !self.done.insert(request) {
            return Ok(false);
        }
        match step {
            MemberStep::Learn => {
                ensure!(self.used.insert(raft_id), "raft id {raft_id} is used again");
                self.learners.insert(raft_id);
            }
            MemberStep::Vote => {
                ensure!(
                    self.learners.remove(&raft_id),
                    "member {raft_id} votes without having learned"
                );
                self.voters.insert(raft_id);
            }
            MemberStep::Leave => {
                let known = self.voters.remove(&raft_id) | self.learners.remove(&raft_id);
                ensure!(known, "member {raft_id} leaves twice");
            }
        }
        Ok(true)
    }

    /// A manager has started with this state. It may have carried out first what its disk held, and others hear of it by
    /// what it says from now on.
    pub fn started(&mut self, state: &State) -> Checked {
        let unseen = self.asked.iter().filter(|(request, _)| !self.done.contains(request));
        let carried_out = unseen.filter(|(request, _)| matches!(state.outcome(**request), Some(Ok(()))));
        let mut requests: Vec<_> = carried_out.map(|(request, change)| (change.at, *request)).collect();
        requests.sort();
        for (_, request) in requests {
            self.applied(request)?;
        }
        Ok(())
    }

    /// A manager ends because it takes itself to be no member any more.
    pub fn ends(&self, member: u64) -> Checked {
        let is_member = self.voters.contains(&member) || self.learners.contains(&member);
        ensure!(!is_member, "member {member} ends, but raft has not let it go");
        Ok(())
    }

    /// A majority of the voters can still be there some day.
    pub fn lives(&self, is_there: impl Fn(u64) -> bool) -> Checked {
        majority(&self.voters, is_there)
    }

    /// Whether the majority would still be there if `member` went, and also if a change of the membership that is under
    /// way is carried out after that.
    pub fn lives_without(&self, member: u64, is_there: impl Fn(u64) -> bool) -> bool {
        let there = |id| id != member && is_there(id);
        let open = self.asked.iter().filter(|(request, _)| !self.done.contains(request));
        let mut outcomes = open.map(|(_, change)| voters_after(&self.voters, change));
        self.lives(there).is_ok() && outcomes.all(|voters| majority(&voters, there).is_ok())
    }

    /// A member has become leader of `term` with this state.
    pub fn leads(&mut self, term: u64, member: u64, state: &State) -> Checked {
        if let Some(since) = self.gone_in.get(&member).filter(|since| **since < term) {
            return Err(format!(
                "member {member} leads in term {term}, but term {since} had let it go"
            ));
        }
        for id in self.used.iter().filter(|id| control::is_released(state, **id)) {
            self.gone_in.entry(*id).or_insert(term);
        }
        Ok(())
    }
}

/// Who votes once a change is carried out.
fn voters_after(voters: &BTreeSet<u64>, change: &MemberChange) -> BTreeSet<u64> {
    let mut voters = voters.clone();
    match change.step {
        MemberStep::Learn => {}
        MemberStep::Vote => drop(voters.insert(change.raft_id)),
        MemberStep::Leave => drop(voters.remove(&change.raft_id)),
    }
    voters
}

fn majority(voters: &BTreeSet<u64>, is_there: impl Fn(u64) -> bool) -> Checked {
    let there = voters.iter().filter(|id| is_there(**id)).count();
    ensure!(
        2 * there > voters.len(),
        "the majority of {voters:?} is lost for good: {there} are left"
    );
    Ok(())
}

/// What a manager's raft and its state say of the members at one index is the same.
pub fn same_members(members: &Members, state: &State) -> Checked {
    let raft: BTreeSet<u64> = members.voters.union(&members.learners).copied().collect();
    let said: BTreeSet<u64> = state.nodes().filter_map(|node| node.raft_id).collect();
    ensure!(
        raft == said,
        "raft has the members {raft:?} at index {}, the state {said:?}",
        state.applied()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use model::{NodeId, Role, Timestamp};
    use store::{Command, Entry, MemberChange, MemberStep};

    use super::*;
    use crate::world::node;

    /// Members 1 and 2 of which 2 has been let go, as a state says it.
    fn without_second() -> State {
        let (mut state, at) = (State::default(), Timestamp(0));
        let begin = [(1_u64, Role::Manager), (2, Role::Worker)].map(|(member, role)| {
            let mut node = node(NodeId::from_bits(member.into()), 1, role, at);
            node.raft_id = Some(member);
            Command::UpsertNode(Box::new(node))
        });
        let leave = Command::Member(MemberChange {
            node: NodeId::from_bits(2),
            raft_id: 2,
            at,
            step: MemberStep::Leave,
        });
        for command in begin.into_iter().chain([leave]) {
            let (index, request) = (state.applied() + 1, RequestId::from_bits(state.applied().into()));
            state.apply(index, Entry { request, command }).unwrap();
        }
        state
    }

    #[test]
    fn nobody_leaves_by_force_while_the_dismissal_of_another_needs_it() {
        let mut members = Membership::of(1..=3);
        let seen = Members {
            own: 1,
            voters: (1..=3).collect(),
            reachable: (1..=3).collect(),
            ..Members::default()
        };
        assert!(members.lives_without(2, |_| true), "two of three");
        let dismissal = MemberChange {
            node: NodeId::from_bits(3),
            raft_id: 3,
            at: Timestamp(0),
            step: MemberStep::Leave,
        };
        let request = RequestId::from_bits(9);
        assert_eq!(members.asked(1, request, dismissal, &seen), Ok(()));
        assert!(
            !members.lives_without(2, |_| true),
            "one of two, once it is carried out"
        );
        assert!(members.lives_without(3, |_| true), "it is not needed");
    }

    #[test]
    fn who_was_let_go_does_not_lead_after_a_leader_that_knew() {
        let state = without_second();
        let mut members = Membership::of(1..=2);
        assert_eq!(members.leads(7, 2, &State::default()), Ok(()));
        assert_eq!(members.leads(8, 1, &state), Ok(()));
        assert!(members.leads(9, 2, &state).unwrap_err().contains("had let it go"));
        assert!(members.ends(2).unwrap_err().contains("raft has not let it go"));
        assert_eq!(members.ends(3), Ok(()));
    }
}
