//! Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, 3.4):
//! which backend owns which slot of a ring.
//!
//! Called when the rows of a frontend are planned. The result depends on the set of keys, weights and the size only,
//! not on their order or on anything local, so every node of the cluster fills the same ring; and a backend that comes
//! or goes moves little more than its own share of slots.

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

/// The owner of each of `size` slots, as an index into `candidates`; `None` everywhere when nobody has any weight.
///
/// `size` must be a prime well above the number of candidates (the share of each is exact to about one part in
/// `size / candidates`).
pub fn ring(candidates: &[Candidate], size: u32) -> Vec<Option<usize>> {
    let mut ring = vec![None; size as usize];
    let mut walks: Vec<Walk> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| candidate.weight > 0)
        .map(|(index, candidate)| Walk::new(index, *candidate, u64::from(size.max(1))))
        .collect();
    walks.sort_by_key(|walk| candidates[walk.index].key);
    let Some(heaviest) = walks.iter().map(|walk| walk.weight).max() else {
        return ring;
    };
    let mut taken = 0;
    let mut round = 0;
    while taken < ring.len() {
        round += 1;
        for walk in &mut walks {
            if taken < ring.len() && round * walk.weight >= walk.due + heaviest {
                walk.due += heaviest;
                walk.take(&mut ring);
                taken += 1;
            }
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

    fn owners(candidates: &[Candidate]) -> Vec<u128> {
        ring(candidates, SIZE)
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
        assert!(
            ring(&[Candidate { key: 1, weight: 0 }], SIZE)
                .iter()
                .all(Option::is_none)
        );
        assert_eq!(ring(&equal([5]), 1), vec![Some(0)]);
    }
}
