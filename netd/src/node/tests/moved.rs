//! A node whose address has gone.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU8, Ordering},
};

use seal::UnlockKey;

use super::*;

/// Looks as often as the owner would within a quarter of a minute.
async fn look_for_a_while(node: &mut Node) {
    for _ in 0..7 {
        node.look().await;
        tokio::time::advance(super::super::moved::LOOK).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_takes_another_address_when_its_own_is_gone_for_good_and_its_locked_log_is_opened_again() {
    let addr = Arc::new(AtomicU8::new(0));
    let mut bench = bench(Fake {
        addr: addr.clone(),
        unlock_key: Some(UnlockKey::fresh()),
        ..Fake::default()
    });
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.done();
    addr.store(9, Ordering::Relaxed);
    bench.node.look().await;
    addr.store(0, Ordering::Relaxed);
    look_for_a_while(&mut bench.node).await;
    assert!(bench.done().is_empty(), "it was away for a moment only");

    addr.store(9, Ordering::Relaxed);
    look_for_a_while(&mut bench.node).await;
    assert_eq!(
        bench.done(),
        ["agent stops", "manager stops", "manager starts", "agent starts"]
    );
    let place = NodeState::load(bench.root.path()).unwrap().unwrap();
    let new: SocketAddr = "192.0.2.9:2377".parse().unwrap();
    assert_eq!(
        (place.advertise_addr, place.data_path_addr, place.managers),
        (new, new.ip(), vec![new])
    );
    assert!(matches!(*bench.door.borrow(), Door::Open(_)));
    look_for_a_while(&mut bench.node).await;
    assert!(bench.done().is_empty(), "it stays there");
}

#[tokio::test(start_paused = true)]
async fn a_node_without_any_address_says_so_and_goes_on() {
    let addr = Arc::new(AtomicU8::new(0));
    let mut bench = bench(Fake {
        addr: addr.clone(),
        ..Fake::default()
    });
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.done();
    addr.store(NO_ADDRESS, Ordering::Relaxed);
    look_for_a_while(&mut bench.node).await;
    let complaint = |bench: &Bench| match &*bench.standing.borrow() {
        Standing::Active(member) => member.place_error.clone(),
        _ => panic!("not active"),
    };
    let words = complaint(&bench);
    assert!(words.contains("192.0.2.1 is on no device"), "{words}");
    addr.store(0, Ordering::Relaxed);
    bench.node.look().await;
    assert_eq!(complaint(&bench), "");
    assert!(bench.done().is_empty());
}

#[tokio::test]
async fn where_an_operator_says_that_a_manager_is_is_kept() {
    let hints = Arc::default();
    let mut bench = bench(Fake {
        hints: Arc::clone(&hints),
        ..Fake::default()
    });
    let request = |addr: &str| pb::JoinAddrRequest { addr: addr.into() };
    let outside = bench.node.join_addr(&request("192.0.2.7")).await.unwrap_err();
    assert!(outside.words.contains("not part of a swarm"), "{}", outside.words);
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.node.join_addr(&request("192.0.2.7")).await.unwrap();
    bench.node.join_addr(&request("192.0.2.8:2999")).await.unwrap();
    let expected = ["192.0.2.8:2999", "192.0.2.7:2377"];
    assert_eq!(*hints.lock().unwrap(), expected);
    hints.lock().unwrap().clear();
    bench.node.resume(None).await;
    assert_eq!(*hints.lock().unwrap(), expected);
    assert!(bench.node.join_addr(&request(":2377")).await.is_err());
}
