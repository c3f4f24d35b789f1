//! A disk that is full: refused in words, and over when there is space again.

use super::*;

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

/// Carries nothing: there is nobody else.
struct Nowhere;

impl Transport for Nowhere {
    fn send(&mut self, _: u64, _: Vec<u8>, _: bool) {}
    fn keep_only(&mut self, _: &control::Members) {}
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
