//! The managers: ticks, messages, what they apply and what the leader proposes.

use std::time::Duration;

use manager::raft::{DiskError, Effect, ReplicaError, TICK};
use model::{NodeId, RequestId, Role};
use store::{Command, Entry, Event, Refused, TaskOp, View};

use super::{Happening, World, ms, seats, shifted};
use crate::{
    check::{self, Checked},
    node::Said,
};

impl World {
    /// The manager that leads, by the highest term, if any does; one that is stopped by a signal answers nobody.
    pub(super) fn leader(&self) -> Option<usize> {
        let term = |m: &usize| {
            self.managers[*m]
                .replica
                .as_ref()
                .map(|replica| replica.standing().term)
        };
        let all = 0..self.managers.len();
        let answers = |m: &usize| self.managers[*m].leading.is_some() && self.managers[*m].paused.is_none();
        all.filter(answers).max_by_key(term)
    }

    pub(super) fn tick(&mut self, m: usize, run: u32) -> Checked {
        let manager = &mut self.managers[m];
        if manager.run != run || manager.replica.is_none() {
            return Ok(());
        }
        manager.tick(self.seed, &mut self.dice);
        self.agenda.after(TICK, Happening::Tick { manager: m, run });
        self.advance(m)?;
        self.change_members(m)
    }

    /// Lets a manager persist, send and apply what it has to, and checks what came of it.
    pub(super) fn advance(&mut self, m: usize) -> Checked {
        if self.managers[m].paused.is_some() {
            return Err(format!("manager {} works while it is stopped", self.managers[m].member));
        }
        let before = self.managers[m].view();
        let Some(replica) = &mut self.managers[m].replica else {
            return Ok(());
        };
        let effects = match replica.advance() {
            Ok(effects) => effects,
            Err(ReplicaError::Disk(why)) if why.is_full() => {
                self.managers[m].rest();
                self.agenda.after(ms(500), Happening::Recovered(m));
                return Ok(());
            }
            Err(ReplicaError::Disk(_)) => {
                let span = self.dice.between(50, 3000);
                self.stop_manager(m, ms(span));
                return Ok(());
            }
            Err(why) => return Err(why.to_string()),
        };
        let (mut events, mut installed) = (Vec::new(), false);
        for effect in effects {
            match effect {
                Effect::Send { to, message, snapshot } => self.send_raft(m, to, message, snapshot),
                Effect::Applied {
                    index,
                    request,
                    outcome,
                    view,
                } => {
                    if self.applied(m, index, request, &outcome)? {
                        let events = outcome.as_deref().unwrap_or_default();
                        self.quarantine.applied(&view, events, self.agenda.now)?;
                        self.slots.applied(&view, events);
                    }
                    let touched = outcome.unwrap_or_default();
                    if !installed && !touched.is_empty() {
                        self.managers[m].post(&view, &touched);
                    }
                    events.extend(touched);
                }
                Effect::Readable(id) => {
                    self.managers[m].readable(id, self.agenda.now);
                    self.clients.readable(m, id, &self.managers[m].view())?;
                }
                Effect::Installed => installed = true,
            }
        }
        self.managers[m].check_standing();
        if installed {
            self.managers[m].post_everything();
        }
        self.managers[m].posted();
        let events = (!installed).then_some(events.as_slice());
        self.check_manager(m, &before, events)?;
        self.look(m);
        if control::is_released(&self.managers[m].view(), self.managers[m].member) {
            self.agenda.after(ms(5), Happening::Released(m));
        }
        Ok(())
    }

    /// True if no manager had applied the entry before.
    fn applied(
        &mut self,
        m: usize,
        index: u64,
        request: RequestId,
        outcome: &Result<Vec<Event>, Refused>,
    ) -> Result<bool, String> {
        self.record.note(&[m as u64, index, request.bits() as u64]);
        let first = self.record.applied(index, request, outcome)?;
        if first {
            self.clients.applied(index, request, outcome)?;
            if outcome.as_ref().is_ok_and(|events| !events.is_empty()) {
                self.follower.changed(index);
            }
            if outcome.is_ok() && self.membership.applied(request)? {
                self.majority_lives()?;
            }
        }
        if let Some(replica) = &self.managers[m].replica {
            self.membership.answered(replica.standing().term, request);
        }
        self.managers[m].applied(request, outcome);
        let at = self.record.index_of(request).unwrap_or(index);
        self.clients.acknowledged(m, request, at)?;
        Ok(first)
    }

