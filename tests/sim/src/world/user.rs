//! The user, who has one request under way at a time, and the clients.

use control::plan_init;
use model::{NetworkId, RequestId};
use store::{Command, Entry, State};

use super::{Happening, World, made, ms};
use crate::{
    check::Checked,
    clients::{self, Ask},
    dice::Dice,
    user,
};

impl World {
    /// The cluster's first request: itself, its ingress network and its first machines.
    pub(super) fn begin(&mut self) -> Checked {
        let cluster = made::cluster(self.dice.id(), self.agenda.now);
        let (first, ingress) = (self.add_machine(), NetworkId::from_bits(self.dice.id()));
        let init = plan_init(&State::default(), cluster, first, ingress).map_err(|e| e.to_string())?;
        let mut batch = vec![init];
        for _ in 1..self.dice.between(1, 5) {
            batch.push(Command::UpsertNode(Box::new(self.add_machine())));
        }
        let request = RequestId::from_bits(self.dice.id());
        self.pending = Some(Entry {
            request,
            command: Command::Batch(batch),
        });
        self.agenda.after(ms(500), Happening::User);
        for client in 0..clients::COUNT {
            self.agenda.after(ms(3000), Happening::Client(client));
        }
        Ok(())
    }

    /// A request is sent until its outcome is known.
    pub(super) fn user(&mut self) -> Checked {
        let pause = self.dice.between(100, 500);
        self.agenda.after(ms(pause), Happening::User);
        let Some(leader) = self.leader() else { return Ok(()) };
        let view = self.managers[leader].view();
        // Sometimes another manager is asked, which hands it on to the leader.
        let any = self.dice.between(1, self.managers.len() as u64) as usize - 1;
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
        let now = self.agenda.now;
        if self.calm {
            let undo = user::undo_drains(&view, now, &mut self.dice);
            return undo.iter().try_for_each(|entry| self.propose(leader, entry));
        }
        let Some(draw) = self.wishes.pop_front() else {
            return Ok(());
        };
        self.pending = user::request(&view, now, &mut Dice::of(draw));
        match self.pending.clone() {
            Some(entry) => self.propose(door, &entry),
            None => Ok(()),
        }
    }

    pub(super) fn client(&mut self, client: usize) -> Checked {
        let pause = self.dice.between(100, 900);
        self.agenda.after(ms(pause), Happening::Client(client));
        let (managers, now) = (self.managers.len(), self.agenda.now);
        let (m, ask) = self.clients.turn(client, managers, !self.calm, now, &mut self.dice);
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
