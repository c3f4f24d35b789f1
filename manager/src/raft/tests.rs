//! Members over disks in memory: one alone, and three whose messages are carried by hand.

mod deadline;
mod full;
mod held;
mod reads;
mod repeated;
mod snapshot;
mod stalled;
mod term;
mod wires;

use std::collections::{BTreeMap, BTreeSet};

use model::{Name, NetworkId, NetworkSpec, NodeId, RequestId, Timestamp};
use raft::eraftpb::MessageType;
use store::{Command, Entry, MemberChange, MemberStep, NewNetwork, Refused};

use super::{
    disk::{DiskError, DiskWrite, Saved},
    *,
};

/// A command whose repetition under another id would be refused.
fn entry(n: u32) -> Vec<u8> {
    let name: Name = format!("n{n}").parse().unwrap();
    let second = n as u8;
    let network = NewNetwork {
        id: NetworkId::from_bits(u128::from(n)),
        at: Timestamp(0),
        spec: NetworkSpec::named(name),
        vni: (5000 + n).try_into().unwrap(),
        subnet: ipnet::Ipv4Net::new([10, 1, second, 0].into(), 24).unwrap().into(),
        gateway: [10, 1, second, 1].into(),
    };
    let command = Command::CreateNetwork(Box::new(network));
    let request = RequestId::from_bits(u128::from(n));
    Entry { request, command }.encode().unwrap()
}

fn lone() -> MemoryDisk {
    MemoryDisk::of(Replica::<MemoryDisk>::first_member(1).unwrap())
}

fn started<D: Disk>(disk: D) -> Replica<D> {
    let mut replica = Replica::start(disk).unwrap();
    replica.advance().unwrap();
    replica
}

fn outcomes(effects: &[Effect]) -> Vec<(u128, bool)> {
    let applied = effects.iter().filter_map(|effect| match effect {
        Effect::Applied { request, outcome, .. } => Some((request.bits(), outcome.is_ok())),
        _ => None,
    });
    applied.collect()
}

#[test]
fn a_lone_voter_leads_at_once_and_again_after_a_restart() {
    let disk = lone();
    for term in [2, 3] {
        let standing = started(disk.clone()).standing();
        assert_eq!((standing.leads, standing.leader, standing.term), (true, Some(1), term));
    }
}

#[test]
fn what_was_applied_is_there_after_a_restart() {
    let disk = lone();
    let mut replica = started(disk.clone());
    for n in 1..=5 {
        assert!(replica.propose(entry(n)));
        assert_eq!(outcomes(&replica.advance().unwrap()), [(u128::from(n), true)]);
    }
    let before = replica.view();
    drop(replica);
    let after = started(disk).view();
    assert_eq!(
        after.networks().collect::<Vec<_>>(),
        before.networks().collect::<Vec<_>>()
    );
}

#[test]
fn proposals_that_come_together_share_one_write() {
    let disk = lone();
    let mut replica = started(disk.clone());
    let before = disk.writes();
    (1..=50).for_each(|n| assert!(replica.propose(entry(n))));
    assert_eq!(outcomes(&replica.advance().unwrap()).len(), 50);
    assert!(disk.writes() - before <= 2, "{} writes", disk.writes() - before);
}

/// Writes, then says that it failed: what a cut right after the write looks like to the next start.
struct CutAfterWrite {
    disk: MemoryDisk,
    writes_left: u32,
}

impl Disk for CutAfterWrite {
    fn load(&mut self) -> Result<Saved, DiskError> {
        self.disk.load()
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        self.disk.write(write)?;
        self.writes_left = self
            .writes_left
            .checked_sub(1)
            .ok_or_else(|| DiskError::Io("cut".to_owned()))?;
        Ok(())
    }
}

#[test]
fn an_entry_that_was_persisted_but_not_applied_is_applied_at_the_next_start_and_once() {
    let disk = lone();
    // Enough for the election; the write of the entry is the one that is cut.
    let mut cut = None;
    for writes_left in 0..10 {
        let copy = MemoryDisk::of(disk.clone().load().unwrap());
        let wrapped = CutAfterWrite {
            disk: copy.clone(),
            writes_left,
        };
        let Ok(mut replica) = Replica::start(wrapped) else {
            continue;
        };
        if replica.advance().is_err() {
            continue;
        }
        replica.propose(entry(1));
        assert!(replica.advance().is_err(), "nothing is acknowledged");
        assert_eq!(replica.view().networks().count(), 0, "nothing is applied");
        cut = Some(copy);
        break;
    }
    let mut replica = started(cut.unwrap());
    assert_eq!(replica.view().networks().count(), 1);
    replica.propose(entry(1));
    assert_eq!(outcomes(&replica.advance().unwrap()), [(1, true)], "the first outcome");
    assert_eq!(replica.view().networks().count(), 1);
}

