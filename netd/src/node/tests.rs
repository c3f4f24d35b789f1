//! Entering and leaving over fake parts: nothing half-made stays, and refusals say what helps.

mod locked;
mod moved;
mod recover;

use tempfile::TempDir;

use model::{Role, Seat};

use super::{
    fake::{Diary, Fake, NO_ADDRESS},
    *,
};

struct Bench {
    node: Node,
    door: watch::Receiver<Door>,
    standing: watch::Receiver<Standing>,
    diary: Diary,
    root: TempDir,
}

fn bench(fake: Fake) -> Bench {
    let diary = fake.diary.clone();
    let root = tempfile::tempdir().unwrap();
    let (door_in, door) = watch::channel(Door::Closed(INACTIVE.into()));
    let (standing_in, standing) = watch::channel(Standing::default());
    let node = Node::new(Arc::new(fake), root.path().to_owned(), door_in, standing_in);
    Bench {
        node,
        door,
        standing,
        diary,
        root,
    }
}

impl Bench {
    fn done(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.diary.lock().unwrap())
    }

    fn is_inactive(&self) -> bool {
        matches!(*self.standing.borrow(), Standing::Inactive)
            && matches!(&*self.door.borrow(), Door::Closed(why) if why == INACTIVE)
            && NodeState::load(self.root.path()).unwrap().is_none()
    }
}

const FORCE: pb::LeaveRequest = pb::LeaveRequest { force: true };

#[tokio::test]
async fn a_first_node_opens_the_api_and_a_second_init_is_refused() {
    let mut bench = bench(Fake::default());
    let answer = bench.node.init(&pb::InitRequest::default()).await.unwrap();
    assert_eq!(answer.manager_addr, "192.0.2.1:2377");
    assert_eq!(answer.worker_token, "SWMTKN-1-a-b");
    assert!(matches!(*bench.door.borrow(), Door::Open(_)));
    assert!(NodeState::load(bench.root.path()).unwrap().unwrap().manager);
    let second = bench.node.init(&pb::InitRequest::default()).await.unwrap_err();
    assert!(second.words.contains("already part of a swarm"), "{}", second.words);
    let joins = bench.node.join(&join_request()).await.unwrap_err();
    assert!(joins.words.contains("already part of a swarm"), "{}", joins.words);
    assert_eq!(bench.done(), ["manager starts", "agent starts"]);
}

#[tokio::test]
async fn the_state_of_another_cluster_in_the_data_folder_is_named_and_kept() {
    let mut bench = bench(Fake::default());
    let log = bench.root.path().join("raft").join("raft.redb");
    std::fs::create_dir(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "another cluster's").unwrap();
    let init = bench.node.init(&pb::InitRequest::default()).await.unwrap_err();
    let join = bench.node.join(&join_request()).await.unwrap_err();
    for refusal in [init, join] {
        let root = bench.root.path().display().to_string();
        assert!(
            refusal.words.contains(&root) && refusal.words.contains("raft"),
            "{}",
            refusal.words
        );
    }
    assert!(bench.done().is_empty() && bench.is_inactive());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "another cluster's");
}

#[tokio::test]
async fn an_agent_that_cannot_start_takes_the_manager_with_it() {
    let mut bench = bench(Fake {
        agent_fails: true,
        ..Fake::default()
    });
    let refusal = bench.node.init(&pb::InitRequest::default()).await.unwrap_err();
    assert!(refusal.words.contains("the kernel refuses"), "{}", refusal.words);
    assert_eq!(bench.done(), ["manager starts", "manager stops"]);
    assert!(bench.is_inactive());
}

