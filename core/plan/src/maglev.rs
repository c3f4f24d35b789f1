//! Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4):
//! which backend owns which slot of a ring.
//!
//! Called when the rows of a frontend are planned. The result depends on the groups, the set of keys and weights in each
//! and the size only, not on the order of backends or on anything local, so every node of the cluster fills the same ring;
//! and a backend that comes or goes moves little more than its own share of slots.
//!
//! Groups are an addition of ours: backends that get a share of the slots together, however many they are. The groups take
//! turns by their weights, and within a group its backends do. With one group this is Maglev as published.

/// A backend that takes part, by what identifies it on every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The same on every node (a task id's bits); decides the backend's permutation and its turn.
    pub key: u128,
    /// Share of the slots, relative to the others. 0 gets none.
    pub weight: u32,
}

/// SplitMix64's finalizer: ids that differ in one bit get permutations that have nothing in common.
const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Backends that get a share of the slots together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Share of the slots, relative to the other groups that have somebody to give slots to.
    pub weight: u32,
    /// Its backends, each with its own index.
    pub candidates: Vec<(usize, Candidate)>,
}

/// One backend's walk over the slots in its own order of preference.
struct Walk {
    index: usize,
    weight: u64,
    /// Grows by the largest weight with every slot taken; a turn is due when `round * weight` has reached it.
    due: u64,
    next: u64,
    skip: u64,
}

impl Walk {
    fn new(index: usize, candidate: Candidate, size: u64) -> Self {
        let (high, low) = ((candidate.key >> 64) as u64, candidate.key as u64);
        Self {
            index,
            weight: u64::from(candidate.weight),
            due: 0,
            next: mix(high ^ low.rotate_left(32)) % size,
            skip: mix(low.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ high) % (size - 1).max(1) + 1,
        }
    }

    /// The first slot of the walk that nobody has. There is one as long as the ring is not full: `skip` and a prime
    /// size have no common divisor, so the walk visits every slot.
    fn take(&mut self, ring: &mut [Option<usize>]) {
        loop {
            let slot = self.next as usize;
            self.next = (self.next + self.skip) % ring.len() as u64;
            if ring[slot].is_none() {
                ring[slot] = Some(self.index);
                return;
            }
        }
    }
}

/// The backends of a group, as they come to their turns.
struct Turns {
    /// In the order of keys.
    walks: Vec<Walk>,
    heaviest: u64,
    round: u64,
    /// Whose turn is looked at next in this round.
    at: usize,
    weight: u64,
    taken: u64,
}

impl Turns {
    /// `None`: nobody in the group takes slots.
    fn of(group: &Group, size: u64) -> Option<Self> {
        let mut candidates: Vec<&(usize, Candidate)> = group.candidates.iter().filter(|(_, c)| c.weight > 0).collect();
        candidates.sort_by_key(|(_, candidate)| candidate.key);
        let walks: Vec<Walk> = candidates
            .into_iter()
            .map(|(index, candidate)| Walk::new(*index, *candidate, size))
            .collect();
        let heaviest = walks.iter().map(|walk| walk.weight).max()?;
        (group.weight > 0).then_some(Self {
            walks,
            heaviest,
            round: 1,
            at: 0,
            weight: u64::from(group.weight),
            taken: 0,
        })
    }

    /// How far the group would be with one slot more, multiplied by `others` so that groups compare in whole numbers.
    fn next(&self, others: u64) -> u64 {
        (self.taken + 1) * others
    }

    /// The backend whose turn it is takes a slot.
    fn take(&mut self, ring: &mut [Option<usize>]) {
        self.taken += 1;
        loop {
            let (round, heaviest) = (self.round, self.heaviest);
            let Some(walk) = self.walks.get_mut(self.at) else {
                (self.round, self.at) = (round + 1, 0);
                continue;
            };
            self.at += 1;
            if round * walk.weight >= walk.due + heaviest {
                walk.due += heaviest;
                return walk.take(ring);
            }
        }
    }
}

