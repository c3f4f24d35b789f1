//! The user, who has one request under way at a time, and the clients.

use model::{NodeId, NodeState, RequestId, Role};
use store::{Command, Entry, View};

use super::{Happening, World, ms, seats::RETIREMENT};
use crate::{
    check::Checked,
    clients::{self, Ask},
    dice::Dice,
    schedule::What,
    user,
};

/// Managers at most: more only cost time.
const MANAGERS: usize = 7;

impl World {
    /// The first request: some machines more.
    pub(super) fn begin(&mut self) {
        let batch: Vec<Command> = (0..self.dice.between(1, 3))
            .map(|_| Command::UpsertNode(Box::new(self.add_machine(Role::Worker))))
            .collect();
        let request = RequestId::from_bits(self.dice.id());
        self.pending = Some(Entry {
            request,
            command: Command::Batch(batch),
        });
        self.agenda.after(ms(500), Happening::User);
        for client in 0..clients::COUNT {
            self.agenda.after(ms(3000), Happening::Client(client));
        }
    }

    /// A request is sent until its outcome is known.
    pub(super) fn user(&mut self) -> Checked {
        let pause = self.dice.between(100, 500);
        self.agenda.after(ms(pause), Happening::User);
        self.follow_changes()?;
        let Some(leader) = self.leader() else { return Ok(()) };
        let view = self.managers[leader].view();
        // Sometimes another manager is asked, which hands it on to the leader.
        let any = self.dice.pick(&self.seats()).unwrap_or(leader);
        let door = if self.dice.chance(200) { any } else { leader };
        if let Some(entry) = self.pending.take() {
            let answered = view.outcome(entry.request).is_some();
            // Sometimes the answer was lost: the same request once more changes nothing.
            if answered && !self.dice.chance(100) {
                return Ok(());
            }
            if !answered {
                self.pending = Some(entry.clone());
            }
            return self.propose(door, &entry);
        }
        self.pending = match self.wishes.pop_front() {
            _ if self.calm => self.tidy(leader, &view),
            Some(wish) => self.ask(leader, &view, wish)?,
            None => None,
        };
        match self.pending.clone() {
            Some(entry) => self.propose(door, &entry),
            None => Ok(()),
        }
    }

    /// Whoever follows what changes reads on, at any manager that answers.
    fn follow_changes(&mut self) -> Checked {
        let seats = self.seats();
        let managers = seats.iter().map(|m| &self.managers[*m]);
        let replicas = managers
            .filter(|manager| manager.paused.is_none())
            .filter_map(|m| m.replica.as_ref());
        let histories: Vec<_> = replicas
            .map(|replica| (replica.history(), replica.view().applied()))
            .collect();
        let Some((chosen, applied)) = self.dice.pick(&histories) else {
            return Ok(());
        };
        let all: Vec<_> = histories.into_iter().map(|(history, _)| history).collect();
        self.follower.turn(&chosen, applied, &all)
    }

    fn ask(&mut self, leader: usize, view: &View, wish: What) -> Result<Option<Entry>, String> {
        let now = self.agenda.now;
        let there = |id: &NodeId| self.machines.iter().any(|machine| machine.id == *id && !machine.left);
        let all = view.nodes().filter(|node| there(&node.id));
        let nodes: Vec<NodeId> = all.map(|node| node.id).collect();
        let some = |pick: u64| nodes.get(pick as usize % nodes.len().max(1)).copied();
        match wish {
            What::Wish(draw) => Ok(user::request(view, now, &mut Dice::of(draw))),
            What::Promote { pick } => Ok(some(pick).and_then(|id| self.wish_role(leader, view, id, Role::Manager))),
            What::Demote { pick } => {
                let managers: Vec<NodeId> = view.managers().map(|node| node.id).collect();
                let id = managers.get(pick as usize % managers.len().max(1));
                Ok(id.and_then(|id| self.wish_role(leader, view, *id, Role::Worker)))
            }
            What::JoinManager => {
                if view.managers().count() < MANAGERS {
                    self.one_more_machine(Role::Manager);
                }
                Ok(None)
            }
            What::Leave { pick } if nodes.len() > 2 => some(pick).map_or(Ok(None), |id| self.leave(leader, view, id)),
            What::Remove { pick } if nodes.len() > 2 => Ok(some(pick).map(|id| self.remove(id, true))),
            _ => Ok(None),
        }
    }

    fn entry(&mut self, command: Command) -> Entry {
        let request = RequestId::from_bits(self.dice.id());
        Entry { request, command }
    }

    /// `node promote` and `node demote`; the second is refused where raft could not survive it, as far as the leader knows.
    pub(super) fn wish_role(&mut self, leader: usize, view: &View, id: NodeId, role: Role) -> Option<Entry> {
        let (node, at) = (view.node(id)?, self.agenda.now);
        let allowed = match role {
            Role::Manager => view.managers().count() < MANAGERS,
            Role::Worker => {
                let members = self.managers[leader].members(at);
                control::check_demotion(view, &members, id).is_ok()
            }
        };
        if node.spec.role == role || !allowed {
            return None;
        }
        let (version, mut spec) = (node.version, node.spec.clone());
        spec.role = role;
        Some(self.entry(Command::UpdateNodeSpec { id, version, at, spec }))
    }

    pub(super) fn remove(&mut self, id: NodeId, force: bool) -> Entry {
        let at = self.agenda.now;
        self.entry(Command::RemoveNode { id, at, force })
    }

    /// `swarm leave`: a manager is demoted first and waits until raft has let it go.
    fn leave(&mut self, leader: usize, view: &View, id: NodeId) -> Result<Option<Entry>, String> {
        let Some(node) = view.node(id) else { return Ok(None) };
        let (manages, now) = (node.spec.role == Role::Manager, self.agenda.now);
        let demotion = self.wish_role(leader, view, id, Role::Worker);
        let Some(machine) = self
            .machine(id)
            .filter(|machine| machine.up && demotion.is_some() == manages)
        else {
            return Ok(None);
        };
        machine.leaving = true;
        match manages {
            true => self.agenda.at(now + RETIREMENT, Happening::Departure(id)),
            false => self.depart(id)?,
        }
        Ok(demotion)
    }

    /// When all is calm what the user did to nodes is undone, and those that left are removed.
    fn tidy(&mut self, leader: usize, view: &View) -> Option<Entry> {
        let left: Vec<NodeId> = self.machines.iter().filter(|m| m.left).map(|m| m.id).collect();
        for node in left.iter().filter_map(|id| view.node(*id)) {
            if node.spec.role == Role::Manager {
                return self.wish_role(leader, view, node.id, Role::Worker);
            }
            if node.status.state == NodeState::Down && node.raft_id.is_none() {
                return Some(self.remove(node.id, false));
            }
        }
        user::undo_drain(view, self.agenda.now, &mut self.dice)
    }

    pub(super) fn client(&mut self, client: usize) -> Checked {
        let pause = self.dice.between(100, 900);
        self.agenda.after(ms(pause), Happening::Client(client));
        let (seats, now) = (self.seats(), self.agenda.now);
        let (m, ask) = self.clients.turn(client, &seats, !self.calm, now, &mut self.dice);
        if self.managers[m].paused.is_some() {
            return Ok(());
        }
        match ask {
            Ask::Write(entry) => self.propose(m, &entry),
            Ask::Read(id) => {
                if let Some(replica) = &mut self.managers[m].replica {
                    replica.read(id);
                }
                self.advance(m)
            }
        }
    }
}
