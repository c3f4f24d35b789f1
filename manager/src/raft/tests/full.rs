//! A disk that is full: refused in words, and over when there is space again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::{fixture::Nowhere, *};

#[test]
fn a_replica_whose_disk_was_full_forgets_what_it_could_not_write_and_goes_on() {
    let disk = lone();
    let mut replica = started(disk.clone());
    replica.propose(entry(1));
    replica.advance().unwrap();
    disk.set_fault(Some(DiskFault::Full));
    replica.propose(entry(2));
    let full = |why: &ReplicaError| matches!(why, ReplicaError::Disk(why) if why.is_full());
    assert!(replica.advance().is_err_and(|why| full(&why)));
    assert!(replica.restart().is_err_and(|why| full(&why)), "still full");
    disk.set_fault(None);
    replica.restart().unwrap();
    replica.advance().unwrap();
    assert!(replica.standing().leads);
    assert_eq!(replica.view().networks().count(), 1, "the second was refused");
    replica.propose(entry(2));
    assert_eq!(outcomes(&replica.advance().unwrap()), [(2, true)]);
}

#[tokio::test]
async fn a_manager_with_a_full_disk_refuses_writes_answers_reads_and_heals() {
    let disk = lone();
    let driver = Driver::start(Replica::start(disk.clone()).unwrap(), Nowhere);
    let id = RequestId::from_bits;
    driver.propose(id(1), entry(1)).await.unwrap();
    disk.set_fault(Some(DiskFault::Full));
    for _ in 0..2 {
        let refused = driver.propose(id(2), entry(2)).await.unwrap_err();
        assert!(matches!(refused, ProposeError::DiskFull { .. }), "{refused}");
        assert!(refused.to_string().contains("is full"), "{refused}");
    }
    let view = driver.read(id(50)).await.unwrap();
    assert_eq!(
        view.networks().count(),
        1,
        "a lone manager still knows what it acknowledged"
    );
    assert!(!driver.published().borrow().standing.leads);
    disk.set_fault(None);
    let mut published = driver.published();
    published.wait_for(|published| published.standing.leads).await.unwrap();
    let applied = driver.propose(id(2), entry(2)).await.unwrap();
    assert_eq!(applied.view.networks().count(), 2);
    driver.stop();
    driver.ended().await;
}

/// A disk on which a snapshot finds no space, and all else does.
struct NoSnapshots {
    disk: MemoryDisk,
    full: Arc<AtomicBool>,
}

impl Disk for NoSnapshots {
    fn load(&mut self) -> Result<Saved, DiskError> {
        self.disk.load()
    }

    fn write(&mut self, write: &DiskWrite<'_>) -> Result<(), DiskError> {
        if write.snapshot.is_some() && self.full.load(Ordering::Relaxed) {
            let file = "snapshot".to_owned();
            return Err(DiskError::Full { file });
        }
        self.disk.write(write)
    }
}

/// A lone member that makes a snapshot after every fifth entry, and whether its disk has no space for one.
fn without_snapshots() -> (Replica<NoSnapshots>, Arc<AtomicBool>) {
    let (disk, full) = (lone(), Arc::<AtomicBool>::default());
    let disk = NoSnapshots {
        disk,
        full: full.clone(),
    };
    let mut replica = Replica::start(disk).unwrap().with_snapshot_every(5);
    replica.advance().unwrap();
    (replica, full)
}

#[test]
fn what_was_applied_before_a_snapshot_found_no_space_is_told() {
    let (mut replica, full) = without_snapshots();
    full.store(true, Ordering::Relaxed);
    let mut told = Vec::new();
    let why = (1..=9).find_map(|n| {
        replica.propose(entry(n));
        match replica.advance() {
            Ok(effects) => {
                told.extend(outcomes(&effects));
                None
            }
            Err(why) => Some(why),
        }
    });
    assert!(matches!(why, Some(ReplicaError::Disk(why)) if why.is_full()));
    assert_eq!(told.len(), replica.view().networks().count(), "{told:?}");
    assert!(!replica.standing().leads);
    full.store(false, Ordering::Relaxed);
    replica.restart().unwrap();
    replica.advance().unwrap();
    assert!(replica.standing().leads);
    assert_eq!(replica.view().networks().count(), told.len());
}

#[tokio::test]
async fn a_full_disk_answers_what_was_applied_and_afterwards_everybody_looks_at_everything() {
    let (replica, full) = without_snapshots();
    let driver = Driver::start(replica, Nowhere);
    let mut news = driver.events();
    let id = RequestId::from_bits;
    full.store(true, Ordering::Relaxed);
    let mut acknowledged = 0;
    let why = loop {
        let n = acknowledged + 1;
        match driver.propose(id(u128::from(n)), entry(n)).await {
            Ok(_) => acknowledged = n,
            Err(why) => break why,
        }
        assert_eq!(news.recv().await.unwrap().entries.len(), 1, "entry {n}");
    };
    assert!(matches!(why, ProposeError::DiskFull { .. }), "{why}");
    let view = driver.published().borrow().view.clone();
    assert_eq!(view.networks().count(), acknowledged as usize, "all that was applied");
    full.store(false, Ordering::Relaxed);
    let anew = news.recv().await.unwrap();
    assert!(anew.everything && anew.view.applied() >= view.applied());
    driver.stop();
    driver.ended().await;
}
