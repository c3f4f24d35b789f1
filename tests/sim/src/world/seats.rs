//! Which machines run managers: what their nodes hear from the leader, as `netd` does it, and how a manager leaves.

use std::time::Duration;

use control::{MemberMove, next_member_move};
use manager::{Verdict, known_managers, raft::Replica, verdict};
use model::{NodeId, RequestId, Seat, SeatStep};
use store::{Command, Entry, View};

use super::{Happening, World, happening::Calling, ms, shifted};
use crate::{check::Checked, disk::LogDisk, manager::Manager};

/// As in the `manager` crate: how long a node that leaves waits for raft to let its manager go.
pub(super) const RETIREMENT: Duration = Duration::from_secs(5);

/// What the leader's sessions tell a node of managers.
pub(super) fn calling(view: &View, node: NodeId) -> Option<Calling> {
    let managers = known_managers(view);
    Some(Calling {
        seat: Seat {
            member: view.node(node)?.raft_id,
            highest: view.highest_raft_id(),
        },
        managers: managers.collect(),
    })
}

impl World {
    /// The managers that are not gone for good, by place.
    pub(super) fn seats(&self) -> Vec<usize> {
        let all = self.managers.iter().enumerate();
        all.filter(|(_, manager)| !manager.gone).map(|(m, _)| m).collect()
    }

    /// The manager of a node.
    pub(super) fn seat_of(&self, node: NodeId) -> Option<usize> {
        self.managers.iter().position(|m| m.node == node && !m.gone)
    }

    /// The manager that is raft's member `member`.
    pub(super) fn seat_of_member(&self, member: u64) -> Option<usize> {
        self.managers.iter().position(|m| m.member == member)
    }

    /// Where a manager sends what is for another member: to that member's node, as far as it knows.
    pub(super) fn peer(&self, m: usize, member: u64) -> Option<usize> {
        let manager = &self.managers[m];
        let known = manager.view().member(member).map(|node| node.id);
        let told = || manager.known().into_iter().find(|known| known.member == member);
        let node = known.or_else(|| told().map(|known| known.node))?;
        self.seat_of(node)
    }

    /// What a manager says to a message of another one: whether it takes it. One that raft has let go is told so.
    pub(super) fn judge(&self, m: usize, from: usize) -> Verdict {
        let (here, there) = (&self.managers[m], &self.managers[from]);
        verdict(&here.view(), &here.known(), there.member, there.node)
    }

    /// A node does what the leader wants of it.
    pub(super) fn follow(&mut self, node: NodeId, calling: Calling) -> Checked {
        let seat = self.seat_of(node);
        let running = seat.map(|m| self.managers[m].member);
        let all = self.managers.iter().filter(|manager| manager.node == node);
        let had = all.map(|manager| manager.member).max().unwrap_or_default();
        match calling.seat.step(running, had) {
            None => {}
            Some(SeatStep::GiveUp) => return seat.map_or(Ok(()), |m| self.release(m)),
            Some(SeatStep::Take(member)) => {
                seat.map_or(Ok(()), |m| self.release(m))?;
                self.take_seat(node, member)?;
            }
        }
        if let Some(m) = self.seat_of(node) {
            self.managers[m].told = calling.managers;
        }
        Ok(())
    }

    /// A manager begins with an empty disk, so that nobody may have seen its raft id before.
    fn take_seat(&mut self, node: NodeId, member: u64) -> Checked {
        if let Some(other) = self.seat_of_member(member) {
            let other = self.managers[other].node;
            return Err(format!("raft id {member} is used again, by {node} after {other}"));
        }
        let disk = LogDisk::of(Replica::<LogDisk>::new_member(member), self.files).map_err(|e| e.to_string())?;
        let manager = Manager::new(node, member, disk).map_err(|e| e.to_string())?;
        self.managers.push(manager);
        let tick = Happening::Tick {
            manager: self.managers.len() - 1,
            run: 1,
        };
        self.agenda.after(ms(10), tick);
        Ok(())
    }

    /// A manager is no more, and everything of it is forgotten.
    pub(super) fn release(&mut self, m: usize) -> Checked {
        if self.managers[m].gone {
            return Ok(());
        }
        self.managers[m].end();
        self.membership.ends(self.managers[m].member)?;
        let node = self.managers[m].node;
        match self.machine(node).is_some_and(|machine| machine.leaving) {
            true => self.depart(node),
            false => Ok(()),
        }
    }

    pub(super) fn majority_lives(&self) -> Checked {
        self.membership.lives(|id| self.is_there(id))
    }

    fn is_there(&self, member: u64) -> bool {
        self.seat_of_member(member).is_some_and(|m| !self.managers[m].gone)
    }

    /// A node leaves, its manager too if it can be spared; if not, the operator thinks better of it.
    pub(super) fn depart(&mut self, node: NodeId) -> Checked {
        let Some(machine) = self.machine(node).filter(|machine| machine.leaving) else {
            return Ok(());
        };
        machine.leaving = false;
        if let Some(m) = self.seat_of(node) {
            let member = self.managers[m].member;
            if !self.membership.lives_without(member, |id| self.is_there(id)) {
                return Ok(());
            }
            self.managers[m].end();
        }
        if let Some(machine) = self.machine(node) {
            machine.leave();
        }
        self.majority_lives()
    }

