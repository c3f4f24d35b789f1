//! What carries raft's messages between managers, as the transport of crate `manager` does: of a loss the sender is told,
//! and of a snapshot, which goes in a call of its own, how that ended.

use std::{collections::BTreeMap, time::Duration};

use manager::Verdict;

use super::{Happening, World, happening::RaftCall};
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
        let call = RaftCall {
            from,
            message,
            vouches: if snapshot {
                Vec::new()
            } else {
                self.managers[from].vouches()
            },
            transfer,
        };
        for delay in copies {
            let call = call.clone();
            self.agenda.after(delay, Happening::Raft { manager, call });
        }
    }

    fn begin_transfer(&mut self, from: usize, member: u64) -> u64 {
        let transfer = self.transfers.begin(self.managers[from].run, member);
        self.agenda.after(GIVEN_UP_AFTER, ended(from, transfer, false));
        transfer
    }

    pub(super) fn deliver(&mut self, m: usize, call: RaftCall) -> Checked {
        if self.managers[m].replica.is_none() {
            return Ok(());
        }
        let (from, now) = (call.from, self.agenda.now);
        let verdict = self.judge(m, from);
        self.answer(m, &call, verdict);
        if verdict != Verdict::Taken {
            return Ok(());
        }
        let member = self.managers[from].member;
        self.managers[m].vouched(call.vouches);
        self.managers[m].take(member, &call.message, now);
        self.advance(m)
    }

    /// The answer to a call says whether the message was taken in, and whether its sender was let go; what raft makes of
    /// it, raft's own messages say.
    fn answer(&mut self, m: usize, call: &RaftCall, verdict: Verdict) {
        let (manager, member) = (call.from, self.managers[m].member);
        let taken = verdict == Verdict::Taken;
        let ended = match call.transfer {
            Some(transfer) => Some(ended(manager, transfer, taken)),
            None => (!taken).then_some(Happening::Unreachable { manager, member }),
        };
        let removed = (verdict == Verdict::Removed).then_some(Happening::Released(manager));
        let (here, there, now) = (End::Manager(m), End::Manager(manager), self.agenda.now);
        let news: Vec<Happening> = ended.into_iter().chain(removed).collect();
        if news.is_empty() {
            return;
        }
        for delay in self.net.copies(here, there, now, &mut self.dice) {
            news.iter().for_each(|news| self.agenda.after(delay, news.clone()));
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
    fn a_manager_that_was_let_go_is_told_so_only_where_an_answer_reaches_it() {
        let mut world = World::new(1, 3, &[]).unwrap();
        world.until(world.agenda.now + ms(10_000)).unwrap();
        let leader = world.leader().unwrap();
        let deaf = (leader + 1) % 3;
        let (node, until) = (world.managers[deaf].node, world.agenda.now + ms(60_000));
        world.net.cut(End::Manager(deaf), Who::All, Way::In, until);
        world.net.cut(End::Node(node), Who::All, Way::Both, until);
        let view = world.managers[leader].view();
        let demotion = world.wish_role(leader, &view, node, model::Role::Worker).unwrap();
        world.propose(leader, &demotion).unwrap();
        world.until(world.agenda.now + ms(20_000)).unwrap();
        let view = world.managers[world.leader().unwrap()].view();
        assert!(view.member(world.managers[deaf].member).is_none(), "it was let go");
        assert!(!world.managers[deaf].gone, "it hears nobody");
        world.net.heal();
        world.until(world.agenda.now + ms(10_000)).unwrap();
        assert!(world.managers[deaf].gone);
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
