//! The managers: ticks, messages, what they apply and what the leader proposes.

use manager::raft::{Effect, ReplicaError};
use model::{NodeId, RequestId};
use store::{Command, Entry, StatusReport, TaskOp, View};

use super::{Happening, World, ms};
use crate::check;

impl World {
    /// The manager that leads, by the highest term, if any does and can be reached.
    pub(super) fn leader(&self) -> Option<usize> {
        let leads = |m: &usize| self.managers[*m].leading.is_some() && self.managers[*m].linked;
        let term = |m: &usize| {
            self.managers[*m]
                .replica
                .as_ref()
                .map(|replica| replica.standing().term)
        };
        (0..self.managers.len()).filter(leads).max_by_key(term)
    }

    pub(super) fn tick(&mut self, m: usize, run: u32) -> check::Checked {
        let manager = &mut self.managers[m];
        if manager.run != run || manager.replica.is_none() {
            return Ok(());
        }
        manager.tick(self.seed, &mut self.dice);
        self.agenda.after(ms(100), Happening::Tick { manager: m, run });
        self.advance(m)
    }

    pub(super) fn deliver(&mut self, m: usize, message: &[u8]) -> check::Checked {
        if let Some(replica) = &mut self.managers[m].replica {
            replica.step(message);
        }
        self.advance(m)
    }

    /// Carries a raft message: in time, late, or never. Of a loss the sender is told, as the transport does.
    fn carry(&mut self, from: usize, to: u64, message: Vec<u8>) {
        let manager = to as usize - 1;
        let lost = !self.calm && self.dice.chance(20);
        let other = &self.managers[manager];
        if !self.managers[from].linked || !other.linked || other.replica.is_none() || lost {
            let told = Happening::Unreachable {
                manager: from,
                member: to,
            };
            self.agenda.after(ms(50), told);
            return;
        }
        let slow = !self.calm && self.dice.chance(20);
        let delay = if slow { self.dice.between(20, 400) } else { 1 };
        self.agenda.after(ms(delay), Happening::Raft { manager, message });
    }

    pub(super) fn unreachable(&mut self, m: usize, member: u64) -> check::Checked {
        if let Some(replica) = &mut self.managers[m].replica {
            replica.unreachable(member);
        }
        self.advance(m)
    }

    /// Lets a manager persist, send and apply what it has to, and checks what came of it.
    fn advance(&mut self, m: usize) -> check::Checked {
        let before = self.managers[m].view();
        let Some(replica) = &mut self.managers[m].replica else {
            return Ok(());
        };
        let effects = match replica.advance() {
            Ok(effects) => effects,
            Err(ReplicaError::Disk(_)) => {
                self.stop_manager(m);
                return Ok(());
            }
            Err(why) => return Err(why.to_string()),
        };
        let (mut events, mut installed) = (Vec::new(), false);
        for effect in effects {
            match effect {
                Effect::Send { to, message } => self.carry(m, to, message),
                Effect::Applied {
                    index,
                    request,
                    outcome,
                } => {
                    self.note(m, index, request);
                    if *self.outcomes.entry(request).or_insert(outcome.is_ok()) != outcome.is_ok() {
                        return Err(format!(
                            "request {request} ends differently the second time: {outcome:?}"
                        ));
                    }
                    self.managers[m].applied(request, &outcome);
                    events.extend(outcome.into_iter().flatten());
                }
                Effect::Readable(id) => self.managers[m].readable(id, self.agenda.now),
                Effect::Installed => installed = true,
            }
        }
        self.managers[m].check_standing();
        let now = self.managers[m].view();
        if now.applied() != before.applied() {
            if !installed {
                check::after(&before, &now, &events)?;
            }
            self.compare(&now)?;
        }
        self.look(m);
        Ok(())
    }