    /// After a manager's step: one leader per term, equal states at equal indexes, and what must hold in every state.
    fn check_manager(&mut self, m: usize, before: &View, events: Option<&[Event]>) -> Checked {
        let Some(replica) = &self.managers[m].replica else {
            return Ok(());
        };
        let (standing, now) = (replica.standing(), replica.view());
        if standing.leads && self.record.leads(standing.term, self.managers[m].member)? {
            self.membership.leads(standing.term, self.managers[m].member, &now)?;
        }
        if now.applied() == before.applied() {
            return Ok(());
        }
        check::same_members(&replica.members(), &now)?;
        // A follower that lags behind knows an older world than the machines live in.
        if self.record.is_latest(now.applied()) {
            self.quarantine.check(&now, &self.machines)?;
        }
        if let (true, Some(events)) = (self.record.reached(&now, events)?, events) {
            check::after(before, &now, events)?;
            let removed = |event: &&Event| matches!(event, Event::Node(id) if before.node(*id).is_some() && now.node(*id).is_none());
            for _ in events.iter().filter(removed) {
                self.one_more_machine(Role::Worker);
            }
        }
        Ok(())
    }

    /// The leader's loop runs soon; what happens until then is looked at together.
    fn look(&mut self, m: usize) {
        let manager = &mut self.managers[m];
        if !manager.looking && manager.leading.is_some() {
            manager.looking = true;
            self.agenda.after(ms(5), Happening::Loop(m));
        }
    }

    /// Proposes through a manager; whether it was taken, and what became of it, may never be known. One that is stopped
    /// takes nothing, and whoever asks gives up before it goes on.
    pub(super) fn propose(&mut self, m: usize, entry: &Entry) -> Checked {
        if self.managers[m].paused.is_some() {
            return Ok(());
        }
        let bytes = entry.encode().map_err(|e| e.to_string())?;
        let taken = self.managers[m]
            .replica
            .as_mut()
            .is_some_and(|replica| replica.propose(bytes));
        if !taken {
            self.managers[m].lost(entry.request);
        }
        self.advance(m)
    }

    fn command(&mut self, m: usize, command: Command, in_pass: bool) -> Checked {
        let request = RequestId::from_bits(self.dice.id());
        if let (true, Some(leading)) = (in_pass, &mut self.managers[m].leading) {
            leading.in_flight.insert(request);
        }
        self.propose(m, &Entry { request, command })
    }

    pub(super) fn lead(&mut self, m: usize) -> Checked {
        self.managers[m].looking = false;
        let (now, skew) = (self.agenda.now, self.managers[m].skew);
        let clock = shifted(now, skew);
        for command in self.managers[m].decide(clock, &mut self.dice) {
            self.command(m, command, true)?;
        }
        for (node, update) in self.managers[m].updates(now) {
            let update = Box::new(update);
            self.tell(m, node, Happening::Told { node, update });
        }
        let busy = self.managers[m]
            .leading
            .as_ref()
            .is_some_and(|leading| !leading.in_flight.is_empty());
        if let (false, Some(deadline)) = (busy || self.managers[m].looking, self.managers[m].deadline(clock)) {
            self.managers[m].looking = true;
            self.agenda
                .at(shifted(deadline, -skew).max(now + ms(5)), Happening::Loop(m));
        }
        Ok(())
    }