/// The owner of each of `size` slots, by the indexes that candidates came with; `None` everywhere when nobody has any
/// weight.
///
/// `size` must be a prime well above the number of candidates (the share of each in its group is exact to about one part in
/// `size / candidates`, that of a group to one slot). The order of groups decides between equals.
pub fn ring(groups: &[Group], size: u32) -> Vec<Option<usize>> {
    let mut ring = vec![None; size as usize];
    let size = u64::from(size.max(1));
    let mut turns: Vec<Turns> = groups.iter().filter_map(|group| Turns::of(group, size)).collect();
    for _ in 0..ring.len() {
        // The group that is least far with one slot more: (taken + 1) / weight, compared crosswise.
        let least = turns.iter_mut().reduce(|least, turns| {
            if turns.next(least.weight) < least.next(turns.weight) {
                turns
            } else {
                least
            }
        });
        match least {
            Some(turns) => turns.take(&mut ring),
            None => break,
        }
    }
    ring
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 1021;

    fn equal(keys: impl IntoIterator<Item = u128>) -> Vec<Candidate> {
        keys.into_iter().map(|key| Candidate { key, weight: 1 }).collect()
    }

    fn one_group(candidates: &[Candidate]) -> [Group; 1] {
        [Group {
            weight: 1,
            candidates: candidates.iter().copied().enumerate().collect(),
        }]
    }

    fn owners(candidates: &[Candidate]) -> Vec<u128> {
        ring(&one_group(candidates), SIZE)
            .into_iter()
            .map(|owner| candidates[owner.unwrap()].key)
            .collect()
    }

    fn share(owners: &[u128], key: u128) -> usize {
        owners.iter().filter(|owner| **owner == key).count()
    }

    #[test]
    fn the_order_of_candidates_changes_nothing() {
        let forward = owners(&equal(1..=20));
        assert_eq!(forward, owners(&equal((1..=20).rev())));
    }

    #[test]
    fn equal_weights_get_equal_shares() {
        let owners = owners(&equal(100..107));
        for key in 100..107 {
            let share = share(&owners, key);
            assert!((145..=146).contains(&share), "{key} has {share} of {SIZE}");
        }
    }

    #[test]
    fn shares_follow_weights() {
        let candidates: Vec<Candidate> = [(7, 1), (8, 2), (9, 4), (10, 0)]
            .into_iter()
            .map(|(key, weight)| Candidate { key, weight })
            .collect();
        let owners = owners(&candidates);
        let shares = [7, 8, 9, 10].map(|key| share(&owners, key));
        assert_eq!(shares[3], 0, "weight 0 takes nothing");
        for (share, wanted) in shares.into_iter().zip([146, 292, 583, 0]) {
            assert!(share.abs_diff(wanted) <= 3, "{shares:?}");
        }
    }

    #[test]
    fn a_backend_that_goes_moves_few_slots_of_others() {
        let before = owners(&equal(1..=10));
        let after = owners(&equal((1..=10).filter(|key| *key != 4)));
        let moved = before
            .iter()
            .zip(&after)
            .filter(|(old, new)| **old != 4 && old != new)
            .count();
        assert!(moved < SIZE as usize / 10, "{moved} slots moved without need");
    }

    #[test]
    fn nobody_gives_an_empty_ring() {
        assert!(ring(&[], SIZE).iter().all(Option::is_none));
        let weightless = one_group(&[Candidate { key: 1, weight: 0 }]);
        assert!(ring(&weightless, SIZE).iter().all(Option::is_none));
        assert_eq!(ring(&one_group(&equal([5])), 1), vec![Some(0)]);
    }

    /// Keys from 1 on are old, those from 1001 on canaries, which get `share` per cent.
    fn canary(old: u128, new: u128, share: u32) -> Vec<u128> {
        let group = |weight, keys: std::ops::Range<u128>| Group {
            weight,
            candidates: equal(keys.clone()).into_iter().map(|c| (c.key as usize, c)).collect(),
        };
        let groups = [group(100 - share, 1..old + 1), group(share, 1001..new + 1001)];
        let ring = ring(&groups, SIZE).into_iter();
        ring.map(|owner| owner.unwrap() as u128).collect()
    }

    fn part(owners: &[u128], new: bool) -> f64 {
        let part = owners.iter().filter(|owner| (**owner > 1000) == new).count();
        part as f64 / owners.len() as f64
    }

    #[test]
    fn one_group_fills_the_ring_as_if_there_were_no_groups() {
        let owners = owners(&equal(1..=10));
        let fold = |sum: u64, key: &u128| sum.wrapping_mul(31).wrapping_add(*key as u64 - 1);
        let sum = owners.iter().fold(0, fold);
        assert_eq!(
            sum, 18_360_565_830_006_411_168,
            "rings of running clusters stay as they are"
        );
    }

    #[test]
    fn few_slots_move_when_the_share_changes() {
        for (from, to) in [(5, 10), (10, 20), (10, 50), (50, 10)] {
            let (before, after) = (canary(10, 2, from), canary(10, 2, to));
            let moved = before.iter().zip(&after).filter(|(old, new)| old != new).count();
            let needed = SIZE as usize * from.abs_diff(to) as usize / 100;
            assert!(
                moved < needed + SIZE as usize / 5,
                "{from} to {to}: {moved} slots moved, {needed} had to"
            );
        }
    }

    #[test]
    fn a_group_without_backends_leaves_all_to_the_other() {
        let (none_new, none_old) = (canary(10, 0, 10), canary(0, 2, 10));
        assert_eq!((part(&none_new, true), part(&none_old, true)), (0.0, 1.0));
        assert_eq!(none_new, owners(&equal(1..=10)));
    }

    proptest::proptest! {
        #[test]
        fn a_group_gets_its_share_and_its_backends_equal_parts(old in 1u128..200, new in 1u128..200, share in 1u32..100) {
            let owners = canary(old, new, share);
            let off = (part(&owners, true) - f64::from(share) / 100.0).abs();
            proptest::prop_assert!(off < 0.002, "{off} beside {share} %");
            for keys in [1..old + 1, 1001..new + 1001] {
                let parts: Vec<usize> = keys.map(|key| super::tests::share(&owners, key)).collect();
                let (least, most) = (parts.iter().min(), parts.iter().max());
                proptest::prop_assert!(least.zip(most).is_some_and(|(least, most)| most - least <= 1), "{parts:?}");
            }
        }
    }
}
