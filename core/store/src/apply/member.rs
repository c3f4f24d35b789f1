//! Raft's members in the state: a node has a raft id exactly as long as raft has it as a member. The replica applies
//! these commands at the index of the change of the membership, and makes the change only if they are not refused.

use std::net::SocketAddr;

use model::{NodeId, Role, Timestamp};

use crate::{Event, MemberChange, MemberStep, Refused, State};

impl State {
    pub(super) fn member_step(
        &mut self,
        index: u64,
        change: MemberChange,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        let MemberChange {
            node: id,
            raft_id,
            at,
            step,
        } = change;
        let refused = Refused::NoSuchMember { node: id, raft_id };
        let node = self.node(id).ok_or_else(|| refused.clone())?;
        let wished = match step {
            MemberStep::Learn | MemberStep::Vote => Role::Manager,
            MemberStep::Leave => Role::Worker,
        };
        let before = (step != MemberStep::Learn).then_some(raft_id);
        if node.spec.role != wished || node.raft_id != before {
            return Err(refused);
        }
        let highest = self.highest_raft_id();
        if step == MemberStep::Learn && raft_id <= highest {
            return Err(Refused::RaftIdUsed { raft_id, highest });
        }
        self.tables.highest_raft_id = highest.max(raft_id);
        let after = (step != MemberStep::Leave).then_some(raft_id);
        self.change_node(index, id, at, events, |node| node.raft_id = after)
    }

    pub(super) fn skip_raft_ids(&mut self, through: u64) {
        self.tables.highest_raft_id = self.highest_raft_id().max(through);
    }

    pub(super) fn move_manager(
        &mut self,
        index: u64,
        id: NodeId,
        at: Timestamp,
        addr: SocketAddr,
        events: &mut Vec<Event>,
    ) -> Result<(), Refused> {
        self.change_node(index, id, at, events, |node| {
            node.manager_addr = Some(addr);
            node.status.addr = addr.ip();
        })
    }

    /// Somebody must stay to whom raft's log belongs.
    pub(super) fn check_role(&self, id: NodeId, role: Role) -> Result<(), Refused> {
        let demoted = role == Role::Worker && self.node(id).is_some_and(|node| node.spec.role == Role::Manager);
        let mut others = self.managers().filter(|node| node.id != id);
        match demoted && !others.any(|node| node.spec.role == Role::Manager && node.raft_id.is_some()) {
            true => Err(Refused::LastManager),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, fixture::*};

    fn wish(state: &mut State, id: u128, role: Role) -> Result<(), Refused> {
        let node = state.node(NodeId::from_bits(id)).unwrap();
        let mut spec = node.spec.clone();
        spec.role = role;
        let (id, version) = (node.id, node.version);
        apply(
            state,
            Command::UpdateNodeSpec {
                id,
                version,
                at: AT,
                spec,
            },
        )
        .map(|_| ())
    }

    fn step(state: &mut State, id: u128, raft_id: u64, step: MemberStep) -> Result<(), Refused> {
        let node = NodeId::from_bits(id);
        let at = AT;
        apply(
            state,
            Command::Member(MemberChange {
                node,
                raft_id,
                at,
                step,
            }),
        )
        .map(|_| ())
    }

    #[test]
    fn a_raft_id_lives_from_the_first_step_to_the_last_and_never_again() {
        let mut state = State::default();
        let mut first = node(1, Some(1));
        first.spec.role = Role::Manager;
        apply(&mut state, Command::UpsertNode(Box::new(first))).unwrap();
        apply(&mut state, Command::UpsertNode(Box::new(node(2, None)))).unwrap();
        assert!(step(&mut state, 2, 2, MemberStep::Learn).is_err(), "nobody wishes it");
        wish(&mut state, 2, Role::Manager).unwrap();
        assert!(matches!(
            step(&mut state, 2, 1, MemberStep::Learn),
            Err(Refused::RaftIdUsed { highest: 1, .. })
        ));
        step(&mut state, 2, 2, MemberStep::Learn).unwrap();
        assert_eq!(state.member(2).map(|node| node.id), Some(NodeId::from_bits(2)));
        step(&mut state, 2, 2, MemberStep::Vote).unwrap();
        assert!(step(&mut state, 2, 2, MemberStep::Leave).is_err(), "it is still wished");
        wish(&mut state, 2, Role::Worker).unwrap();
        step(&mut state, 2, 2, MemberStep::Leave).unwrap();
        assert_eq!(state.member(2), None);
        wish(&mut state, 2, Role::Manager).unwrap();
        assert!(step(&mut state, 2, 2, MemberStep::Learn).is_err(), "used");
        step(&mut state, 2, 3, MemberStep::Learn).unwrap();
        apply(&mut state, Command::SkipRaftIds { through: 9 }).unwrap();
        apply(&mut state, Command::SkipRaftIds { through: 5 }).unwrap();
        assert_eq!(state.highest_raft_id(), 9, "no way back");
    }

    #[test]
    fn the_last_manager_stays() {
        let mut state = State::default();
        let mut first = node(1, Some(1));
        first.spec.role = Role::Manager;
        apply(&mut state, Command::UpsertNode(Box::new(first))).unwrap();
        apply(&mut state, Command::UpsertNode(Box::new(node(2, None)))).unwrap();
        assert_eq!(wish(&mut state, 1, Role::Worker), Err(Refused::LastManager));
        wish(&mut state, 2, Role::Manager).unwrap();
        assert_eq!(
            wish(&mut state, 1, Role::Worker),
            Err(Refused::LastManager),
            "the other has nothing yet"
        );
        wish(&mut state, 2, Role::Worker).unwrap();
    }
}
