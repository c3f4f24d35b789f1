//! A disk that hangs: neither written nor failed.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    fixture::{Hangs, Hold, Nowhere},
    wires::Wires,
    *,
};

#[tokio::test]
async fn a_leader_whose_disk_hangs_leads_no_more_and_the_others_go_on() {
    let holds: BTreeMap<u64, Arc<Hold>> = (1..=3).map(|member| (member, Arc::default())).collect();
    let wires = Wires::of_three(|member, disk| Hangs {
        disk,
        hold: holds[&member].clone(),
    });
    let old = wires.leader(None).await;
    holds[&old].set(true);
    let driver = wires.driver(old);
    let asked = tokio::spawn(async move { driver.propose(RequestId::from_bits(1), entry(1)).await });
    let mut published = wires.driver(old).published();
    let withdrawn = published.wait_for(|published| !published.standing.leads);
    let withdrawn = timeout(Duration::from_secs(3), withdrawn).await;
    withdrawn.expect("a hanging disk is noticed").unwrap();
    let new = timeout(Duration::from_secs(5), wires.leader(Some(old))).await.unwrap();
    let applied = wires.driver(new).propose(RequestId::from_bits(2), entry(2)).await;
    assert_eq!(applied.unwrap().view.networks().count(), 1);
    holds[&old].set(false);
    let applied = asked.await.unwrap().unwrap();
    assert_eq!(applied.view.networks().count(), 2, "it was not lost");
    wires.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_asks_a_manager_whose_disk_hangs_is_answered_by_the_deadline() {
    let hold = Arc::<Hold>::default();
    let disk = Hangs {
        disk: lone(),
        hold: hold.clone(),
    };
    let driver = Driver::start(Replica::start(disk).unwrap(), Nowhere);
    let id = RequestId::from_bits;
    hold.set(true);
    let (proposed, read) = tokio::join!(driver.propose(id(1), entry(1)), driver.read(id(2)));
    let why = proposed.unwrap_err();
    assert!(matches!(why, ProposeError::Deadline(_)), "{why}");
    let why = read.unwrap_err();
    assert!(matches!(why, ReadError::Deadline(_)), "{why}");
    hold.set(false);
    driver.stop();
    driver.ended().await;
}