    /// FNV-1a over what is applied, by whom and when.
    fn note(&mut self, m: usize, index: u64, request: RequestId) {
        let numbers = [self.agenda.now.0 as u128, m as u128, u128::from(index), request.bits()];
        for byte in numbers.iter().flat_map(|number| number.to_be_bytes()) {
            self.trace = (self.trace ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// At an equal index all managers have the same state.
    fn compare(&mut self, state: &View) -> check::Checked {
        // A follower that lags behind knows an older world than the machines live in.
        if self
            .history
            .last_key_value()
            .is_none_or(|(latest, _)| *latest < state.applied())
        {
            check::machines(state, &self.machines)?;
        }
        match self.history.get(&state.applied()) {
            Some(known) if known != state => Err(format!("two states at index {}", state.applied())),
            Some(_) => Ok(()),
            None => {
                self.history.insert(state.applied(), state.clone());
                Ok(())
            }
        }
    }

    /// The leader's loop runs soon; what happens until then is looked at together.
    fn look(&mut self, m: usize) {
        let manager = &mut self.managers[m];
        if !manager.looking && manager.leading.is_some() {
            manager.looking = true;
            self.agenda.after(ms(5), Happening::Loop(m));
        }
    }

    /// Proposes through a manager; whether it was taken, and what became of it, may never be known.
    pub(super) fn propose(&mut self, m: usize, entry: &Entry) -> check::Checked {
        let bytes = entry.encode().map_err(|e| e.to_string())?;
        let taken = self.managers[m]
            .replica
            .as_mut()
            .is_some_and(|replica| replica.propose(bytes));
        if !taken {
            self.managers[m].lost();
        }
        self.advance(m)
    }

    fn command(&mut self, m: usize, command: Command, in_pass: bool) -> check::Checked {
        let request = RequestId::from_bits(self.dice.id());
        if let (true, Some(leading)) = (in_pass, &mut self.managers[m].leading) {
            leading.in_flight.insert(request);
        }
        self.propose(m, &Entry { request, command })
    }

    pub(super) fn lead(&mut self, m: usize) -> check::Checked {
        self.managers[m].looking = false;
        let now = self.agenda.now;
        let before = self.managers[m].view();
        for command in self.managers[m].decide(now, &mut self.dice) {
            self.command(m, command, true)?;
        }
        let state = self.managers[m].view();
        for view in self.managers[m].views() {
            check::view(&state, &view)?;
            self.send(m, view.node, Happening::Told(Box::new(view)));
        }
        let busy = self.managers[m]
            .leading
            .as_ref()
            .is_some_and(|leading| !leading.in_flight.is_empty());
        if let (false, Some(deadline)) = (busy || self.managers[m].looking, self.managers[m].deadline(now)) {
            self.managers[m].looking = true;
            self.agenda.at(deadline.max(now + ms(5)), Happening::Loop(m));
        }
        let gone = before.nodes().filter(|node| state.node(node.id).is_none()).count();
        for _ in 0..gone {
            self.replace_machine();
        }
        Ok(())
    }

    pub(super) fn heard(
        &mut self,
        m: usize,
        node: NodeId,
        seq: Option<u64>,
        reports: Vec<StatusReport>,
    ) -> check::Checked {
        let view = self.managers[m].view();
        let Some(replica) = &self.managers[m].replica else {
            return Ok(());
        };
        let leader = replica.standing().leader.map(|member| member as usize - 1);
        self.send(m, node, Happening::Answered { node, leader });
        let Some(leading) = &mut self.managers[m].leading else {
            return Ok(());
        };
        if view.node(node).is_none() {
            return Ok(());
        }
        // A view that has not arrived by the next heartbeat is sent again.
        if leading.sent.get(&node).map(|view| view.seq) != seq {
            leading.sent.remove(&node);
        }
        if let Some(ready) = leading.beats.heard(&view, node, self.agenda.now) {
            self.command(m, ready, false)?;
        }
        if !reports.is_empty() {
            let ops = reports.into_iter().map(|report| TaskOp::Report(Box::new(report)));
            self.command(m, Command::Tasks(ops.collect()), false)?;
        }
        self.look(m);
        Ok(())
    }

    pub(super) fn stop_manager(&mut self, m: usize) {
        if self.managers[m].replica.is_some() {
            self.managers[m].stop();
            let span = self.dice.between(50, 6000);
            self.agenda.after(ms(span), Happening::Recovered(m));
        }
    }

    pub(super) fn recover(&mut self, m: usize) -> check::Checked {
        if self.managers[m].replica.is_none() {
            self.managers[m].start().map_err(|e| e.to_string())?;
            let run = self.managers[m].run;
            self.agenda.after(ms(100), Happening::Tick { manager: m, run });
        }
        self.advance(m)
    }
}