    /// The leader takes the next step of the membership, if there is one.
    pub(super) fn change_members(&mut self, m: usize) -> Checked {
        let now = self.agenda.now;
        let manager = &self.managers[m];
        let Some(standing) = manager.replica.as_ref().map(Replica::standing).filter(|s| s.leads) else {
            return Ok(());
        };
        let (members, view) = (manager.members(now), manager.view());
        match next_member_move(&view, &members, shifted(now, manager.skew)) {
            None => Ok(()),
            Some(MemberMove::HandOver { to }) => {
                self.managers[m]
                    .replica
                    .iter_mut()
                    .for_each(|replica| replica.hand_over(to));
                self.advance(m)
            }
            Some(MemberMove::Change(change)) if !self.managers[m].may_change(&change, now) => Ok(()),
            Some(MemberMove::Change(change)) => {
                let request = RequestId::from_bits(self.dice.id());
                let command = Command::Member(change);
                let entry = Entry { request, command }.encode().map_err(|e| e.to_string())?;
                let replica = self.managers[m].replica.as_mut();
                let taken = replica.is_some_and(|replica| replica.change_members(standing.term, &change, entry));
                if taken {
                    self.membership.asked(standing.term, request, change, &members)?;
                }
                self.advance(m)
            }
        }
    }

    /// The managers that are not gone for good, but for those that nobody can tell that they should be: of a node that was
    /// removed before its manager knew of a vote, or while it was away for so long that all it knows of have gone. Such a
    /// manager calls nobody who could answer that it was let go, and its node's sessions are refused: it does no harm, and
    /// runs until its machine leaves by force.
    pub(super) fn managers_in_reach<'a>(&'a self, view: &'a View) -> impl Iterator<Item = &'a Manager> {
        let there = self.seats().into_iter().map(|m| (m, &self.managers[m]));
        let reached = there.filter(|(m, manager)| view.node(manager.node).is_some() || self.calls_others(*m));
        reached.map(|(_, manager)| manager)
    }

    /// Whether a manager asks for votes, as far as it knows, and one of those that it asks can tell it what it is to raft.
    fn calls_others(&self, m: usize) -> bool {
        let manager = &self.managers[m];
        let Some(members) = manager.replica.as_ref().map(Replica::members) else {
            return true;
        };
        let known = members.voters.iter().filter(|id| **id != manager.member);
        let mut called = known.filter_map(|id| self.peer(m, *id));
        // A peer that was forgotten like this one knows no better.
        members.voters.contains(&manager.member)
            && called.any(|peer| control::is_released(&self.managers[peer].view(), manager.member))
    }

    /// At the end: who is a member has a manager, votes, and is wished; nobody else has one.
    pub(super) fn members_settled(&self, view: &View) -> Checked {
        for node in view.managers() {
            let seat = self.seat_of(node.id).map(|m| self.managers[m].member);
            let (role, name) = (node.spec.role.word(), node.hostname());
            if node.spec.role != model::Role::Manager || node.raft_id.is_none() || seat != node.raft_id {
                return Err(format!(
                    "{name}, wished {role}, is member {:?} and runs {seat:?}",
                    node.raft_id
                ));
            }
        }
        for Manager { member, replica, .. } in self.managers_in_reach(view) {
            if view.member(*member).is_none() {
                return Err(format!("member {member} was let go and runs on"));
            }
            let voters = replica
                .as_ref()
                .map(|replica| replica.members().voters)
                .unwrap_or_default();
            if !voters.contains(member) {
                return Err(format!("member {member} has no vote"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        net::{End, Way, Who},
        world::BEGIN,
    };

    /// A cluster at rest, and a manager on `node` that raft has never spoken to.
    fn with_silent(node: impl Fn(&World) -> NodeId) -> Checked {
        let mut world = World::new(1, 3, &[])?;
        world.until(BEGIN + Duration::from_secs(10))?;
        world.calm_down();
        world.until(world.agenda.now + Duration::from_secs(30))?;
        world.converged()?;
        let node = node(&world);
        world.take_seat(node, 4)?;
        world.converged()
    }

    #[test]
    fn a_manager_all_of_whose_peers_have_gone_is_out_of_reach() -> Checked {
        let mut world = World::new(1, 3, &[])?;
        world.until(BEGIN + Duration::from_secs(10))?;
        world.calm_down();
        let leader = world.leader().ok_or("nobody leads")?;
        let away = (leader + 1) % 3;
        let node = world.managers[away].node;
        for end in [End::Manager(away), End::Node(node)] {
            let until = world.agenda.now + Duration::from_secs(60);
            world.net.cut(end, Who::All, Way::Both, until);
        }
        let view = world.managers[leader].view();
        let demotion = world.wish_role(leader, &view, node, model::Role::Worker);
        world.propose(leader, &demotion.ok_or("not demoted")?)?;
        world.until(world.agenda.now + Duration::from_secs(10))?;
        let removal = world.remove(node, true);
        world.propose(leader, &removal)?;
        world.until(world.agenda.now + Duration::from_secs(1))?;
        let view = world.managers[leader].view();
        let in_reach = |world: &World| world.managers_in_reach(&view).any(|m| m.node == node);
        assert!(view.node(node).is_none() && in_reach(&world), "its peers tell it");
        (0..3).filter(|m| *m != away).for_each(|m| world.managers[m].end());
        assert!(!in_reach(&world));
        Ok(())
    }

    #[test]
    fn a_manager_that_nobody_can_tell_may_run_on_where_the_node_was_removed() {
        assert_eq!(with_silent(|_| NodeId::from_bits(99)), Ok(()));
        let told = with_silent(|world| world.machines[3].id);
        assert!(told.is_err(), "the session of a node says what it shall be");
    }
}
