//! A manager that waits for the unlock key.

use super::*;

#[tokio::test]
async fn a_locked_manager_waits_for_its_key_while_the_agent_goes_on() {
    let mut first = bench(Fake::default());
    first.node.init(&pb::InitRequest::default()).await.unwrap();
    let open = |key: &str| pb::UnlockRequest { unlock_key: key.into() };
    let key = seal::UnlockKey::fresh();
    let refusal = first.node.unlock(&open(&key.to_string())).await.unwrap_err();
    assert_eq!(refusal.words, "swarm is not locked");
    first.node.stop().await;
    let fake = Fake {
        unlock_key: Some(key.clone()),
        key_pem: seal::cover("a key", &seal::Keys::fresh()).unwrap(),
        ..Fake::default()
    };
    let diary = fake.diary.clone();
    let (door_in, door) = watch::channel(Door::Closed(INACTIVE.into()));
    let (standing_in, standing) = watch::channel(Standing::default());
    let mut second = Node::new(Arc::new(fake), first.root.path().to_owned(), door_in, standing_in);
    second.resume(None).await;
    assert!(matches!(&*standing.borrow(), Standing::Active(member) if member.locked));
    assert!(matches!(&*door.borrow(), Door::Closed(why) if why.contains("netctl swarm unlock")));
    assert_eq!(*diary.lock().unwrap(), ["agent starts"]);
    assert!(second.member.as_ref().unwrap().identity.is_sealed());
    for (wrong, words) in [
        (
            seal::UnlockKey::fresh().to_string(),
            "swarm could not be unlocked: invalid key provided",
        ),
        ("SWMKEY-1-".to_owned(), "invalid unlock key"),
    ] {
        let refusal = second.unlock(&open(&wrong)).await.unwrap_err();
        assert!(refusal.words.contains(words), "{}", refusal.words);
    }
    second.unlock(&open(&key.to_string())).await.unwrap();
    assert!(matches!(&*standing.borrow(), Standing::Active(member) if !member.locked));
    assert!(matches!(*door.borrow(), Door::Open(_)));
    assert!(!second.member.as_ref().unwrap().identity.is_sealed());
    let began_anew = ["agent starts", "manager starts", "agent stops", "agent starts"];
    assert_eq!(*diary.lock().unwrap(), began_anew);
}

#[tokio::test]
async fn the_nodes_key_is_sealed_with_the_lock_and_in_clear_before_the_manager_goes() {
    let fake = Fake::default();
    let lock = fake.lock.clone();
    let mut bench = bench(fake);
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.node.uncovered().await;
    bench.node.cover().await;
    assert_eq!(
        bench.done(),
        ["manager starts", "agent starts", "agent keeps its key in clear"]
    );
    lock.send_replace(Some(seal::UnlockKey::fresh()));
    bench.node.uncovered().await;
    bench.node.cover().await;
    assert_eq!(bench.done(), ["agent seals its key"]);
    bench.node.step_down().await;
    assert_eq!(bench.done(), ["agent keeps its key in clear", "manager stops"]);
}

#[tokio::test(start_paused = true)]
async fn a_promotion_that_was_cut_short_when_the_log_was_locked_waits_for_the_key() {
    let key = seal::UnlockKey::fresh();
    let mut bench = bench(Fake {
        joins_as_manager: true,
        unlock_key: Some(key.clone()),
        log_is_locked: true,
        ..Fake::default()
    });
    let _late = bench.node.join(&join_request()).await;
    bench.node.follow(calling(Some(2)).unwrap()).await;
    let member = bench.node.member.clone().unwrap();
    assert!(member.locked && member.role_error.is_empty(), "{}", member.role_error);
    let place = NodeState::load(bench.root.path()).unwrap().unwrap();
    assert!(place.manager && place.last_member == 2);
    let unlock_key = key.to_string();
    bench.node.unlock(&pb::UnlockRequest { unlock_key }).await.unwrap();
    assert!(matches!(*bench.door.borrow(), Door::Open(_)));
}
