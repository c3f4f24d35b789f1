//! What carries raft's messages between managers, as the transport of crate `manager` does: of a loss the sender is told,
//! and of a snapshot, which goes in a call of its own, how that ended.

use std::{collections::BTreeMap, time::Duration};

use super::{Happening, World};
use crate::{check::Checked, net::End};

/// When a sender knows of a loss.
const TOLD_AFTER: Duration = Duration::from_millis(50);
/// A call over a dead connection ends by keepalive: twice the span of crate `peer`.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(4);

/// A snapshot on its way.
#[derive(Debug)]
struct Transfer {
    /// The process that sends it; nobody hears of the end if that has died.
    run: u32,
    /// Raft id of who shall get it.
    member: u64,
}

/// Calls with snapshots that have not ended. However many things may end one, its sender hears of the first only.
#[derive(Debug, Default)]
pub(super) struct Transfers {
    begun: u64,
    open: BTreeMap<u64, Transfer>,
}

impl Transfers {
    fn begin(&mut self, run: u32, member: u64) -> u64 {
        self.begun += 1;
        self.open.insert(self.begun, Transfer { run, member });
        self.begun
    }
}

impl World {
    /// Carries a raft message. Of a loss the sender is told, also when only the answer is lost.
    pub(super) fn send_raft(&mut self, from: usize, member: u64, message: Vec<u8>, snapshot: bool) {
        let transfer = snapshot.then(|| self.begin_transfer(from, member));
        let lost = match transfer {
            Some(transfer) => ended(from, transfer, false),
            None => Happening::Unreachable { manager: from, member },
        };
        let Some(manager) = self.peer(from, member) else {
            self.agenda.after(TOLD_AFTER, lost);
            return;
        };
        let (here, there, now) = (End::Manager(from), End::Manager(manager), self.agenda.now);
        let copies = self.net.copies(here, there, now, &mut self.dice);
        let down = self.managers[manager].replica.is_none();
        if copies.is_empty() || down || !self.net.reaches(there, here, now) {
            self.agenda.after(TOLD_AFTER, lost);
        }
        for delay in copies {
            let arrives = Happening::Raft {
                manager,
                from,
                message: message.clone(),
                transfer,
            };
            self.agenda.after(delay, arrives);
        }
    }

    fn begin_transfer(&mut self, from: usize, member: u64) -> u64 {
        let transfer = self.transfers.begin(self.managers[from].run, member);
        self.agenda.after(GIVEN_UP_AFTER, ended(from, transfer, false));
        transfer
    }

    pub(super) fn deliver(&mut self, m: usize, from: usize, message: &[u8], transfer: Option<u64>) -> Checked {
        if self.managers[m].replica.is_none() {
            return Ok(());
        }
        let taken = self.judge(m, from);
        if let Some(transfer) = transfer {
            self.answer_snapshot(m, from, ended(from, transfer, taken));
        }
        if !taken {
            return Ok(());
        }
        let (member, now) = (self.managers[from].member, self.agenda.now);
        self.managers[m].take(member, message, now);
        self.advance(m)
    }

    /// The answer says that the message was taken in; what raft makes of it, raft's own messages say.
    fn answer_snapshot(&mut self, m: usize, to: usize, answer: Happening) {
        let (here, there, now) = (End::Manager(m), End::Manager(to), self.agenda.now);
        for delay in self.net.copies(here, there, now, &mut self.dice) {
            self.agenda.after(delay, answer.clone());
        }
    }

    pub(super) fn unreachable(&mut self, m: usize, member: u64) -> Checked {
        if let Some(replica) = &mut self.managers[m].replica {
            replica.unreachable(member);
        }
        self.advance(m)
    }

    pub(super) fn snapshot_ended(&mut self, m: usize, transfer: u64, arrived: bool) -> Checked {
        let Some(Transfer { run, member }) = self.transfers.open.remove(&transfer) else {
            return Ok(());
        };
        let manager = &mut self.managers[m];
        if let Some(replica) = manager.replica.as_mut().filter(|_| manager.run == run) {
            replica.snapshot_ended(member, arrived);
        }
        self.advance(m)
    }
}

fn ended(manager: usize, transfer: u64, arrived: bool) -> Happening {
    Happening::SnapshotEnded {
        manager,
        transfer,
        arrived,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::ms, *};
    use crate::net::{Way, Who};

    /// Sends what shall be a snapshot to the second manager. What its sender is told of the end first, and after how long.
    fn told(disturb: impl FnOnce(&mut World)) -> (bool, Duration) {
        let mut world = World::new(1, 3, &[]).unwrap();
        let begin = world.agenda.now;
        world.send_raft(0, 2, Vec::new(), true);
        disturb(&mut world);
        while let Some(happening) = world.agenda.next(begin + ms(10_000)) {
            if let Happening::SnapshotEnded { arrived, .. } = happening {
                return (arrived, world.agenda.now.since(begin));
            }
            world.happen(happening).unwrap();
        }
        panic!("its sender hears nothing");
    }

    #[test]
    fn a_sender_hears_that_its_snapshot_has_arrived() {
        let (arrived, after) = told(|_| {});
        assert!(arrived && after < TOLD_AFTER, "{after:?}");
    }

    #[test]
    fn a_snapshot_without_an_answer_is_given_up() {
        let until_late = |world: &World| world.agenda.now + ms(9000);
        let no_answer = told(|world| {
            let until = until_late(world);
            world.net.cut(End::Manager(1), Who::All, Way::Out, until);
        });
        assert_eq!(no_answer, (false, GIVEN_UP_AFTER));
        let killed = told(|world| world.stop_manager(1, ms(9000)));
        assert_eq!(killed, (false, GIVEN_UP_AFTER));
    }
}