#[test]
fn nothing_is_acknowledged_when_the_disk_fails() {
    let disk = lone();
    let mut replica = started(disk.clone());
    disk.set_fault(Some(DiskFault::Full));
    replica.propose(entry(1));
    assert!(matches!(replica.advance(), Err(ReplicaError::Disk(_))));
    disk.set_fault(None);
    assert_eq!(started(disk).view().networks().count(), 0);
}

#[test]
fn the_log_is_compacted_and_the_state_comes_back_from_the_snapshot() {
    let disk = lone();
    let mut replica = Replica::start(disk.clone()).unwrap().with_snapshot_every(10);
    replica.advance().unwrap();
    for n in 1..=95 {
        replica.propose(entry(n));
        replica.advance().unwrap();
    }
    let before = replica.view();
    let saved = disk.clone().load().unwrap();
    assert!(saved.entries.len() <= 25, "{} entries", saved.entries.len());
    drop(replica);
    let mut again = started(disk);
    assert_eq!(again.view().networks().count(), 95);
    assert_eq!(
        again.view().outcome(RequestId::from_bits(1)),
        before.outcome(RequestId::from_bits(1))
    );
    again.propose(entry(96));
    assert_eq!(outcomes(&again.advance().unwrap()), [(96, true)]);
}

#[test]
fn few_entries_of_many_bytes_are_compacted_too() {
    let disk = lone();
    let (limit, size) = (4096, entry(1).len());
    let mut replica = Replica::start(disk.clone()).unwrap().with_held_bytes(limit);
    replica.advance().unwrap();
    for n in 1..=95 {
        replica.propose(entry(n));
        replica.advance().unwrap();
        let held = disk.clone().load().unwrap().entries.len();
        assert!(held * size <= limit + 2 * size, "{held} entries of {size} bytes");
    }
    drop(replica);
    assert_eq!(started(disk).view().networks().count(), 95);
}

#[test]
fn a_refusal_is_an_answer_and_a_read_comes_after_what_was_acknowledged() {
    let mut replica = started(lone());
    replica.propose(entry(1));
    let mut other = Entry::decode(&entry(1)).unwrap();
    other.request = RequestId::from_bits(99);
    replica.propose(other.encode().unwrap());
    replica.read(RequestId::from_bits(7));
    let effects = replica.advance().unwrap();
    assert_eq!(outcomes(&effects), [(1, true), (99, false)]);
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Readable(id) if id.bits() == 7))
    );
    assert!(matches!(
        replica.view().outcome(RequestId::from_bits(99)),
        Some(Err(Refused::NameTaken { .. } | Refused::IdTaken { .. }))
    ));
}

/// Three members and the wires between them.
struct Group {
    members: BTreeMap<u64, Replica<MemoryDisk>>,
    cut_off: BTreeSet<u64>,
    /// A member that takes in what it gets, but its receipts are lost.
    unheard: Option<u64>,
    readable: Vec<u128>,
}

impl Group {
    fn of_three() -> Self {
        let mut first = Replica::<MemoryDisk>::first_member(1).unwrap();
        first.snapshot.mut_metadata().mut_conf_state().voters = vec![1, 2, 3];
        let members = (1..=3).map(|member| {
            let disk = MemoryDisk::of(Saved {
                member,
                ..first.clone()
            });
            (member, Replica::start(disk).unwrap().with_snapshot_every(20))
        });
        Self {
            members: members.collect(),
            cut_off: BTreeSet::new(),
            unheard: None,
            readable: Vec::new(),
        }
    }

    /// Carries messages until none are left.
    fn settle(&mut self) {
        loop {
            let mut wire = Vec::new();
            for (from, replica) in &mut self.members {
                for effect in replica.advance().unwrap() {
                    match effect {
                        Effect::Send { to, message, .. } => wire.push((*from, to, message)),
                        Effect::Readable(id) => self.readable.push(id.bits()),
                        _ => {}
                    }
                }
            }
            if wire.is_empty() {
                return;
            }
            for (from, to, message) in wire {
                let Incoming(read) = Incoming::parse(&message).unwrap();
                let receipt = read.get_msg_type() == MessageType::MsgAppendResponse && !read.reject;
                let lost = receipt && self.unheard == Some(from);
                if !lost && !self.cut_off.contains(&from) && !self.cut_off.contains(&to) {
                    self.members.get_mut(&to).unwrap().step(&message);
                }
            }
        }
    }

    fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.members.values_mut().for_each(Replica::tick);
            self.settle();
        }
    }

    fn leader(&self) -> Option<u64> {
        let mut leaders = self.members.values().filter(|replica| replica.standing().leads);
        let reachable = leaders.find(|replica| !self.cut_off.contains(&replica.member()));
        reachable.map(Replica::member)
    }

    fn networks(&self) -> Vec<usize> {
        self.members
            .values()
            .map(|replica| replica.view().networks().count())
            .collect()
    }

    fn propose(&mut self, to: u64, n: u32) {
        self.members.get_mut(&to).unwrap().propose(entry(n));
        self.settle();
    }
}

#[test]
fn three_members_agree_and_a_follower_hands_proposals_to_the_leader() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let follower = [1, 2, 3].into_iter().find(|member| *member != leader).unwrap();
    group.propose(leader, 1);
    group.propose(follower, 2);
    group.run(4);
    assert_eq!(group.networks(), [2, 2, 2]);
    group.members.get_mut(&follower).unwrap().read(RequestId::from_bits(5));
    group.settle();
    assert_eq!(group.readable, [5]);
}

#[test]
fn a_cut_off_leader_is_replaced_steps_down_and_catches_up_from_a_snapshot() {
    let mut group = Group::of_three();
    group.run(40);
    let old = group.leader().unwrap();
    group.cut_off.insert(old);
    group.propose(old, 90);
    group.run(60);
    assert!(!group.members[&old].standing().leads, "it cannot hear a quorum");
    let new = group.leader().unwrap();
    assert_ne!(new, old);
    (1..=60).for_each(|n| group.propose(new, n));
    group.cut_off.clear();
    group.run(60);
    assert_eq!(group.networks(), [60, 60, 60], "the lost proposal is nowhere");
}

#[test]
fn a_minority_answers_no_reads() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    group.cut_off.insert(leader);
    group.members.get_mut(&leader).unwrap().read(RequestId::from_bits(5));
    group.run(5);
    assert!(group.readable.is_empty());
}

#[test]
fn a_leader_whom_an_entry_of_the_one_before_dismisses_steps_down() {
    let mut group = Group::of_three();
    group.run(40);
    let old = group.leader().unwrap();
    let mut others = (1..=3).filter(|member| *member != old);
    let (new, third) = (others.next().unwrap(), others.next().unwrap());
    // The entry reaches the one whom it dismisses, and the old leader does not hear of that.
    (group.cut_off, group.unheard) = ([third].into(), Some(new));
    let leader = group.members.get_mut(&old).unwrap();
    let change = MemberChange {
        node: NodeId::from_bits(1),
        raft_id: new,
        at: Timestamp(0),
        step: MemberStep::Leave,
    };
    assert!(leader.change_members(leader.standing().term, &change, entry(1)));
    group.settle();
    // It has the longer log: nobody else can take over, and to do so is to be dismissed.
    (group.cut_off, group.unheard) = ([old].into(), None);
    group.run(60);
    assert!(!group.members[&new].standing().leads);
    assert_eq!(group.members[&new].members().voters, [old, third].into());
    group.cut_off.clear();
    group.run(60);
    let leader = group.leader().unwrap();
    assert_ne!(leader, new);
    assert_eq!(group.members[&leader].members().voters, [old, third].into());
    assert_eq!(group.members[&leader].view().networks().count(), 1);
}

#[test]
fn who_follows_changes_hears_of_members_that_come_and_go() {
    let mut group = Group::of_three();
    group.run(40);
    let leader = group.leader().unwrap();
    let other = (1..=3).find(|member| *member != leader).unwrap();
    let change = MemberChange {
        node: NodeId::from_bits(1),
        raft_id: other,
        at: Timestamp(0),
        step: MemberStep::Leave,
    };
    let member = group.members.get_mut(&leader).unwrap();
    assert!(member.change_members(member.standing().term, &change, entry(1)));
    group.run(4);
    for member in group.members.values().filter(|member| member.member() != other) {
        let (told, complete) = member.history().since(2, 10).unwrap();
        let names = told
            .iter()
            .flat_map(|(_, changes)| changes.iter().map(|c| c.name.as_str()));
        assert_eq!(names.collect::<Vec<_>>(), ["n1"]);
        assert_eq!(complete, member.view().applied());
    }
}