    pub(super) fn heard(&mut self, m: usize, node: NodeId, said: Said) -> Checked {
        let view = self.managers[m].view();
        let Some(replica) = &self.managers[m].replica else {
            return Ok(());
        };
        let leader = replica.standing().leader.and_then(|member| self.seat_of_member(member));
        let leads = self.managers[m].leading.is_some();
        let calling = leads.then(|| seats::calling(&view, node)).flatten();
        // A session begins when the manager has what its node was told.
        let reached = said.known.is_none_or(|known| known.seq <= view.applied());
        let (forgotten, released) = match leads && reached {
            true => (
                control::forgotten(&view, node, said.kept.iter().copied()),
                self.managers[m].released(node),
            ),
            false => (Vec::new(), Vec::new()),
        };
        let answer = Happening::Answered {
            node,
            leader,
            calling,
            forgotten,
            released,
        };
        self.tell(m, node, answer);
        let skew = self.managers[m].skew;
        let Some(leading) = &mut self.managers[m].leading else {
            return Ok(());
        };
        if view.node(node).is_none() {
            return Ok(());
        }
        let now = shifted(self.agenda.now, skew);
        let ready = leading.beats.heard(&view, node, now, now);
        self.managers[m].hear(node, &said, self.agenda.now)?;
        if let Some(ready) = ready {
            self.command(m, ready, false)?;
        }
        let mut reports = said.reports;
        reports.retain(|report| control::is_news(&view, report));
        if !reports.is_empty() {
            let ops = reports.into_iter().map(|report| TaskOp::Report(Box::new(report)));
            self.command(m, Command::Tasks(ops.collect()), false)?;
        }
        self.look(m);
        Ok(())
    }

    /// A manager's process dies.
    pub(super) fn stop_manager(&mut self, m: usize, span: Duration) {
        self.die(m, false, span);
    }

    /// The machine of a manager loses its power.
    pub(super) fn power_off(&mut self, m: usize, span: Duration) {
        self.die(m, true, span);
    }

    fn die(&mut self, m: usize, power: bool, span: Duration) {
        if self.managers[m].replica.is_some() {
            self.managers[m].die(power);
            self.agenda.after(span, Happening::Recovered(m));
        }
    }

    pub(super) fn recover(&mut self, m: usize) -> Checked {
        if self.managers[m].replica.is_some() || self.managers[m].gone {
            return Ok(());
        }
        match self.managers[m].start() {
            Ok(()) => {
                self.membership.started(&self.managers[m].view())?;
                let run = self.managers[m].run;
                self.agenda.after(TICK, Happening::Tick { manager: m, run });
                self.advance(m)
            }
            // It writes on the way up; the service manager tries again. What is damaged stays so.
            Err(ReplicaError::Disk(DiskError::Full { .. } | DiskError::Io(_))) => {
                self.agenda.after(ms(1000), Happening::Recovered(m));
                Ok(())
            }
            Err(why) => Err(why.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::BEGIN;

    #[test]
    fn a_leader_that_is_stopped_is_replaced_although_the_user_waits() {
        let mut world = World::new(1, 3, &[]).unwrap();
        world.until(BEGIN + Duration::from_secs(10)).unwrap();
        let stopped = world.leader().unwrap();
        let request = RequestId::from_bits(7);
        let command = Command::Tasks(Vec::new());
        world.pending = Some(Entry { request, command });
        world.pause(stopped, Duration::from_secs(5));
        let applied = world.managers[stopped].view().applied();
        world.until(world.agenda.now + Duration::from_millis(4900)).unwrap();
        let leader = world.leader().expect("another one leads");
        assert_ne!(leader, stopped);
        assert!(world.managers[leader].view().outcome(request).is_some());
        assert_eq!(world.managers[stopped].view().applied(), applied, "it did nothing");
    }

    #[test]
    fn a_leader_that_hands_over_in_vain_goes_on_with_its_passes() {
        let mut world = World::new(1, 3, &[]).unwrap();
        world.until(BEGIN + Duration::from_secs(10)).unwrap();
        let leader = world.leader().unwrap();
        let other = (0..world.managers.len()).find(|m| *m != leader).unwrap();
        let member = world.managers[other].member;
        world.stop_manager(other, Duration::from_secs(60));
        world.managers[leader].replica.as_mut().unwrap().hand_over(member);
        world.command(leader, Command::Tasks(Vec::new()), true).unwrap();
        let leading = world.managers[leader].leading.as_ref().unwrap();
        assert!(leading.in_flight.is_empty(), "raft takes nothing meanwhile");
    }
}
