//! Going on alone, and beginning from a backup.

use super::*;

fn force_new() -> pb::InitRequest {
    pb::InitRequest {
        force_new_cluster: true,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_manager_without_a_majority_goes_on_alone_while_its_agent_takes_no_notice() {
    let mut bench = bench(Fake {
        majority_lost: true,
        ..Fake::default()
    });
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.done();
    let elsewhere = pb::InitRequest {
        data_path_port: 5000,
        ..force_new()
    };
    let fixed = bench.node.init(&elsewhere).await.unwrap_err();
    assert!(fixed.words.contains("cannot be given"), "{}", fixed.words);
    assert!(bench.done().is_empty());
    let answer = bench.node.init(&force_new()).await.unwrap();
    assert_eq!(answer.former_managers, ["n1"]);
    assert_eq!(bench.done(), ["manager stops", "manager goes on alone"]);
    assert!(matches!(*bench.door.borrow(), Door::Open(_)));
}

#[tokio::test]
async fn with_a_majority_on_a_worker_and_outside_of_a_swarm_nothing_is_forced() {
    let mut bench = bench(Fake::default());
    let outside = bench.node.init(&force_new()).await.unwrap_err();
    assert!(outside.words.contains("not part of a swarm"), "{}", outside.words);
    assert!(bench.is_inactive());
    bench.node.join(&join_request()).await.unwrap();
    let worker = bench.node.init(&force_new()).await.unwrap_err();
    assert_eq!(worker.words, WORKER);
    bench.node.leave(&FORCE).await.unwrap();
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.done();
    let majority = bench.node.init(&force_new()).await.unwrap_err();
    assert!(majority.words.contains("has a leader"), "{}", majority.words);
    assert!(bench.done().is_empty());
}

#[tokio::test]
async fn a_manager_that_cannot_go_on_alone_is_tried_again_as_it_was() {
    let fake = Fake {
        majority_lost: true,
        ..Fake::default()
    };
    let fails = fake.manager_fails.clone();
    let mut bench = bench(fake);
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let refusal = bench.node.init(&force_new()).await.unwrap_err();
    assert!(refusal.words.contains("the log is damaged"), "{}", refusal.words);
    assert!(bench.node.may_start_manager());
    assert!(matches!(&*bench.door.borrow(), Door::Closed(why) if why.contains("cannot go on alone")));
}

#[tokio::test]
async fn a_locked_manager_that_cannot_go_on_alone_needs_no_key_to_go_on_as_it_was() {
    let fake = Fake {
        majority_lost: true,
        unlock_key: Some(seal::UnlockKey::fresh()),
        ..Fake::default()
    };
    let fails = fake.manager_fails.clone();
    let mut bench = bench(fake);
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(bench.node.init(&force_new()).await.is_err());
    bench.node.restart_manager().await;
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    bench.node.restart_manager().await;
    let member = bench.node.member.as_ref().unwrap();
    assert!(member.manager.is_some() && !member.locked);
    assert!(member.unlock.is_none(), "it has the key itself");
}

#[tokio::test]
async fn what_is_no_backup_is_refused_and_so_is_a_node_of_a_swarm() {
    let mut bench = bench(Fake::default());
    let request = pb::RestoreRequest {
        data: b"no backup\n".to_vec(),
        ..Default::default()
    };
    let refusal = bench.node.restore(&request).await.unwrap_err();
    assert!(refusal.words.contains("no backup of a swarm"), "{}", refusal.words);
    assert!(bench.done().is_empty() && bench.is_inactive());
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    let already = bench.node.restore(&request).await.unwrap_err();
    assert!(already.words.contains("already part of a swarm"), "{}", already.words);
}

/// A node that was a manager before, whose manager signs itself a certificate when it starts again.
async fn ended(fake: Fake) -> (Bench, Node) {
    let mut first = bench(Fake::default());
    first.node.init(&pb::InitRequest::default()).await.unwrap();
    first.node.stop().await;
    let fake = Fake {
        diary: first.diary.clone(),
        signs: "signed by itself".to_owned(),
        ..fake
    };
    first.done();
    let (door, standing) = (watch::Sender::new(Door::Opening), watch::Sender::default());
    let second = Node::new(Arc::new(fake), first.root.path().to_owned(), door, standing);
    (first, second)
}

/// The certificates that the node and its agent have.
fn shown(node: &Node) -> [String; 2] {
    let member = node.member.as_ref().unwrap();
    let agents = member.agent.identity().borrow().certificate_pem.clone();
    [member.identity.certificate_pem.clone(), agents]
}

#[tokio::test]
async fn an_agent_begins_with_the_certificate_that_its_manager_has_signed_for_itself() {
    let (bench, mut node) = ended(Fake::default()).await;
    node.resume(None).await;
    assert_eq!(shown(&node), ["signed by itself"; 2]);
    assert_eq!(bench.done(), ["manager starts", "agent starts"]);
}

#[tokio::test]
async fn an_agent_that_runs_begins_anew_with_the_certificate_that_its_manager_has_signed() {
    let key = seal::UnlockKey::fresh();
    let unlock = pb::UnlockRequest {
        unlock_key: key.to_string(),
    };
    let (bench, mut node) = ended(Fake {
        unlock_key: Some(key),
        ..Fake::default()
    })
    .await;
    node.resume(None).await;
    node.unlock(&unlock).await.unwrap();
    assert_eq!(shown(&node), ["signed by itself"; 2]);
    let anew = ["agent starts", "manager starts", "agent stops", "agent starts"];
    assert_eq!(bench.done(), anew);

    let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (bench, mut node) = ended(Fake {
        manager_fails: fails.clone(),
        ..Fake::default()
    })
    .await;
    node.resume(None).await;
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    node.restart_manager().await;
    assert_eq!(shown(&node), ["signed by itself"; 2]);
    assert_eq!(bench.done(), anew);
}

#[tokio::test]
async fn an_agent_begins_anew_when_its_manager_signs_as_it_goes_on_alone() {
    let mut bench = bench(Fake {
        majority_lost: true,
        signs: "signed by itself".to_owned(),
        ..Fake::default()
    });
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.done();
    bench.node.init(&force_new()).await.unwrap();
    assert_eq!(shown(&bench.node), ["signed by itself"; 2]);
    let anew = ["manager stops", "manager goes on alone", "agent stops", "agent starts"];
    assert_eq!(bench.done(), anew);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_runs_and_whose_certificate_is_not_valid_begins_anew_but_not_again_and_again() {
    let mut bench = bench(Fake {
        signs: fake::ENDED.to_owned(),
        ..Fake::default()
    });
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.node.look().await;
    assert_eq!(bench.done(), ["manager starts", "agent starts"], "all is well");
    bench.node.member.as_mut().unwrap().identity.certificate_pem = fake::ENDED.to_owned();
    let anew = ["agent stops", "manager stops", "manager starts", "agent starts"];
    for (wait, done) in [(0, &anew[..]), (60, &[]), (600, &anew)] {
        tokio::time::advance(Duration::from_secs(wait)).await;
        bench.node.look().await;
        assert_eq!(bench.done(), done, "after {wait} s");
    }
}
