//! A member that goes on as the only one: what its log says, and the disk from which it begins again.

use raft::eraftpb::{EntryType, HardState, Snapshot};
use store::{Entry, State};

use super::{
    apply::since,
    disk::{Disk, DiskError, DiskWrite, Saved},
    effect::ReplicaError,
};

impl Saved {
    /// What the disk of a cluster's only member holds: one voter, and the state as of its last index.
    pub fn of_sole_member(member: u64, term: u64, state: &State) -> Result<Self, ReplicaError> {
        let index = state.applied();
        let mut snapshot = Snapshot::default();
        snapshot.set_data(state.encode()?.into());
        snapshot.mut_metadata().index = index;
        snapshot.mut_metadata().term = term;
        snapshot.mut_metadata().mut_conf_state().voters = vec![member];
        let hard_state = HardState {
            term,
            commit: index,
            ..HardState::default()
        };
        Ok(Self {
            member,
            hard_state,
            snapshot,
            entries: Vec::new(),
        })
    }

    /// Raft's term as of then.
    pub fn term(&self) -> u64 {
        self.hard_state.term
    }

    /// The state with every entry of the log. Also with those at its end that this member does not know to be committed:
    /// the others may have acknowledged them, and one that votes alone would commit them. None: it was told nothing yet.
    pub fn state(&self) -> Result<Option<State>, ReplicaError> {
        let start = self.snapshot.get_metadata().index;
        if start == 0 {
            return Ok(None);
        }
        let mut state = State::decode(&self.snapshot.data)?;
        for entry in self.entries.iter().filter(|entry| entry.index > start) {
            let (bytes, since) = match entry.get_entry_type() {
                EntryType::EntryNormal => (&entry.data, since(entry)),
                // The command travels beside the change of the membership.
                EntryType::EntryConfChange | EntryType::EntryConfChangeV2 => (&entry.context, None),
            };
            match bytes.is_empty() {
                true => state.apply_nothing(entry.index),
                false => drop(state.apply_repeated(entry.index, Entry::decode(bytes)?, since)),
            }
        }
        Ok(Some(state))
    }
}

/// Replaces all that a disk holds of its member, in one write: a cut leaves the one or the other.
pub fn begin_again<D: Disk>(disk: &mut D, with: &Saved) -> Result<(), DiskError> {
    disk.write(&DiskWrite {
        hard_state: Some(&with.hard_state),
        snapshot: Some(&with.snapshot),
        keep_from: None,
        entries: &[],
    })
}

#[cfg(test)]
mod tests {
    use model::{Name, NetworkId, NetworkSpec, RequestId, Timestamp};
    use store::{Command, NewNetwork};

    use super::*;
    use crate::raft::{MemoryDisk, Replica};

    fn network(n: u8) -> Vec<u8> {
        let name: Name = format!("n{n}").parse().unwrap();
        let command = Command::CreateNetwork(Box::new(NewNetwork {
            id: NetworkId::from_bits(n.into()),
            at: Timestamp(0),
            spec: NetworkSpec::named(name),
            vni: (5000 + u32::from(n)).try_into().unwrap(),
            subnet: ipnet::Ipv4Net::new([10, 1, n, 0].into(), 24).unwrap().into(),
            gateway: [10, 1, n, 1].into(),
        }));
        let request = RequestId::from_bits(n.into());
        Entry { request, command }.encode().unwrap()
    }

    #[test]
    fn a_member_goes_on_alone_with_its_whole_log_and_forgets_no_request() {
        let disk = MemoryDisk::of(Replica::<MemoryDisk>::first_member(3).unwrap());
        let mut replica = Replica::start(disk.clone()).unwrap();
        for n in 1..=5 {
            replica.propose(network(n));
            replica.advance().unwrap();
        }
        let before = replica.view();
        drop(replica);
        let mut saved = disk.clone().load().unwrap();
        // Of three members, and not told yet that the last entries are committed.
        saved.snapshot.mut_metadata().mut_conf_state().voters = vec![1, 2, 3];
        saved.hard_state.commit = 3;
        let mut disk = MemoryDisk::of(saved.clone());
        let state = saved.state().unwrap().unwrap();
        assert_eq!(state, before);
        let mut stuck = Replica::start(disk.clone()).unwrap();
        stuck.advance().unwrap();
        assert!(!stuck.standing().leads);

        let alone = Saved::of_sole_member(3, saved.term() + 1, &state).unwrap();
        begin_again(&mut disk, &alone).unwrap();
        let mut alone = Replica::start(disk).unwrap();
        alone.advance().unwrap();
        assert!(alone.standing().leads && alone.standing().term > saved.term());
        assert_eq!(alone.view().networks().count(), 5);
        alone.propose(network(5));
        alone.propose(network(6));
        alone.advance().unwrap();
        assert_eq!(alone.view().networks().count(), 6);
    }

    #[test]
    fn a_member_that_was_told_nothing_has_no_state() {
        assert!(Replica::<MemoryDisk>::new_member(4).state().unwrap().is_none());
    }
}