#[tokio::test]
async fn a_join_that_is_refused_leaves_nothing_on_the_disk() {
    let mut bench = bench(Fake {
        is_refused: true,
        ..Fake::default()
    });
    let refusal = bench.node.join(&join_request()).await.unwrap_err();
    assert!(refusal.words.contains("invalid join token"), "{}", refusal.words);
    assert!(bench.done().is_empty() && bench.is_inactive());
    assert_eq!(std::fs::read_dir(bench.root.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_engine_in_swarm_mode_is_refused_before_anything_is_made() {
    let mut bench = bench(Fake {
        in_swarm_mode: true,
        ..Fake::default()
    });
    let refusal = bench.node.init(&pb::InitRequest::default()).await.unwrap_err();
    assert!(refusal.words.contains("docker swarm leave"), "{}", refusal.words);
    assert!(bench.done().is_empty() && bench.is_inactive());
}

#[tokio::test]
async fn a_manager_leaves_only_by_force_and_forgets() {
    let mut bench = bench(Fake::default());
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    let refusal = bench.node.leave(&pb::LeaveRequest::default()).await.unwrap_err();
    assert!(refusal.words.contains("--force"), "{}", refusal.words);
    bench.done();
    bench.node.leave(&FORCE).await.unwrap();
    assert_eq!(bench.done(), ["manager retires", "agent leaves", "manager stops"]);
    assert!(bench.is_inactive());
    assert!(
        bench
            .node
            .leave(&FORCE)
            .await
            .unwrap_err()
            .words
            .contains("not part of a swarm")
    );
}

#[tokio::test]
async fn a_worker_that_cannot_clean_up_stays_unless_forced() {
    let mut bench = bench(Fake {
        leave_fails: true,
        ..Fake::default()
    });
    let token = model::JoinToken {
        digest: [1; 32],
        secret: [2; 16],
    };
    let join = pb::JoinRequest {
        token: token.to_string(),
        remote_addr: "192.0.2.9:2377".into(),
        ..Default::default()
    };
    bench.node.join(&join).await.unwrap();
    assert!(matches!(&*bench.door.borrow(), Door::Closed(why) if why == WORKER));
    let refusal = bench.node.leave(&pb::LeaveRequest::default()).await.unwrap_err();
    assert!(refusal.words.contains("no engine"), "{}", refusal.words);
    assert!(matches!(*bench.standing.borrow(), Standing::Active(_)));
    bench.node.leave(&FORCE).await.unwrap();
    assert!(bench.is_inactive());
}

#[tokio::test]
async fn bad_words_are_named() {
    let mut bench = bench(Fake::default());
    let join = |token: &str, remote: &str| pb::JoinRequest {
        token: token.into(),
        remote_addr: remote.into(),
        ..Default::default()
    };
    let good = model::JoinToken {
        digest: [1; 32],
        secret: [2; 16],
    };
    let bad_token = bench
        .node
        .join(&join("SWMTKN-1-x", "192.0.2.9:2377"))
        .await
        .unwrap_err();
    assert!(bad_token.words.contains("token"), "{}", bad_token.words);
    let bad_remote = bench
        .node
        .join(&join(&good.to_string(), "192.0.2.9:x"))
        .await
        .unwrap_err();
    assert!(bad_remote.words.contains("192.0.2.9:x"), "{}", bad_remote.words);
    let request = pb::InitRequest {
        advertise_addr: "198.51.100.7".into(),
        ..Default::default()
    };
    let elsewhere = bench.node.init(&request).await.unwrap_err();
    assert!(elsewhere.words.contains("198.51.100.7"), "{}", elsewhere.words);
    assert!(bench.done().is_empty() && bench.is_inactive());
}

#[tokio::test]
async fn a_daemon_started_again_takes_its_place() {
    let mut first = bench(Fake::default());
    first.node.init(&pb::InitRequest::default()).await.unwrap();
    first.node.stop().await;
    let fake = Fake::default();
    let diary = fake.diary.clone();
    let (door, _) = watch::channel(Door::Closed(INACTIVE.into()));
    let (standing_in, standing) = watch::channel(Standing::default());
    let mut second = Node::new(Arc::new(fake), first.root.path().to_owned(), door, standing_in);
    second.resume(None).await;
    assert!(matches!(*standing.borrow(), Standing::Active(_)));
    assert_eq!(*diary.lock().unwrap(), ["manager starts", "agent starts"]);
}

#[tokio::test]
async fn a_node_that_cannot_take_its_place_says_why_and_leaves_no_manager_running() {
    let mut first = bench(Fake::default());
    first.node.init(&pb::InitRequest::default()).await.unwrap();
    let fake = Fake {
        agent_fails: true,
        ..Fake::default()
    };
    let diary = fake.diary.clone();
    let (door_in, door) = watch::channel(Door::Closed(INACTIVE.into()));
    let (standing_in, _standing) = watch::channel(Standing::default());
    let mut second = Node::new(Arc::new(fake), first.root.path().to_owned(), door_in, standing_in);
    second.resume(None).await;
    assert!(second.has_failed());
    assert!(matches!(&*door.borrow(), Door::Closed(why) if why.contains("the kernel refuses")));
    assert_eq!(*diary.lock().unwrap(), ["manager starts", "manager stops"]);
    assert!(second.leave(&pb::LeaveRequest::default()).await.is_err());
    second.leave(&FORCE).await.unwrap();
    assert!(NodeState::load(first.root.path()).unwrap().is_none());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_by_the_manager_too() {
    let mut bench = bench(Fake::default());
    bench.node.init(&pb::InitRequest::default()).await.unwrap();
    bench.done();
    let mut renewed = bench.node.member.as_ref().unwrap().identity.clone();
    renewed.certificate_pem = "another".into();
    bench.node.identify(renewed);
    assert_eq!(bench.done(), ["manager shows the new certificate"]);
    assert_eq!(bench.node.member.unwrap().identity.certificate_pem, "another");
}

fn calling(member: Option<u64>) -> Option<Calling> {
    let role = if member.is_some() { Role::Manager } else { Role::Worker };
    let highest = member.unwrap_or(9);
    let seat = Seat { member, highest };
    Some(Calling { role, seat })
}

fn join_request() -> pb::JoinRequest {
    let token = model::JoinToken {
        digest: [1; 32],
        secret: [2; 16],
    };
    pb::JoinRequest {
        token: token.to_string(),
        remote_addr: "192.0.2.9:2377".into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_manager_that_stops_is_answered_for_as_a_worker() {
    let fake = Fake {
        joins_as_manager: true,
        ..Fake::default()
    };
    let called = fake.calling.clone();
    let mut bench = bench(fake);
    called.send_replace(calling(Some(2)));
    bench.node.join(&join_request()).await.unwrap();
    let member = bench.node.member.as_mut().unwrap();
    member.manager = None;
    assert!(member.lacks_manager() && member.role_error.is_empty());
    bench.node.publish();
    assert!(matches!(&*bench.door.borrow(), Door::Closed(why) if why == WORKER));
}

#[tokio::test]
async fn a_node_that_joins_as_a_manager_starts_one_and_a_demoted_one_forgets_it_but_keeps_its_agent() {
    let fake = Fake {
        joins_as_manager: true,
        ..Fake::default()
    };
    let called = fake.calling.clone();
    let mut bench = bench(fake);
    called.send_replace(calling(Some(2)));
    let joined = bench.node.join(&join_request()).await.unwrap();
    assert_eq!(joined.role(), pb::Role::Manager);
    assert_eq!(bench.done(), ["agent starts", "manager joins raft"]);
    let place = || NodeState::load(bench.root.path()).unwrap().unwrap();
    assert!(matches!(*bench.door.borrow(), Door::Open(_)) && place().manager);

    let raft = bench.root.path().join("raft");
    std::fs::create_dir(&raft).unwrap();
    called.send_replace(calling(None));
    let wanted = bench.node.called().await;
    bench.node.follow(wanted).await;
    assert_eq!(bench.done(), ["agent keeps its key in clear", "manager stops"]);
    assert!(!raft.exists());
    assert!(matches!(&*bench.door.borrow(), Door::Closed(why) if why == WORKER));
    assert!(!place().manager && bench.node.member.is_some());

    // Promoted, demoted and promoted again while nobody looked: another member of raft.
    called.send_replace(calling(Some(3)));
    let wanted = bench.node.called().await;
    bench.node.follow(wanted).await;
    called.send_replace(calling(Some(4)));
    let wanted = bench.node.called().await;
    bench.node.follow(wanted).await;
    let done = [
        "manager joins raft",
        "agent keeps its key in clear",
        "manager stops",
        "manager joins raft",
    ];
    assert_eq!(bench.done(), done);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_cannot_start_is_tried_again_and_the_node_says_why() {
    let fake = Fake::default();
    let (called, fails) = (fake.calling.clone(), fake.manager_fails.clone());
    let mut bench = bench(Fake {
        joins_as_manager: true,
        ..fake
    });
    called.send_replace(calling(Some(2)));
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let late = bench.node.join(&join_request()).await.unwrap_err();
    assert!(late.words.contains("continue in the background"), "{}", late.words);
    let member = bench.node.member.clone().unwrap();
    assert!(member.role_error.contains("the port is taken"), "{}", member.role_error);
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    let wanted = bench.node.called().await;
    bench.node.follow(wanted).await;
    let member = bench.node.member.clone().unwrap();
    assert!(member.role_error.is_empty() && member.manager.is_some());
}

#[tokio::test]
async fn a_manager_that_cannot_start_again_keeps_nothing_else_of_its_node_from_going_on() {
    let mut first = bench(Fake::default());
    first.node.init(&pb::InitRequest::default()).await.unwrap();
    first.node.stop().await;
    let mut second = bench(Fake::default());
    second.node.data_root = first.root.path().to_owned();
    let fake = Fake::default();
    let (fails, called, diary) = (fake.manager_fails.clone(), fake.calling.clone(), fake.diary.clone());
    second.node.parts = Arc::new(fake);
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    second.node.resume(None).await;
    assert!(matches!(&*second.standing.borrow(), Standing::Active(m) if m.role_error.contains("damaged")));
    assert!(matches!(&*second.door.borrow(), Door::Closed(why) if why.contains("the log is damaged")));
    assert!(
        second.node.leave(&pb::LeaveRequest::default()).await.is_err(),
        "its log may be all there is"
    );
    // Named as the member that it was it must not begin anew.
    called.send_replace(calling(Some(1)));
    let wanted = tokio::time::timeout(Duration::from_millis(50), second.node.called()).await;
    assert!(wanted.is_err());
    // Another raft id says that raft has let that one go.
    called.send_replace(calling(Some(2)));
    let wanted = second.node.called().await;
    assert_eq!(wanted.seat.member, Some(2));
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    second.node.restart_manager().await;
    assert!(matches!(*second.door.borrow(), Door::Open(_)) && !second.node.may_start_manager());
    assert_eq!(*diary.lock().unwrap(), ["agent starts", "manager starts"]);
}

#[tokio::test(start_paused = true)]
async fn a_daemon_tries_by_itself_until_its_manager_starts() {
    let mut first = bench(Fake::default());
    first.node.init(&pb::InitRequest::default()).await.unwrap();
    first.node.stop().await;
    let fake = Fake::default();
    let fails = fake.manager_fails.clone();
    fails.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut second = bench(fake);
    second.node.data_root = first.root.path().to_owned();
    let (_orders, taken) = mpsc::channel(1);
    let daemon = tokio::spawn(second.node.run(taken));
    sleep(Duration::from_secs(60)).await;
    assert!(matches!(&*second.door.borrow(), Door::Closed(why) if why.contains("the log is damaged")));
    fails.store(false, std::sync::atomic::Ordering::Relaxed);
    sleep(Duration::from_secs(10)).await;
    assert!(
        matches!(*second.door.borrow(), Door::Open(_)),
        "nobody had to ask for it"
    );
    daemon.abort();
}
