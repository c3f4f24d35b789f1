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
